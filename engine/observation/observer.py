"""Reading for operators: pages straight from the store, one workflow's detail on demand, never all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from engine.documents.files import document_name, read_document
from engine.errors import DamagedDocumentError, WorkflowErrorType, WorkflowNotFoundError
from engine.model.entry import Entry
from engine.model.names import is_plain_id
from engine.model.plain import inert, is_text
from engine.model.view import history_dicts
from engine.observation.embedding import Engine
from engine.observation.evidence import document_of, explain
from engine.observation.health import read_health
from engine.observation.lives import lock_views
from engine.observation.lock_order import page_of_lock_views
from engine.observation.logs import LogTails
from engine.observation.views import Detail, ErrorCount, Health, LockView, LogLine
from engine.rules.stuck import Why
from engine.rules.visits import visits
from engine.store.feed import Changes
from engine.store.query import EventRow, Filter, FlowRow, Page, Query

_DETAIL_HISTORY: Final = 500
"""History entries a detail shows at most, the newest; the ledger keeps all."""
_DETAIL_EVENTS: Final = 100
_DETAIL_STATUSES: Final = ("pending", "dead", "delivered", "recorded", "purged")
_MINUTES: Final = 60


class Observer:
    """What a console or a script may read of one engine's store. Nothing here changes a workflow."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._logs = LogTails()

    async def flows(self, query: Query) -> Page[FlowRow]:
        """Return one page of workflows and damaged documents in the order of ``query.sort``."""
        return await self._engine.store.page_flows(self._timed(query))

    async def count(self, query: Query, cap: int = 10_000) -> int:
        """Return how many rows the filter selects; counting stops at ``cap``."""
        return await self._engine.store.count_flows(self._timed(query), cap)

    async def locks(self, query: Query) -> Page[LockView]:
        """Return held locks with what is known of their holders: those of the dead, then the soonest to expire."""
        return await page_of_lock_views(self._engine, self._timed(query))

    async def events(self, statuses: Sequence[str], query: Query, *, failing_only: bool = False) -> Page[EventRow]:
        """Return events of the outbox: pending ones by next attempt, else newest first."""
        return await self._engine.store.page_events(statuses, self._timed(query), failing_only=failing_only)

    async def audit(self, query: Query) -> Page[Entry]:
        """Return audit entries of all workflows, newest first."""
        return await self._engine.store.page_audit(self._timed(query))

    async def errors(self) -> tuple[ErrorCount, ...]:
        """Return all seven error types with their counts, also those that never happened."""
        counters = await self._engine.store.counters("errors/")
        this_minute = int(self._engine.clock.now().timestamp()) // 60
        return tuple(_error_count(kind.value, counters, this_minute) for kind in WorkflowErrorType)

    async def log(self, limit: int) -> tuple[LogLine, ...]:
        """Return the newest ``limit`` lines of every known engine's structured log, newest last."""
        engines = await self._engine.store.engines()
        named = {row.engine.log_dir for row in engines} | {self._engine.me.log_dir}
        return await self._logs.newest((Path(name) for name in sorted(filter(None, named))), limit)

    async def describe(self, workflow_id: str) -> Detail | None:
        """Return everything about one workflow or damaged document; None where there is neither."""
        store = self._engine.store
        row = await self._row(workflow_id)
        if row is None:
            return None
        workflow = await store.read(workflow_id)
        entries, _ = await store.last_history(workflow_id, _DETAIL_HISTORY)
        history = tuple(history_dicts(entries))[-_DETAIL_HISTORY:]
        events = await store.page_events(
            _DETAIL_STATUSES, Query(filter=Filter(ids=(workflow_id,)), limit=_DETAIL_EVENTS)
        )
        lock = await self._lock_of(workflow_id)
        return Detail(
            row=row,
            workflow=workflow,
            history=history,
            visits=() if workflow is None else visits(history, workflow, self._engine.clock.now()),
            lock=lock,
            events=tuple(event for event in events.rows if event.id.workflow_id == workflow_id),
            document=await document_of(self._engine, workflow_id),
            why=await explain(self._engine, row, workflow, lock),
        )

    async def why(self, workflow_id: str) -> Why:
        """Return why a workflow is where it is.

        Raises:
            WorkflowNotFoundError: there is no such workflow or damaged document.
        """
        row = await self._row(workflow_id)
        if row is None:
            raise WorkflowNotFoundError(inert(workflow_id), is_read=True)
        workflow = await self._engine.store.read(workflow_id)
        return await explain(self._engine, row, workflow, await self._lock_of(workflow_id))

    async def health(self) -> Health:
        """Return how fresh and how safe what is shown is."""
        return await read_health(self._engine)

    async def raw(self, workflow_id: str) -> bytes | None:
        """Return the document's bytes as they are on disk, at most 16 MiB; None where there is no file."""
        directory = self._engine.directory
        if directory is None or not is_text(workflow_id):
            return None
        known = await document_of(self._engine, workflow_id)
        if known is None and not is_plain_id(workflow_id):
            return None
        name = document_name(workflow_id) if known is None else known.name
        try:
            body, _ = await read_document(directory, name)
        except (OSError, DamagedDocumentError):
            return None
        return body

    def changes(self, after: int | None = None) -> AsyncIterator[Changes]:
        """Yield what changed, merged, never a backlog; waits while nothing did."""
        return self._engine.store.feed(after)

    def _timed(self, query: Query) -> Query:
        return query if query.at is not None else replace(query, at=self._engine.clock.now())

    async def _row(self, workflow_id: str) -> FlowRow | None:
        if not is_text(workflow_id):
            return None
        row = await self._engine.store.row(workflow_id)
        if row is None and is_plain_id(workflow_id):
            await self._engine.look((workflow_id,))
            row = await self._engine.store.row(workflow_id)
        return row

    async def _lock_of(self, workflow_id: str) -> LockView | None:
        lock = await self._engine.store.lock(workflow_id)
        if lock is None or not lock.owner:
            return None
        return (await lock_views(self._engine, (lock,)))[0]


def _error_count(kind: str, counters: Mapping[str, int], this_minute: int) -> ErrorCount:
    minutes = tuple(counters.get(f"errors/{kind}/{this_minute - back}", 0) for back in range(_MINUTES - 1, -1, -1))
    return ErrorCount(error_type=kind, total=counters.get(f"errors/{kind}", 0), last_hour=sum(minutes), minutes=minutes)
