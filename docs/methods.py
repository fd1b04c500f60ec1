"""A page for each registered method: its box, its fields, how to run it, our figures, its pictures, differences."""

import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from forgetless.methods import METHODS
from forgetless.settings.catalog import find_stream
from forgetless.settings.fields import MethodFacts, MethodField, method_facts, method_names
from forgetless.settings.presets import PRESETS
from forgetless.settings.types import describe

from . import figures
from .markdown import block, code, prose, table

HERE = Path(__file__).parent
DIFFERENCES = HERE / "differences"
PAGES = HERE / "method"
STREAM = "split-digits"  # comes with scikit-learn: every command on the pages works without a download
NETWORKS = {"lwm": "lenet"}  # of methods that a multilayer perceptron does not suit
_YEAR = re.compile(r"\b(19|20)\d\d\b")
_ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5}(?:v\d+)?)")


def write_pages(pictures: Callable[[str], str]) -> None:
    """Write `method/NAME.md` for every method and `method/index.md`, and remove pages of methods that are gone."""
    PAGES.mkdir(exist_ok=True)
    pages = {name: page(method_facts(name), pictures(name)) for name in method_names()} | {"index": index()}
    for old in PAGES.glob("*.md"):
        if old.stem not in pages:
            old.unlink()
    for name, text in pages.items():
        path = PAGES / f"{name}.md"
        if not path.exists() or path.read_text("utf-8") != text:  # what is as it was is not built again
            path.write_text(text, "utf-8")


def index() -> str:
    """The page that lists all methods: those of papers first, then the baselines."""
    facts = sorted(map(method_facts, method_names()), key=lambda one: (not citation(one.doc), one.name))
    rows = [(f"[`{one.name}`]({one.name}.md)", ", ".join(one.scenarios), prose(one.summary)) for one in facts]
    names = "\n".join(f"{one.name} <{one.name}>" for one in facts)
    return (
        "# Methods\n\nOne page for each, made from its source: the algorithm as the paper has it, what can be set, "
        "our figures, its pictures, and where we differ from the paper. *Scenarios* are those in which the method "
        "is defined; in the others it is refused with a sentence.\n\n"
        f"{table(('method', 'scenarios', 'what it does'), rows)}\n\n"
        f"```{{toctree}}\n:hidden:\n\n{names}\n```\n"
    )


