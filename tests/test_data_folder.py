"""Folders as people have them: every fault is found before training and said in a sentence."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from forgetless.data import build_stream, scan_folder, stream_from_folder
from forgetless.data.folder import source_from_folder
from forgetless.data.images import Unreadable, decode
from forgetless.errors import DataError, SettingsError
from forgetless.settings.catalog import find_stream
from forgetless.settings.folders import is_folder, natural, parse_folder, parse_suffix
from forgetless.settings.settings import Settings


def picture(seed: int, mode: str = "RGB", size: tuple[int, int] = (40, 36)) -> Image.Image:
    channels = {"L": (), "RGB": (3,), "RGBA": (4,), "CMYK": (4,)}[mode]
    return Image.fromarray(
        np.random.RandomState(seed).randint(0, 256, (size[1], size[0], *channels)).astype(np.uint8), mode
    )


def fill(folder: Path, classes: dict[str, int], mode: str = "RGB", size: tuple[int, int] = (40, 36)) -> Path:
    """So many different images of each class, as PNG."""
    for name, count in classes.items():
        (folder / name).mkdir(parents=True)
        for i in range(count):
            seed = zlib.crc32(f"{folder.name} {name} {i}".encode())
            picture(seed, mode, size).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture
def photos(tmp_path) -> Path:
    return fill(tmp_path / "photos", {"cat": 10, "dog": 10, "emu": 10, "fox": 10})


def kinds(path: Path) -> list[tuple[str, str]]:
    return [(problem.level, problem.kind) for problem in scan_folder(path).problems]


# names


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [
        ("5", (5, 0)), ("05", (5, 0)), ("B50-5", (6, 50)), ("0", None), ("B0-5", None), ("B5", None), ("x", None),
        ("5x", None), ("", None),
    ],
)  # fmt: skip
def test_suffixes_are_read(suffix, expected):
    assert parse_suffix(suffix) == expected


def test_a_path_is_two_tasks_unless_a_suffix_says_otherwise(photos):
    assert [len(stream_from_folder(f"{photos}{suffix}")) for suffix in ("", "/4", "/B2-2")] == [2, 4, 3]
    stream = build_stream(Settings("finetune", f"{photos}/4", "task"))
    assert [layout.classes for layout in stream.layouts] == [(0,), (1,), (2,), (3,)]
    assert stream.class_names == ("cat", "dog", "emu", "fox")
    assert stream.name == f"{photos}/4"


def test_a_real_folder_with_a_number_for_a_name_wins_and_the_stream_says_so(photos):
    fill(photos / "5", {"one": 5, "two": 5})
    stream = stream_from_folder(f"{photos}/5")
    assert stream.class_names == ("one", "two")
    assert len(stream.notes) == 1
    assert f"for {photos} in 5 tasks write {photos}/05" in stream.notes[0]
    (photos / "cat" / "7").mkdir()
    with pytest.raises(DataError, match=rf"cat/7 has no sub-folders.*for {photos}/cat in 7 tasks write"):
        find_stream(f"{photos}/cat/7")
    assert parse_folder(f"{photos}/05").tasks == 5
    assert parse_folder(f"{photos}/05").path == photos


def test_a_path_is_told_from_a_name(photos, monkeypatch):
    monkeypatch.chdir(photos.parent)
    assert [is_folder(name) for name in ("./photos", "photos", "photos/3", "/x", "~/x", "../x")] == [True] * 6
    assert [is_folder(name) for name in ("foto", "foto/3", "split-mnist")] == [False] * 3
    assert len(stream_from_folder("photos/4")) == 4
    (photos.parent / "split-digits").mkdir()
    assert find_stream("split-digits").kind == "split"
    with pytest.raises(SettingsError, match=r"no stream 'foto/3'.* \./photos"):
        find_stream("foto/3")


@pytest.mark.parametrize("name", ["./nowhere", "./nowhere/5", "/nowhere"])
def test_a_folder_that_is_not_there_is_told(name):
    with pytest.raises(DataError, match="There is no folder"):
        find_stream(name)


def test_numbers_in_names_are_sorted_by_value(tmp_path):
    fill(tmp_path, {"10": 2, "2": 2, "1": 2, "item 10": 2, "Item 9": 2})
    assert scan_folder(tmp_path).classes == ("1", "2", "10", "Item 9", "item 10")
    assert sorted(["b", "a10", "A9", "9", "10a", "²"], key=natural) == ["9", "10a", "A9", "a10", "b", "²"]


def test_what_can_be_chosen_for_a_folder_reaches_the_stream(photos):
    stream = stream_from_folder(
        photos, scenario="domain", class_order="3,2,1,0", limit=4, validation=0.25, size=16, padding=2, mean=(0.5,),
        std=(0.25,),
    )  # fmt: skip
    assert stream.input_shape == (3, 20, 20)
    assert stream.class_names == ("fox/dog", "emu/cat")
    assert [len(train()) for train in stream.trains] == [6, 6]
    assert stream.tests[0].pixels.mean == (0.5,) * 3
    with pytest.raises(SettingsError, match="no option 'sise'"):
        stream_from_folder(photos, sise=16)
    with pytest.raises(SettingsError, match=r"5 tasks were asked for, but there are 4 classes"):
        stream_from_folder(f"{photos}/5")


# parts and sizes


def test_a_fifth_of_each_class_is_held_out_whatever_the_files_are_called(photos):
    source = source_from_folder(photos)
    assert source.train_y.bincount().tolist() == [8] * 4
    assert source.test_y.bincount().tolist() == [2] * 4
    for i, path in enumerate(sorted(photos.rglob("*.png"))):
        path.rename(path.with_name(f"{(i * 7) % 40:03d}-renamed.png"))
    renamed = source_from_folder(photos)

    def content(x: torch.Tensor) -> list[bytes]:
        return sorted(image.numpy().tobytes() for image in x)

    assert content(renamed.test_x) == content(source.test_x)
    assert content(renamed.train_x) == content(source.train_x)


def test_copies_stay_on_one_side(photos):
    for i in range(9):
        for path in sorted((photos / "cat").glob("?.png")):
            path.with_name(f"copy {i} {path.name}").write_bytes(path.read_bytes())
    source = source_from_folder(photos)
    train = {image.numpy().tobytes() for image in source.train_x}
    assert not any(image.numpy().tobytes() in train for image in source.test_x)
    assert source.test_y.bincount()[0] == 20


@pytest.mark.parametrize("test", ["test", "val"])
def test_train_and_test_folders_are_used_where_there_are_both(tmp_path, test):
    fill(tmp_path / "train", {"a": 6, "b": 5})
    fill(tmp_path / test, {"a": 2, "b": 3})
    source = source_from_folder(tmp_path)
    assert source.train_y.bincount().tolist() == [6, 5]
    assert source.test_y.bincount().tolist() == [2, 3]
    assert stream_from_folder(tmp_path).notes == ()


def test_with_test_and_val_the_test_folder_is_used_and_that_is_said(tmp_path):
    for part in ("train", "test", "val"):
        fill(tmp_path / part, {"a": 6, "b": 5})
    stream = stream_from_folder(tmp_path)
    assert "val/ is not used" in stream.notes[0]


def test_train_without_a_test_folder_is_a_class(tmp_path):
    fill(tmp_path, {"train": 5, "bus": 5})
    assert scan_folder(tmp_path).classes == ("bus", "train")


def test_small_grey_images_are_28_pixels_and_grey_and_all_others_32_and_colour(tmp_path, photos):
    assert source_from_folder(photos).train_x.shape[1:] == (32, 32, 3)
    assert source_from_folder(photos, 48).train_x.shape[1:] == (48, 48, 3)
    grey = fill(tmp_path / "grey", {"a": 5, "b": 5}, "L", (28, 20))
    assert source_from_folder(grey).train_x.shape[1:] == (28, 28, 1)
    assert source_from_folder(grey, 12).train_x.shape[1:] == (12, 12, 1)
    entry = find_stream(str(grey))
    assert (entry.model, entry.crop, entry.flip, entry.tasks) == ("mlp", 0, False, 2)
    assert entry.scenarios[0] == "class"
    large = fill(tmp_path / "large", {"a": 5, "b": 5}, "L", (29, 20))
    assert source_from_folder(large).train_x.shape[1:] == (32, 32, 3)
    picture(1).save(grey / "a" / "colour.png")
    assert source_from_folder(grey).train_x.shape[1:] == (32, 32, 3)
    entry = find_stream(str(grey))
    assert (entry.model, entry.crop, entry.flip) == ("resnet18", 4, True)


def test_tiny_imagenet_is_read(needs):
    root = needs("tiny-imagenet-20") / "tiny-imagenet-20"
    scan = scan_folder(root)
    assert (len(scan.classes), len(scan.images), scan.side, scan.grey) == (20, 3000, 32, False)
    assert scan.errors == ()
    assert set(scan.counts("train").values()) == {100}
    assert set(scan.counts("test").values()) == {50}
    stream = stream_from_folder(f"{root}/5")
    assert len(stream) == 5
    assert [len(test) for test in stream.tests] == [200] * 5
    assert stream.trains[4]().x.shape == (400, 32, 32, 3)
    assert stream.trains[0]().inputs(slice(None)).mean().abs() < 0.2


# one image


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    import io

    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def test_exif_rotation_is_applied():
    image = Image.fromarray(
        np.repeat(np.array([[[255, 0, 0]], [[0, 0, 255]]], np.uint8), 8, 0).repeat(16, 1), "RGB"
    )
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    turned = decode(encoded(image, "PNG", exif=exif), 16, False)
    assert turned[0, 0].tolist() == [0, 0, 255]
    assert decode(encoded(image), 16, False)[0, 0].tolist() == [255, 0, 0]


def test_sixteen_bits_are_scaled_to_eight():
    values = np.array([[0, 257 * 100], [40000, 65535]], np.uint16)
    for kind in ("PNG", "TIFF"):
        found = decode(encoded(Image.fromarray(values), kind), 2, True)[..., 0]
        assert found.tolist() == [[0, 100], [156, 255]]


def test_transparent_parts_are_white():
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert (decode(encoded(clear), 4, False) == 255).all()
    half = Image.new("RGBA", (4, 4), (255, 0, 0, 51))
    assert decode(encoded(half), 4, False)[0, 0].tolist() == [255, 204, 204]
    grey = Image.new("LA", (4, 4), (0, 0))
    assert (decode(encoded(grey), 4, True) == 255).all()
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 9, 9, 9])
    assert (decode(encoded(palette, transparency=1), 4, False) == 255).all()
    assert (decode(encoded(palette), 4, False) == 9).all()


def test_every_usual_mode_becomes_colour_or_grey():
    for image, kind in (
        (picture(0, "CMYK"), "JPEG"), (picture(0, "L"), "JPEG"), (picture(0), "WEBP"), (picture(0), "BMP"),
        (picture(0).convert("1"), "PNG"), (picture(0).convert("P"), "GIF"), (picture(0), "PPM"),
        (picture(0, "L"), "PPM"),
    ):  # fmt: skip
        assert decode(encoded(image, kind), 32, False).shape == (32, 32, 3)
        assert decode(encoded(image, kind), 28, True).shape == (28, 28, 1)


def test_the_middle_square_is_taken():
    wide = Image.new("RGB", (64, 32), "black")
    wide.paste("white", (16, 0, 48, 32))
    assert (decode(encoded(wide), 32, False) == 255).all()


def test_of_an_animation_the_first_frame_is_taken():
    frames = [Image.new("P", (8, 8), colour) for colour in (0, 1)]
    for frame in frames:
        frame.putpalette([10, 20, 30, 200, 200, 200])
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(content, 8, False)[0, 0].tolist() == [10, 20, 30]


def png(width: int, height: int) -> bytes:
    """The header of a PNG of any size, with hardly any content."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"hello", "is not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not an image"),
        (encoded(picture(1), "JPEG")[:-900], "cannot be decoded"),
        (encoded(picture(1))[:-900], "cannot be decoded"),
        (png(10, 10**9), "more pixels than"),
        (png(20_000, 20_000), "more pixels than"),
        (png(10_000, 10_000), "more pixels than"),
        (encoded(Image.new("F", (4, 4), 0.5), "TIFF"), "floating-point"),
        (encoded(Image.new("I", (4, 4), 70_000), "TIFF"), "8 or 16 bits"),
    ],
)
def test_what_is_no_usable_image_is_told(content, told):
    with pytest.raises(Unreadable, match=told):
        decode(content, 8, False)


