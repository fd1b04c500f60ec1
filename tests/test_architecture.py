"""The layers and the never-list, read off the sources. Each rule is also shown to catch what it is for."""

import ast
import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]
PACKAGE = TOP / "forgetless"

# What each part may import of ours. Imports only go down; a new part needs a row here.
FACTS = {
    "errors",
    "kinds",
    "events",
    "files",
    "clock",
    "interrupts",
    "version",
    "metrics",
    "arrays",
    "predictions",
    "attention",
    "estimates",
    "networks",
}
LOW = FACTS | {"record", "settings"}
PARTS = LOW | {"randomness", "data", "ops", "models", "weights"}
RUNS = PARTS | {"methods", "engine", "checks", "blame", "certificate", "cell", "run", "sweep"}
MAY_IMPORT = {
    "errors": set(), "kinds": set(), "events": set(), "clock": set(), "interrupts": set(), "version": set(),
    "estimates": set(), "networks": set(), "files": {"errors"}, "arrays": FACTS, "attention": FACTS,
    "predictions": FACTS, "metrics": FACTS, "record": FACTS, "settings": LOW, "randomness": set(), "ops": {"errors"},
    "data": LOW | {"randomness"}, "mask_code": {"errors"}, "capacity": {"mask_code"},
    "models": {"errors", "ops", "networks"}, "weights": {"errors", "ops", "models", "mask_code", "capacity"},
    "memory": {"errors", "ops", "data"}, "methods": PARTS | {"memory"}, "engine": PARTS | {"memory", "methods"},
    "checks": PARTS | {"memory", "methods", "engine"},
    "blame": {"errors"}, "certificate": PARTS | {"methods", "engine"}, "cell": RUNS - {"run", "sweep"},
    "run": RUNS - {"sweep"}, "sweep": RUNS, "report": LOW,
    "api": RUNS, "cli": RUNS | {"report", "api"}, "__init__": RUNS | {"api"}, "__main__": {"cli"},
}  # fmt: skip
WITHOUT_TORCH = FACTS | {
    "mask_code",
    "capacity",
    "record",
    "settings",
    "report",
    "api",
    "cli",
    "__init__",
    "__main__",
}
BLOCKS = {"base", "warmup"}  # files of `methods` that methods are built with
SHARED_BY_METHODS = BLOCKS | {"__init__", "registry"}  # those that are no method
PROXIES = {
    ("__init__", "__call__")
}  # `forgetless.run(...)`, where `run` is a module too: hands on what it is given
REGISTRIES = {"METHODS", "BACKBONES", "METRICS"}


def part_of(path):
    """The part of the package that a file belongs to."""
    inside = path.relative_to(PACKAGE)
    return inside.parts[0].removesuffix(".py")


def is_method(path):
    return part_of(path) == "methods" and path.stem not in SHARED_BY_METHODS


def imports(tree, path, *, deferred=True):
    """Absolute dotted names that a file imports; `deferred` ones inside functions too, never those for types only."""
    package = ("forgetless", *path.relative_to(PACKAGE).with_suffix("").parts)[:-1]
    todo = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *((node.module,) if node.module else ())))
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        elif deferred or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            todo += ast.iter_child_nodes(node)


def imports_only_go_down(tree, path):
    allowed = MAY_IMPORT.get(part_of(path))
    if allowed is None:
        yield f"the part {part_of(path)} has no place among the layers"
        return
    for name in imports(tree, path):
        top, *rest = name.split(".")
        if top == "forgetless" and rest and rest[0] not in allowed | {part_of(path), "__version__"}:
            yield f"{part_of(path)} imports {name}"


def methods_stand_alone(tree, path):
    if not is_method(path):
        return
    for name in imports(tree, path):
        top, *rest = name.split(".")
        if top == "forgetless" and rest[0] == "methods" and rest[1] not in BLOCKS:
            yield f"a method imports another: {name}"
        if top == "forgetless" and rest[0] not in {
            "methods",
            "data",
            "models",
            "weights",
            "ops",
            "kinds",
            "errors",
            "randomness",
            "memory",
        }:
            yield f"a method imports {name}"