def page(facts: MethodFacts, pictures: str) -> str:
    """One method's page."""
    title, _, idea = facts.title.rstrip(".").partition(": ")
    parts = [
        f"# {prose(title)}",
        f"`{facts.name}`: {prose(facts.summary[:1].lower() + facts.summary[1:])}",
        prose(f"{idea[:1].upper()}{idea[1:]}.") if idea else "",
        *algorithm(facts.doc),
        "## Where it is defined",
        where(facts),
        "## What can be set",
        fields(facts),
        "## Run it",
        *how(facts),
        "## Our figures",
        figures.of_method(facts.name),
        "## Pictures",
        pictures,
        "## Where we differ from the paper",
        differences(facts.name),
        "## The source",
        _source(facts.path),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def algorithm(doc: str) -> Iterator[str]:
    """The module's docstring without its title: prose as prose, the algorithm box as it stands."""
    about = citation(doc)
    for part in _parts(doc):
        text = textwrap.dedent(part)
        if text == about:
            yield _cited(text)
        else:
            yield block(text) if part.startswith("    ") else prose(" ".join(text.split()))


def citation(doc: str) -> str:
    """The papers that a docstring names under its title; empty for a baseline that has none."""
    parts = _parts(doc)
    first = parts[0] if parts else ""
    return textwrap.dedent(first) if first.startswith("    ") and _YEAR.search(first) else ""


def _parts(doc: str) -> list[str]:
    """A docstring's blocks below its title; a box with an empty line in it is one block."""
    parts: list[str] = []
    for part in re.split(r"\n\s*\n", doc.partition("\n")[2].strip("\n")):
        boxed = part.startswith("    ") and not _YEAR.search(part)
        if boxed and parts and parts[-1].startswith("    ") and not _YEAR.search(parts[-1]):
            parts[-1] += "\n\n" + part
        elif part.strip():
            parts.append(part)
    return parts


def _cited(text: str) -> str:
    """The papers as a quotation, arXiv's numbers as links."""
    lines = " ".join(line.strip() for line in text.splitlines())
    linked = _ARXIV.sub(r"[arXiv:\1](https://arxiv.org/abs/\1)", prose(lines))
    return f"> {linked}"


def where(facts: MethodFacts) -> str:
    """In which scenarios, and what it must be told or keeps."""
    others = [name for name in ("task", "class", "domain") if name not in facts.scenarios]
    lines = [f"In the {_scenarios(facts.scenarios)}."]
    if others:
        lines.append(f"In the {_scenarios(others)} it is refused with a sentence.")
    if facts.needs_task:
        lines.append("It must be told the task at test time.")
    if facts.needs_past:
        lines.append("It keeps the training data of all tasks: a line to compare with, not a rival.")
    if isolates := METHODS[facts.name].isolates:
        lines.append(
            f"What it learned cannot change in the {_scenarios(isolates)}: see [Certify](../certify.md)."
        )
    return " ".join(lines)


def fields(facts: MethodFacts) -> str:
    """A table of the method's own settings."""
    if not facts.fields:
        return (
            "Nothing of its own. What all methods share is on the page on [learning a stream](../learn.md)."
        )
    rows = []
    for field in facts.fields:
        symbol, meaning = symbol_of(field)
        default = "–" if field.default is None else code(_plain(field.default))
        rows.append((code(field.name), prose(symbol), code(describe(field.type)), default, prose(meaning)))
    return (
        "Numbers in brackets are places in the paper. As a flag `a_name` is `--a-name`; in Python and in files it "
        "is as written.\n\n"
        + "{.fields}\n"
        + table(("field", "symbol", "type", "default", "meaning, and where it is from"), rows)
    )


def symbol_of(field: MethodField) -> tuple[str, str]:
    """The paper's symbol with which a field's comment begins, and the rest of it."""
    first, _, rest = field.help.partition(" ")
    bare = first.rstrip(",:;")
    letter = len(bare) == 1 and bare.isalpha() and (first != bare or rest.startswith("("))
    greek = len(bare) <= 4 and not bare.isascii()
    return (bare, rest) if rest and (letter or greek) else ("", field.help)


def how(facts: MethodFacts) -> Iterator[str]:
    """Commands that work as they stand, and the presets that speak of the method."""
    yield block("\n".join(f"$ {line}" for line in commands(facts)), "console")
    known = [name for name, preset in PRESETS.items() if _speaks_of(facts.name, preset)]
    if known:
        names = ", ".join(f"`--preset {name}`" for name in known)
        yield f"Settings of papers for it: {names}; see [Settings of papers](../papers.md)."


def commands(facts: MethodFacts) -> list[str]:
    """A run, a comparison with floor and ceiling, the contract, and the help."""
    default = find_stream(STREAM).scenarios[0]
    scenario = "" if default in facts.scenarios else f" --scenario {facts.scenarios[0]}"
    network = f" --model {NETWORKS[facts.name]}" if facts.name in NETWORKS else ""
    rivals = " ".join(name for name in ("finetune", "joint") if name != facts.name)
    return [
        f"forgetless run {facts.name} {STREAM}{scenario}{network}",
        f"forgetless compare {rivals} {facts.name} --on {STREAM}{scenario}{network} --seeds 3",
        f"forgetless check {facts.name}",
        f"forgetless run {facts.name} --help",
    ]


def _speaks_of(name: str, preset: Any) -> bool:
    return name in preset.methods or any(method == name for method, _ in preset.where)


def differences(name: str) -> str:
    """What was written by hand on where we differ from the paper."""
    return (DIFFERENCES / f"{name}.md").read_text("utf-8").strip()


def without_differences() -> list[str]:
    """The methods of which nobody has written yet where they differ."""
    return [name for name in method_names() if not (DIFFERENCES / f"{name}.md").is_file()]


def _source(path: Path) -> str:
    text = block(path.read_text("utf-8"), "python")
    return f"<details><summary><code>forgetless/methods/{path.name}</code></summary>\n\n{text}\n\n</details>"


def _scenarios(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last} scenarios" if most else f"{last} scenario"


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
