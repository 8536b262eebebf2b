"""Threads that each own one connection: calls queue up, the thread takes all that wait, callers await their own.

A caller that is cancelled stops waiting; its call runs all the same. Calls carry the loop they came from, so that a
store outlives the loop that opened it.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

from engine.errors import StoreError

ResultT = TypeVar("ResultT")

LARGEST_BATCH: Final = 256
"""Calls that one turn of a thread takes at most."""

RunBlocking = Callable[..., Awaitable[Any]]
"""Runs a function away from the loop, as ``asyncio.to_thread`` does, or in place."""


class Call(Generic[ResultT]):
    """One thing to be done, and what came of it."""

    __slots__ = ("_error", "_value", "future", "loop", "work")

    def __init__(self, work: Any) -> None:
        self.work = work
        self.loop: asyncio.AbstractEventLoop | None = None
        self.future: asyncio.Future[ResultT] | None = None
        self._value: Any = None
        self._error: BaseException | None = None

    def succeed(self, value: ResultT) -> None:
        """Keep the result."""
        self._value, self._error = value, None

    def fail(self, error: BaseException) -> None:
        """Keep the error."""
        self._error = error

    def result(self) -> ResultT:
        """Return what was kept, or raise it."""
        if self._error is not None:
            raise self._error
        value: ResultT = self._value
        return value

    def hand_over(self) -> None:
        """Give the caller what came of it, if it still waits; runs on the caller's loop."""
        if self.future is None or self.future.done():
            return
        if self._error is not None:
            self.future.set_exception(self._error)
        else:
            self.future.set_result(self._value)


Execute = Callable[[Sequence[Call[Any]]], None]
"""Does every call of a batch and keeps its result or its error in it; raises nothing."""


class Worker(Protocol):
    """Where calls are done."""

    async def run(self, work: Any) -> Any:
        """Return what ``work`` comes to, or raise its error."""
        ...

    async def stop(self, last: Callable[[], None]) -> None:
        """Finish what is queued, do ``last``, take nothing more."""
        ...


class ThreadWorker:
    """A daemon thread: an engine that nobody cleaned up keeps no process alive."""

    def __init__(self, name: str, execute: Execute) -> None:
        self._execute = execute
        self._calls: queue.SimpleQueue[Call[Any] | Callable[[], None]] = queue.SimpleQueue()
        self._is_stopped = False
        self._ended: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    async def run(self, work: Any) -> Any:
        """Return what ``work`` comes to; see :class:`Worker`."""
        if self._is_stopped:
            raise StoreError("The store is closed. Nothing was changed.")
        call: Call[Any] = Call(work)
        call.loop = asyncio.get_running_loop()
        call.future = call.loop.create_future()
        self._calls.put(call)
        return await call.future

    async def stop(self, last: Callable[[], None]) -> None:
        """Finish what is queued; see :class:`Worker`."""
        if self._is_stopped:
            return
        self._is_stopped = True
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        self._ended.append((loop, ended))
        self._calls.put(last)
        await asyncio.shield(ended)

    def _serve(self) -> None:
        while True:
            batch, last = self._take()
            if batch:
                self._do(batch)
                _deliver(batch)
            if last is not None:
                last()
                for loop, ended in self._ended:
                    _on_loop(loop, _finish, ended)
                return

    def _do(self, batch: Sequence[Call[Any]]) -> None:
        try:
            self._execute(batch)
        except BaseException as error:  # noqa: BLE001  a thread that died would leave every later caller waiting
            for call in batch:
                call.fail(error)

    def _take(self) -> tuple[list[Call[Any]], Callable[[], None] | None]:
        """Wait for a call and return it with all that queued up behind it."""
        batch: list[Call[Any]] = []
        found = self._calls.get()
        while True:
            if not isinstance(found, Call):
                return batch, found
            batch.append(found)
            if len(batch) == LARGEST_BATCH:
                return batch, None
            try:
                found = self._calls.get_nowait()
            except queue.Empty:
                return batch, None


class InlineWorker:
    """Calls done one by one by ``run_blocking``: in place under virtual time, or in any thread of the caller's."""

    def __init__(self, run_blocking: RunBlocking, execute: Execute) -> None:
        self._run_blocking = run_blocking
        self._execute = execute
        self._turn = threading.Lock()
        self._is_stopped = False

    async def run(self, work: Any) -> Any:
        """Return what ``work`` comes to; see :class:`Worker`."""
        if self._is_stopped:
            raise StoreError("The store is closed. Nothing was changed.")
        call: Call[Any] = Call(work)
        await self._run_blocking(self._one, call)
        return call.result()

    async def stop(self, last: Callable[[], None]) -> None:
        """Finish what is queued; see :class:`Worker`."""
        if not self._is_stopped:
            self._is_stopped = True
            await self._run_blocking(self._in_turn, last)

    def _one(self, call: Call[Any]) -> None:
        with self._turn:
            self._execute((call,))

    def _in_turn(self, last: Callable[[], None]) -> None:
        with self._turn:
            last()


def _deliver(batch: Sequence[Call[Any]]) -> None:
    """Wake each loop once for all its calls."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Call[Any]]] = {}
    for call in batch:
        if call.loop is not None:
            by_loop.setdefault(call.loop, []).append(call)
    for loop, calls in by_loop.items():
        _on_loop(loop, _hand_over_all, calls)


def _hand_over_all(calls: Sequence[Call[Any]]) -> None:
    for call in calls:
        call.hand_over()


def _finish(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)


def _on_loop(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *values: Any) -> None:
    """Run ``function`` on ``loop``; a loop that was closed meanwhile has nobody left who waits."""
    try:
        loop.call_soon_threadsafe(function, *values)
    except RuntimeError:
        if not loop.is_closed():
            raise
