from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
import pytest
from conftest import OpenStore
from ledger_values import creation, engine, flow

from engine.clock import ManualClock
from engine.errors import SchemaNewerError, StoreError, StoreReadOnlyError, StoreUnsafeError
from engine.store.feed import Changes
from engine.store.query import Query
from engine.stores.sqlite import SqliteStore
from engine.stores.sqlite.transaction import Transaction


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / ".flowdeck" / "ledger.db"


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def _made(ledger: Path, clock: ManualClock) -> None:
    store = SqliteStore(ledger, clock=clock)
    await store.open(engine())
    await store.commit(creation(flow()))
    await store.close()


def _run(ledger: Path, statement: str) -> None:
    connection = apsw.Connection(str(ledger))
    connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(("directory", "file"), [(0o700, 0o600), (0o755, 0o600), (0o770, 0o660), (0o775, 0o660)])
async def test_files_have_the_rights_of_the_directory_and_no_more(
    tmp_path: Path, clock: ManualClock, directory: int, file: int
) -> None:
    place = tmp_path / "store"
    place.mkdir()
    place.chmod(directory)
    store = SqliteStore(place / ".flowdeck" / "ledger.db", clock=clock)
    await store.open(engine())
    await store.commit(creation(flow()))
    assert _mode(place / ".flowdeck") == directory
    found = {path.name: _mode(path) for path in (place / ".flowdeck").iterdir()}
    assert found == {"ledger.db": file, "ledger.db-wal": file, "ledger.db-shm": file}
    await store.close()


async def test_the_ledger_is_synced_at_every_commit_and_logs_ahead(open_ledger: OpenStore) -> None:
    store = await open_ledger()
    asked = await store._write(
        lambda found: [found.value(f"PRAGMA {name}") for name in ("journal_mode", "synchronous", "fullfsync")]
    )
    assert asked == ["wal", 2, 1]


async def test_opening_again_finds_the_same_store(ledger: Path, clock: ManualClock) -> None:
    await _made(ledger, clock)
    ids = set()
    for _ in range(2):
        store = SqliteStore(ledger, clock=clock)
        facts = await store.open(engine())
        ids.add(facts.store_id)
        assert (facts.schema, facts.read_only_reason, facts.place) == (1, "", str(ledger))
        assert (await store.read("wf_direct_1")).revision == 1
        await store.close()
    assert len(ids) == 1
    assert len(ids.pop()) == 32


async def test_a_newer_schema_is_refused_and_left_as_it_is(ledger: Path, clock: ManualClock) -> None:
    await _made(ledger, clock)
    _run(ledger, "PRAGMA user_version = 99")
    before = ledger.read_bytes()
    with pytest.raises(SchemaNewerError, match=r"schema 99.*knows schema 1"):
        await SqliteStore(ledger, clock=clock).open(engine())
    assert ledger.read_bytes() == before


async def test_a_newer_schema_can_still_be_read(ledger: Path, clock: ManualClock) -> None:
    await _made(ledger, clock)
    _run(ledger, "PRAGMA user_version = 99")
    store = SqliteStore(ledger, clock=clock)
    assert (await store.open(engine(), is_read_only=True)).schema == 99
    assert (await store.read("wf_direct_1")).revision == 1
    await store.close()


async def test_a_schema_upgraded_by_another_process_stops_each_write(open_ledger: OpenStore, ledger: Path) -> None:
    store = await open_ledger()
    await store.commit(creation(flow()))
    _run(ledger, "PRAGMA user_version = 2")
    with pytest.raises(SchemaNewerError):
        await store.commit(creation(flow("wf_direct_2")))
    assert await store.read("wf_direct_2") is None
    await store.close()


