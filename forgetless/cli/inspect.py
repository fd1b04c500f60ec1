"""`forgetless inspect FOLDER`: what is wrong with a folder of images, before training."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import DataError, SettingsError
from ..settings.folders import parse_folder
from ..settings.schema import shared_flags
from . import printable
from .parser import Command, Word, parse, plain_flags
from .results import json_text

ABOUT = "Open every image of a folder, and say what is wrong with it and what a stream of it would be."
if TYPE_CHECKING:
    from ..data.scan import Scan

EXAMPLES = ("forgetless inspect ./photos", "forgetless inspect ./photos --json")
MOST = 50  # problems that are shown; --json gives all


def main(argv: Sequence[str]) -> int:
    """Look at it; 3 where something must be mended before it can be learned from."""
    command = Command(
        "inspect",
        ABOUT,
        (
            Word(
                "folder", "a folder with one sub-folder for each class; or one with train/ and test/ or val/"
            ),
        ),
        plain_flags(shared_flags()["size"]),
        {"json": "all that was found, as JSON"},
        EXAMPLES,
    )
    asked = parse(command, argv)
    if "folder" not in asked:
        raise SettingsError("Which folder? `forgetless inspect ./photos`.")
    size = asked.get("size")
    if size is not None and not (size.isdecimal() and 8 <= int(size) <= 1024):
        raise SettingsError(
            f"size: {size} is not possible; it must be a whole number at least 8 and at most 1024."
        )
    path = parse_folder(asked["folder"]).path
    from ..data.scan import scan_folder

    scan = scan_folder(path, int(size) if size else None)
    print(json_text(_plain(scan)) if "json" in asked else _text(scan))
    if scan.errors:
        raise DataError(f"{len(scan.errors)} errors must be mended before {path} can be learned from.")
    return 0


def _plain(scan: "Scan") -> dict[str, Any]:
    problems = [{"level": one.level, "kind": one.kind, "text": one.text} for one in scan.problems]
    facts = {"name": str(scan.path), "classes": scan.classes, "side": scan.side, "grey": scan.grey}
    counts = {"train": scan.counts("train"), "test": scan.counts("test")}
    return facts | counts | {"separate_test": scan.separate_test, "problems": problems}


def _text(scan: "Scan") -> str:
    kind = "grey" if scan.grey else "colour"
    head = f"{scan.path}: {len(scan.images):,} images of {len(scan.classes)} classes"
    lines = [f"{head}, {kind}, brought to {scan.side} x {scan.side} pixels"]
    train, test = scan.counts("train"), scan.counts("test")
    for name in scan.classes:
        tests = f", {test[name]:,} to test" if scan.separate_test else ""
        lines.append(f"  {name}: {train[name]:,} to learn{tests}")
    if not scan.separate_test:
        lines.append("  A fifth of each class will be held out for testing.")
    lines += [f"{problem.level}: {problem.text}" for problem in scan.problems[:MOST]]
    if len(scan.problems) > MOST:
        lines.append(f"and {len(scan.problems) - MOST:,} more; --json gives all.")
    return printable("\n".join(lines))
