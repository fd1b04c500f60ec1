"""`forgetless completion SHELL`: the script that completes verbs and flags."""

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import SettingsError
from ..settings.fields import method_facts, method_names
from ..settings.names import closest
from .flags import SWITCHES, command_groups
from .parser import Command, Group, Word, dataclass_of, parse

SHELLS = ("bash", "zsh")
ABOUT = "Print the script that completes commands in a shell."
EXAMPLES = (
    "forgetless completion bash > ~/.local/share/bash-completion/completions/forgetless",
    "forgetless completion zsh > ~/.zfunc/_forgetless",
)


def main(argv: Sequence[str]) -> int:
    """Print the script."""
    command = Command("completion", ABOUT, (Word("shell", ", ".join(SHELLS)),), examples=EXAMPLES)
    shell = parse(command, argv).get("shell")
    if shell not in SHELLS:
        hint = closest(shell, SHELLS) if shell else ""
        raise SettingsError(f"Which shell?{hint} `forgetless completion {'|'.join(SHELLS)}`.")
    import tyro

    from . import VERBS

    commands: dict[str, Callable[..., Any]] = {
        verb: dataclass_of(_command(verb, about)) for verb, (_, _, about) in VERBS.items()
    }
    tyro.extras.subcommand_cli_from_dict(
        commands,
        prog="forgetless",
        args=["--tyro-print-completion", shell],
        config=(tyro.conf.OmitArgPrefixes,),
    )
    return 0


def _command(verb: str, about: str) -> Command:
    """What can be completed after a verb: for runs, the flags of every method."""
    if verb not in ("run", "compare", "config"):
        return Command(verb, about, (Word("words", "", many=True),))
    flags = {
        name: flag
        for group in command_groups([method_facts(method) for method in method_names()])
        for name, flag in group.flags.items()
    }
    return Command(verb, about, (Word("words", "", many=True),), [Group("", "", flags)], SWITCHES)
