"""The README's picture and table, from `results/*.json`: `python -m benchmarks.readme`."""

import json
from pathlib import Path
from typing import Any

from .results import RESULTS

TOP = Path(__file__).parent.parent
START, END = "<!-- table: written by `python -m benchmarks.readme` -->\n", "<!-- end of table -->"
SHOWN = {"finetune": "fine-tuning", "lwf (its own defaults)": "LwF", "joint": "joint training, all data kept"}
OTHERS = (("ewc", "ewc", "ewc, online"), ("icarl", "icarl"))  # results, and which of their rows are shown too
PARTS = {"Permuted MNIST (domain)": "permuted-mnist-article", "Split MNIST (class)": "split-mnist"}
COLORS = ("#b3b3b3", "#0072b2", "#e69f00")  # told apart by all eyes


def main() -> None:
    """Write both."""
    found = json.loads((RESULTS / "split-mnist.json").read_text())
    rows = {(row["method"], row["scenario"]): row for row in found["rows"]}
    for name, *labels in OTHERS:
        other = json.loads((RESULTS / f"{name}.json").read_text())["rows"]
        rows |= {(row["method"], row["scenario"]): row for row in other if row["method"] in labels}
    _draw({name: _means(rows[name, "class"]) for name in SHOWN})
    readme = TOP / "README.md"
    before, _, rest = readme.read_text().partition(START)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{START}{_table(rows, found)}\n{_lwm()}\n{_wsn()}\n{_lfd()}{END}{after}")


def _means(row: dict[str, Any]) -> list[float]:
    """Mean accuracy on each task at the end, in per cent."""
    return [100 * sum(task) / len(task) for task in zip(*row["accuracy"], strict=True)]


