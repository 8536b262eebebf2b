from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from conftest import Commit
from ledger_values import creation, flow, given_up, move, note, wanted_lock

from engine.clock import ManualClock
from engine.model.change import LockPolicy
from engine.store.feed import Changes, Notice, NoticeKind
from engine.store.protocol import Store
from engine.store.requests import Retention

WORKFLOW = Notice(NoticeKind.WORKFLOW, "wf_direct_1")


async def _next(feed: AsyncIterator[Changes]) -> Changes:
    return await asyncio.wait_for(anext(feed), 5)


async def _listening(store: Store, reading: asyncio.Future[Any]) -> None:
    """Wait until the feed has taken its position and waits."""
    while not store._listeners._listeners:
        await asyncio.wait([reading], timeout=0)
    await store.version()  # answered after the feed's own question


async def test_a_feed_yields_what_changed_since_it_began_each_thing_once(store: Store, commit: Commit) -> None:
    made = await commit(creation(flow()))
    feed = store.feed()
    reading = asyncio.ensure_future(_next(feed))
    await _listening(store, reading)
    made = await commit(move(made, "module_execution"))
    changes = await reading
    assert changes == Changes(await store.version(), frozenset((WORKFLOW,)))
    for state in ("response_generation", "completed"):
        made = await commit(move(made, state))
    assert (await _next(feed)).notices == {WORKFLOW}
    await feed.aclose()


async def test_a_feed_goes_on_after_a_position(store: Store, commit: Commit, clock: ManualClock) -> None:
    made = await commit(creation(flow()))
    position = await store.version()
    await store.grant(wanted_lock(clock))
    feed = store.feed(position)
    changes = await _next(feed)
    assert changes.notices == {WORKFLOW, Notice(NoticeKind.LOCK, "wf_direct_1")}
    await commit(note(made, "n", lock_policy=LockPolicy.PASS))
    assert (await _next(feed)).notices == {WORKFLOW}
    await feed.aclose()


async def test_equal_versions_mean_that_nothing_changed(store: Store, commit: Commit, clock: ManualClock) -> None:
    await commit(creation(flow()))
    lock = (await store.grant(wanted_lock(clock))).lock
    version = await store.version()
    await store.read("wf_direct_1")
    await store.heartbeat({})
    assert not await store.release(given_up(clock, lock, is_expiry=True))
    assert await store.version() == version
    await store.release(given_up(clock, lock))
    assert await store.version() > version


async def test_a_reader_behind_the_trimmed_end_starts_anew(store: Store, commit: Commit) -> None:
    made = await commit(creation(flow()))
    behind = await store.version()
    for _ in range(10):
        made = await commit(move(made, "module_execution"))
    await store.prune(Retention(notices=4))
    feed = store.feed(behind)
    changes = await _next(feed)
    assert (changes.is_reset, changes.position) == (True, await store.version())
    await commit(move(made, "completed"))
    assert not (await _next(feed)).is_reset
    await feed.aclose()


async def test_a_reader_ahead_of_the_ledger_starts_anew(store: Store, commit: Commit) -> None:
    await commit(creation(flow()))
    feed = store.feed(10_000)
    assert (await _next(feed)).is_reset
    await feed.aclose()


async def test_closing_the_store_ends_its_feeds(store: Store) -> None:
    async def follow() -> list[Changes]:
        return [changes async for changes in store.feed(await store.version())]

    following = asyncio.ensure_future(follow())
    await _listening(store, following)
    await store.close()
    # The engine's own end is the last thing it may have told.
    assert len(await asyncio.wait_for(following, 5)) <= 1


async def test_a_cancelled_reader_leaves_nothing_behind(store: Store) -> None:
    async def follow() -> None:
        async for _ in store.feed():
            pytest.fail("nothing changed")

    following = asyncio.ensure_future(follow())
    await _listening(store, following)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    assert not store._listeners._listeners
