"""The README's picture and table, from `results/split-mnist.json`: `python -m benchmarks.readme`."""

import json
from pathlib import Path
from typing import Any

from .results import RESULTS

TOP = Path(__file__).parent.parent
START, END = "<!-- table: written by `python -m benchmarks.readme` -->\n", "<!-- end of table -->"
SHOWN = {"finetune": "fine-tuning", "lwf (its own defaults)": "LwF", "joint": "joint training, all data kept"}
COLORS = ("#b3b3b3", "#0072b2", "#e69f00")  # told apart by all eyes


def main() -> None:
    """Write both."""
    found = json.loads((RESULTS / "split-mnist.json").read_text())
    rows = {(row["method"], row["scenario"]): row for row in found["rows"]}
    _draw({name: _means(rows[name, "class"]) for name in SHOWN})
    readme = TOP / "README.md"
    before, _, rest = readme.read_text().partition(START)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{START}{_table(rows, found)}{END}{after}")


def _means(row: dict[str, Any]) -> list[float]:
    """Mean accuracy on each task at the end, in per cent."""
    return [100 * sum(task) / len(task) for task in zip(*row["accuracy"], strict=True)]


def _draw(heights: dict[str, list[float]]) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    mpl.rcParams |= {"svg.hashsalt": "forgetless", "font.family": "sans-serif", "font.size": 11}
    figure, axes = plt.subplots(figsize=(8.4, 3.0))
    tasks = len(next(iter(heights.values())))
    width = 0.8 / len(heights)
    for number, (name, values) in enumerate(heights.items()):
        places = [task + (number - 1) * width for task in range(tasks)]
        bars = axes.bar(places, values, width * 0.92, label=SHOWN[name], color=COLORS[number])
        axes.bar_label(bars, fmt="%.0f", fontsize=9, padding=1)
    axes.set_xticks(range(tasks), [f"digits {2 * task}, {2 * task + 1}" for task in range(tasks)])
    axes.set_ylim(0, 112)
    axes.set_ylabel("accuracy at the end, %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.22), frameon=False)
    (TOP / "docs").mkdir(exist_ok=True)
    figure.savefig(
        TOP / "docs" / "forgetting.svg", bbox_inches="tight", facecolor="white", metadata={"Date": None}
    )


def _table(rows: dict[tuple[str, str], dict[str, Any]], found: dict[str, Any]) -> str:
    lines = [
        "| Split MNIST, average accuracy in % | task | domain | class |",
        "| --- | --- | --- | --- |",
    ]
    for name in dict.fromkeys(method for method, _ in rows):
        cells = [_cell(rows[name, scenario]) for scenario in ("task", "domain", "class")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    n = next(iter(rows.values()))["n"]
    return (
        "\n".join(lines)
        + f"\n\nMean ± standard deviation of {n} seeds; in brackets what was published ({found['source']}). "
        + "Made by `python -m benchmarks.published split-mnist`.\n"
    )


def _cell(row: dict[str, Any]) -> str:
    published = "" if row["published %"] is None else f" ({row['published %']:.2f})"
    return f"{row['ours %']:.2f} ± {row['std']:.2f}{published}"


if __name__ == "__main__":
    main()
