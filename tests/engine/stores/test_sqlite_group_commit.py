from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
from conftest import OpenStore
from ledger_values import creation, engine, flow, move

from engine.clock import ManualClock
from engine.errors import StoreError
from engine.store.outcomes import Committed, Conflict, Unknown
from engine.stores.sqlite import SqliteStore
from engine.stores.sqlite.transaction import Transaction


class _Held:
    """Keeps the writing thread busy until it is let go, so that calls queue up behind."""

    def __init__(self, store: SqliteStore) -> None:
        self._begun, self._go = threading.Event(), threading.Event()
        self._waiting = asyncio.ensure_future(store._write(self._hold))

    def _hold(self, _: Transaction) -> None:
        self._begun.set()
        self._go.wait(10)

    async def begin(self) -> None:
        await asyncio.to_thread(self._begun.wait, 10)

    async def release(self) -> None:
        self._go.set()
        await self._waiting


async def _queued(store: SqliteStore, *writes: Any) -> list[Any]:
    """Return what writes come to that all wait while another is under way."""
    held = _Held(store)
    await held.begin()
    going = [asyncio.ensure_future(write) for write in writes]
    await asyncio.wait(going, timeout=0)
    await held.release()
    return await asyncio.gather(*going, return_exceptions=True)


async def test_changes_that_wait_share_one_transaction(open_ledger: OpenStore) -> None:
    store = await open_ledger()
    before = store.transactions
    outcomes = await _queued(store, *(store.commit(creation(flow(f"wf_{n}"))) for n in range(100)))
    assert all(isinstance(outcome, Committed) for outcome in outcomes)
    assert store.transactions - before == 2
    assert (await store.counters("flows/"))["flows/direct/initialized"] == 100


async def test_changes_of_one_workflow_see_each_other_within_a_group(open_ledger: OpenStore) -> None:
    store = await open_ledger()
    first = flow()
    second = move(first, "module_execution")
    outcomes = await _queued(
        store, store.commit(creation(first)), store.commit(second), store.commit(move(first, "failed"))
    )
    assert [type(outcome) for outcome in outcomes] == [Committed, Committed, Conflict]
    assert (await store.read("wf_direct_1")).state == "module_execution"


async def test_a_write_that_fails_does_not_hurt_its_neighbours(open_ledger: OpenStore) -> None:
    store = await open_ledger()

    def breaks(_: object) -> None:
        message = "a fault of its own"
        raise LookupError(message)

    outcomes = await _queued(
        store,
        store.commit(creation(flow("wf_1"))),
        store._write(breaks),
        store._write(lambda transaction: transaction.run("INSERT INTO nowhere VALUES (1)")),
        store.commit(creation(flow("wf_2"))),
    )
    assert [type(outcome) for outcome in outcomes] == [Committed, LookupError, StoreError, Committed]
    assert (await store.counters("flows/"))["flows/direct/initialized"] == 2
    assert [row.workflow_id for row in await store.read_many(["wf_1", "wf_2"])] == ["wf_1", "wf_2"]
    assert len(await store.entries("wf_1")) == len(await store.entries("wf_2")) == 1


async def test_a_caller_that_gives_up_does_not_stop_its_write(open_ledger: OpenStore) -> None:
    store = await open_ledger()
    held = _Held(store)
    await held.begin()
    committing = asyncio.ensure_future(store.commit(creation(flow(), request_id="r")))
    await asyncio.wait([committing], timeout=0)
    committing.cancel()
    await held.release()
    await asyncio.wait([committing])
    assert committing.cancelled()
    await store.count_error("timeout")  # queued behind it
    assert await store.settle("wf_direct_1", "r") is not None