def methods_leave_running_to_the_engine(tree, path):
    if not is_method(path):
        return
    never = {
        "scenario",
        "optim",
        "DataLoader",
        "cuda",
        "autocast",
        "compile",
        "print",
        "tqdm",
        "no_sync",
        "backward",
    }
    for node in ast.walk(tree):
        word = getattr(node, "id", getattr(node, "attr", getattr(node, "arg", getattr(node, "value", None))))
        if isinstance(word, str) and word in never:
            yield f"line {node.lineno}: {word}"
    yield from (f"imports {name}" for name in imports(tree, path) if {"optim", "tqdm"} & set(name.split(".")))


def the_engine_knows_no_method(tree, path):
    if part_of(path) not in ("engine", "cell", "run", "sweep", "checks"):
        return
    names = {file.stem for file in (PACKAGE / "methods").glob("*.py")} - SHARED_BY_METHODS
    for name in imports(tree, path):
        if name.startswith("forgetless.methods.") and name.split(".")[2] in names:
            yield f"imports {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in names:
            yield f"line {node.lineno}: names {node.value!r}"


def data_know_no_networks(tree, path):
    never = ("torch.utils.data", "torch.optim", "torch.nn.Module", "torch.nn.modules")
    if part_of(path) == "data":
        yield from (
            f"imports {name}" for name in imports(tree, path) if name.startswith(never) or name == "torch.nn"
        )
    if part_of(path) == "ops":
        stateful = [
            n.name for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and "Module" in ast.unparse(n)
        ]
        yield from (f"{name} has state" for name in stateful)


def nothing_is_guessed(tree, path):
    """What a platform's module has may be asked, what an object of ours has may not."""
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    for node in ast.walk(tree):
        asks = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "hasattr"
        if asks and getattr(node.args[0], "id", "") not in modules:
            yield f"line {node.lineno}: hasattr"


def errors_are_named(tree, path):
    for node in ast.walk(tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        broad = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
        last = node.body[-1]
        if broad and not (isinstance(last, ast.Raise) and last.exc is None):
            yield f"line {node.lineno}: a broad except that does not raise again"


def keywords_are_read(tree, path):
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef) or node.args.kwarg is None:
            continue
        if (part_of(path), node.name) in PROXIES:
            continue
        name = node.args.kwarg.arg
        uses = [n for n in ast.walk(node) if isinstance(n, ast.Name) and n.id == name]
        passed = [
            keyword.value
            for call in ast.walk(node)
            if isinstance(call, ast.Call)
            for keyword in call.keywords
            if keyword.arg is None and getattr(keyword.value, "id", None) == name
        ]
        if passed and len(passed) == len(uses):
            yield f"line {node.lineno}: {node.name} passes **{name} on unread"


def globals_do_not_change(tree, path):
    tops = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    } - REGISTRIES
    changing = {
        "append",
        "add",
        "update",
        "extend",
        "pop",
        "clear",
        "setdefault",
        "insert",
        "remove",
        "discard",
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield f"line {node.lineno}: global {', '.join(node.names)}"
        target = None
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            target = node.value
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in changing
        ):
            target = node.func.value
        if isinstance(target, ast.Name) and target.id in tops:
            yield f"line {node.lineno}: the module's {target.id} is changed"


def importing_does_nothing(tree, path):
    for node in tree.body:
        if path.stem != "__main__" and isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield f"line {node.lineno}: {ast.unparse(node.value)[:40]} runs at import"


def things_fit_a_screen(tree, path):
    limit = 150 if is_method(path) else 260
    length = max((node.end_lineno or 0 for node in tree.body), default=0)
    if length > limit:
        yield f"{length} lines, {limit} at most"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and (lines := node.end_lineno - node.lineno + 1) > 45:
            yield f"{node.name} has {lines} lines, 45 at most"


def settings_keep_their_types(tree, path):
    if part_of(path) == "settings" and "__future__.annotations" in set(imports(tree, path)):
        yield "annotations are made into text, which cannot be checked against"


