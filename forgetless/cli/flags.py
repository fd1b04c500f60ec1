"""The flags of `run`, `compare` and `config`: those that are no settings, and how help puts all into groups."""

from collections.abc import Sequence
from typing import Any

from ..settings.defaults import stream_values
from ..settings.fields import MethodFacts
from ..settings.names import parse_stream
from ..settings.schema import Flag, method_flags, shared_flags
from .parser import Group

SWITCHES = {
    "fresh": "do not reuse a run of the same settings, finished or not",
    "json": "the result as JSON on standard output, and nothing else there",
    "quiet": "no progress",
}
OURS = {
    flag.name: flag
    for flag in (
        Flag("seeds", int, None, "as many runs, with the seeds 0 to N-1", "N"),
        Flag(
            "preset", str, None, "settings of a paper; flags overrule them; `forgetless list presets`", "NAME"
        ),
        Flag("config", str, None, "a YAML or TOML file of settings; flags overrule it", "FILE"),
        Flag("data", str, None, "the data root; FORGETLESS_DATA, else the user's cache", "DIR"),
        Flag("runs", str, None, "where run folders go; FORGETLESS_RUNS, else ./runs", "DIR"),
        Flag("jobs", int, None, "runs side by side, as processes of one thread each", "N"),
    )
}
_PARTS = {
    "training": (
        "How the network is trained on each task. Left out: the stream's own.",
        ("epochs", "steps", "batch", "lr", "optimizer", "momentum", "weight_decay", "schedule", "milestones",
         "step_factor", "patience", "lr_factor", "lr_floor", "keep", "precision", "threads"),
    ),
    "network": ("Which network. Left out: the stream's own.", ("model", "hidden", "head_layers", "widen")),
    "data": (
        "What is learned, in which order, and how it is looked at.",
        ("scenario", "seed", "tasks", "class_order", "validation", "limit", "later_limit", "augment", "padding",
         "mean", "std", "size"),
    ),
}  # fmt: skip
# what a group of a method's flags may not be called
_TITLES = {*_PARTS, *SWITCHES, "forgetless", "comparison", "method", "methods", "stream"}


def command_groups(facts: Sequence[MethodFacts]) -> list[Group]:
    """The methods' own flags, then those that all share. A flag of several methods is for all that have it."""
    groups, taken = [], set[str]()
    for fact in facts:
        flags = {name: flag for name, flag in method_flags(fact).items() if name not in taken}
        taken |= set(flags)
        if flags:
            title = f"{fact.name}_method" if fact.name in _TITLES else fact.name
            groups.append(Group(title, fact.summary, flags))
    shared = shared_flags()
    groups += [Group(title, about, {n: shared[n] for n in names}) for title, (about, names) in _PARTS.items()]
    return [*groups, Group("forgetless", "What is kept where, and how many at once.", OURS)]


def shown_defaults(stream: str | None, facts: Sequence[MethodFacts]) -> dict[str, str]:
    """Defaults as help shows them: the method's, and the stream's where one is named."""
    shown = {"seed": "0", "precision": "auto", "threads": "auto", "validation": "0"}
    shown |= {"head_layers": "1", "widen": "0"}
    shown |= {field.name: _text(field.default) for fact in facts for field in fact.fields}
    values = stream_values(parse_stream(stream)) if stream else {}
    return shown | {name: _text(value) for name, value in values.items() if value is not None}


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) or value is None else f"{value}"
