"""What streams and models there are, and what each stream is run with unless told otherwise. No torch."""

import difflib
from dataclasses import dataclass, replace
from typing import Literal

from ..errors import DataError, SettingsError
from .folders import is_folder, is_small_grey, list_folder, parse_folder, parse_suffix
from .recipe import Recipe
from .settings import Scenario

HeldOut = Literal["spread", "first"]


@dataclass(frozen=True)
class StreamEntry:
    """One row of `forgetless list streams`."""

    name: str
    source: str  # the data set it is cut from
    kind: str  # split, permuted, rotated, article, gpm, superclasses, folder
    tasks: int
    scenarios: tuple[Scenario, ...]  # the default first
    model: str
    hidden: tuple[int, ...] | None
    recipe: Recipe
    mean: tuple[float, ...]
    std: tuple[float, ...]
    summary: str
    class_order: str = "natural"
    crop: int = 0  # of the default augmentation
    flip: bool = False
    version: int = 1
    base: int = 0  # classes of a first task of its own size, before the others; 0: all tasks alike
    validation: float = 0.0  # share of the training data held out unless told otherwise
    held_out: HeldOut = "spread"  # which: of each class evenly, or the first of all images as they are stored
    misread: bool = False  # whether the published loader took colour planes for pixels

    @property
    def has_order(self) -> bool:
        """Whether its classes, or groups of classes, arrive in an order that can be chosen."""
        return self.kind in ("split", "superclasses", "folder")


_MNIST = Recipe(epochs=4, batch=128, lr=1e-3, optimizer="adam")
_DIGITS = replace(_MNIST, epochs=20)
_CIFAR = Recipe(
    epochs=70, batch=128, lr=0.05, optimizer="sgd", momentum=0.9, weight_decay=5e-4, schedule="cosine"
)
_ARTICLE = Recipe(epochs=2, batch=256, lr=1e-3, optimizer="adamw", weight_decay=1e-4)
_PATIENT = Recipe(lr=1e-3, optimizer="adam", schedule="plateau", patience=6, lr_factor=0.5, keep="best")
_GPM = replace(_PATIENT, epochs=5, batch=10, lr_floor=1e-6)
_SUPERCLASSES = replace(_PATIENT, epochs=50, batch=64, lr_floor=1e-5)

# source -> (human name, hidden widths, recipe, mean, std) of the small grey sets
_GREY = {
    "digits": ("scikit-learn's 8x8 digits", (100,), _DIGITS, 0.3053, 0.3760),
    "mnist": ("MNIST", (400, 400), _MNIST, 0.1307, 0.3081),
    "fashion-mnist": ("Fashion-MNIST", (400, 400), _MNIST, 0.2860, 0.3530),
}


def _grey(kind: str, tasks: int, scenarios: tuple[Scenario, ...], summary: str) -> list[StreamEntry]:
    return [
        StreamEntry(
            f"{kind}-{source}", source, kind, tasks, scenarios, "mlp", hidden, recipe, (mean,), (std,),
            summary.format(human),
        )
        for source, (human, hidden, recipe, mean, std) in _GREY.items()
    ]  # fmt: skip


def _cifar10(source: str, human: str) -> StreamEntry:
    return StreamEntry(
        f"split-{source}", source, "split", 5, ("class", "task", "domain"), "resnet18", None, _CIFAR,
        (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616), f"{human} in five tasks of two classes", crop=4, flip=True,
    )  # fmt: skip


def _superclasses(name: str, summary: str, *, misread: bool) -> StreamEntry:
    return StreamEntry(
        name, "cifar100", "superclasses", 20, ("task",), "lenet-wsn", None, _SUPERCLASSES, (0.0,) * 3, (1.0,) * 3,
        summary, validation=0.05, misread=misread,
    )  # fmt: skip


