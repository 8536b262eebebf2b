"""A ledger comes into being whole: an empty file in its place is damage, never a new store."""

from __future__ import annotations

import asyncio
import shutil
import threading
from pathlib import Path

import pytest
from ledger_values import creation, engine, flow

from engine.clock import ManualClock
from engine.errors import StoreUnsafeError
from engine.stores.sqlite import SqliteStore, files


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / ".flowdeck" / "ledger.db"


@pytest.mark.parametrize("is_read_only", [False, True])
async def test_a_ledger_that_was_emptied_is_refused_and_left_with_its_log(
    ledger: Path, clock: ManualClock, is_read_only: bool
) -> None:
    store = SqliteStore(ledger, clock=clock)
    await store.open(engine())
    await store.commit(creation(flow()))
    log = ledger.with_name("ledger.db-wal")
    kept = log.read_bytes()
    await store.close()
    ledger.write_bytes(b"")
    log.write_bytes(kept)
    with pytest.raises(StoreUnsafeError, match=r"is empty.*left as it is.*restore a backup"):
        await SqliteStore(ledger, clock=clock).open(engine(), is_read_only=is_read_only)
    assert (ledger.read_bytes(), log.read_bytes()) == (b"", kept)


async def test_whoever_creates_a_ledger_at_the_same_time_finds_the_same_whole_one(
    ledger: Path, clock: ManualClock
) -> None:
    is_over = threading.Event()
    smallest: list[int] = []

    def look() -> None:
        while not is_over.is_set():
            if ledger.exists():
                smallest.append(ledger.stat().st_size)

    looking = asyncio.create_task(asyncio.to_thread(look))
    stores = [SqliteStore(ledger, clock=clock) for _ in range(6)]
    facts = await asyncio.gather(*(store.open(engine(f"01ENGINE{n}")) for n, store in enumerate(stores)))
    is_over.set()
    await looking
    assert len({each.store_id for each in facts}) == 1
    assert min(smallest) > 0
    assert len(await stores[0].engines()) == 6
    for store in stores:
        await store.close()
    assert sorted(path.name for path in ledger.parent.iterdir()) == ["ledger.db", "ledger.db-shm", "ledger.db-wal"]


async def test_a_log_without_its_ledger_never_gets_into_a_new_one(ledger: Path, clock: ManualClock) -> None:
    store = SqliteStore(ledger, clock=clock)
    await store.open(engine())
    await store.commit(creation(flow()))
    log = ledger.with_name("ledger.db-wal")
    kept = log.read_bytes()
    await store.close()
    ledger.unlink()
    log.write_bytes(kept)
    again = SqliteStore(ledger, clock=clock)
    await again.open(engine("01AGAIN"))
    assert await again.read("wf_direct_1") is None
    assert [row.engine.incarnation for row in await again.engines()] == ["01AGAIN"]
    assert await again.check() == ()
    await again.close()


async def test_a_creation_that_fails_leaves_nothing(ledger: Path) -> None:
    def fill(_: Path) -> None:
        raise OSError(28, "No space left on device")

    shutil.rmtree(ledger.parent, ignore_errors=True)
    with pytest.raises(OSError, match="No space"):
        files.prepare(ledger, fill)
    assert list(ledger.parent.iterdir()) == []
