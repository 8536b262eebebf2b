"""How readers of the feed wait: woken by this store's own writes, else looking for those of other processes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Final

from engine.clock import Clock

BUSY_S: Final = 0.02
"""Between two looks while changes were seen within ``BUSY_FOR_S``."""

BUSY_FOR_S: Final = 1.0
CALM_S: Final = 0.05
IDLE_S: Final = 0.25
_SLOWER: Final = 1.5


class Listener:
    """One reader of the feed, on the loop that it waits on."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake it, from any thread."""
        with contextlib.suppress(RuntimeError):  # its loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self._rung.set)

    async def wait(self, clock: Clock, seconds: float | None) -> None:
        """Wait until rung, or ``seconds`` of the clock's time (None: without end)."""
        if seconds is None:
            await self._rung.wait()
        elif not self._rung.is_set():
            tasks = (asyncio.ensure_future(self._rung.wait()), asyncio.ensure_future(clock.sleep(seconds)))
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
        self._rung.clear()


class Listeners:
    """Everyone who reads the feed of one store."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._listeners: set[Listener] = set()
        self.is_closed = False

    def add(self) -> Listener:
        """Return a new listener of the running loop."""
        listener = Listener()
        with self._turn:
            self._listeners.add(listener)
        return listener

    def remove(self, listener: Listener) -> None:
        """Forget a listener."""
        with self._turn:
            self._listeners.discard(listener)

    def wake(self) -> None:
        """Ring every listener, from any thread."""
        with self._turn:
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener.ring()

    def close(self) -> None:
        """End every feed."""
        self.is_closed = True
        self.wake()


class Pace:
    """How long to wait before the next look: short while things happen, longer the longer nothing does."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen_at: float | None = None
        self._idle_s = CALM_S

    def saw_change(self) -> None:
        """Something changed just now."""
        self._seen_at = self._clock.monotonic()
        self._idle_s = CALM_S

    def next_s(self) -> float:
        """Return the seconds until the next look."""
        if self._seen_at is not None and self._clock.monotonic() - self._seen_at <= BUSY_FOR_S:
            return BUSY_S
        now_s, self._idle_s = self._idle_s, min(IDLE_S, self._idle_s * _SLOWER)
        return now_s