async def test_a_reader_reads_on_while_a_write_is_under_way(open_ledger: OpenStore) -> None:
    store = await open_ledger()
    await store.commit(creation(flow()))
    begun, go = threading.Event(), threading.Event()

    def slow(transaction: Transaction) -> None:
        transaction.run("UPDATE workflow SET state = 'half done'")
        begun.set()
        go.wait(10)

    writing = asyncio.ensure_future(store._write(slow))
    await asyncio.to_thread(begun.wait, 10)
    assert (await asyncio.wait_for(store.read("wf_direct_1"), 5)).state == "initialized"
    go.set()
    await writing


class _FlakyConnection:
    """A connection whose next COMMITs fail, before or after they took effect."""

    def __init__(self, real: apsw.Connection, *, is_done: bool, failures: int) -> None:
        self._real = real
        self._is_done = is_done
        self._failures = failures

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def execute(self, statement: str, values: Any = ()) -> Any:
        if statement != "COMMIT" or self._failures == 0:
            return self._real.execute(statement, values)
        self._failures -= 1
        if self._is_done:
            self._real.execute("COMMIT")
        message = "disk I/O error"
        raise apsw.IOError(message)


@pytest.fixture
async def flaky(open_ledger: OpenStore) -> Callable[..., SqliteStore]:
    store = await open_ledger()

    def make(*, is_done: bool, failures: int) -> SqliteStore:
        store._group._connection = _FlakyConnection(store._group._connection, is_done=is_done, failures=failures)
        return store

    return make


async def test_a_failed_commit_that_took_effect_is_settled(flaky: Callable[..., SqliteStore]) -> None:
    store = flaky(is_done=True, failures=1)
    outcome = await store.commit(creation(flow()))
    assert isinstance(outcome, Committed)
    assert outcome.workflow == await store.read("wf_direct_1")


async def test_a_failed_commit_that_is_surely_undone_changed_nothing(flaky: Callable[..., SqliteStore]) -> None:
    store = flaky(is_done=False, failures=1)
    with pytest.raises(StoreError, match="Nothing was changed"):
        await store.commit(creation(flow()))
    assert await store.read("wf_direct_1") is None
    assert isinstance(await store.commit(creation(flow())), Committed)


async def test_a_failed_commit_that_cannot_be_settled_is_unknown(flaky: Callable[..., SqliteStore]) -> None:
    store = flaky(is_done=False, failures=2)
    assert await store.commit(creation(flow())) == Unknown("disk I/O error")
    assert isinstance(await store.commit(creation(flow())), Committed)


async def test_other_writes_of_a_failed_commit_raise(flaky: Callable[..., SqliteStore]) -> None:
    store = flaky(is_done=False, failures=2)
    with pytest.raises(StoreError):
        await store.count_error("timeout")
    assert await store.counters("errors/") == {}


async def test_run_blocking_does_every_call_in_place(tmp_path: Path, clock: ManualClock) -> None:
    before = set(threading.enumerate())
    threads: set[int] = set()

    async def in_place(function: Callable[..., Any], *values: Any) -> Any:
        threads.add(threading.get_ident())
        return function(*values)

    for place in (None, tmp_path / ".flowdeck" / "ledger.db"):
        store = SqliteStore(place, clock=clock, run_blocking=in_place)
        await store.open(engine())
        assert isinstance(await store.commit(creation(flow())), Committed)
        assert await store.read("wf_direct_1") is not None
        await store.close()
    assert threads == {threading.get_ident()}
    assert set(threading.enumerate()) <= before


async def test_a_store_outlives_the_loop_that_opened_it(tmp_path: Path, clock: ManualClock) -> None:
    store = SqliteStore(tmp_path / ".flowdeck" / "ledger.db", clock=clock)

    def on_its_own_loop(run: Any) -> Any:
        return asyncio.run(run)

    await asyncio.to_thread(on_its_own_loop, store.open(engine()))
    outcome = await asyncio.to_thread(on_its_own_loop, store.commit(creation(flow())))
    assert isinstance(outcome, Committed)
    assert await store.read("wf_direct_1") == outcome.workflow
    await store.close()
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.read("wf_direct_1")
