"""From a name, or a file of one's own, to a method."""

import difflib
import importlib.util
from pathlib import Path

from ..errors import SettingsError
from ..models import Model, build_model
from ..randomness import seeded
from ..settings.settings import Settings
from .base import METHODS, Method


def find_method(name: str, file: str | None = None) -> type[Method]:
    """The class registered under a name, having read the file that registers it, if one is named.

    Raises:
        SettingsError: there is no such method, or the file cannot be read or registers none of that name.
    """
    if file is not None:
        _read(Path(file))
    if name not in METHODS:
        near = difflib.get_close_matches(name, METHODS, 1)
        hint = f" Did you mean {near[0]}?" if near else " `forgetless list methods` shows those there are."
        raise SettingsError(f"There is no method called {name!r}.{hint}")
    return METHODS[name]


def make_method(settings: Settings, model: Model) -> Method:
    """The method that these settings ask for, with its hyper-parameters, around a model."""
    made = find_method(settings.method, settings.method_file)
    return made(model, **settings.hyper)


def fresh_method(settings: Settings, input_shape: tuple[int, ...]) -> Method:
    """The method that these settings ask for, around the network that they and their seed give."""
    with seeded(settings.seed, "model"):
        model = build_model(
            settings.model, input_shape,
            hidden=settings.hidden, head_layers=settings.head_layers, widen=settings.widen,
        )  # fmt: skip
        return make_method(settings, model)  # a method draws too: wsn its scores


def _read(path: Path) -> None:
    spec = importlib.util.spec_from_file_location(f"forgetless_file_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise SettingsError(f"There is no Python file {path} to read a method from.")
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
