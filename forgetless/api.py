"""What `import forgetless as fl` offers to Python: the same settings, streams and records as the command line."""

from pathlib import Path
from typing import Any

from . import record
from .errors import SettingsError
from .events import Listener, silent

load = record.load


def run(
    method: str,
    stream: str | Path,
    *,
    data: str | Path | None = None,
    runs: str | Path | None = None,
    fresh: bool = False,
    preset: str | None = None,
    config: str | Path | None = None,
    listen: Listener = silent,
    **settings: Any,
) -> record.Run:
    """One method on one stream: `fl.run("lwf", "split-mnist", scenario="class", seed=0, weight=1.0, epochs=4)`.

    The settings are the flags of `forgetless run`, with the same names, defaults and checks. A finished run of the
    same settings is reused, an unfinished one is gone on with.

    Raises:
        ForgetlessError: one of its kinds, in a sentence.
    """
    from .run import run_settings
    from .settings.places import runs_folder
    from .settings.resolve import resolve

    if not isinstance(method, str):
        raise SettingsError(
            "A run names its method, so that it can be repeated: give a registered name, or the path of the file "
            f"that holds yours, ./mine.py, not {method!r}."
        )
    resolved = resolve(method, _named(stream), settings, preset=preset, config=_path(config))
    return run_settings(resolved, data=_path(data), runs=runs_folder(runs), fresh=fresh, listen=listen)


def stream(name: str | Path, *, data: str | Path | None = None, **settings: Any) -> Any:
    """A stream of tasks: `fl.stream("split-cifar100/10", scenario="class", class_order="icarl")`.

    Raises:
        SettingsError: there is no such stream, or settings that it cannot have.
        DataError: the data are missing or damaged.
    """
    from .data import build_stream
    from .settings.resolve import resolve

    return build_stream(resolve("finetune", _named(name), settings), _path(data))


def build_model(
    name: str,
    stream: Any,
    *,
    seed: int = 0,
    hidden: tuple[int, ...] | None = None,
    head_layers: int = 1,
    widen: int = 0,
) -> Any:
    """A network for a stream's images, with no head rows yet, as a run with this seed begins with.

    `hidden`, `head_layers` and `widen` are settings of the same names.

    Raises:
        SettingsError: there is no such network, or it cannot take such images.
    """
    from .models import build_model as build
    from .randomness import seeded

    with seeded(seed, "model"):
        return build(name, stream.input_shape, hidden=hidden, head_layers=head_layers, widen=widen)


def methods() -> dict[str, Any]:
    """Every registered method: name -> class, made with `(model, **its fields)`."""
    from .methods import METHODS

    return dict(METHODS)


def _named(stream: object) -> str:
    """A stream's name; of a folder given as a path, one that cannot be taken for another stream's."""
    if isinstance(stream, Path):
        return str(stream) if stream.is_absolute() else f"./{stream}"
    if not isinstance(stream, str):
        raise SettingsError(
            "A stream is named, so that a run can be repeated: give a name that `forgetless list streams` shows, or "
            f"the path of a folder of images, not {type(stream).__name__}."
        )
    return stream


def _path(path: str | Path | None) -> Path | None:
    return Path(path).expanduser() if path is not None else None