# what is wrong with a folder


def test_a_folder_without_faults_has_none(photos):
    scan = scan_folder(photos)
    assert scan.problems == ()
    assert scan.counts("train") == {"cat": 10, "dog": 10, "emu": 10, "fox": 10}
    assert all(image.pixels is None for image in scan.images)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "empty.png"),
        (b"text", "text.jpg"),
        (encoded(picture(1), "JPEG")[:-900], "cut.jpeg"),
        (png(10, 10**9), "bomb.png"),
    ],
)
def test_an_unreadable_image_is_an_error_that_names_it(photos, content, name):
    (photos / "dog" / name).write_bytes(content)
    assert kinds(photos) == [("error", "unreadable")]
    with pytest.raises(
        DataError, match=rf"(?s)cannot be learned from.*{photos / 'dog' / name}.*forgetless inspect"
    ):
        stream_from_folder(photos)


def test_links_that_lead_nowhere_or_in_circles_are_survived(photos):
    os.symlink(photos / "cat", photos / "cat" / "circle")
    os.symlink(photos, photos / "dog" / "up")
    os.symlink("loop", photos / "emu" / "loop")
    os.symlink("missing.png", photos / "fox" / "nowhere.png")
    found = scan_folder(photos)
    assert [p.text for p in found.errors if p.kind == "unreadable"] == [
        f"{photos / folder / 'nowhere.png'} cannot be opened: No such file or directory."
        for folder in ("dog/up/fox", "fox")
    ]
    assert [p.kind for p in found.errors].count("duplicate") == 30, (
        "through the link all others are dogs, too"
    )
    assert found.counts("train")["cat"] == 10