async def test_reading_only_answers_every_write_with_the_reason(ledger: Path, clock: ManualClock) -> None:
    await _made(ledger, clock)
    store = SqliteStore(ledger, clock=clock)
    facts = await store.open(engine("01READER"), is_read_only=True)
    assert facts.read_only_reason == "it was opened for reading only"
    assert [row.workflow_id for row in (await store.page_flows(Query())).rows] == ["wf_direct_1"]
    with pytest.raises(StoreReadOnlyError, match="reading only"):
        await store.commit(creation(flow("wf_direct_2")))
    assert [row.engine.incarnation for row in await store.engines()] == ["01ENGINE"]
    assert await store.claim(clock.now(), 10) == ()
    await store.close()


async def test_reading_only_sees_what_a_writer_changes(open_ledger: OpenStore) -> None:
    writer = await open_ledger()
    reader = await open_ledger(engine("01READER"), is_read_only=True)
    await writer.commit(creation(flow()))
    assert await reader.read("wf_direct_1") is not None


@pytest.fixture
def place_of_nobody() -> Iterator[Path]:
    """A directory that this process cannot write, even where tests run as root."""
    was_root = os.geteuid() == 0
    with TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        try:
            yield place
        finally:
            if was_root:
                os.seteuid(0)
            for path in (place / ".flowdeck", place):
                path.chmod(0o755)


def _become_nobody(*paths: Path) -> None:
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    if os.geteuid() == 0:
        os.seteuid(65534)


async def test_a_directory_that_cannot_be_written_is_read_and_says_so(
    place_of_nobody: Path, clock: ManualClock
) -> None:
    ledger = place_of_nobody / ".flowdeck" / "ledger.db"
    await _made(ledger, clock)
    _become_nobody(place_of_nobody, ledger.parent, *ledger.parent.iterdir())
    before = {path: path.stat() for path in ledger.parent.iterdir()}
    for is_read_only in (False, True):
        store = SqliteStore(ledger, clock=clock)
        facts = await store.open(engine(), is_read_only=is_read_only)
        assert ("reading only" if is_read_only else "is not writable") in facts.read_only_reason
        assert await store.read("wf_direct_1") is not None
        await store.close()
    assert {path: path.stat().st_mtime_ns for path in ledger.parent.iterdir()} == {
        path: found.st_mtime_ns for path, found in before.items()
    }


async def test_a_directory_that_takes_no_ledger_is_no_store(place_of_nobody: Path, clock: ManualClock) -> None:
    (place_of_nobody / ".flowdeck").mkdir()
    _become_nobody(place_of_nobody, place_of_nobody / ".flowdeck")
    with pytest.raises(StoreUnsafeError, match="There is no ledger"):
        await SqliteStore(place_of_nobody / ".flowdeck" / "ledger.db", clock=clock).open(engine())


async def test_closing_a_store_that_only_reads_ends_its_feed(open_ledger: OpenStore) -> None:
    await open_ledger()
    reader = await open_ledger(engine("01READER"), is_read_only=True)

    async def follow() -> list[Changes]:
        return [changes async for changes in reader.feed(await reader.version())]

    following = asyncio.ensure_future(follow())
    while not reader._listeners._listeners:
        await asyncio.wait([following], timeout=0)
    await reader.version()
    await reader.close()
    assert await asyncio.wait_for(following, 5) == []


async def test_without_a_ledger_reading_only_makes_none(ledger: Path, clock: ManualClock) -> None:
    with pytest.raises(StoreUnsafeError, match="There is no ledger"):
        await SqliteStore(ledger, clock=clock).open(engine(), is_read_only=True)
    assert not ledger.parent.exists()


@pytest.mark.parametrize("data", [b"not a database " * 300, b"SQLite format 3\x00" + b"\xff" * 4080])
async def test_a_file_that_is_no_ledger_is_never_touched(ledger: Path, clock: ManualClock, data: bytes) -> None:
    ledger.parent.mkdir()
    ledger.write_bytes(data)
    for is_read_only in (False, True):
        with pytest.raises(StoreUnsafeError, match=r"left as it is|was changed"):
            await SqliteStore(ledger, clock=clock).open(engine(), is_read_only=is_read_only)
    assert ledger.read_bytes() == data
    assert sorted(path.name for path in ledger.parent.iterdir()) == ["ledger.db"]