RULES = (
    imports_only_go_down, methods_stand_alone, methods_leave_running_to_the_engine, the_engine_knows_no_method,
    data_know_no_networks, nothing_is_guessed, errors_are_named, keywords_are_read, globals_do_not_change,
    importing_does_nothing, things_fit_a_screen, settings_keep_their_types,
)  # fmt: skip
FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule(rule):
    offences = [
        f"{path.relative_to(TOP)}: {offence}"
        for path in FILES
        for offence in rule(ast.parse(path.read_text()), path)
    ]
    assert not offences, "\n".join(offences)


LONG = "def f():\n" + "    x = 1\n" * 46
BAD = [
    (imports_only_go_down, "data/x.py", "from ..engine import Engine"),
    (imports_only_go_down, "data/x.py", "def f():\n    from forgetless.models import Model"),
    (imports_only_go_down, "metrics.py", "from . import record"),
    (imports_only_go_down, "report/page.py", "from ..engine.loop import Engine"),
    (imports_only_go_down, "strange.py", "x = 1"),
    (methods_stand_alone, "methods/mine.py", "from .lwf import LwF"),
    (methods_stand_alone, "methods/mine.py", "from . import lwf"),
    (methods_stand_alone, "methods/mine.py", "from ..settings.recipe import Recipe"),
    (methods_leave_running_to_the_engine, "methods/mine.py", "if task.scenario == 'x': pass"),
    (methods_leave_running_to_the_engine, "methods/mine.py", "import torch\ntorch.optim.SGD([])"),
    (methods_leave_running_to_the_engine, "methods/mine.py", "from torch.optim import SGD"),
    (methods_leave_running_to_the_engine, "methods/mine.py", "def f(x):\n    return x.cuda()"),
    (methods_leave_running_to_the_engine, "methods/mine.py", "print('hello')"),
    (the_engine_knows_no_method, "engine/x.py", "from ..methods import lwf"),
    (the_engine_knows_no_method, "engine/x.py", "if name == 'lwf': pass"),
    (data_know_no_networks, "data/x.py", "from torch.utils.data import DataLoader"),
    (data_know_no_networks, "data/x.py", "from torch import nn"),
    (data_know_no_networks, "ops/x.py", "class Loss(nn.Module): pass"),
    (nothing_is_guessed, "run.py", "if hasattr(x, 'maps'): pass"),
    (nothing_is_guessed, "run.py", "import os\nif hasattr(model, 'maps'): pass"),
    (errors_are_named, "run.py", "try:\n    f()\nexcept Exception:\n    pass"),
    (errors_are_named, "run.py", "try:\n    f()\nexcept:\n    g()"),
    (keywords_are_read, "run.py", "def f(**options):\n    return g(**options)"),
    (globals_do_not_change, "run.py", "CACHE = {}\ndef f(x):\n    CACHE[x] = 1"),
    (globals_do_not_change, "run.py", "SEEN = []\ndef f(x):\n    SEEN.append(x)"),
    (globals_do_not_change, "run.py", "n = 0\ndef f():\n    global n\n    n = 1"),
    (importing_does_nothing, "run.py", "import torch\ntorch.manual_seed(0)"),
    (things_fit_a_screen, "run.py", LONG),
    (things_fit_a_screen, "run.py", "\n" * 260 + "x = 1"),
    (things_fit_a_screen, "methods/mine.py", "\n" * 150 + "x = 1"),
    (settings_keep_their_types, "settings/x.py", "from __future__ import annotations"),
]


@pytest.mark.parametrize(("rule", "path", "source"), BAD)
def test_a_rule_catches_what_it_is_for(rule, path, source):
    assert list(rule(ast.parse(source), PACKAGE / path))


GOOD = [
    (nothing_is_guessed, "run.py", "import os\nif hasattr(os, 'sched_getaffinity'): pass"),
    (errors_are_named, "run.py", "try:\n    f()\nexcept BaseException:\n    clean()\n    raise"),
    (keywords_are_read, "run.py", "def f(**options):\n    check(options)\n    return g(**options)"),
    (imports_only_go_down, "cli/x.py", "from ..run import run_settings"),
    (methods_leave_running_to_the_engine, "methods/mine.py", "scenarios = ('task',)"),
    (methods_leave_running_to_the_engine, "engine/x.py", "x.cuda()"),
    (globals_do_not_change, "methods/base.py", "METHODS = {}\ndef f(x):\n    METHODS[x] = 1"),
]


