"""What a method says of itself, read from its source without running it: help and checks need no torch."""

import ast
import tokenize
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import SettingsError
from .comments import Comments, comment_of, comments_of
from .names import check_method_name, closest, possible_name
from .types import Unreadable, read_default, read_type

METHODS_FOLDER = Path(__file__).resolve().parent.parent / "methods"
_FACTS = ("scenarios", "needs_task", "needs_past")


class MethodField(NamedTuple):
    """One hyper-parameter."""

    name: str
    type: Any
    default: Any
    help: str


@dataclass(frozen=True)
class MethodFacts:
    """What a method's source says of it."""

    name: str  # as registered
    title: str  # the module's first line, or the class's
    summary: str  # the class's first line
    doc: str  # the module's docstring: the paper and the idea
    scenarios: tuple[str, ...]
    needs_task: bool
    needs_past: bool
    fields: tuple[MethodField, ...]
    path: Path
    own: bool  # a file of the user's
    sha256: str


def method_names() -> tuple[str, ...]:
    """The registered names, in alphabetical order: a registered name is its file's name."""
    files = sorted(METHODS_FOLDER.glob("*.py"))
    return tuple(path.stem for path in files if f'@method("{path.stem}"' in path.read_text("utf-8"))


def is_file_name(method: str) -> bool:
    """Whether this names a file of the user's, not a registered method."""
    return method.endswith(".py") or "/" in method


def method_fields(name_or_path: str) -> tuple[MethodField, ...]:
    """A method's hyper-parameters, in the order in which it declares them."""
    return method_facts(name_or_path).fields


def method_facts(name_or_path: str) -> MethodFacts:
    """What the source of a registered method, or of a file of one's own, says.

    Raises:
        SettingsError: there is no such method or file, or it does not hold exactly one method.
    """
    if not is_file_name(name_or_path):
        if name_or_path not in (names := method_names()):
            raise SettingsError(
                f"There is no method {name_or_path!r}.{closest(name_or_path, names)} "
                f"Methods: {', '.join(names)}; or a file of your own, such as ./mine.py."
            )
        return _read(METHODS_FOLDER / f"{name_or_path}.py", own=False)
    path = Path(name_or_path).expanduser()
    if not path.is_file():
        raise SettingsError(
            f"There is no file {path}. Give a registered name ({', '.join(method_names())}) or a file."
        )
    path = path.resolve()
    facts = _read(path, own=path.parent != METHODS_FOLDER)
    if facts.own and facts.name in method_names():
        raise SettingsError(
            f"{path} registers {facts.name!r}, the name of a method that comes with forgetless. "
            f'Choose another, such as @method("{possible_name(path.stem, method_names())}").'
        )
    return facts


def _read(path: Path, *, own: bool) -> MethodFacts:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"Cannot read {path}: {error.strerror}.") from error
    return _parse(path, content, own)


@lru_cache(maxsize=128)
def _parse(path: Path, content: bytes, own: bool) -> MethodFacts:
    try:
        tree = ast.parse(content, filename=str(path))
        comments = comments_of(content)
    except (SyntaxError, ValueError, tokenize.TokenError) as error:
        line = getattr(error, "lineno", None)
        where = f", line {line}" if line else ""
        raise SettingsError(f"{path}{where} is not valid Python: {getattr(error, 'msg', error)}.") from error
    name, cls = _registered(tree, path)
    check_method_name(name, f"{path}: ")
    if own:
        _refuse_relative(tree, path)
    lines = _lineage(tree, cls)
    facts = _class_facts(lines, path)
    aliases = _aliases(tree)
    fields: dict[str, MethodField] = {}
    for part in lines:
        fields |= {field.name: field for field in _fields(part, aliases, comments, path)}
    doc = ast.get_docstring(tree) or ""
    summary = (ast.get_docstring(cls) or "").partition("\n")[0]
    title = doc.partition("\n")[0] or summary
    inherited = _inherited(tree, lines[0]) | fields
    return MethodFacts(
        name, title, summary, doc, facts["scenarios"], facts["needs_task"], facts["needs_past"],
        tuple(inherited.values()), path, own, sha256(content).hexdigest(),
    )  # fmt: skip


