"""The published data sets: which files they consist of, how these can be known for what they are, who offers them.

Every unpacked file is pinned by its SHA-256, so it does not matter from where, or through which archive, it came.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class File:
    """One file as it must lie on disk, by its name within the set's folder."""

    name: str
    size: int  # bytes
    digest: str  # hexadecimal SHA-256 (64 digits) or MD5 (32 digits)


@dataclass(frozen=True)
class Archive:
    """What is downloaded, and which files it unpacks to."""

    path: str  # where it lies, relative to the data root; its last part is its name on the web
    size: int
    digest: str
    addresses: tuple[str, ...]  # folders on the web, best first
    holds: tuple[str, ...]  # names of the files that it unpacks to


@dataclass(frozen=True)
class Published:
    """One data set as others know it: its folder under the data root, its files, and how to come by them."""

    title: str
    folder: str
    files: tuple[File, ...]
    archives: tuple[Archive, ...] = ()
    instead: str = ""  # what to do where nothing can be downloaded


def _idx(
    title: str, folder: str, addresses: tuple[str, ...], rows: Mapping[str, tuple[int, str, int, str]]
) -> Published:
    files = tuple(File(name, size, digest) for name, (size, digest, _, _) in rows.items())
    archives = tuple(
        Archive(f"{folder}/raw/{name}.gz", size, digest, addresses, (name,))
        for name, (_, _, size, digest) in rows.items()
    )
    return Published(title, f"{folder}/raw", files, archives)


