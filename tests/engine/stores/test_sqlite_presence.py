"""A ledger that is taken away or replaced while it is open answers nobody any more."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import OpenStore
from ledger_values import creation, engine, flow, move

from engine.clock import ManualClock
from engine.errors import StoreUnsafeError
from engine.stores.sqlite import SqliteStore

Loss = Callable[[Path], None]


def _without_directory(ledger: Path) -> None:
    shutil.rmtree(ledger.parent)


def _with_an_empty_directory(ledger: Path) -> None:
    shutil.rmtree(ledger.parent)
    ledger.parent.mkdir()


def _without_file(ledger: Path) -> None:
    ledger.unlink()


def _with_a_copy(ledger: Path) -> None:
    copy = ledger.with_name("copy")
    shutil.copy(ledger, copy)
    copy.replace(ledger)


def _without_log(ledger: Path) -> None:
    ledger.with_name("ledger.db-wal").unlink()


def _without_index(ledger: Path) -> None:
    ledger.with_name("ledger.db-shm").unlink()


def _emptied(ledger: Path) -> None:
    with ledger.open("r+b") as file:
        file.truncate()


LOSSES = (
    _without_directory,
    _with_an_empty_directory,
    _without_file,
    _with_a_copy,
    _without_log,
    _without_index,
    _emptied,
)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / ".flowdeck" / "ledger.db"


@pytest.mark.parametrize("lose", LOSSES)
async def test_no_write_is_acknowledged_once_the_ledger_is_lost(
    open_ledger: OpenStore, ledger: Path, lose: Loss
) -> None:
    store = await open_ledger()
    created = flow()
    await store.commit(creation(created))
    lose(ledger)
    for change in (move(created, "module_execution"), creation(flow("wf_direct_2"))):
        with pytest.raises(StoreUnsafeError, match=r"removed or replaced while it was open\. Nothing was changed"):
            await store.commit(change)


@pytest.mark.parametrize("lose", LOSSES)
@pytest.mark.parametrize("is_read_only", [False, True])
async def test_no_read_answers_from_a_ledger_that_is_lost(
    open_ledger: OpenStore, ledger: Path, lose: Loss, is_read_only: bool
) -> None:
    writer = await open_ledger()
    await writer.commit(creation(flow()))
    store = await open_ledger(engine("01OTHER"), is_read_only=is_read_only)
    assert await store.read("wf_direct_1") is not None
    lose(ledger)
    with pytest.raises(StoreUnsafeError, match="removed or replaced"):
        await store.read("wf_direct_1")
    with pytest.raises(StoreUnsafeError, match="removed or replaced"):
        await store.read_many(["wf_direct_1"])


async def test_a_reader_of_the_feed_hears_that_the_ledger_is_lost(open_ledger: OpenStore, ledger: Path) -> None:
    store = await open_ledger()
    feed = store.feed(0)
    await anext(feed)
    _without_directory(ledger)
    with pytest.raises(StoreUnsafeError, match="removed or replaced"):
        await anext(feed)


async def test_opening_afresh_after_a_loss_works_and_the_old_engine_stays_out(
    open_ledger: OpenStore, ledger: Path, clock: ManualClock
) -> None:
    store = await open_ledger()
    await store.commit(creation(flow()))
    _with_an_empty_directory(ledger)
    other = SqliteStore(ledger, clock=clock)
    await other.open(engine("01OTHER"))
    await other.commit(creation(flow("wf_direct_2")))
    with pytest.raises(StoreUnsafeError, match="removed or replaced"):
        await store.commit(creation(flow("wf_direct_3")))
    await store.close()
    assert await other.read("wf_direct_2") is not None
    await other.close()
    again = SqliteStore(ledger, clock=clock)
    await again.open(engine("01AGAIN"))
    assert await again.read("wf_direct_2") is not None
    assert await again.check() == ()
    await again.close()
