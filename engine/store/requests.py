"""What writers other than ``commit`` hand to the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from engine.errors import WorkflowErrorType
from engine.model.actor import Act
from engine.model.lock import Incarnation, Instant
from engine.store.outcomes import EventId


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What opening a store told.

    Attributes:
        store_id: 32 hex, made with the ledger; documents carry it.
        schema: version of the tables.
        read_only_reason: "" if it can be written.
        place: path or URL without credentials.
    """

    store_id: str
    schema: int
    read_only_reason: str
    place: str
    engine_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRequest:
    """A lease that is wanted.

    Attributes:
        seen_fence: a steal names the fence of the lock it saw; None asks for a free, expired or own one.
        dead_fence: fence of a lock whose holder was proved dead; it is taken over if still that grant.
    """

    workflow_id: str
    owner: str
    me: Incarnation
    ttl_s: float
    now: Instant
    act: Act
    seen_fence: int | None = None
    dead_fence: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRelease:
    """A lease to be given up or taken away.

    Attributes:
        fence: the grant that is meant; another one is left alone.
        is_forced: an operator's release: the fence is raised, so that the old holder's writes are refused.
        is_steal: an operator's release of a lock whose holder may live; the audit names it so.
        is_expiry: the sweep of a lock that ran out.
    """

    workflow_id: str
    fence: int
    now: Instant
    act: Act
    is_forced: bool = False
    is_steal: bool = False
    is_expiry: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """An event that is this engine's to deliver now; ``body`` is the whole event in the contract's shape."""

    id: EventId
    attempts: int
    body: Mapping[str, Any]


class Verdict(StrEnum):
    """What one delivery attempt came to."""

    DELIVERED = "delivered"
    RETRY = "retry"
    DEAD = "dead"
    RETURNED = "returned"
    """Not tried (open breaker, shutdown): the claim is given back, no attempt is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The outcome of one delivery attempt, to be recorded."""

    id: EventId
    verdict: Verdict
    at: datetime
    next_attempt_at: datetime | None = None
    error: str | None = None
    error_type: WorkflowErrorType | None = None
    cause: str | None = None


class EventVerb(StrEnum):
    """What an operator does with an event."""

    RETRY = "retry"
    """Due now, attempts kept; a dead one becomes pending again with its attempts reset."""
    DROP = "drop"
    """Pending to dead letter."""
    PURGE = "purge"
    """Dead to purged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A store-wide role this engine holds until ``expires_at``."""

    name: str
    incarnation: str
    fence: int
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A refused or conflicting attempt, for the audit. ``workflow_id`` "" goes to the store-wide chain."""

    workflow_id: str
    verb: str
    at: datetime
    act: Act
    why: str
    error_type: WorkflowErrorType


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What ``prune`` may remove: notices beyond a count, engines that ended long ago."""

    notices: int = 20_000
    ended_engines_older_than: timedelta = timedelta(days=7)