STREAMS: dict[str, StreamEntry] = {
    entry.name: entry
    for entry in (
        *_grey("split", 5, ("class", "task", "domain"), "{} in five tasks of two classes"),
        *_grey("permuted", 10, ("domain", "task"), "{}, the pixels of each task in an order of its own"),
        *_grey("rotated", 10, ("domain", "task"), "{}, turned from 0 to 90 degrees in even steps"),
        StreamEntry(
            "permuted-mnist-article", "mnist", "article", 10, ("domain", "task"), "mlp", (400, 400, 400), _ARTICLE,
            (0.0,), (1.0,), "the source article's Permuted MNIST: its permutations, its network, its recipe",
        ),
        StreamEntry(
            "permuted-mnist-gpm", "mnist", "gpm", 10, ("task",), "mlp", (100, 100), _GPM, (0.1307,), (0.3081,),
            "the Permuted MNIST of GPM and WSN, every task permuted, a head for each; WSN's script has --seed 1",
            validation=0.1, held_out="first",
        ),
        _cifar10("cifar10", "CIFAR-10"),
        _cifar10("cifar10-subset", "a fifth of CIFAR-10"),
        StreamEntry(
            "split-cifar100", "cifar100", "split", 10, ("class", "task"), "resnet32", None,
            replace(_CIFAR, weight_decay=2e-4), (0.5071, 0.4866, 0.4409), (0.2673, 0.2564, 0.2762),
            "CIFAR-100 in ten tasks of ten classes", class_order="1993", crop=4, flip=True,
        ),
        _superclasses(
            "cifar100-superclasses", "CIFAR-100 in twenty tasks, each a superclass of five classes", misread=False
        ),
        _superclasses(
            "cifar100-superclasses-misread",
            "the same, with the pixels out of place as in the loader behind the published figures", misread=True,
        ),
    )
}  # fmt: skip

MODELS: dict[str, str] = {
    "mlp": "fully connected; --hidden 400,400 sets the widths",
    "lenet": "two convolutions and two fully connected layers, for small images",
    "resnet32": "He et al. 2016 for CIFAR: three stages of five blocks, 16 to 64 channels, option-A shortcuts",
    "resnet18": "He et al. 2016 with a 3x3 stem for small images, 64 to 512 channels",
    "resnet34": "the same with 34 layers",
    "resnet18-7x7": "He et al. 2016 as it is for ImageNet, 7x7 stem and max-pooling; images from 32 x 32 up",
    "lenet-wsn": "two convolutions of 20 and 50 maps, linear layers of 800 and 500: CIFAR-100 superclasses, WSN",
    "alexnet-small": "three convolutions and two linear layers of 2,048, with dropout: Split CIFAR-100, HAT and GPM",
    "alexnet-small-bn": "the same with batch normalisation: Split CIFAR-100, WSN",
}


def find_stream(name: str) -> StreamEntry:
    """The entry of a stream's name with its suffix: `/T` for T tasks, `/B50-T` for a base of 50 classes and T further.

    A path is a folder of images; its entry has no mean and deviation, because these are taken from the images.

    Raises:
        SettingsError: no stream has this name, or the suffix cannot be read.
        DataError: there is no such folder, or it has no sub-folders.
    """
    stem, slash, suffix = name.partition("/")
    if stem not in STREAMS and is_folder(name):
        return _find_folder(name)
    if stem not in STREAMS:
        close = difflib.get_close_matches(stem, STREAMS, n=1)
        hint = f"Did you mean {close[0]}?" if close else f"There are: {', '.join(STREAMS)}."
        raise SettingsError(
            f"There is no stream '{name}'. {hint} A folder of images is named by its path, ./photos."
        )
    entry = STREAMS[stem]
    if not slash:
        return entry
    shares = parse_suffix(suffix)
    if shares is None or (shares[1] and entry.kind != "split"):
        based = (
            f", or {stem}/B4-3 for a first task of four classes and three further tasks"
            if entry.kind == "split"
            else ""
        )
        raise SettingsError(
            f"The suffix '/{suffix}' of '{name}' cannot be read. Write {stem}/3 for three tasks{based}."
        )
    return replace(entry, name=name, tasks=shares[0], base=shares[1])


def _find_folder(name: str) -> StreamEntry:
    """The entry of a folder: small grey images for an MLP, all others for a residual network."""
    folder = parse_folder(name)
    try:
        grey = is_small_grey(list_folder(folder.path))
    except DataError as error:
        raise DataError(f"{error} {folder.note}".rstrip()) from error
    recipe, hidden, crop = (_MNIST, (400, 400), 0) if grey else (_CIFAR, None, 4)
    return StreamEntry(
        name, str(folder.path), "folder", folder.tasks, ("class", "task", "domain"), "mlp" if grey else "resnet18",
        hidden, recipe, (), (), f"the images in {folder.path}", crop=crop, flip=not grey, base=folder.base,
    )  # fmt: skip
