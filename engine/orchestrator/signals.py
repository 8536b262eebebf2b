"""Waiting for a workflow to move: poked by this engine's commits and by the store's feed, never polled."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from engine.clock import Clock


class Signals:
    """Who waits for which workflow, on one loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def moved(self, workflow_ids: Iterable[str]) -> None:
        """Wake who waits for one of these."""
        for workflow_id in workflow_ids:
            for event in self._waiting.get(workflow_id, ()):
                event.set()

    def all_moved(self) -> None:
        """Wake everybody: nobody knows what changed."""
        self.moved(tuple(self._waiting))

    @contextmanager
    def listening(self, workflow_id: str) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever the workflow may have moved; clear it before looking."""
        event = asyncio.Event()
        self._waiting.setdefault(workflow_id, set()).add(event)
        try:
            yield event
        finally:
            waiting = self._waiting[workflow_id]
            waiting.discard(event)
            if not waiting:
                del self._waiting[workflow_id]

    async def within(self, event: asyncio.Event, left_s: float | None) -> bool:
        """Wait for ``event``, ``left_s`` seconds at most; returns whether it came in time."""
        if left_s is None:
            await event.wait()
            return True
        if left_s <= 0:
            return event.is_set()
        loop = asyncio.get_running_loop()
        tasks = (loop.create_task(event.wait()), loop.create_task(self._clock.sleep(left_s)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end_tasks(*tasks)
        return event.is_set()


async def end_tasks(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks and wait until they are gone; what they raise is no news any more."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
