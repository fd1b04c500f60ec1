"""Downloading, with the real code, from a real server on this machine that misbehaves as servers do."""

import gzip
import hashlib
import http.server
import io
import multiprocessing
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from forgetless.data.cache import complete, read_files
from forgetless.data.download import fetch
from forgetless.data.published import Archive, File, Published
from forgetless.data.unpack import untar
from forgetless.errors import DataError, StorageError

CONTENT = bytes(range(256)) * 4000  # a megabyte
DIGEST = hashlib.sha256(CONTENT).hexdigest()

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


class Server:
    """Answers on loopback as told, and keeps what was asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, str | None]] = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append((self.path, self.headers.get("Range")))
                try:
                    server.answers.get(self.path, send_error)(self)
                except ConnectionError:
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


def send_error(request: http.server.BaseHTTPRequestHandler) -> None:
    request.send_error(404)


def send(
    content: bytes, *, ranges: bool = True, length: int | None = None, stop: int | None = None
) -> Answer:
    """Answer with this content, from the middle if asked; `stop` closes the connection after so many bytes."""

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and ranges else 0
        body = content[start:]
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(body) if length is None else length))
        request.end_headers()
        request.wfile.write(body[:stop])

    return answer


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


def get(server: Server, target: Path, *names: str, patience: float = 5.0) -> None:
    fetch([server.url + name for name in names], target, DIGEST, len(CONTENT), patience=patience)


def test_a_file_arrives_whole_and_is_not_asked_for_again(server, tmp_path):
    server.answers["/a"] = send(CONTENT)
    get(server, tmp_path / "file", "a")
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    get(server, tmp_path / "file", "a")
    assert len(server.asked) == 1


def test_what_was_interrupted_goes_on_where_it_stopped(server, tmp_path):
    server.answers["/a"] = send(CONTENT, stop=300_000)
    with pytest.raises(DataError, match=r"724,000 bytes (before the end|too early)"):
        get(server, tmp_path / "file", "a")
    assert (tmp_path / "file.part").stat().st_size == 300_000
    assert not (tmp_path / "file").exists()
    server.answers["/a"] = send(CONTENT)
    get(server, tmp_path / "file", "a")
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.asked == [("/a", None), ("/a", "bytes=300000-")]


def test_a_second_mirror_goes_on_where_the_first_stopped(server, tmp_path):
    server.answers |= {"/a": send(CONTENT, stop=1000), "/b": send(CONTENT)}
    get(server, tmp_path / "file", "a", "b")
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.asked == [("/a", None), ("/b", "bytes=1000-")]


def test_a_server_without_ranges_starts_anew(server, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT[:5000])
    server.answers["/a"] = send(CONTENT, ranges=False)
    get(server, tmp_path / "file", "a")
    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("rubbish", [b"x" * 5000, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 1), b""])
def test_a_part_that_was_rubbish_is_made_anew(server, tmp_path, rubbish):
    (tmp_path / "file.part").write_bytes(rubbish)
    server.answers["/a"] = send(CONTENT)
    get(server, tmp_path / "file", "a")
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_wrong_content_is_refused_removed_and_the_next_mirror_asked(server, tmp_path):
    wrong = b"y" * len(CONTENT)
    server.answers["/a"] = send(wrong)
    with pytest.raises(DataError, match="other data") as caught:
        get(server, tmp_path / "file", "a")
    assert DIGEST in str(caught.value)
    assert hashlib.sha256(wrong).hexdigest() in str(caught.value)
    assert not list(tmp_path.iterdir())
    server.answers["/b"] = send(CONTENT)
    get(server, tmp_path / "file", "a", "b")
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_web_page_in_place_of_data_is_called_one(server, tmp_path):
    page = b"\n<!DOCTYPE html><title>Log in</title>".ljust(len(CONTENT))
    server.answers["/a"] = send(page)
    with pytest.raises(DataError, match="a web page"):
        get(server, tmp_path / "file", "a")
    server.answers["/a"] = send(page[:500])
    with pytest.raises(DataError, match=r"offers 500 bytes instead of 1,024,000"):
        get(server, tmp_path / "file", "a")


def test_all_mirrors_faults_are_told(server, tmp_path):
    server.answers["/b"] = send(b"z" * len(CONTENT))
    with pytest.raises(DataError, match=r"/a: it answers 404 Not Found; .*/b: it sent other data"):
        get(server, tmp_path / "file", "a", "b")


def test_a_server_that_stalls_is_given_up(server, tmp_path):
    released = threading.Event()

    def stall(request: http.server.BaseHTTPRequestHandler) -> None:
        send(CONTENT, stop=1000)(request)
        request.wfile.flush()
        released.wait(20)

    server.answers["/a"] = stall
    server.answers["/never"] = lambda request: released.wait(20) and None
    began = time.monotonic()
    with pytest.raises(DataError, match=r"stopped 1,023,000 bytes before the end"):
        get(server, tmp_path / "file", "a", patience=0.3)
    with pytest.raises(DataError, match="no answer in time"):
        get(server, tmp_path / "other", "never", patience=0.3)
    released.set()
    assert time.monotonic() - began < 15


def test_more_than_was_promised_is_not_written(server, tmp_path):
    def endless(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        for _ in range(100):
            request.wfile.write(CONTENT)

    server.answers["/a"] = endless
    get(server, tmp_path / "file", "a")
    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("place", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:text/plain,x", "//"])
def test_a_redirect_leads_to_web_addresses_only(server, tmp_path, place):
    def redirect(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", place)
        request.end_headers()

    server.answers["/a"] = redirect
    with pytest.raises(DataError, match=r"which is no web address|is not allowed|/a: "):
        get(server, tmp_path / "file", "a")
    assert not list(tmp_path.iterdir())


def test_a_redirect_to_ftp_is_refused_by_name(server, tmp_path):
    def redirect(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", "ftp://127.0.0.1/x")
        request.end_headers()

    server.answers["/a"] = redirect
    with pytest.raises(DataError, match=r"it leads to ftp://127\.0\.0\.1/x, which is no web address"):
        get(server, tmp_path / "file", "a")


def test_a_redirect_to_a_web_address_is_followed(server, tmp_path):
    def redirect(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(301)
        request.send_header("Location", "/b")
        request.end_headers()

    server.answers |= {"/a": redirect, "/b": send(CONTENT)}
    get(server, tmp_path / "file", "a")
    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("address", ["file:///etc/hostname", "ftp://127.0.0.1/x", "/etc/hostname"])
def test_an_address_that_is_no_web_address_is_refused(tmp_path, address):
    with pytest.raises(DataError, match="no web address"):
        fetch([address], tmp_path / "file", DIGEST, len(CONTENT))


def test_a_server_that_is_not_there_is_told_in_words(tmp_path):
    with pytest.raises(DataError, match=r"127.0.0.1:9/a: Connection refused"):
        fetch(["http://127.0.0.1:9/a"], tmp_path / "file", DIGEST, len(CONTENT))


def test_a_folder_that_is_not_there_is_a_matter_of_storage(server, tmp_path):
    server.answers["/a"] = send(CONTENT)
    with pytest.raises(StorageError, match=r"Cannot write .*file\.part"):
        get(server, tmp_path / "nowhere" / "file", "a")


# whole sets


def gz_set(url: str, contents: dict[str, bytes]) -> tuple[Published, dict[str, Answer]]:
    packed = {name: gzip.compress(content) for name, content in contents.items()}
    files = tuple(File(name, len(c), hashlib.sha256(c).hexdigest()) for name, c in contents.items())
    archives = tuple(
        Archive(f"Set/raw/{name}.gz", len(p), hashlib.md5(p).hexdigest(), (url,), (name,))
        for name, p in packed.items()
    )
    answers = {f"/{name}.gz": send(p) for name, p in packed.items()}
    return Published("A set", "Set/raw", files, archives), answers


def test_a_set_of_gz_files_is_downloaded_unpacked_and_read(server, tmp_path):
    contents = {"images": CONTENT, "labels": b"labels"}
    published, server.answers = gz_set(server.url, contents)
    root = tmp_path / "new" / "root"
    assert read_files(published, root) == contents
    assert {path.name for path in (root / "Set/raw").iterdir()} == set(contents)
    asked = len(server.asked)
    assert asked == 2
    (root / "Set/raw/labels").unlink()
    assert read_files(published, root) == contents
    assert len(server.asked) == asked + 1, "only what was missing is fetched again"


def tar_set(url: str, archive: bytes, contents: dict[str, bytes]) -> Published:
    files = tuple(File(name, len(c), hashlib.sha256(c).hexdigest()) for name, c in contents.items())
    packed = Archive("set.tar.gz", len(archive), hashlib.md5(archive).hexdigest(), (url,), tuple(contents))
    return Published("A set", "set", files, (packed,))


def tar(*members: tuple[tarfile.TarInfo | str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for member, content in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def test_a_set_in_a_tar_is_downloaded_unpacked_and_read(server, tmp_path):
    contents = {"train": CONTENT, "meta": b"names"}
    archive = tar(("set/train", CONTENT), ("set/readme.html", b"ignored"), ("set/meta", b"names"))
    published = tar_set(server.url, archive, contents)
    server.answers["/set.tar.gz"] = send(archive)
    assert read_files(published, tmp_path) == contents
    assert {path.name for path in (tmp_path / "set").iterdir()} == set(contents)
    assert not (tmp_path / "set.tar.gz").exists()


def test_a_tar_put_there_by_hand_is_unpacked_without_a_connection(tmp_path):
    archive = tar(("./set/train", CONTENT))
    (tmp_path / "set.tar.gz").write_bytes(archive)
    published = tar_set("http://127.0.0.1:9/", archive, {"train": CONTENT})
    assert read_files(published, tmp_path) == {"train": CONTENT}


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


HOSTILE = {
    "parent": (("../evil", b"x"),),
    "absolute": (("/tmp/forgetless-evil", b"x"),),
    "symlink": (special("set", tarfile.SYMTYPE, "/etc"), ("set/train", b"x")),
    "hard link": (special("set/train", tarfile.LNKTYPE, "/etc/hostname"),),
    "device": (special("set/train", tarfile.CHRTYPE),),
    "symlinked file": (special("set/train", tarfile.SYMTYPE, "/etc/hostname"),),
    "other content": (("set/train", b"y" * len(CONTENT)),),
    "many members": tuple((f"set/{i}", b"") for i in range(2000)),
    "zeros": (("set/zeros", bytes(1 << 24)), ("set/train", CONTENT)),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_nothing_leaves_a_hostile_tar(tmp_path, case):
    root = tmp_path / "root"
    root.mkdir()
    archive = root / "set.tar.gz"
    archive.write_bytes(tar(*HOSTILE[case]))
    with pytest.raises(DataError, match=r"set\.tar\.gz (holds|lacks)"):
        untar(archive, root / "set", (File("train", len(CONTENT), DIGEST),))
    assert sorted(tmp_path.rglob("*")) == [root, archive]
    assert not Path("/tmp/forgetless-evil").exists()


@pytest.mark.parametrize("damaged", [b"", b"<html>", tar(("set/train", CONTENT))[:2000]])
def test_a_damaged_tar_is_named(tmp_path, damaged):
    archive = tmp_path / "set.tar.gz"
    archive.write_bytes(damaged)
    with pytest.raises(DataError, match=r"set\.tar\.gz (cannot be unpacked|lacks)"):
        untar(archive, tmp_path / "set", (File("train", len(CONTENT), DIGEST),))


def _complete(published: Published, root: Path, start: Any) -> None:
    start.wait()
    complete(published, root)


def test_two_processes_at_once_download_once(server, tmp_path):
    published, answers = gz_set(server.url, {"images": CONTENT})

    def slow(request: http.server.BaseHTTPRequestHandler) -> None:
        time.sleep(0.3)
        answers["/images.gz"](request)

    server.answers["/images.gz"] = slow
    context = multiprocessing.get_context("fork")
    start = context.Barrier(3)
    workers = [context.Process(target=_complete, args=(published, tmp_path, start)) for _ in range(2)]
    for worker in workers:
        worker.start()
    start.wait()
    for worker in workers:
        worker.join(20)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert len(server.asked) == 1
    assert (tmp_path / "Set/raw/images").read_bytes() == CONTENT