def test_images_in_folders_below_a_class_are_its_images(photos):
    (photos / "cat" / "young").mkdir()
    picture(99).save(photos / "cat" / "young" / "kitten.png")
    assert scan_folder(photos).counts("train")["cat"] == 11


def test_a_class_without_images_is_an_error(photos):
    (photos / "gnu").mkdir()
    assert kinds(photos) == [("error", "empty")]
    with pytest.raises(DataError, match="class 'gnu' has no readable training image"):
        source_from_folder(photos)
    picture(7).save(photos / "gnu" / "0.png")
    with pytest.raises(
        DataError, match="class 'gnu' has 1 readable training image; it needs two different ones"
    ):
        source_from_folder(photos)


def test_a_class_of_few_images_is_a_warning(photos):
    fill(photos, {"gnu": 4})
    assert kinds(photos) == [("warning", "few")]
    assert source_from_folder(photos).test_y.bincount().tolist() == [2, 2, 2, 2, 1]


def test_the_same_image_in_two_classes_is_an_error_and_within_one_a_warning(photos):
    content = (photos / "cat" / "0.png").read_bytes()
    (photos / "cat" / "again.png").write_bytes(content)
    assert kinds(photos) == [("warning", "duplicate")]
    (photos / "dog" / "again.png").write_bytes(content)
    assert kinds(photos) == [("error", "duplicate"), ("warning", "duplicate")]
    with pytest.raises(DataError, match="the same image in two classes"):
        source_from_folder(photos)