# name -> (bytes and SHA-256 unpacked, bytes and MD5 packed); the MD5s are those that torchvision's source gives
_MNIST = _idx(
    "MNIST",
    "MNIST",
    ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"),
    {
        "train-images-idx3-ubyte": (
            47040016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            9912422, "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        ),
        "train-labels-idx1-ubyte": (
            60008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            28881, "d53e105ee54ea40749a09fcbcd1e9432",
        ),
        "t10k-images-idx3-ubyte": (
            7840016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            1648877, "9fb629c4189551a2d022fa330f9573f3",
        ),
        "t10k-labels-idx1-ubyte": (
            10008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            4542, "ec29112dd5afa0611ce80d1b7f02629c",
        ),
    },
)  # fmt: skip

_FASHION = _idx(
    "Fashion-MNIST",
    "FashionMNIST",
    ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    {
        "train-images-idx3-ubyte": (
            47040016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            26421880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        ),
        "train-labels-idx1-ubyte": (
            60008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            29515, "25c81989df183df01b3e8a0aad5dffbe",
        ),
        "t10k-images-idx3-ubyte": (
            7840016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            4422102, "bef4ecab320f06d8554ea6380940ec79",
        ),
        "t10k-labels-idx1-ubyte": (
            10008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            5148, "bb300cfdad3c16e7a12a480ee83cd310",
        ),
    },
)  # fmt: skip

_TORONTO = ("https://www.cs.toronto.edu/~kriz/",)

_CIFAR100_FILES = (
    File("train", 155249918, "735e79b04f092ca3d2e6d07f368c0a7d70d48c48d28865950cc24454cf45129b"),
    File("test", 31049707, "4b67687d9933c4db8f0831104447f15b93774f4f464bd0516f0f0f2ac83b7864"),
    File("meta", 1473, "a5d4786345c961390f865e93b434dbd5c6904ce880667e0cb888c97d449f28b9"),
)

# MD5, as torchvision's source publishes them: no copy of the files was at hand to take the SHA-256 of. Nobody can make
# another file of a given MD5, only two files of one; and whatever a file holds, nothing in it is executed.
_CIFAR10_FILES = (
    File("data_batch_1", 31035704, "c99cafc152244af753f735de768cd75f"),
    File("data_batch_2", 31035320, "d4bba439e000b95fd0a9bffe97cbabec"),
    File("data_batch_3", 31035999, "54ebc095f3ab1f0389bbae665268c751"),
    File("data_batch_4", 31035696, "634d18415352ddfa80567beed471001a"),
    File("data_batch_5", 31035623, "482c414d41f54cd18b22e5b47cb7c3cb"),
    File("test_batch", 31035526, "40351d587109b95175f43aff81a1287e"),
    File("batches.meta", 158, "5ff9c542aee3614f3951f8cda6e48888"),
)

_SUBSET_FILES = (
    File(
        "train/0_airplane.webp", 1457394, "80855a60b82056c7db5368fa627eb9736feee7102602ec506c60565e5f80eb14"
    ),
    File(
        "train/1_automobile.webp", 1734576, "8e5fd662b16fa4c491f1da85e1b33d5d73e949f7a814b6197348ec154f2974c1"
    ),
    File("train/2_bird.webp", 1603836, "c12b7c8f955ec554996384581eb2974b71a250a5a51954b18902a5fb71bcb7a4"),
    File("train/3_cat.webp", 1625066, "bc16e2fd8aa375ac32ae684189aa1b1367b511f108145c9f0fd832a50511f258"),
    File("train/4_deer.webp", 1702654, "54e9bcb5d32035e6877132ba516e58a25f3e1f57e3a57c8eea249379b8f50171"),
    File("train/5_dog.webp", 1681888, "54fe2115ad9e016ed786cd5a01a4f37b38ea929677dadd66c68616acfd4c18d0"),
    File("train/6_frog.webp", 1790564, "e8a3eaad8ebcdfc04b32d5b08a7a52284331c7795e5237f2daa1d902eb04dd46"),
    File("train/7_horse.webp", 1723742, "e105b28e1732d7fe33202ba675a99b4795ad1048586e5768db9b3c3bbd319910"),
    File("train/8_ship.webp", 1535044, "e92663075f729bde6e772a157a942f3acdd314d089133393d035663bf810665a"),
    File("train/9_truck.webp", 1724644, "f1964770341cac6b30739652a7440dbc934d349951c2ef79e2e2358e6e6c6cf7"),
    File("test/0_airplane.webp", 289470, "3c51efa5719b57edfc7a030ca3e6d6e4a445552065dcfe2077586fae4a6d2a08"),
    File(
        "test/1_automobile.webp", 345124, "bd41db24c3a5310dbd2cbc7dec1751120349ddf8cc9d18f23a5aef004be6325d"
    ),
    File("test/2_bird.webp", 321102, "d7e9584eee2a7153c7801dedee683cfeedb3792bab263c291783fbcf2a00f6d7"),
    File("test/3_cat.webp", 329662, "9502b77bbf1e6f896454e4375cd8a1abfae9ef9c2281605c0f2f7a4cdd11b2a7"),
    File("test/4_deer.webp", 339572, "a791357119eb4ea0fc2d560ed7c9d7934295fd5bfe356522d71ba1cba9856f25"),
    File("test/5_dog.webp", 335866, "fc487726cba017e51543ce2537f7c68e148a696b23338a130fa988b17e1cd58b"),
    File("test/6_frog.webp", 363402, "c2570d9d18844fe61d2a9b321358341facef2942e546cc574e14c39df328cf94"),
    File("test/7_horse.webp", 342608, "d0833d38f4be8a89309e432dcd3e9792b9667d3fda95624a17da7688c03dcdaa"),
    File("test/8_ship.webp", 297536, "c96ef2a54c190b9ab03c44504ddd74fed4ef851ef82f6cd809bcf5435a6401d9"),
    File("test/9_truck.webp", 341718, "a967dec0c8261c4082b99e505a101f05f922b6c905c8b6390c699e356fdb825c"),
)


def _tar(title: str, folder: str, files: tuple[File, ...], archive: tuple[str, int, str]) -> Published:
    holds = tuple(file.name for file in files)
    return Published(title, folder, files, (Archive(*archive, _TORONTO, holds),))


PUBLISHED: dict[str, Published] = {
    "mnist": _MNIST,
    "fashion-mnist": _FASHION,
    "cifar10": _tar(
        "CIFAR-10", "cifar-10-batches-py", _CIFAR10_FILES,
        ("cifar-10-python.tar.gz", 170498071, "c58f30108f718f92721af3b95e74349a"),
    ),
    "cifar10-subset": Published(
        "the balanced subset of CIFAR-10", "cifar-10-subset", _SUBSET_FILES,
        instead="It is not offered for download; split-cifar10 uses the complete set.",
    ),
    "cifar100": _tar(
        "CIFAR-100", "cifar-100-python", _CIFAR100_FILES,
        ("cifar-100-python.tar.gz", 169001437, "eb9058c3a382ffc7106e4002c42a8d85"),
    ),
}  # fmt: skip
