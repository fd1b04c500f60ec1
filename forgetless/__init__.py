"""forgetless: teach a neural network new things without it forgetting the old ones."""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .api import build_model, load, methods, run, stream
    from .checks import check_method
    from .data import stream_from_arrays, stream_from_folder
    from .methods import Fit, Method, method

_HOMES = {
    "Fit": "methods",
    "Method": "methods",
    "build_model": "api",
    "check_method": "checks",
    "load": "api",
    "method": "methods",
    "stream": "api",
    "stream_from_arrays": "data",
    "stream_from_folder": "data",
}  # public name -> module that holds it, imported when the name is first asked for: torch takes seconds

__all__ = [
    "Fit",
    "Method",
    "__version__",
    "build_model",
    "check_method",
    "load",
    "method",
    "methods",
    "run",
    "stream",
    "stream_from_arrays",
    "stream_from_folder",
]


def __getattr__(name: str) -> Any:
    """A public name, from the module that holds it."""
    if name in ("run", "methods"):
        return import_module(f".{name}", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module 'forgetless' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Callable(ModuleType):
    """A module that can be called: `forgetless.run(...)` and `forgetless.methods()` share their names with modules."""

    def __call__(self, *args: Any, **settings: Any) -> Any:
        """What `forgetless.api` has under the module's name."""
        return getattr(import_module(".api", "forgetless"), self.__name__.rpartition(".")[2])(
            *args, **settings
        )


class _Package(ModuleType):
    """This package: it makes the two modules callable in the moment in which they are imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("run", "methods") and isinstance(value, ModuleType):
            value.__class__ = _Callable
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