def _registered(tree: ast.Module, path: Path) -> tuple[str, ast.ClassDef]:
    found = [
        (mark.args[0].value, node)
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for mark in node.decorator_list
        if isinstance(mark, ast.Call)
        and getattr(mark.func, "id", getattr(mark.func, "attr", None)) == "method"
        and mark.args
        and isinstance(mark.args[0], ast.Constant)
        and isinstance(mark.args[0].value, str)
    ]
    if not found:
        name = possible_name(path.stem, method_names())
        raise SettingsError(
            f'{path} registers no method. Put @method("{name}") on the line above its class; '
            "`from forgetless import Fit, Method, method` brings what it needs."
        )
    if len(found) > 1:
        names = ", ".join(name for name, _ in found)
        raise SettingsError(f"{path} registers {len(found)} methods ({names}). Keep one method to a file.")
    return found[0]


def _refuse_relative(tree: ast.Module, path: Path) -> None:
    """A copy of one of our files says `from ..data`, which has a meaning only where the original lies."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            names = ", ".join(alias.name for alias in node.names)
            home = ".".join(
                ["forgetless", *(["methods"] if node.level == 1 else []), node.module or ""]
            ).rstrip(".")
            home = "forgetless" if home == "forgetless.methods.base" and "Terms" not in names else home
            raise SettingsError(
                f"{path}, line {node.lineno}: an import that begins with a dot works inside forgetless alone. "
                f"Write `from {home} import {names}`."
            )


def _lineage(tree: ast.Module, cls: ast.ClassDef) -> list[ast.ClassDef]:
    """The class and those of its bases that stand in the same file, the farthest first."""
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    line = [cls]
    while base := next(
        (classes[b.id] for b in line[0].bases if isinstance(b, ast.Name) and b.id in classes), None
    ):
        if base in line:
            break
        line.insert(0, base)
    return line


def _inherited(tree: ast.Module, cls: ast.ClassDef) -> dict[str, MethodField]:
    """The fields of a registered method that this class builds on: `from forgetless.methods.lwf import LwF`."""
    homes = {
        alias.asname or alias.name: node.module.rpartition(".")[2]
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("forgetless.methods.")
        and node.module
        for alias in node.names
    }
    named = [homes[base.id] for base in cls.bases if isinstance(base, ast.Name) and base.id in homes]
    return {field.name: field for home in named if home in method_names() for field in method_fields(home)}


def _class_facts(lines: list[ast.ClassDef], path: Path) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "scenarios": ("task", "class", "domain"),
        "needs_task": False,
        "needs_past": False,
    }
    for cls in lines:
        for node in cls.body:
            target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
            name, value = getattr(target, "id", None), getattr(node, "value", None)
            if name in _FACTS and isinstance(value, ast.expr):
                try:
                    facts[name] = ast.literal_eval(value)
                except ValueError as error:
                    raise SettingsError(
                        f"{path}, line {node.lineno}: write {name} out as a plain value."
                    ) from error
    return facts


def _fields(
    cls: ast.ClassDef, aliases: dict[str, ast.expr], comments: Comments, path: Path
) -> list[MethodField]:
    fields = []
    for node in cls.body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        if "ClassVar" in ast.unparse(node.annotation):
            continue
        name = node.target.id
        where = f"{path}, line {node.lineno}: the setting {name!r}"
        if node.value is None:
            raise SettingsError(
                f"{where} has no default value. Write `{name}: ... = value  # what it means`."
            )
        try:
            kind = read_type(node.annotation, aliases)
            default = read_default(node.value, aliases)
        except Unreadable as error:
            raise SettingsError(f"{where} {error}") from error
        fields.append(MethodField(name, kind, default, comment_of(node, comments)))
    return fields


def _aliases(tree: ast.Module) -> dict[str, ast.expr]:
    """Plain assignments at the top of the module: names of types, constants."""
    return {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
