"""What readers ask for, page by page, and the rows they get."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from engine.model.lock import Incarnation, Lock
from engine.model.names import EventStatus, Flag, Origin, Phase
from engine.store.outcomes import EventId

RowT = TypeVar("RowT")


class Sort(StrEnum):
    """Orders of the flows view; each is answered from an index, newest or most urgent first."""

    PROBLEM = "problem"
    """Damaged documents; open past their deadline, by deadline; failed in the last 30 min, newest first; other
    open work by deadline; open without one by time in state; older failures; finished."""
    CREATED = "created"
    UPDATED = "updated"
    STATE_AGE = "age"
    """Open work, longest in its state first."""
    ID = "id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which workflows (and locks, events, audit entries of such); empty fields do not restrict.

    Attributes:
        text: casefolded substrings that must all occur in id, input, error or target module.
        pattern: a regular expression that must match there (bounded search).
        older_than_s: at least this long in the present state.
        younger_than_s: at most this long in the present state.
        is_problem: only what needs a look: flagged, failed, overdue, dead-locked or with a failing event.
        has_locks: audit only: the everyday grants, releases and expiries of locks too.
    """

    types: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    phases: tuple[Phase, ...] = ()
    error_types: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()
    ids: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    not_text: tuple[str, ...] = ()
    pattern: str | None = None
    older_than_s: float | None = None
    younger_than_s: float | None = None
    is_problem: bool = False
    has_locks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One page of one view.

    Attributes:
        after: an opaque cursor (``Page.next`` or ``Page.start``), None for the first.
        is_reversed: read against the order, from ``after`` (None: from the end) backwards; rows come
            in reading order all the same.
        at: the time ages and deadlines are judged by; None lets the store take its own.
    """

    filter: Filter = Filter()
    sort: Sort = Sort.PROBLEM
    after: str | None = None
    is_reversed: bool = False
    limit: int = 100
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[RowT]):
    """Rows in order.

    Attributes:
        next: the cursor after the last row; None where no row follows it.
        start: the cursor before the first row, for reading backwards; None where no row precedes it.
        searched: how many rows a bounded search (text, pattern) looked at, None without one.
    """

    rows: tuple[RowT, ...]
    next: str | None = None
    start: str | None = None
    searched: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRow:
    """A workflow in a list: indexed facts only, no bodies.

    A damaged document without a workflow is one too: ``state`` "", ``flag`` damaged, ``error`` the reason,
    ``workflow_id`` its file name without ``.json``.

    Attributes:
        lock: the lease on it, if a row of one is held (expired ones included until swept).
        events_failing: its pending events that failed at least once.
        error: at most 200 characters.
        position: feed position of its newest change.
    """

    workflow_id: str
    workflow_type: str
    state: str
    phase: Phase
    origin: Origin
    flag: Flag
    revision: int
    generation: int
    created_at: datetime
    updated_at: datetime
    entered_at: datetime
    deadline_at: datetime | None
    ended_at: datetime | None
    paused_at: datetime | None
    attempt: int
    is_forced: bool
    error_type: str | None
    error: str | None
    lock: Lock | None = None
    events_failing: int = 0
    position: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """An event of the outbox with its delivery so far. Times are aware UTC."""

    id: EventId
    type: str
    status: EventStatus
    incarnation: str
    attempts: int
    created_at: datetime
    next_attempt_at: datetime | None
    error_type: str | None
    error: str | None
    cause: str | None
    replay_of: str | None = None
    replays: int = 0
    body: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRow:
    """An engine known to the store, alive or not."""

    engine: Incarnation
    heartbeat_at: datetime
    ended_at: datetime | None
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRow:
    """A store-wide lease: ``supervisor`` or ``scanner``."""

    name: str
    incarnation: str
    fence: int
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRow:
    """What the ledger knows of one file in the store directory.

    Attributes:
        name: file name; printable, with what is not UTF-8 escaped.
        workflow_id: "" while no workflow stands behind it.
        published_revision: the revision that our newest publication carried; 0 for foreign files.
        digest: hex SHA-256 of the bytes last seen or published.
        mtime_ns: modification time, nanoseconds.
        problem: why it cannot be read or published, "" if it can.
        foreign_body: bytes of another hand's version while they conflict with ours.
    """

    name: str
    workflow_id: str
    published_revision: int
    digest: str
    size: int
    mtime_ns: int
    inode: int
    problem: str = ""
    looked_at: datetime
    foreign_body: bytes | None = None
