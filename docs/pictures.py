"""The methods' pictures: small runs on scikit-learn's digits, drawn by the report's own figures."""

import hashlib
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from markupsafe import Markup

from forgetless.record import Run
from forgetless.report import pictures
from forgetless.report.groups import CEILING, FLOOR, Section, sections_of
from forgetless.report.palette import colours_of, heat_rules
from forgetless.report.picture import Picture
from forgetless.report.pictures import all_pictures
from forgetless.settings.fields import method_facts, method_names
from forgetless.settings.places import available_cores
from forgetless.settings.resolve import resolve
from forgetless.settings.settings import Settings
from forgetless.sweep import run_many

from .methods import NETWORKS, STREAM

PACKAGE = Path(pictures.__file__).parent.parent
SEEDS = 3
DEMO = ("finetune", "lwf", "joint")
SCENARIOS = ("class", "task", "domain")  # the first in which a method is defined is shown
CONVOLUTIONS = {"epochs": 10.0}  # they take their time: half the epochs, and one seed
COLUMN = 460  # pixels; a picture that is wider has the page's width
IMAGES = 2  # whose attention maps are shown
TOLD = "domain"  # the scenario of the trade-off: told the task, digits are too easy to have one
WEIGHED = {  # what weighs old tasks against new ones, and the weights of the trade-off curve
    "lwf": ("weight", (0.1, 0.3, 1.0, 3.0, 10.0)),
    "lfl": ("weight", (0.02, 0.2, 2.0)),
    "l2_anchor": ("alpha", (0.005, 0.05, 0.5)),
    "ewc": ("strength", (10.0, 100.0, 1000.0)),
}
NOT_OF_RUNS = ("cli", "report", "checks")  # parts of the program that no run's numbers depend on

Cell = tuple[str, str, str]  # method, scenario, network ("" for the stream's own)


def left_out(name: str) -> str:
    """What stands on a page that is built without pictures."""
    return f"*Left out of this build: `make docs` runs {name} and draws them.*"


class Pictures:
    """Runs of every method, made once for a state of the program and kept beside the pages that are built."""

    def __init__(self, folder: Path) -> None:
        kept = folder / "runs" / _state_of_program()
        for old in folder.glob("runs/*"):
            if old != kept:
                shutil.rmtree(old)
        cells = {cell: settings(cell) for cell in wanted()}
        flat = [one for several in cells.values() for one in several]
        found = run_many([*flat, *over_weights()], jobs=min(2, available_cores()), runs=kept)
        self.weighed = found[len(flat) :]
        given = iter(found)
        self.runs: dict[Cell, list[Run]] = {
            cell: [next(given) for _ in several] for cell, several in cells.items()
        }

    def of_method(self, name: str, *, alone: bool = True) -> str:
        """A method between floor and ceiling, in its first scenario; with what is shown of it alone, or without."""
        scenario, network = shown(name)
        cells = dict.fromkeys((who, scenario, network) for who in (FLOOR, name, CEILING))
        (section,) = sections_of([run for cell in cells for run in self.runs[cell]])
        about = (
            f"{STREAM} in the {scenario} scenario, {section.groups[0].status}, "
            f"{network or section.groups[0].runs[0].settings['model']}: made when this page was built to "
            "show what a run looks like; figures to judge by are recorded ones."
        )
        spread = " Bands and whiskers are one standard deviation." * (not network)
        shown_too = [self.trade_off()] if alone and name in WEIGHED else []
        return f"{about}{spread}\n\n{drawn(section, name if alone else '', shown_too)}"

    def trade_off(self) -> Picture:
        """What old tasks keep and new ones reach, each method over its weight; one seed."""
        (section,) = sections_of(self.weighed)
        found = all_pictures(section, colours_of(section.groups))
        (picture,) = [one for one in found if one.name == "trade-off"]
        return replace(picture, caption=f"{picture.caption} The {TOLD} scenario, one seed.")

    def of_demo(self) -> list[Run]:
        """The runs of `forgetless demo`."""
        return [
            run for scenario in ("task", "class") for name in DEMO for run in self.runs[name, scenario, ""]
        ]

    def of_cell(self, cell: Cell) -> list[Run]:
        """The runs of one method in one scenario."""
        return self.runs[cell]


