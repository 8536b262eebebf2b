"""Records outcomes of delivery attempts in batches, so that a transition costs one sync of the disk, not two."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from engine.clock import Clock
from engine.errors import StoreError, WorkflowErrorType
from engine.store.outcomes import EventId
from engine.store.protocol import EventStore
from engine.store.requests import Attempt

LINGER_S: Final = 0.02
"""How long a plain success may stay unrecorded; a crash within it delivers that event a second time."""

RETRY_S: Final = 1.0
"""Pause after the store refused a batch."""


class Recorder:
    """Holds attempts until they are durable.

    Attributes:
        unrecorded: the attempts not yet in the store; claims must pass these events over.
    """

    def __init__(self, store: EventStore, clock: Clock, count_error: Callable[[WorkflowErrorType], None]) -> None:
        self.unrecorded: dict[EventId, Attempt] = {}
        self._store = store
        self._clock = clock
        self._count_error = count_error
        self._lingering: asyncio.Task[None] | None = None
        self._recording: asyncio.Task[bool] | None = None
        self._is_stopped = False

    def start(self) -> None:
        """Go on trying where the store refuses, until stopped."""
        self._is_stopped = False

    def note(self, attempt: Attempt) -> None:
        """Take one attempt; it is recorded within :data:`LINGER_S`, or with the next :meth:`flush`."""
        self.unrecorded[attempt.id] = attempt
        loop = asyncio.get_running_loop()
        if self._lingering is None or self._lingering.done() or self._lingering.get_loop() is not loop:
            self._lingering = loop.create_task(self._linger())

    def has_unrecorded(self, workflow_id: str) -> bool:
        """Return whether an attempt at an event of this workflow is not in the store yet."""
        return any(event_id.workflow_id == workflow_id for event_id in self.unrecorded)

    async def flush(self) -> bool:
        """Record what was noted so far; False where the store refused (it stays noted and is tried again)."""
        loop = asyncio.get_running_loop()
        while (ahead := self._recording) is not None and not ahead.done() and ahead.get_loop() is loop:
            await asyncio.wait((ahead,))
        if not self.unrecorded:
            return True
        self._recording = loop.create_task(self._record(dict(self.unrecorded)))
        return await asyncio.shield(self._recording)

    async def stop(self) -> None:
        """Record what is left, and end the waiting task; what the store refuses then is delivered once more later."""
        self._is_stopped = True
        lingering, self._lingering = self._lingering, None
        if lingering is not None and lingering.get_loop() is asyncio.get_running_loop():
            lingering.cancel()
        await self.flush()

    async def _record(self, batch: dict[EventId, Attempt]) -> bool:
        try:
            await self._store.record_attempts(tuple(batch.values()))
        except StoreError:
            self._count_error(WorkflowErrorType.RESOURCE_ERROR)
            return False
        for event_id, attempt in batch.items():
            if self.unrecorded.get(event_id) is attempt:
                del self.unrecorded[event_id]
        return True

    async def _linger(self) -> None:
        pause_s = LINGER_S
        while self.unrecorded:
            await self._clock.sleep(pause_s)
            is_recorded = await self.flush()
            if self._is_stopped and not is_recorded:
                return
            pause_s = LINGER_S if is_recorded else RETRY_S
