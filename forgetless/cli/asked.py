"""What `run`, `compare` and `config` are told: the same flags, parsed once, made into cells."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import SettingsError
from ..settings.defaults import stream_values
from ..settings.fields import MethodFacts, method_facts, method_names
from ..settings.names import parse_stream
from ..settings.places import runs_folder
from ..settings.schema import Flag, method_flags, shared_flags
from ..settings.settings import Settings
from .parser import Command, Group, Word, lone_words, parse, value_of

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


@dataclass(frozen=True)
class Asked:
    """A command of `run`, `compare` or `config`."""

    methods: tuple[str, ...]
    stream: str
    given: dict[str, Any]  # settings, as texts
    own: frozenset[str]  # names of the settings that some of the methods have for themselves
    options: dict[str, str]  # what is no setting: preset, config, data, ...
    switches: frozenset[str]

    @property
    def data(self) -> Path | None:
        """The data root that was named, if one was."""
        return Path(self.options["data"]).expanduser() if "data" in self.options else None

    @property
    def runs(self) -> Path:
        """Where run folders go."""
        return runs_folder(self.options.get("runs"))

    def count(self, name: str) -> int | None:
        """A number among the options, at least 1.

        Raises:
            SettingsError: it is not such a number.
        """
        text = self.options.get(name)
        if text is None:
            return None
        if not text.isdecimal() or not 0 < int(text) < 100_000:
            raise SettingsError(f"{name}: {text} is not possible; it must be a whole number above 0.")
        return int(text)

    def cells(self, jobs: int) -> list[Settings]:
        """The settings of every run that is asked for: methods within scenarios, seeds innermost.

        Raises:
            SettingsError: some cannot be; each problem is told once.
        """
        from ..settings.resolve import resolve

        cells: list[Settings] = []
        problems: dict[str, None] = {}
        for scenario in self._scenarios:
            for method in self.methods:
                preset = None if (method, scenario) in self.left_alone else self.options.get("preset")
                others = self.own - set(method_flags(method_facts(method)))
                for seed in self._seeds():
                    given = self._given(scenario) | seed
                    try:
                        cells.append(
                            resolve(
                                method, self.stream, given, preset=preset, config=self._config,
                                jobs=jobs, others=others,
                            )
                        )  # fmt: skip
                    except SettingsError as error:
                        problems[str(error)] = None
        if problems:
            raise SettingsError("\n".join(problems))
        return cells

    @cached_property
    def left_alone(self) -> tuple[tuple[str, str], ...]:
        """Methods and scenarios for which the preset has nothing, where it has something for others."""
        from ..settings.resolve import concerns

        if (preset := self.options.get("preset")) is None:
            return ()
        every = [(method, scenario) for method in self.methods for scenario in self._scenarios]
        found = tuple(
            (method, scenario)
            for method, scenario in every
            if not concerns(preset, method, self.stream, self._given(scenario), self._config)
        )
        return found if len(found) < len(every) else ()

    @property
    def _scenarios(self) -> list[str]:
        return [part.strip() for part in str(self.given.get("scenario", "")).split(",")]

    @property
    def _config(self) -> Path | None:
        return Path(self.options["config"]).expanduser() if "config" in self.options else None

    def _given(self, scenario: str) -> dict[str, Any]:
        return self.given | ({"scenario": scenario} if scenario else {})

    def _seeds(self) -> list[dict[str, int]]:
        count = self.count("seeds")
        if count is not None and "seed" in self.given:
            raise SettingsError(
                "Both --seed and --seeds were given. --seeds N runs the seeds 0 to N-1; leave one out."
            )
        return [{}] if count is None else [{"seed": seed} for seed in range(count)]


def read_run(verb: str, argv: Sequence[str], examples: Sequence[str], about: str) -> Asked:
    """What a command of the shape `VERB METHOD STREAM` asks for; either may stand in the file of --config.

    Raises:
        SettingsError: an unknown method, stream or flag, or a word that is missing.
    """
    words = lone_words(argv, SWITCHES)
    method = words[0] if words else _from_file(argv, "method")
    stream = words[1] if len(words) > 1 else _from_file(argv, "stream")
    facts = [method_facts(method)] if method else []
    command = Command(
        " ".join([verb, *([method] if method else [])]),
        f"{about}\n\n{facts[0].doc}" if facts else about,
        (
            Word("method", f"{', '.join(method_names())}; or your own file, ./mine.py"),
            Word("stream", "a name of `forgetless list streams`, with /T for T tasks; or a folder of images"),
        ),
        command_groups(facts),
        SWITCHES,
        examples,
        shown=_shown(stream, facts),
    )
    return _asked(command, parse(command, argv), [method] if method else [], stream, facts)


def read_compare(argv: Sequence[str], examples: Sequence[str], about: str) -> Asked:
    """What a command of the shape `compare METHOD... --on STREAM` asks for.

    Raises:
        SettingsError: an unknown method, stream or flag, or a word that is missing.
    """
    methods = lone_words(argv, SWITCHES)
    stream = value_of(argv, "on") or _from_file(argv, "stream")
    facts = [method_facts(method) for method in methods]
    on = Group(
        "comparison",
        "What is compared.",
        {"on": Flag("on", str, None, "the stream, or a folder of images", "STREAM")},
    )
    command = Command(
        "compare",
        about,
        (Word("methods", f"of {', '.join(method_names())}; or files of your own", many=True),),
        (on, *command_groups(facts)),
        SWITCHES,
        examples,
        shown=_shown(stream, facts),
    )
    return _asked(command, parse(command, argv), methods, stream, facts)


def _asked(
    command: Command,
    values: dict[str, Any],
    methods: Sequence[str],
    stream: str | None,
    facts: list[MethodFacts],
) -> Asked:
    if not methods:
        raise SettingsError(
            f"Which method? `forgetless {command.name} METHOD ...`, with one of {', '.join(method_names())}, "
            "or a file of your own."
        )
    if not stream:
        raise SettingsError(
            f"Which stream? `forgetless list streams` shows them; `forgetless {command.name} ... "
            f"{'--on ' if command.name == 'compare' else ''}split-mnist` is one way to go on."
        )
    parse_stream(stream)
    settings = {*shared_flags(), *(field.name for fact in facts for field in fact.fields)}
    return Asked(
        tuple(methods),
        stream,
        {name: value for name, value in values.items() if name in settings},
        frozenset(field.name for fact in facts for field in fact.fields),
        {name: value for name, value in values.items() if name in OURS},
        frozenset(name for name in SWITCHES if name in values),
    )


def command_groups(facts: Sequence[MethodFacts]) -> list[Group]:
    """The methods' own flags, then those that all share. A flag of several methods is for all that have it."""
    groups, taken = [], set[str]()
    for fact in facts:
        flags = {name: flag for name, flag in method_flags(fact).items() if name not in taken}
        taken |= set(flags)
        if flags:
            title = f"{fact.name}_method" if fact.name in (*_PARTS, "forgetless", "comparison") else fact.name
            groups.append(Group(title, fact.summary, flags))
    shared = shared_flags()
    groups += [Group(title, about, {n: shared[n] for n in names}) for title, (about, names) in _PARTS.items()]
    return [*groups, Group("forgetless", "What is kept where, and how many at once.", OURS)]


def _shown(stream: str | None, facts: Sequence[MethodFacts]) -> dict[str, str]:
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


def _from_file(argv: Sequence[str], key: str) -> str | None:
    """The method or stream that the file of --config names, if there is one and it does."""
    config = value_of(argv, "config")
    if config is None:
        return None
    from ..settings.reading import read_mapping

    values = read_mapping(Path(config).expanduser())
    value = (values.get("method_file") if key == "method" else None) or values.get(key)
    return str(value) if value else None
