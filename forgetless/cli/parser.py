"""Words of a command line to named texts: tyro over a dataclass made for the one command. No torch.

All values stay texts here; `settings.resolve` checks them, so that a flag, a key of a file and an argument in
Python are refused with the same sentence.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, make_dataclass
from typing import Annotated, Any, Optional

from ..errors import SettingsError
from ..settings.names import closest
from ..settings.schema import Flag
from ..settings.types import describe, parts

TEXT = Optional[str]  # noqa: UP045 - tyro checks a default against `str | None` by a library that takes 0.2 s to import


@dataclass(frozen=True)
class Word:
    """A word that stands by itself, METHOD or STREAM."""

    name: str
    help: str
    many: bool = False


@dataclass(frozen=True)
class Group:
    """Flags that help shows together, in a box of their own where they have a title."""

    title: str
    about: str
    flags: Mapping[str, Flag]


def plain_flags(*flags: Flag) -> tuple[Group, ...]:
    """Flags of a small command, in no box of their own."""
    return (Group("", "", {flag.name: flag for flag in flags}),)


@dataclass(frozen=True)
class Command:
    """One command: what its help says and what it can be told."""

    name: str  # as typed: "run lwf"
    about: str
    words: Sequence[Word] = ()
    groups: Sequence[Group] = ()
    switches: Mapping[str, str] = field(default_factory=dict)  # name -> meaning; given or not
    examples: Sequence[str] = ()
    short: Mapping[str, str] = field(default_factory=dict)  # name -> "-o"
    shown: Mapping[str, str] = field(default_factory=dict)  # name -> the default as help shows it

    @property
    def flags(self) -> dict[str, Flag]:
        """All flags that take a value."""
        return {name: flag for group in self.groups for name, flag in group.flags.items()}


def parse(command: Command, argv: Sequence[str]) -> dict[str, Any]:
    """What was given, by name: texts, tuples for words that may be many, True for switches.

    Raises:
        SettingsError: a flag that the command does not have.
        SystemExit: help was asked for, or tyro has said what is wrong.
    """
    import tyro

    argv = _spelled_out(command, argv)
    _refuse_unknown(command, argv)
    try:
        made = tyro.cli(
            dataclass_of(command),
            prog=f"forgetless {command.name}",
            args=argv,
            config=(tyro.conf.OmitArgPrefixes,),
        )
    except SystemExit as end:
        if not end.code and command.examples:
            print("\nExamples:\n" + "\n".join(f"  {line}" for line in command.examples))
        raise
    flat: dict[str, Any] = {}
    for name, value in asdict(made).items():
        flat |= value if isinstance(value, dict) else {name: value}
    return {name: value for name, value in flat.items() if value not in (None, False, ())}


def dataclass_of(command: Command) -> type[Any]:
    """The dataclass that tyro makes a parser and its help of."""
    import tyro
    from typing_extensions import Doc

    fields: list[Any] = []
    for word in command.words:
        kind: Any = tuple[str, ...] if word.many else TEXT
        mark = tyro.conf.arg(metavar=word.name.upper(), help_behavior_hint="")
        default = () if word.many else None
        positional: Any = tyro.conf.Positional
        fields.append((word.name, positional[Annotated[kind, Doc(word.help), mark]], default))
    for group in command.groups:
        inner = [_field(flag, command) for flag in group.flags.values()]
        if group.title:
            made = make_dataclass(group.title, inner, frozen=True)
            made.__doc__ = group.about
            inner = [(group.title, made, field(default_factory=made))]
        fields += inner
    for name, meaning in command.switches.items():
        kind = Annotated[
            bool, Doc(meaning), tyro.conf.FlagCreatePairsOff, tyro.conf.arg(help_behavior_hint="")
        ]
        fields.append((name, kind, False))
    made = make_dataclass("Command", fields, frozen=True)
    made.__doc__ = command.about
    return made


def _field(flag: Flag, command: Command) -> tuple[str, Any, None]:
    """A field of the dataclass for a flag that takes a value."""
    import tyro
    from typing_extensions import Doc

    default = command.shown.get(flag.name, "")
    mark = tyro.conf.arg(
        metavar=flag.metavar or describe(flag.type),
        help_behavior_hint=f"(default: {default})" if default else "",
        aliases=[command.short[flag.name]] if flag.name in command.short else None,
    )
    return flag.name, Annotated[TEXT, Doc(flag.help), mark], None


def lone_words(argv: Sequence[str], switches: Collection[str]) -> list[str]:
    """The words that are no flags and no flags' values, as far as that can be told before the flags are known."""
    words, skip = [], False
    for word in argv:
        if skip:
            skip = False
        elif word.startswith("-"):
            name = _name(word)
            skip = "=" not in word and name not in switches and not name.startswith("no_")
        else:
            words.append(word)
    return words


def value_of(argv: Sequence[str], name: str) -> str | None:
    """The value of a flag in words that have not been parsed, the last one where it is given twice."""
    found = None
    for i, word in enumerate(argv):
        if word.startswith("--") and _name(word) == name:
            found = word.partition("=")[2] if "=" in word else (argv[i + 1] if i + 1 < len(argv) else None)
    return found


def _name(word: str) -> str:
    return word.lstrip("-").partition("=")[0].replace("-", "_")


def _spelled_out(command: Command, argv: Sequence[str]) -> list[str]:
    """`--augment` and `--no-augment` with their values, where a truth value is wanted."""
    truths = {name for name, flag in command.flags.items() if bool in parts(flag.type)}
    words = []
    for i, word in enumerate(argv):
        name = _name(word) if word.startswith("--") and "=" not in word else ""
        following = argv[i + 1].lower() if i + 1 < len(argv) else ""
        if name.startswith("no_") and name[3:] in truths:
            words.append(f"--{name[3:]}=false")
        elif name in truths and following not in (
            "true",
            "false",
            "yes",
            "no",
            "on",
            "off",
            "0",
            "1",
            "none",
        ):
            words.append(f"--{name}=true")
        else:
            words.append(word)
    return words


def _refuse_unknown(command: Command, argv: Sequence[str]) -> None:
    known = {*command.flags, *command.switches, "help"}
    for word in argv:
        if word.startswith("--") and _name(word) not in known:
            raise SettingsError(
                f"`forgetless {command.name}` has no flag {word.partition('=')[0]}."
                f"{closest(_name(word), known).replace('_', '-')} `forgetless {command.name} --help` lists them."
            )
