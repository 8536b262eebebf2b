"""The link: calls across threads, merged changes, lost stores and their return."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from console.link import EngineLink, LinkDownError, LinkState, Side
from engine.clock import Clock, SystemClock
from engine.errors import StoreError, StoreUnsafeError
from engine.store.feed import Changes, Notice, NoticeKind


class HastyClock(SystemClock):
    """Waits a hundredth of what is asked, so that retries are quick."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / 100)


class Scripted:
    """An engine whose store can be lost and found; only what the link itself asks of it."""

    def __init__(self) -> None:
        self.is_lost = False
        self.is_refusing = ""
        self.opened = 0
        self.closed = 0
        self.thread = ""
        self.feed: asyncio.Queue[Changes] = asyncio.Queue()

    async def open(self, clock: Clock) -> Side:
        del clock
        if self.is_refusing:
            raise StoreUnsafeError(self.is_refusing)
        if self.is_lost:
            raise StoreError("The store is gone.")
        self.opened += 1
        self.thread = threading.current_thread().name
        self.feed = asyncio.Queue()
        watch: Any = self
        return Side(watch=watch, act=watch, rescan=self._nothing, find_line=lambda _name: None, close=self._close)

    async def changes(self) -> AsyncIterator[Changes]:
        while True:
            try:
                async with asyncio.timeout(0.01):
                    yield await self.feed.get()
            except TimeoutError:
                if self.is_lost:
                    raise StoreError("The store is gone.") from None

    async def health(self) -> None:
        if self.is_lost:
            raise StoreError("The store is gone.")

    async def _nothing(self) -> None:
        return None

    async def _close(self) -> None:
        self.closed += 1


@pytest.fixture
async def linked() -> AsyncIterator[Callable[[Scripted], EngineLink]]:
    links: list[EngineLink] = []

    def link(scripted: Scripted) -> EngineLink:
        made = EngineLink("nowhere", clock=HastyClock(), opener=scripted.open)
        links.append(made)
        made.start()
        return made

    yield link
    for one in links:
        assert one.stop()


async def _until(link: EngineLink, is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        await link.dirty()
        while not is_so():
            await link.dirty()


async def _until_true(is_so: Callable[[], bool]) -> None:
    clock = SystemClock()
    async with asyncio.timeout(5):
        while not is_so():
            await clock.sleep(0.005)


def _changes(*ids: str, is_reset: bool = False) -> Changes:
    return Changes(1, frozenset(Notice(NoticeKind.WORKFLOW, one) for one in ids), is_reset=is_reset)


async def _put(scripted: Scripted, changes: Changes) -> Callable[[Side], Awaitable[None]]:
    async def put(_side: Side) -> None:
        scripted.feed.put_nowait(changes)

    return put


async def test_a_question_runs_on_the_engines_thread_and_its_answer_comes_back(
    linked: Callable[[Scripted], EngineLink],
) -> None:
    link = linked(Scripted())
    await _until(link, lambda: link.state is LinkState.OPEN)

    async def where(_side: Side) -> str:
        return threading.current_thread().name

    assert await link.call(where) == "flowdeck-engine"
    assert threading.current_thread().name != "flowdeck-engine"


async def test_what_a_question_raises_is_raised_to_who_asked(linked: Callable[[Scripted], EngineLink]) -> None:
    link = linked(Scripted())
    await _until(link, lambda: link.state is LinkState.OPEN)

    async def wrong(_side: Side) -> None:
        raise StoreError("It cannot be read.")

    with pytest.raises(StoreError, match="cannot be read"):
        await link.call(wrong)


async def test_changes_that_come_while_nobody_looks_are_told_once_and_merged(
    linked: Callable[[Scripted], EngineLink],
) -> None:
    scripted = Scripted()
    link = linked(scripted)
    await _until(link, lambda: link.state is LinkState.OPEN)
    for number in range(50):
        await link.call(await _put(scripted, _changes(f"wf_{number % 5}")))
    heard: set[str] = set()
    turns = 0
    async with asyncio.timeout(5):
        while len(heard) < 5:
            heard |= (await link.dirty()).ids
            turns += 1
    assert heard == {f"wf_{number}" for number in range(5)}
    assert turns < 50


async def test_being_too_far_behind_is_told_as_everything(linked: Callable[[Scripted], EngineLink]) -> None:
    scripted = Scripted()
    link = linked(scripted)
    await _until(link, lambda: link.state is LinkState.OPEN)
    await link.call(await _put(scripted, _changes(is_reset=True)))
    async with asyncio.timeout(5):
        dirty = await link.dirty()
    assert dirty.is_reset
    assert dirty.kinds == frozenset(NoticeKind)


async def test_a_store_that_vanishes_is_told_and_opened_again_once_it_is_back(
    linked: Callable[[Scripted], EngineLink],
) -> None:
    scripted = Scripted()
    link = linked(scripted)
    await _until(link, lambda: link.state is LinkState.OPEN)
    scripted.is_lost = True
    await _until(link, lambda: link.state is LinkState.LOST)
    assert link.sentence == "The store is gone."
    await _until_true(lambda: scripted.closed > 0)
    with pytest.raises(LinkDownError, match="gone"):
        await link.call(lambda side: side.watch.health())
    scripted.is_lost = False
    await _until(link, lambda: link.state is LinkState.OPEN)
    assert scripted.opened == 2


async def test_a_place_that_cannot_serve_is_refused_with_its_sentence_and_not_tried_again(
    linked: Callable[[Scripted], EngineLink],
) -> None:
    scripted = Scripted()
    scripted.is_refusing = "It is a file."
    link = linked(scripted)
    await _until(link, lambda: link.state is LinkState.REFUSED)
    assert link.refusal == "It is a file."
    assert scripted.opened == 0


async def test_a_programming_error_of_the_engines_side_reaches_the_screen() -> None:
    async def broken(_clock: Clock) -> Side:
        raise ZeroDivisionError

    link = EngineLink("nowhere", opener=broken)
    link.start()
    with pytest.raises(ZeroDivisionError):
        await _until(link, lambda: False)
    assert link.stop()


async def test_stopping_closes_the_engine_and_ends_its_thread() -> None:
    scripted = Scripted()
    link = EngineLink("nowhere", opener=scripted.open)
    link.start()
    await _until(link, lambda: link.state is LinkState.OPEN)
    assert link.stop()
    assert scripted.closed == 1
    assert scripted.thread not in {thread.name for thread in threading.enumerate()}