def _draw(heights: dict[str, list[float]]) -> None:
    """Bars in groups, one group for each task."""
    tasks = len(next(iter(heights.values())))
    group, bar, base, scale = 148, 40, 236, 1.7
    parts, x = [], 24
    for name, color in zip(heights, COLORS, strict=True):
        parts.append(f'<rect x="{x}" y="14" width="13" height="13" fill="{color}"/>')
        parts.append(f'<text x="{x + 20}" y="25">{SHOWN[name]}</text>')
        x += 60 + 8 * len(SHOWN[name])
    for task in range(tasks):
        left = 24 + task * group
        parts.append(
            f'<text class="mid" x="{left + 1.5 * bar}" y="{base + 22}">digits {2 * task}, {2 * task + 1}</text>'
        )
        for number, values in enumerate(heights.values()):
            height, start = values[task] * scale, left + number * bar
            parts.append(
                f'<rect x="{start}" y="{base - height:.1f}" width="{bar - 4}" height="{height:.1f}" '
                f'fill="{COLORS[number]}"/>'
                f'<text class="mid" x="{start + bar / 2 - 2}" y="{base - height - 5:.1f}">{values[task]:.0f}</text>'
            )
    width = 24 + tasks * group
    caption = "accuracy in % on each task after all five were learned in turn (Split MNIST, class scenario)"
    parts.append(f'<text class="mid" x="{width / 2}" y="{base + 50}">{caption}</text>')
    (TOP / "docs").mkdir(exist_ok=True)
    (TOP / "docs" / "forgetting.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {base + 60}" width="{width}" role="img">\n'
        "<title>Accuracy in per cent on each of five tasks after all were learned, one after the other</title>\n"
        "<style>text { font: 14px sans-serif; fill: #222 } .mid { text-anchor: middle }</style>\n"
        '<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _table(rows: dict[tuple[str, str], dict[str, Any]], found: dict[str, Any]) -> str:
    lines = [
        "| Split MNIST, average accuracy in % | task | domain | class |",
        "| --- | --- | --- | --- |",
    ]
    for name in dict.fromkeys(method for method, _ in rows):
        cells = [_cell(rows.get((name, scenario))) for scenario in ("task", "domain", "class")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    n = next(iter(rows.values()))["n"]
    return (
        "\n".join(lines)
        + f"\n\nMean ± standard deviation of {n} seeds; in brackets what was published ({found['source']}). "
        + "ewc: Hsu et al.; icarl: van de Ven & Tolias 2019, arXiv 1904.07734. "
        + "Made by `python -m benchmarks.published split-mnist`, `ewc` and `icarl`.\n"
    )


def _lwm() -> str:
    """What looking at the same pixels is worth."""
    found = json.loads((RESULTS / "lwm-table.json").read_text())["rows"]
    rows = {
        row["method"].replace("lwm, gamma", "γ ="): row
        for row in sorted(found, key=lambda row: row["method"])
    }
    lines = [_line(["LwM over γ, CIFAR-100 (class), accuracy in %", *rows]), _line(["---"] * (len(rows) + 1))]
    for about, key in (
        ("average at the end", "final"),
        ("average over the way", "incremental"),
        ("first task, at the end", "first task, at the end"),
    ):
        lines.append(
            _line([about, *(f"{row[f'{key} %']:.2f} ± {row[f'{key} std']:.2f}" for row in rows.values())])
        )
    apart = [name for name, row in rows.items() if row["pairs"] not in (None, row["n"])]
    other = (
        f"; a seed of {' and of '.join(apart)} ran on another processor than that of γ = 0" if apart else ""
    )
    return (
        "\n".join(lines)
        + f"\n\nFive tasks of ten classes, 100 training images a class, ResNet-32, {found[0]['n']} seeds; γ = 0 leaves "
        f"the attention out, detached is a common fault of public code{other}. "
        "Which differences are found is on its page. Made by `python -m benchmarks.lwm_table`.\n"
    )


def _wsn() -> str:
    """What became of WSN's published figures."""
    about = {
        "permuted-mnist": "WSN on Permuted MNIST, as GPM and WSN cut it",
        "superclasses-misread": "WSN on the superclasses of CIFAR-100, their pixels out of place as published",
    }
    told = []
    for name, words in about.items():
        (row,) = json.loads((RESULTS / f"wsn-{name}.json").read_text())["rows"]
        told.append(
            f"{words}, c = {row['c']}: {_cell(row)}, {row['n']} seeds; its masks use {row['density %']:.1f} % of the "
            f"weights ({row['density, published %']:.1f}); backward transfer, measured: {row['backward transfer']}. "
            f"Made by `python -m benchmarks.wsn_table {name}`.\n"
        )
    return "\n".join(told)


def _lfd() -> str:
    """What each part of LFD + EP is worth."""
    names = ("replay", *(f"replay + {part}" for part in ("l2", "random", "LFD", "EP", "l2 + EP", "LFD + EP")))
    heads = ["LFD + EP by parts, average accuracy in %", *(name.replace("replay + ", "+ ") for name in names)]
    lines = [_line(heads), _line(["---"] * len(heads))]
    for about, stream in PARTS.items():
        found = json.loads((RESULTS / f"lfd-{stream}.json").read_text())["rows"]
        rows = {row["row"]: row for row in found}
        lines.append(
            _line([about, *(f"{rows[name]['accuracy %']:.2f} ± {rows[name]['std']:.2f}" for name in names)])
        )
    most = max(rows[name]["n"] for name in names)
    fewer = [f", {rows[name]['n']} of {name}" for name in names if rows[name]["n"] < most]
    return (
        "\n".join(lines)
        + f"\n\nBeside replay of 20 exemplars a class; {most} seeds{''.join(fewer)}. No figure of its paper could be "
        "had; what is found, and what is not, is on its page. Made by `python -m benchmarks.lfd_ablation`.\n"
    )


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    published = "" if row["published %"] is None else f" ({row['published %']:.2f})"
    return f"{row['ours %']:.2f} ± {row['std']:.2f}{published}"


if __name__ == "__main__":
    main()