def test_the_same_image_in_training_and_test_is_a_warning(tmp_path):
    fill(tmp_path / "train", {"a": 6, "b": 5})
    fill(tmp_path / "test", {"a": 6, "b": 5})
    (tmp_path / "test" / "a" / "x.png").write_bytes((tmp_path / "train" / "a" / "0.png").read_bytes())
    found = scan_folder(tmp_path).problems
    assert [(p.level, p.kind) for p in found] == [("warning", "duplicate")]
    assert "in training and test data" in found[0].text


@pytest.mark.parametrize("twin", ["Cat", "cat ", "CAT"])
def test_names_that_differ_in_case_or_space_are_an_error(photos, twin):
    fill(photos, {twin: 5})
    assert ("error", "names") in kinds(photos)


def test_unicode_forms_of_one_name_are_an_error(tmp_path):
    fill(tmp_path, {"caf\u00e9": 5, "cafe\u0301": 5})
    assert [p.kind for p in scan_folder(tmp_path).errors] == ["names"]


def test_a_class_of_one_part_only_is_an_error(tmp_path):
    fill(tmp_path / "train", {"a": 6, "b": 5, "c": 5})
    fill(tmp_path / "test", {"a": 2, "b": 3, "d": 3})
    texts = [p.text for p in scan_folder(tmp_path).errors if p.kind == "layout"]
    assert texts == [
        "The class 'c' has a folder for training images but none for test images.",
        "The class 'd' has a folder for test images but none for training images.",
    ]


def test_other_files_are_ignored_and_those_among_images_mentioned(photos):
    (photos / "words.txt").write_text("x")
    (photos / "cat" / ".DS_Store").write_text("x")
    (photos / "__MACOSX").mkdir()
    (photos / ".git").mkdir()
    assert kinds(photos) == []
    (photos / "cat" / "notes.txt").write_text("x")
    assert kinds(photos) == [("warning", "ignored")]
    assert len(source_from_folder(photos).train_y) == 32


def test_a_folder_without_classes_is_told(tmp_path):
    picture(1).save(tmp_path / "0.png")
    for use in (scan_folder, stream_from_folder):
        with pytest.raises(DataError, match="has no sub-folders"):
            use(tmp_path)


def test_errors_come_first_and_only_a_few_are_shown(photos):
    for i in range(8):
        (photos / "cat" / f"bad {i}.png").write_bytes(b"")
    (photos / "cat" / "notes.txt").write_text("x")
    problems = scan_folder(photos).problems
    assert [problem.level for problem in problems] == ["error"] * 8 + ["warning"]
    with pytest.raises(DataError, match="and 3 more"):
        source_from_folder(photos)
