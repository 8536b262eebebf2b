"""What operators do with events, and its audit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

from engine.errors import EventNotFoundError
from engine.model.actor import Act
from engine.model.entry import NewEntry
from engine.model.names import EntryKind, EventStatus
from engine.model.times import to_micros
from engine.store.feed import NoticeKind
from engine.store.outcomes import EventId
from engine.store.requests import EventVerb
from engine.stores.sqlite import counters, entries
from engine.stores.sqlite.delivering import leave_pending
from engine.stores.sqlite.outbox import free_next
from engine.stores.sqlite.transaction import Transaction

DROPPED: Final = "dropped"

_KINDS: Final = {
    EventVerb.RETRY: EntryKind.EVENT_RETRIED,
    EventVerb.DROP: EntryKind.EVENT_DROPPED,
    EventVerb.PURGE: EntryKind.EVENT_PURGED,
}


class _Event(NamedTuple):
    row_id: int
    workflow_id: str
    attempts: int
    status: str
    type: str
    next_attempt_at: int | None


def move(transaction: Transaction, event_id: EventId, verb: EventVerb, now: datetime, act: Act) -> str:
    """Do a verb on one event; returns "", or the sentence that refuses it."""
    found = transaction.row(
        "SELECT row_id, workflow_id, attempts, status, type, next_attempt_at FROM event "
        "WHERE workflow_id = ? AND entry_n = ? AND n = ?",
        event_id.workflow_id,
        event_id.entry_n,
        event_id.n,
    )
    if found is None:
        return str(EventNotFoundError(str(event_id)))
    event = _Event(*found)
    do = _MOVES.get((verb, event.status))
    if do is None:
        return str(EventNotFoundError(str(event_id), _why_not(verb, event.status)))
    do(transaction, event, to_micros(now))
    new = NewEntry(
        kind=_KINDS[verb],
        at=now,
        actor=act.actor,
        reason=act.reason,
        is_audit=True,
        body={"event_id": str(event_id), "event_type": event.type, "was": event.status, "attempts": event.attempts},
    )
    entries.record(transaction, event.workflow_id, new, request_id=act.request_id)
    transaction.notice(NoticeKind.EVENT, event.workflow_id)
    return ""


def _retry_pending(transaction: Transaction, event: _Event, at: int) -> None:
    """Make it due; one that waits behind another stays there, in order."""
    if event.next_attempt_at is not None:
        transaction.run("UPDATE event SET next_attempt_at = ? WHERE row_id = ?", at, event.row_id)


def _retry_dead(transaction: Transaction, event: _Event, at: int) -> None:
    """Put it back into its old place in the workflow's order, before what is younger."""
    transaction.run(
        "UPDATE event SET status = 'pending', attempts = 0, cause = NULL, claimed_by = '', claimed_until = 0 "
        "WHERE row_id = ?",
        event.row_id,
    )
    transaction.add(counters.events(EventStatus.DEAD), -1)
    transaction.add(counters.events(EventStatus.PENDING))
    free_next(transaction, event.workflow_id, at)


def _drop(transaction: Transaction, event: _Event, at: int) -> None:
    transaction.run(
        "UPDATE event SET status = 'dead', next_attempt_at = NULL, claimed_by = '', claimed_until = 0, cause = ? "
        "WHERE row_id = ?",
        DROPPED,
        event.row_id,
    )
    leave_pending(transaction, event[:3], EventStatus.DEAD, at)


def _purge(transaction: Transaction, event: _Event, _: int) -> None:
    """Keep the row for the counts, without what it carried."""
    transaction.run("UPDATE event SET status = 'purged', body = x'' WHERE row_id = ?", event.row_id)
    transaction.add(counters.events(EventStatus.DEAD), -1)
    transaction.add(counters.events(EventStatus.PURGED))


_MOVES: Final[dict[tuple[EventVerb, str], Callable[[Transaction, _Event, int], None]]] = {
    (EventVerb.RETRY, EventStatus.PENDING.value): _retry_pending,
    (EventVerb.RETRY, EventStatus.DEAD.value): _retry_dead,
    (EventVerb.DROP, EventStatus.PENDING.value): _drop,
    (EventVerb.PURGE, EventStatus.DEAD.value): _purge,
}


def _why_not(verb: EventVerb, status: str) -> str:
    if verb is EventVerb.PURGE and status == EventStatus.PENDING.value:
        return "it is still pending; drop it first"
    return {
        EventStatus.DELIVERED.value: "it was delivered already",
        EventStatus.DEAD.value: "it is in the dead letter already",
        EventStatus.RECORDED.value: "it is owed to nobody: no bus was there when it was made",
        EventStatus.PURGED.value: "it was purged",
    }.get(status, f"it is {status}")
