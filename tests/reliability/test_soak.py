"""Many tasks in one process: no growth of memory or open files beyond what is remembered."""

import json
from multiprocessing import get_context
from pathlib import Path

from benchmarks.soak import LIMIT, Usage, watch


def soak(folder: Path) -> None:
    usage = watch(30, "lwf", folder)
    (folder / "usage.json").write_text(json.dumps([usage.megabytes, usage.files]))


def test_thirty_tasks_leave_no_file_open_and_no_memory_behind(tmp_path: Path) -> None:
    process = get_context("forkserver").Process(target=soak, args=(tmp_path,))
    process.start()
    process.join(120)
    usage = Usage(*json.loads((tmp_path / "usage.json").read_text()))
    assert len(usage.megabytes) == 30
    assert usage.slope < LIMIT
    assert usage.more_files == 0


def test_a_leak_is_seen() -> None:
    leaking = Usage([100.0 + 2 * task for task in range(30)], [5] * 29 + [6])
    assert leaking.slope > LIMIT
    assert leaking.more_files == 1
