"""What `run`, `compare` and `config` are told: the same flags, parsed once, made into cells."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from ..errors import SettingsError
from ..settings.fields import MethodFacts, method_facts, method_names
from ..settings.names import parse_stream
from ..settings.places import runs_folder
from ..settings.schema import Flag, method_flags, shared_flags
from ..settings.settings import Settings
from .flags import OURS, SWITCHES, command_groups, shown_defaults
from .parser import Command, Group, Word, lone_words, parse, value_of


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
        options: dict[str, Any] = {"config": self._config, "jobs": jobs}
        for scenario, method, seed in product(self._scenarios, self.methods, self._seeds()):
            left_alone = (method, scenario) in self.left_alone
            preset = None if left_alone else self.options.get("preset")
            others = self.own - set(method_flags(method_facts(method)))
            given = self._given(scenario) | seed
            try:
                cells.append(resolve(method, self.stream, given, preset=preset, others=others, **options))
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
        shown=shown_defaults(stream, facts),
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
        shown=shown_defaults(stream, facts),
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


def _from_file(argv: Sequence[str], key: str) -> str | None:
    """The method or stream that the file of --config names, if there is one and it does."""
    config = value_of(argv, "config")
    if config is None:
        return None
    from ..settings.reading import read_mapping

    values = read_mapping(Path(config).expanduser())
    value = (values.get("method_file") if key == "method" else None) or values.get(key)
    return str(value) if value else None
