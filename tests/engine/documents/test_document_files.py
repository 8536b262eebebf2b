"""Files of the store directory: atomic, inside it, and never wider than it."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from document_texts import STORE_ID, direct, text
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.documents.codec import MAX_BYTES, parse, read_mark, render
from engine.documents.files import (
    document_name,
    open_directory,
    printable,
    read_document,
    read_now,
    remove_stale_temporaries,
    signature_of,
    write_document,
)
from engine.errors import DamagedDocumentError, InvalidIdError

ROUNDS = 10_000 if os.environ.get("SOAK") else 500
IDS = 20_000 if os.environ.get("SOAK") else 1_000

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


def write(directory: Path, data: bytes = b"{}", workflow_id: str = "wf_direct_1") -> Path:
    with open_directory(directory) as dir_fd:
        assert write_document(dir_fd, workflow_id, data) is not None
    return directory / f"{workflow_id}.json"


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@contextmanager
def largest_file(limit: int) -> Iterator[None]:
    """Let no file grow beyond ``limit`` bytes: writes come back short, then fail, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(("directory_mode", "file_mode"), [(0o700, 0o600), (0o755, 0o600), (0o2775, 0o660)])
def test_a_file_is_never_wider_than_its_directory(tmp_path: Path, directory_mode: int, file_mode: int) -> None:
    tmp_path.chmod(directory_mode)
    umask = os.umask(0)
    try:
        written = write(tmp_path)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(written.stat().st_mode) == file_mode


@needs_root
def test_a_file_takes_the_directorys_group_and_keeps_its_owner_under_root(tmp_path: Path) -> None:
    os.chown(tmp_path, 4321, 8765)
    written = write(tmp_path)
    assert (written.stat().st_uid, written.stat().st_gid) == (4321, 8765)
    os.chown(written, 1234, 8765)
    assert write(tmp_path).stat().st_uid == 1234


def test_a_link_in_the_documents_place_is_replaced_and_never_followed(tmp_path: Path) -> None:
    store, outside = tmp_path / "store", tmp_path / "outside"
    store.mkdir()
    outside.write_bytes(b"precious")
    (store / "wf_direct_1.json").symlink_to(outside)
    written = write(store, b"new")
    assert not written.is_symlink()
    assert (written.read_bytes(), outside.read_bytes()) == (b"new", b"precious")


def test_no_race_of_links_leads_a_write_or_a_read_outside(tmp_path: Path) -> None:
    store, outside = tmp_path / "store", tmp_path / "outside"
    store.mkdir()
    outside.write_bytes(b"precious")
    target, is_over = store / "wf_direct_1.json", threading.Event()

    def swap() -> None:
        while not is_over.is_set():
            link = store / "link"
            link.symlink_to(outside)
            link.replace(target)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        with open_directory(store) as dir_fd:
            for _ in range(ROUNDS):
                write_document(dir_fd, "wf_direct_1", b"new")
                try:
                    data, _ = read_now(dir_fd, "wf_direct_1.json")
                except DamagedDocumentError as error:
                    assert "symbolic link" in error.why  # noqa: PT017  either outcome is right, whichever the race takes
                else:
                    assert data == b"new"
    finally:
        is_over.set()
        swapping.join()
    assert outside.read_bytes() == b"precious"


def test_a_write_that_fails_leaves_the_old_document_and_no_temporary(tmp_path: Path) -> None:
    written = write(tmp_path, b"old")
    with largest_file(4_096), pytest.raises(OSError, match="too large"):
        write(tmp_path, b"x" * 10_000)
    assert written.read_bytes() == b"old"
    assert names(tmp_path) == ["wf_direct_1.json"]


def test_a_declined_write_leaves_the_old_document_and_no_temporary(tmp_path: Path) -> None:
    written = write(tmp_path, b"old")
    with open_directory(tmp_path) as dir_fd:
        assert write_document(dir_fd, "wf_direct_1", b"new", only_if=lambda: False) is None
    assert written.read_bytes() == b"old"
    assert names(tmp_path) == ["wf_direct_1.json"]


def test_the_signature_of_a_write_is_the_one_on_disk(tmp_path: Path) -> None:
    with open_directory(tmp_path) as dir_fd:
        signature = write_document(dir_fd, "wf_direct_1", b"new")
    assert signature == signature_of((tmp_path / "wf_direct_1.json").stat())


@settings(max_examples=IDS, deadline=None)
@given(
    st.text(max_size=140)
    | st.text("./\\\0~%wf_-1", max_size=30)
    | st.sampled_from(["..", ".", "", "a/../b", "/etc/passwd", "a\n", "x" * 129, "con:", "a\u202e"])
)
def test_no_id_names_a_file_outside_the_directory(workflow_id: str) -> None:
    try:
        name = document_name(workflow_id)
    except InvalidIdError:
        return
    assert Path("/store", name).resolve().parent == Path("/store")
    assert name == Path(name).name
    assert not name.startswith(".")