@pytest.mark.parametrize(("rule", "path", "source"), GOOD)
def test_a_rule_lets_pass_what_is_right(rule, path, source):
    assert not list(rule(ast.parse(source), PACKAGE / path))


def loaded_with(name, sources):
    """Everything of ours, and the names of all else, that comes in with a module when it is imported."""
    found, todo = set(), [name]
    while todo:
        module = todo.pop()
        if module in found:
            continue
        found.add(module)
        known = [m for m in (module, module.rpartition(".")[0]) if m in sources]
        parents = [".".join(module.split(".")[:n]) for n in range(1, module.count(".") + 1)]
        todo += [parent for parent in parents if parent in sources]
        for own in known[:1]:
            tree, path = sources[own]
            todo += [own, *imports(tree, path, deferred=False)]
    return {module.partition(".")[0] for module in found if module not in sources} - {"forgetless"}


def sources_of(files):
    found = {}
    for path, text in files.items():
        parts = ("forgetless", *path.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(part for part in parts if part != "__init__")] = (ast.parse(text), path)
    return found


def test_reading_settings_and_results_needs_no_torch():
    sources = sources_of({path: path.read_text() for path in FILES})
    for name, (_, path) in sources.items():
        if part_of(path) in WITHOUT_TORCH:
            assert "torch" not in loaded_with(name, sources), f"importing {name} imports torch"
    assert "torch" in loaded_with("forgetless.run", sources)


def test_torch_is_seen_behind_several_imports():
    texts = {"__init__.py": "", "record.py": "from .a import b", "a.py": "from . import c"}
    texts |= {"c/__init__.py": "from .d import e", "c/d.py": "import torch.nn"}
    assert "torch" in loaded_with("forgetless.record", sources_of({PACKAGE / p: t for p, t in texts.items()}))
    texts["c/d.py"] = "def f():\n    import torch"
    assert "torch" not in loaded_with(
        "forgetless.record", sources_of({PACKAGE / p: t for p, t in texts.items()})
    )


MADE = {"__pycache__", "runs", "dist", "build"}
TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".txt", ".json", ".sh", ".html", ".jinja", ".cfg", ""}
# Pieced together, since this file is searched too.
HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("download", "pytorch", "org"),
        ("conda", "anaconda", "org"),
    )
]
MACHINE = re.compile(r"(?<![\w./~-])/(?:work|home|root|Users)/\w")
SHARED = "../" + "shared"
MAY_NAME_SHARED = {".ci/run", "CONTRIBUTING.md"}


def slips(text, name):
    """What must not stand in a file of this name."""
    found = [f"the host {host}" for host in HOSTS if host in text]
    found += [f"a path of one machine, {match[0]}" for match in MACHINE.finditer(text)]
    if SHARED in text and name not in MAY_NAME_SHARED:
        found.append(SHARED)
    return found


def test_no_file_names_a_registry_or_a_machine():
    offences = []
    for path in sorted(TOP.rglob("*")):
        name = path.relative_to(TOP)
        hidden = name.parts[0].startswith(".") and name.parts[0] not in (".ci", ".github")
        if path.is_file() and not hidden and not MADE & set(name.parts) and path.suffix in TEXT:
            offences += [
                f"{name}: {slip}" for slip in slips(path.read_text(errors="ignore"), name.as_posix())
            ]
    assert not offences, "\n".join(offences)


@pytest.mark.parametrize(
    "text",
    [f"index-url = https://{HOSTS[0]}/simple", "/home" + "/me/data", '"/work' + '/x"', SHARED + "/data"],
)
def test_slips_are_seen(text):
    assert slips(text, "README.md")
    assert not slips(SHARED, "CONTRIBUTING.md")