def wanted() -> list[Cell]:
    """Each method in the scenario in which it is shown, with floor and ceiling, and the demo's."""
    cells: dict[Cell, None] = {(name, scenario, ""): None for scenario in ("task", "class") for name in DEMO}
    for name in method_names():
        scenario, network = shown(name)
        cells |= dict.fromkeys((who, scenario, network) for who in (FLOOR, name, CEILING))
    return list(cells)


def shown(name: str) -> tuple[str, str]:
    """The scenario and the network in which a method's pictures show it."""
    scenarios = method_facts(name).scenarios
    return next(one for one in SCENARIOS if one in scenarios), NETWORKS.get(name, "")


def settings(cell: Cell) -> list[Settings]:
    """One for each seed; on one thread, as runs side by side are."""
    name, scenario, network = cell
    given = {"scenario": scenario} | ({"model": network} | CONVOLUTIONS if network else {})
    seeds = range(1 if network else SEEDS)
    return [resolve(name, STREAM, given | {"seed": seed}, jobs=2) for seed in seeds]


def over_weights() -> list[Settings]:
    """One run for each weight of each method that has one, and floor and ceiling."""
    values = [(name, {knob: value}) for name, (knob, several) in WEIGHED.items() for value in several]
    return [
        resolve(name, STREAM, {"scenario": TOLD, "seed": 0} | own, jobs=2)
        for name, own in [*values, (FLOOR, {}), (CEILING, {})]
    ]


def drawn(section: Section, name: str, more: Sequence[Picture] = ()) -> str:
    """The report's pictures of a section on one line, for Markdown ends a block of HTML at an empty one.

    Those that compare rows, and those of the method named; without a name only the first two.
    """
    found = all_pictures(section, colours_of(section.groups))
    others = {group.label for group in section.groups if group.method != name}
    kept = [one for one in found if _belongs(one, others)] if name else found[:2]
    return f'<div class="drawn">{Markup("").join(map(_figure, [*kept, *more]))}</div>'


def _belongs(picture: Picture, others: set[str]) -> bool:
    """Whether it is not of another method alone, nor one of many images' maps."""
    kind, _, about = picture.name.partition(" ")
    return int(about) <= IMAGES if kind == "attention" else about not in others


def _figure(picture: Picture) -> Markup:
    found = re.search(r'viewBox="0 0 ([\d.]+)', picture.svg)
    wide = Markup(' class="wide"') if found and float(found[1]) > COLUMN else ""
    keys = Markup("").join(Markup("<li>{}{}</li>").format(swatch, name) for name, swatch in picture.keys)
    legend = Markup('<ul class="keys">{}</ul>').format(keys) if keys else ""
    return Markup(
        '<figure{}><figcaption>{}<span>{}</span></figcaption><div class="scroll">{}</div>{}</figure>'
    ).format(wide, picture.title, picture.caption, picture.svg, legend)


def style() -> str:
    """The report's style sheet for what is drawn, with the page's choice of light or dark in place of the system's."""
    text = (PACKAGE / "report" / "templates" / "style.css").read_text("utf-8")
    light, dark = (
        _without_scheme(found) for found in re.findall(r":root \{(.*?)\n *\}", text, re.DOTALL)[:2]
    )
    heat_light, _, heat_dark = heat_rules().partition("@media screen and (prefers-color-scheme:dark){")
    rules = [line for line in text.splitlines() if re.match(r"(svg|figure|figcaption|\.[a-z]|code)", line)]
    drawn_rules = "\n".join(rules)
    dark += "\n" + heat_dark.removesuffix("}")
    return (
        f".drawn {{\n{light}\n{heat_light}\n{drawn_rules}\n}}\n"
        f'body[data-theme="dark"] .drawn {{\n{dark}\n}}\n'
        f'@media (prefers-color-scheme: dark) {{ body:not([data-theme="light"]) .drawn {{\n{dark}\n}} }}\n'
    )


def _without_scheme(rules: str) -> str:
    return re.sub(r"color-scheme:.*?;", "", rules).strip()


def _state_of_program() -> str:
    """A hash of the sources on which runs depend: pictures of another state are made anew."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] not in NOT_OF_RUNS:
            digest.update(path.relative_to(PACKAGE).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:12]
