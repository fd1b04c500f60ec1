"""The data sets by name, each read into tensors of bytes. A data set is added by a function here."""

from collections.abc import Callable
from pathlib import Path

from ..errors import SettingsError
from ..files import sha256
from .cache import data_root, read_files
from .cifar import read_batches, read_mosaics, read_names, take_groups, take_images
from .digits import read_digits
from .idx import read_idx
from .pickles import read_pickle
from .published import PUBLISHED, Published
from .source import Source

_NUMERALS = tuple("0123456789")
_FASHION = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def load_source(name: str, root: Path | None = None) -> Source:
    """A data set by name; its files are looked for under the data root, and checked.

    Raises:
        SettingsError: no set has this name.
        DataError: files are missing or damaged.
    """
    if name not in READERS:
        raise SettingsError(f"There is no data set '{name}'. There are: {', '.join(READERS)}.")
    return READERS[name](data_root(root))


def _idx_set(name: str, class_names: tuple[str, ...]) -> Callable[[Path], Source]:
    def read(root: Path) -> Source:
        published = PUBLISHED[name]
        files = read_files(published, root)
        train_x, train_y, test_x, test_y = (read_idx(files[file.name], file.name) for file in published.files)
        return Source(
            train_x[..., None],
            train_y.long(),
            test_x[..., None],
            test_y.long(),
            class_names,
            _pinned(published),
        )

    return read


def _cifar10(root: Path) -> Source:
    files = read_files(PUBLISHED["cifar10"], root)
    train = read_batches(files, [f"data_batch_{i}" for i in range(1, 6)], "labels")
    test = read_batches(files, ["test_batch"], "labels")
    names = read_names(files["batches.meta"], "label_names", "batches.meta")
    return Source(*train, *test, names, _pinned(PUBLISHED["cifar10"]))


def _cifar100(root: Path) -> Source:
    files = read_files(PUBLISHED["cifar100"], root)
    train = take_images(read_pickle(files["train"], "train"), "fine_labels", "train")
    found = read_pickle(files["test"], "test")  # the smaller one will do to learn the superclasses from
    test, groups = take_images(found, "fine_labels", "test"), take_groups(found, "test")
    names = read_names(files["meta"], "fine_label_names", "meta")
    return Source(*train, *test, names, _pinned(PUBLISHED["cifar100"]), groups)


def _cifar10_subset(root: Path) -> Source:
    files = read_files(PUBLISHED["cifar10-subset"], root)
    names = tuple(
        name.split("_")[1].removesuffix(".webp") for name in sorted(files) if name.startswith("test/")
    )
    return Source(
        *read_mosaics(files, "train"),
        *read_mosaics(files, "test"),
        names,
        _pinned(PUBLISHED["cifar10-subset"]),
    )


def _pinned(published: Published) -> str:
    """One digest for a set whose files have all been compared with their own."""
    return sha256("\n".join(f"{file.name} {file.digest}" for file in published.files).encode())


READERS: dict[str, Callable[[Path], Source]] = {
    "digits": lambda _: read_digits(),
    "mnist": _idx_set("mnist", _NUMERALS),
    "fashion-mnist": _idx_set("fashion-mnist", _FASHION),
    "cifar10": _cifar10,
    "cifar10-subset": _cifar10_subset,
    "cifar100": _cifar100,
}
