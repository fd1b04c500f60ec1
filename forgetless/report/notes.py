"""What a reader must know of a method to read its row rightly. Plain data; add a line for a method of your own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .groups import Group, Section


@dataclass(frozen=True)
class Note:
    """A sentence on a method, said where it applies."""

    text: str
    scenarios: tuple[str, ...] = ("task", "class", "domain")
    when: dict[str, tuple[Any, ...]] = field(default_factory=dict)  # setting -> values for which it is true


NOTES: dict[str, tuple[Note, ...]] = {
    "finetune": (
        Note(
            "finetune does nothing against forgetting: it is the floor that every method should stay above."
        ),
    ),
    "joint": (
        Note(
            "joint is trained anew on the data of all tasks so far. It is the ceiling of the comparison, not a "
            "rival: it keeps all data, which its memory shows."
        ),
    ),
    "cumulative": (
        Note(
            "cumulative trains on the data of all tasks so far, going on from its last weights: it keeps all data."
        ),
    ),
    "lwf": (
        Note(
            "lwf takes its cross-entropy over the new labels alone by default, so the rows of the old labels are "
            "moved by distillation only. Published figures for LwF in the class scenario, such as 24 % on Split "
            "MNIST, may be of another form, which takes it over all labels seen and so pushes the old ones down at "
            "every step. `--preset vandeven` sets that form.",
            ("class",),
            {"scope": ("auto", "new", None)},
        ),
    ),
    "lwm": (
        Note(
            "lwm has no published figure that it can be held against: its paper gives neither β nor γ nor the "
            "optimiser nor the initial weights, has baselines that seem to be those of another network trained "
            "seven times as long, and begins at accuracies that pre-trained weights would explain. γ weighs a sum over "
            "the pixels of a map, so it means something else on maps of another size."
        ),
        Note(
            "With `attention=detached` lwm's attention has a value but no gradient, a fault of public code: what is "
            "learned is what γ = 0 learns.",
            when={"attention": ("detached",)},
        ),
        Note(
            "With `ld=printed` lwm's distillation is that of its paper's equation 1, which pushes the scores of all "
            "old classes up for ever.",
            when={"ld": ("printed",)},
        ),
    ),
}


def notes_for(sections: Sequence[Section], notes: dict[str, tuple[Note, ...]] = NOTES) -> list[str]:
    """The sentences that apply to these rows, each once, in order of appearance."""
    said = [
        note.text
        for section in sections
        for group in section.groups
        for note in notes.get(group.method, ())
        if section.scenario in note.scenarios and _true_of(note, group)
    ]
    return list(dict.fromkeys(said))


def _true_of(note: Note, group: Group) -> bool:
    return all(group.settings.get(key) in values for key, values in note.when.items())