async def test_another_programs_database_is_never_touched(ledger: Path, clock: ManualClock) -> None:
    ledger.parent.mkdir()
    _run(ledger, "CREATE TABLE theirs (x)")
    before = ledger.read_bytes()
    with pytest.raises(StoreUnsafeError, match="another program"):
        await SqliteStore(ledger, clock=clock).open(engine())
    assert ledger.read_bytes() == before


async def test_a_damaged_ledger_says_so_and_stays(ledger: Path, clock: ManualClock) -> None:
    await _made(ledger, clock)
    for name in ("ledger.db-wal", "ledger.db-shm"):
        (ledger.parent / name).unlink(missing_ok=True)
    data = bytearray(ledger.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    ledger.write_bytes(data)
    store = SqliteStore(ledger, clock=clock)
    with pytest.raises(StoreUnsafeError, match=r"damaged.*left as it is"):
        await store.open(engine())
    await store.close()
    assert ledger.stat().st_size == len(data)


@pytest.mark.parametrize("what", ["fifo", "directory", "link", "no directory", "directory link"])
async def test_a_place_that_is_no_place_for_a_ledger_is_refused(
    tmp_path: Path, ledger: Path, clock: ManualClock, what: str
) -> None:
    if what == "no directory":
        ledger = tmp_path / "missing" / ".flowdeck" / "ledger.db"
    elif what == "directory link":
        ledger.parent.symlink_to(tmp_path)
    else:
        ledger.parent.mkdir()
    if what == "fifo":
        os.mkfifo(ledger)
    elif what == "directory":
        ledger.mkdir()
    elif what == "link":
        ledger.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreUnsafeError, match="Nothing was"):
        await SqliteStore(ledger, clock=clock).open(engine())
    assert not (tmp_path / "elsewhere").exists()
    assert not (tmp_path / "ledger.db").exists()


async def test_a_backup_is_a_whole_ledger_of_its_own(open_ledger: OpenStore, tmp_path: Path) -> None:
    store = await open_ledger()
    await store.commit(creation(flow()))
    target = tmp_path / "copies" / "ledger.db"
    with pytest.raises(StoreUnsafeError, match="no directory"):
        await store.backup(target)
    target.parent.mkdir()
    await store.backup(target)
    with pytest.raises(StoreUnsafeError, match="exists already"):
        await store.backup(target)
    await store.commit(creation(flow("wf_direct_2")))
    copy = SqliteStore(target, clock=ManualClock())
    await copy.open(engine("01COPY"))
    assert await copy.read("wf_direct_1") == await store.read("wf_direct_1")
    assert await copy.read("wf_direct_2") is None
    assert await copy.check() == ()
    await copy.close()


async def test_the_integrity_check_tells_what_is_wrong(open_ledger: OpenStore) -> None:
    store = await open_ledger()
    await store.commit(creation(flow()))
    assert await store.check() == ()

    def plant(transaction: Transaction) -> None:
        transaction.run("PRAGMA writable_schema = ON")
        transaction.run("UPDATE sqlite_schema SET rootpage = 2 WHERE name = 'workflow_updated'")

    await store._write(plant)
    with_fault = await open_ledger(engine("01OTHER"), is_read_only=True)
    assert await with_fault.check() != ()


async def test_a_full_disk_changes_nothing_and_says_so(open_ledger: OpenStore) -> None:
    store = await open_ledger()
    await store.commit(creation(flow()))
    pages = await store._write(lambda found: found.value("PRAGMA page_count"))
    await store._write(lambda found: found.value(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(StoreError, match=r"full\. Nothing was changed"):
        await store.commit(creation(flow("wf_direct_2", context={"x": "y" * 100_000})))
    assert await store.read("wf_direct_2") is None
    await store._write(lambda found: found.value("PRAGMA max_page_count = 1000000"))
    await store.commit(creation(flow("wf_direct_2", context={"x": "y" * 100_000})))
    assert await store.read("wf_direct_2") is not None
