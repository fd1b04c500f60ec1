"""What the program says of itself, put into the pages where they have `<!-- generated: NAME -->`."""

import contextlib
import io
import os
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from forgetless.cli import VERBS, main
from forgetless.metrics import METRICS
from forgetless.settings.catalog import MODELS, STREAMS, StreamEntry
from forgetless.settings.presets import PRESETS, Preset, Values
from forgetless.settings.recipe import Recipe

from .markdown import block, code, prose, table

if TYPE_CHECKING:
    from .pictures import Pictures

MARK = re.compile(r"^<!-- generated: ([a-z-]+) -->$", re.MULTILINE)
WIDTH = 92  # columns of what the program prints


def filled(text: str, drawn: "Pictures | None") -> str:
    """A page with its gaps filled; what needs runs says so where there are none.

    Raises:
        LookupError: a page asks for something that is not generated.
    """

    def fill(found: re.Match[str]) -> str:
        name = found.group(1)
        if name in TABLES:
            return TABLES[name]()
        if name not in RUNS:
            raise LookupError(f"Nothing is generated under the name {name!r}.")
        return RUNS[name](drawn) if drawn else "*Left out of this build: `make docs` makes it.*"

    return MARK.sub(fill, text)


def streams() -> str:
    """Every stream of the catalogue."""
    rows = [
        (code(one.name), prose(one.summary), str(one.tasks), ", ".join(one.scenarios), *_network(one))
        for one in STREAMS.values()
    ]
    return table(("stream", "what it is", "tasks", "scenarios, the default first", "network", "recipe"), rows)


def _network(entry: StreamEntry) -> tuple[str, str]:
    hidden = f" {'-'.join(map(str, entry.hidden))}" if entry.hidden else ""
    return code(entry.model + hidden), recipe(entry.recipe)


def recipe(one: Recipe) -> str:
    """A recipe in a line: what differs from the plain case."""
    length = f"{one.steps} steps" if one.steps else f"{one.epochs:g} epochs"
    more = [
        f"momentum {one.momentum:g}" if one.momentum else "",
        f"weight decay {one.weight_decay:g}" if one.weight_decay else "",
        f"{one.schedule} schedule" if one.schedule != "constant" else "",
        "best weights kept" if one.keep == "best" else "",
    ]
    return ", ".join([f"{one.optimizer} {one.lr:g}", f"batch {one.batch}", length, *filter(None, more)])


def models() -> str:
    """Every network."""
    return table(("network", "what it is"), [(code(name), prose(about)) for name, about in MODELS.items()])


def metrics() -> str:
    """Every metric, with its formula and where it is from."""
    rows = [
        (code(one.name), code(one.formula), _sentence(one.function), one.better, prose(one.source))
        for one in METRICS.values()
    ]
    return table(("metric", "formula", "what it says", "better", "source"), rows)


def _sentence(documented: Any) -> str:
    """The first paragraph of a docstring."""
    return prose(" ".join((documented.__doc__ or "").partition("\n\n")[0].split()))


def presets() -> str:
    """Every preset: where it is from and all that it sets."""
    return "\n\n".join(_preset(name, one) for name, one in PRESETS.items())


def _preset(name: str, one: Preset) -> str:
    lines = [
        ("on any stream", one.shared),
        ("on images of 28 x 28", one.images),
        ("on streams that share classes out", one.split),
        *((f"for `{method}`", values) for method, values in one.methods.items()),
        *((f"for `{method}`, {place}", values) for (method, place), values in one.where.items()),
    ]
    rows = [(about, _values(values)) for about, values in lines if values]
    return f"## `{name}`\n\n{prose(one.summary)}. From: {prose(one.source)}.\n\n{table(('where', 'settings'), rows)}"


def _values(values: Values) -> str:
    return ", ".join(code(f"{key}={_plain(value)}") for key, value in values.items())


def _plain(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


def contract(checks: "Callable[[], tuple[Callable[..., None], ...]]") -> str:
    """Checks by name, and what each asks for."""
    from forgetless.checks import name_of, summary_of

    return table(
        ("check", "what it asks"), [(prose(name_of(one)), prose(summary_of(one))) for one in checks()]
    )


def method_contract() -> str:
    """The checks of methods."""
    from forgetless.checks import method_checks

    return contract(method_checks)


def stream_contract() -> str:
    """The checks of streams."""
    from forgetless.checks import stream_checks

    return contract(stream_checks)


def commands() -> str:
    """Each verb's help, as it prints it."""
    parts = [f"## forgetless {verb}\n\n{block(printed(verb, '--help'))}" for verb in VERBS]
    return "\n\n".join([block(printed("--help")), *parts])


def run_help() -> str:
    """The flags of one method's runs, as they are printed."""
    return block(printed("run", "lwf", "--help"))


def printed(*words: str) -> str:
    """What a command prints, without colours and as wide as a page."""
    out = io.StringIO()
    with _environment(COLUMNS=str(WIDTH), NO_COLOR="1"), contextlib.redirect_stdout(out):
        main(words)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def demo(drawn: "Pictures") -> str:
    """What `forgetless demo` prints."""
    from forgetless.cli.demo import moral
    from forgetless.report.render import render_text
    from forgetless.report.table import make_table

    runs = drawn.of_demo()
    said = "\n".join(textwrap.fill(line, WIDTH) for line in moral(runs).splitlines())
    return block(f"{render_text(make_table(runs), WIDTH)}\n{said}")


def demo_pictures(drawn: "Pictures") -> str:
    """LwF between floor and ceiling."""
    return drawn.of_method("lwf", alone=False)


def certificate(drawn: "Pictures") -> str:
    """A run of WSN, certified."""
    run = drawn.of_cell(("wsn", "task", ""))[0]
    text = printed("certify", str(run.path)).replace(str(run.path.parent), "runs")
    return f"{block(f'$ forgetless certify runs/{run.path.name}', 'console')}\n\n{block(text)}"


TABLES: dict[str, Callable[[], str]] = {
    "streams": streams, "models": models, "metrics": metrics, "presets": presets, "commands": commands,
    "run-help": run_help, "method-contract": method_contract, "stream-contract": stream_contract,
}  # fmt: skip
RUNS: dict[str, Callable[["Pictures"], str]] = {
    "demo": demo, "demo-pictures": demo_pictures, "certificate": certificate,
}  # fmt: skip
