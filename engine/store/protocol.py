"""The store protocol, split by reader.

The whole contract is in these docstrings; implementations say only what is theirs. Every method may raise
:class:`engine.errors.StoreError`; a store open for reading only answers each write with
:class:`engine.errors.StoreReadOnlyError`. Times are aware UTC; ages and deadlines are judged by ``at`` where
one is given. Concurrent writes of one process share a transaction (group commit); a call returns when its own
write is durable.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from engine.model.actor import Act
from engine.model.change import Change
from engine.model.entry import Entry
from engine.model.lock import Incarnation, Lock
from engine.model.workflow import Workflow
from engine.store.feed import Changes
from engine.store.outcomes import Committed, EventId, GrantOutcome, Outcome
from engine.store.query import DocumentRow, EngineRow, EventRow, FlowRow, LeaseRow, Page, Query
from engine.store.requests import (
    Attempt,
    Claimed,
    EventVerb,
    Lease,
    LockRelease,
    LockRequest,
    Refusal,
    Retention,
    StoreFacts,
)


class WorkflowStore(Protocol):
    """Workflows and their entries."""

    async def commit(self, change: Change) -> Outcome:
        """Make ``change`` true, or say why it is not; the only writer of workflows, entries and new events.

        Compared inside the transaction, in this order, before anything is written: the schema version; the
        request id (same payload: :class:`Committed` with ``is_replay``; another: :class:`Refused`); the revision
        (:class:`Conflict`); the plan's ``lock_fence`` (:class:`Fenced`); the lock and the claim by
        ``engine.rules.locks.may_write`` (:class:`Fenced`). Then, together or not at all: the workflow row, new and
        changed steps, the entry with its number and chain hash, its events, the counters, one notice. Where the
        claim is valid and the generation rose, the grant takes the new generation (a holder's own rollback).
        Events are ``pending`` for this incarnation where it has a bus; ``pending`` and unclaimed where the store
        has ever seen a bus; else ``recorded``. A workflow that reaches a terminal phase keeps its lock row.
        A failed sync gives :class:`Unknown`, after trying to settle by the request id.
        """
        ...

    async def settle(self, workflow_id: str, request_id: str) -> Committed | None:
        """Return the committed outcome of a request, or None if it never happened."""
        ...

    async def read(self, workflow_id: str) -> Workflow | None:
        """Return the newest revision with all its steps."""
        ...

    async def read_many(self, workflow_ids: Sequence[str]) -> Sequence[Workflow]:
        """Return those that exist, as :meth:`read` does, in one turn."""
        ...

    async def entries(
        self, workflow_id: str, after: int = 0, limit: int = 1_000, *, history_only: bool = False
    ) -> Sequence[Entry]:
        """Return entries in order, those numbered above ``after``."""
        ...

    async def chain_head(self, workflow_id: str) -> tuple[int, str]:
        """Return number and hash of the newest entry as kept beside the chain, so that a cut end shows.

        "" asks for the store-wide chain; (0, "") where there is no such workflow or no entry.
        """
        ...

    async def last_history(self, workflow_id: str, limit: int) -> tuple[Sequence[Entry], int]:
        """Return the newest ``limit`` history entries in order, and how many older ones the store holds."""
        ...

    async def row(self, workflow_id: str) -> FlowRow | None:
        """Return the list row of one workflow, or of the damaged document of that name."""
        ...

    async def page_flows(self, query: Query) -> Page[FlowRow]:
        """Return one page of workflows (and damaged documents) in the order of ``query.sort``."""
        ...

    async def count_flows(self, query: Query, cap: int = 10_000) -> int:
        """Return how many rows the filter selects; counting stops at ``cap``."""
        ...

    async def page_audit(self, query: Query) -> Page[Entry]:
        """Return audit entries of all workflows, newest first; ``query.filter`` by ids, text and locks applies.

        Refusals about damaged documents and unknown ids stand in the store-wide chain; an id finds them there.
        """
        ...

    async def counters(self, prefix: str) -> Mapping[str, int]:
        """Return maintained counters by name.

        ``flows/<type>/<state>`` workflows now; ``flag/<flag>`` workflows now; ``events/<status>`` and
        ``events_accepted``; ``errors/<error_type>`` since the store was made and ``errors/<error_type>/<minute>``
        (minutes since 1970) for the last two hours; ``transitions/<type>/<from>/<to>``; ``documents/problem``.
        """
        ...

    async def record_refusal(self, refusal: Refusal) -> None:
        """Write a refused attempt into the audit and count its error."""
        ...

    async def count_error(self, error_type: str) -> None:
        """Add one to an error counter and its minute."""
        ...


class EventStore(Protocol):
    """The outbox and the dead letter."""

    async def claim(self, now: datetime, limit: int) -> Sequence[Claimed]:
        """Take due events for this engine: for each workflow only its oldest pending one.

        Own events that are due and unclaimed or whose claim ran out; events of engines that ended, are without a
        bus, or are proved dead (``adopt_events``). A claim lasts 60 s.
        """
        ...

    async def adopt_events(self, dead: Sequence[str]) -> int:
        """Hand pending events of dead incarnations to whoever claims next; returns how many."""
        ...

    async def record_attempts(self, attempts: Sequence[Attempt]) -> None:
        """Record delivery outcomes. Attempts are counted here; a dead letter frees its followers."""
        ...

    async def has_earlier_pending(self, event_id: EventId) -> bool:
        """Return whether an older event of the same workflow is still pending."""
        ...

    async def next_due(self, now: datetime) -> datetime | None:
        """Return when the next pending event of this engine, or an orphan, can be claimed; None if there is none."""
        ...

    async def move_events(self, ids: Sequence[EventId], verb: EventVerb, now: datetime, act: Act) -> Sequence[str]:
        """Do an operator's verb on each event; returns "" for each done and the refusing sentence for each other."""
        ...

    async def page_events(self, statuses: Sequence[str], query: Query, *, failing_only: bool = False) -> Page[EventRow]:
        """Return events: pending ones by next attempt, else newest first. ``failing_only``: tried at least once."""
        ...

    async def event(self, event_id: EventId) -> EventRow | None:
        """Return one event with its body."""
        ...


class LockStore(Protocol):
    """Leases on workflows."""

    async def grant(self, request: LockRequest) -> GrantOutcome:
        """Grant a lease as ``engine.rules.locks.may_grant`` says, write its audit entry, raise the fence."""
        ...

    async def release(self, release: LockRelease) -> bool:
        """Empty the row if it still is that grant, and write the entry; False where it is not."""
        ...

    async def renew(
        self, workflow_id: str, fence: int, ttl_s: float, expires_at: datetime, expires_mono: float
    ) -> bool:
        """Extend a grant that still stands; writes no entry."""
        ...

    async def lock(self, workflow_id: str) -> Lock | None:
        """Return the lock row, held or emptied (owner ""), or None if there never was one."""
        ...

    async def page_locks(self, query: Query) -> Page[Lock]:
        """Return held locks, the soonest to expire first; the filter's ids, owners and text apply."""
        ...

    async def expired_locks(self, boot_id: str, monotonic: float, at: datetime, limit: int) -> Sequence[Lock]:
        """Return held locks that expired: by monotonic time on this boot, by wall time on others."""
        ...


class EngineStore(Protocol):
    """Engines, roles and deadlines."""

    async def heartbeat(self, facts: Mapping[str, Any]) -> None:
        """Say that this engine lives; ``facts`` are shown (versions, breaker, scan and watcher state)."""
        ...

    async def end_engine(self, incarnation: str) -> None:
        """Mark an engine as ended, this one or one proved dead."""
        ...

    async def engines(self) -> Sequence[EngineRow]:
        """Return engines, the living first."""
        ...

    async def lead(self, name: str, ttl_s: float, now: datetime, *, dead: Sequence[str] = ()) -> Lease | None:
        """Take or keep a store-wide role; a holder in ``dead`` is passed over at once. None: another has it."""
        ...

    async def resign(self, name: str) -> None:
        """Give a role up."""
        ...

    async def leases(self) -> Sequence[LeaseRow]:
        """Return who holds which role."""
        ...

    async def overdue(self, at: datetime, limit: int) -> Sequence[str]:
        """Return ids of open, unpaused workflows whose deadline passed, the oldest first."""
        ...

    async def next_deadline(self) -> datetime | None:
        """Return the earliest deadline of an open, unpaused workflow."""
        ...


class DocumentStore(Protocol):
    """What the ledger knows of the files that are its workflows' published copies."""

    async def documents(self, after: str = "", limit: int | None = None) -> Mapping[str, DocumentRow]:
        """Return known documents by file name, in name order, those after ``after`` (bodies left out).

        A store may know a hundred thousand: who goes through them all asks for ``limit`` at a time.
        """
        ...

    async def document(self, name: str) -> DocumentRow | None:
        """Return one document, a conflicting foreign body included."""
        ...

    async def record_documents(self, rows: Sequence[DocumentRow]) -> None:
        """Write what was published or seen; rows without workflow and problem are remembered as skipped."""
        ...

    async def forget_documents(self, names: Sequence[str]) -> None:
        """Remove documents whose file is gone."""
        ...

    async def unpublished(self, limit: int) -> Sequence[str]:
        """Return ids whose newest revision is above their document's, conflicts left out."""
        ...


class Store(WorkflowStore, EventStore, LockStore, EngineStore, DocumentStore, Protocol):
    """One ledger. Opened once, closed once; all methods may be called concurrently from one event loop."""

    async def open(self, me: Incarnation, *, is_read_only: bool = False) -> StoreFacts:
        """Open or create it, check its schema, and register ``me``.

        Raises:
            SchemaNewerError: a newer Flowdeck wrote it (only where ``is_read_only`` cannot help either).
            StoreUnsafeError: the place cannot serve as a store.
        """
        ...

    async def close(self) -> None:
        """Finish writes under way, mark this engine as ended, let go of everything. Twice is fine."""
        ...

    async def version(self) -> int:
        """Return the feed position of the newest change; equal means nothing changed."""
        ...

    def feed(self, after: int | None = None) -> AsyncIterator[Changes]:
        """Yield what changed after a position (None: from now on), merged; waits while nothing did."""
        ...

    async def prune(self, policy: Retention) -> None:
        """Remove what retention allows: old notices, engines long ended, counters of past minutes."""
        ...

    async def backup(self, target: Path) -> None:
        """Copy the whole ledger to ``target`` while others go on writing.

        Raises:
            StoreUnsafeError: ``target`` exists, or this store has its own means (PostgreSQL).
        """
        ...

    async def check(self) -> Sequence[str]:
        """Return what the database's own integrity check finds wrong; empty means sound."""
        ...