WRITER = """
import sys
from pathlib import Path
from engine.documents.codec import parse, render
from engine.documents.files import open_directory, write_document
parsed = parse(Path(sys.argv[2]).read_bytes(), "wf_direct_1.json")
with open_directory(Path(sys.argv[1])) as fd:
    for revision in range(1, 400):
        workflow = parsed.workflow.evolve(revision=revision, user_input="x" * (revision * 97 % 9_000))
        write_document(fd, "wf_direct_1", render(workflow, parsed.history, 0, sys.argv[3]))
"""


def test_no_reader_sees_a_torn_document_while_two_processes_write_it(tmp_path: Path) -> None:
    seed = tmp_path / "seed"
    seed.write_bytes(text(direct()))
    store = tmp_path / "store"
    store.mkdir()
    parsed = parse(seed.read_bytes(), "wf_direct_1.json")
    assert parsed is not None
    path = write(store, render(parsed.workflow.evolve(revision=1), parsed.history, 0, STORE_ID))
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", WRITER, str(store), str(seed), STORE_ID]
    writers = [subprocess.Popen(command, cwd=root) for _ in range(2)]
    reads, versions = 0, set()
    while any(writer.poll() is None for writer in writers):
        mark = read_mark(path.read_bytes())
        assert mark is not None
        assert mark.is_of(STORE_ID)
        reads += 1
        versions.add(mark.revision)
    assert [writer.returncode for writer in writers] == [0, 0]
    assert len(versions) > 10
    assert names(store) == ["wf_direct_1.json"]


def odd_files(directory: Path) -> dict[str, str]:
    """Put what is no document where documents are; returns what each is called."""
    (directory / "link.json").symlink_to("/etc/hostname")
    (directory / "loop.json").symlink_to("loop.json")
    (directory / "tree.json").mkdir()
    os.mkfifo(directory / "pipe.json")
    with socket.socket(socket.AF_UNIX) as listening:
        before = Path.cwd()
        os.chdir(directory)
        try:
            listening.bind("talk.json")
        finally:
            os.chdir(before)
    with (directory / "huge.json").open("wb") as huge:
        huge.truncate(20 * 1024**3)
    return {
        "link.json": "it is a symbolic link, not a file",
        "loop.json": "it is a symbolic link, not a file",
        "tree.json": "it is a directory, not a file",
        "pipe.json": "it is a FIFO, not a file",
        "talk.json": "it is a socket, not a file",
        "huge.json": "it is 21,474,836,480 bytes long; documents over 16,777,216 bytes are not read",
    }


async def test_what_is_no_regular_file_of_a_fair_size_is_not_read(tmp_path: Path) -> None:
    for name, why in odd_files(tmp_path).items():
        with open_directory(tmp_path) as dir_fd, pytest.raises(DamagedDocumentError) as caught:
            read_now(dir_fd, name)
        assert caught.value.why == why
        with pytest.raises(DamagedDocumentError) as caught:
            await read_document(tmp_path, name)
        assert caught.value.why == why


@pytest.mark.parametrize("name", ["../outside.json", "a/b.json", "\0.json"])
async def test_a_name_with_a_separator_is_not_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside.json").write_bytes(b"{}")
    (tmp_path / "store").mkdir()
    with pytest.raises(DamagedDocumentError, match="not a file name"):
        await read_document(tmp_path / "store", name)


async def test_a_document_of_exactly_the_limit_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"x" * MAX_BYTES)
    data, signature = await read_document(tmp_path, "a.json")
    assert (len(data), signature) == (MAX_BYTES, signature_of((tmp_path / "a.json").stat()))


async def test_a_cancelled_read_leaves_no_file_open(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"{}")
    before = len(names(Path("/proc/self/fd")))
    for _ in range(50):
        reading = asyncio.ensure_future(read_document(tmp_path, "a.json"))
        await asyncio.wait({reading}, timeout=0)
        reading.cancel()
        await asyncio.wait({reading})
        assert reading.cancelled()
    assert len(names(Path("/proc/self/fd"))) == before


async def test_a_missing_document_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await read_document(tmp_path, "a.json")


def test_only_our_own_old_temporaries_are_removed(tmp_path: Path) -> None:
    stale, fresh = ".wf_direct_1.json.0123456789abcdef.tmp", ".wf_direct_2.json.0123456789abcdef.tmp"
    others = ["wf_direct_1.json", ".other.tmp", ".wf_direct_1.json.swp"]
    for name in (stale, fresh, *others):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (10_000, 10_000))
    os.utime(tmp_path / fresh, (10_900, 10_900))
    with open_directory(tmp_path) as dir_fd:
        assert remove_stale_temporaries(dir_fd, 11_000.0) == 1
    assert names(tmp_path) == sorted([fresh, *others])


def test_names_become_printable_and_stay_so() -> None:
    name = os.fsdecode(b"a\xff\x1b[2J\xe2\x80\xae.json")
    assert printable(name) == r"a\xff\x1b[2J\u202e.json"
    assert printable(printable(name)) == printable(name)
    assert printable("查询.json") == "查询.json"
