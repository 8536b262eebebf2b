"""Refused attempts on their way into the audit: counted at once, written together, never on the caller's path."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from engine.errors import RefusedError, StoreError, WorkflowNotFoundError
from engine.model.names import is_plain_id
from engine.store.protocol import WorkflowStore
from engine.store.requests import Refusal
from engine.supervisor import Boundary

_WAITING_AT_MOST: Final = 1_000
"""More than this waiting, and the refused caller waits for the disk too: a flood slows itself."""

_TOGETHER: Final = 200


class Refusals:
    """The refusals of one engine that are not written yet."""

    def __init__(self, store: WorkflowStore, boundary: Boundary) -> None:
        self._store = store
        self._boundary = boundary
        self._waiting: deque[Refusal] = deque()
        self._writing: asyncio.Task[None] | None = None

    async def take(self, refusal: Refusal, error: RefusedError) -> None:
        """Take one refusal; returns at once unless too many wait.

        Of a workflow that does not exist, or cannot by its id, there is no chain to write into; its refusal goes
        into the store-wide one.
        """
        if isinstance(error, WorkflowNotFoundError) or not is_plain_id(refusal.workflow_id):
            refusal = Refusal(
                workflow_id="",
                verb=refusal.verb,
                at=refusal.at,
                act=refusal.act,
                why=refusal.why,
                error_type=refusal.error_type,
            )
        self._waiting.append(refusal)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write())
        if len(self._waiting) > _WAITING_AT_MOST:
            await asyncio.shield(self._writing)

    async def flush(self) -> None:
        """Return when everything taken so far is written, or the store refused it."""
        while self._writing is not None and not self._writing.done():
            await asyncio.shield(self._writing)

    async def _write(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(_TOGETHER, len(self._waiting)))]
            ended = await asyncio.gather(
                *(self._store.record_refusal(refusal) for refusal in batch), return_exceptions=True
            )
            for error in ended:
                if isinstance(error, Exception) and not isinstance(error, StoreError):
                    self._boundary("refusal", error)
            if all(isinstance(error, StoreError) for error in ended):
                # A store that cannot be written refuses everything; the log has each of these lines already.
                self._waiting.clear()
