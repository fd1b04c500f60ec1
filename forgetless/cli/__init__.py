"""The command line: verbs, each in a module that is imported when it is asked for. Nothing here needs torch."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from ..errors import ForgetlessError, SettingsError
from ..version import __version__

# verb -> (module, what follows it, what it does)
VERBS = {
    "demo": ("demo", "", "see a network forget, and LwF cure part of it; under a minute"),
    "list": ("listing", "[KIND]", "methods, streams, models, metrics, presets"),
    "run": ("run", "METHOD STREAM", "teach one stream by one method"),
    "compare": ("compare", "METHOD... --on STREAM", "several methods, scenarios and seeds in one table"),
    "resume": ("resume", "[RUN...]", "go on with what was interrupted"),
    "report": ("report", "[RUNS...] -o FILE", "one page, in one file, of what was run"),
    "certify": ("certify", "RUN", "prove that a run forgot nothing, to the bit"),
    "check": ("check", "METHOD|FILE.py|STREAM", "whether a method or a stream keeps the contract"),
    "inspect": ("inspect", "FOLDER", "what is wrong with a folder of images, before training"),
    "config": ("config", "METHOD STREAM", "every setting with its meaning, ready for --config"),
    "doctor": ("doctor", "", "torch, device, precision, threads, disk, data found"),
    "completion": ("completion", "SHELL", "the script that completes commands in bash or zsh"),
}

_EXAMPLES = """\
Try:
  forgetless demo
  forgetless run lwf split-mnist
  forgetless compare finetune lwf joint --on split-mnist --scenario task,class --seeds 3
  forgetless report -o report.html

`forgetless VERB --help` says more, `forgetless run METHOD --help` what a method can be told.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the words ask for; the exit code. 0 done, 2 usage or settings, 3 data, 4 diverged, 5 storage, ..."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(words)
    except ForgetlessError as error:
        if os.environ.get("FORGETLESS_DEBUG") == "1":
            raise
        print(f"forgetless: {printable(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("forgetless: stopped at once, as asked twice.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, such as `head`, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview(), end="")
        return 0
    if words[0] in ("--version", "-V"):
        print(f"forgetless {__version__}")
        return 0
    if words[0] not in VERBS:
        raise SettingsError(_unknown(words[0]))
    module = import_module(f".{VERBS[words[0]][0]}", __package__)
    try:
        return int(module.main(words[1:]))
    except SystemExit as end:  # help was shown, or a word was not understood, and that has been said
        return int(end.code or 0)


def overview() -> str:
    """The text of `forgetless --help`."""
    width = max(len(f"{verb} {rest}") for verb, (_, rest, _) in VERBS.items()) + 2
    lines = [f"  {verb + ' ' + rest:<{width}}{about}" for verb, (_, rest, about) in VERBS.items()]
    head = "usage: forgetless VERB ...\n\nTeach a neural network new things without it forgetting the old ones.\n\n"
    return head + "\n".join(lines) + "\n\n" + _EXAMPLES


def printable(text: str) -> str:
    """A message without characters that would control a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def _unknown(word: str) -> str:
    from difflib import get_close_matches

    if word.startswith("-"):
        return f"{word}: flags come after the verb, as in `forgetless run lwf split-mnist {word}`."
    near = get_close_matches(word, VERBS, n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return f"There is no verb {word!r}. {hint}Verbs: {', '.join(VERBS)}."
