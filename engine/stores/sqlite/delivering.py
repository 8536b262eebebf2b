"""Claims on events, and what their delivery came to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import apsw
from pydantic_core import from_json

from engine.errors import WorkflowErrorType
from engine.model.names import EventStatus
from engine.model.times import to_micros
from engine.store.feed import NoticeKind
from engine.store.outcomes import EventId
from engine.store.requests import Attempt, Claimed, Verdict
from engine.stores.rows import optional_micros
from engine.stores.sqlite import counters, sql
from engine.stores.sqlite.outbox import CLAIM, free_next
from engine.stores.sqlite.reading import json_list
from engine.stores.sqlite.transaction import Transaction

FAILING_AT_MOST: Final = 1_000
"""Pending events that failed at least once; beyond it the newest goes to the dead letter."""

QUEUE_FULL: Final = "retry_queue_full"

_MINE: Final = """
(incarnation IN (?, '')
  OR NOT EXISTS (SELECT 1 FROM engine g WHERE g.incarnation = e.incarnation AND g.ended_at IS NULL AND g.has_bus))
"""
_IS_HEAD: Final = """
NOT EXISTS (SELECT 1 FROM event p INDEXED BY event_pending WHERE p.status = 'pending'
  AND p.workflow_id = e.workflow_id AND (p.entry_n, p.n) < (e.entry_n, e.n))
"""
_CLAIMABLE: Final = f"""
SELECT row_id, workflow_id, entry_n, n, attempts, body FROM event e INDEXED BY event_due
WHERE status = 'pending' AND next_attempt_at IS NOT NULL AND next_attempt_at <= ? AND claimed_until <= ?
  AND {_MINE} AND {_IS_HEAD} ORDER BY next_attempt_at LIMIT ?
"""
_NEXT_DUE: Final = f"""
SELECT min(max(next_attempt_at, claimed_until)) FROM event e INDEXED BY event_due
WHERE status = 'pending' AND next_attempt_at IS NOT NULL AND {_MINE}
"""


def claim(transaction: Transaction, now_micros: int, limit: int) -> tuple[Claimed, ...]:
    """Take due heads for this engine; see the protocol."""
    me = transaction.me.incarnation
    found = transaction.rows(_CLAIMABLE, now_micros, now_micros, me, limit)
    until = now_micros + int(CLAIM.total_seconds()) * 1_000_000
    transaction.run(
        "UPDATE event SET claimed_by = ?, claimed_until = ? WHERE row_id IN (SELECT value FROM json_each(?))",
        me,
        until,
        json_list([values[0] for values in found]),
    )
    return tuple(
        Claimed(id=EventId(workflow_id=workflow_id, entry_n=entry_n, n=n), attempts=attempts, body=from_json(body))
        for _, workflow_id, entry_n, n, attempts, body in found
    )


def has_claimable(connection: apsw.Connection, me: str, now_micros: int) -> bool:
    """Return whether a claim would find anything: asked first, because most find nothing and would write for it."""
    return sql.row(connection, _CLAIMABLE, now_micros, now_micros, me, 1) is not None


def next_due(connection: apsw.Connection, me: str) -> int | None:
    """Return when the next event of this engine, or an orphan, can be claimed."""
    due: int | None = sql.value(connection, _NEXT_DUE, me)
    return due


def adopt(transaction: Transaction, dead: Sequence[str]) -> int:
    """Hand pending events of dead incarnations to whoever claims next; returns how many."""
    return transaction.run(
        "UPDATE event SET incarnation = '', claimed_by = '', claimed_until = 0 "
        "WHERE status = 'pending' AND incarnation IN (SELECT value FROM json_each(?))",
        json_list(dead),
    )


def record_attempts(transaction: Transaction, attempts: Sequence[Attempt]) -> None:
    """Record outcomes, then keep the retry queue within its bound."""
    for attempt in attempts:
        _record(transaction, attempt)
    while transaction.counted(counters.FAILING) > FAILING_AT_MOST:
        if not _drop_newest(transaction, attempts[-1]):
            return


def leave_pending(transaction: Transaction, event: tuple[int, str, int], to: EventStatus, at_micros: int) -> None:
    """Count an event (row id, workflow, attempts) out of the pending ones, and free the one behind it."""
    _, workflow_id, attempts = event
    transaction.add(counters.events(EventStatus.PENDING), -1)
    transaction.add(counters.events(to))
    if attempts > 0:
        transaction.add(counters.FAILING, -1)
    free_next(transaction, workflow_id, at_micros)


def _record(transaction: Transaction, attempt: Attempt) -> None:
    place = attempt.id
    found = transaction.row(
        "SELECT row_id, status, attempts FROM event WHERE workflow_id = ? AND entry_n = ? AND n = ?",
        place.workflow_id,
        place.entry_n,
        place.n,
    )
    if found is None:
        return
    row_id, status, attempts = found
    if attempt.verdict is Verdict.RETURNED:
        _release(transaction, row_id)
        return
    transaction.notice(NoticeKind.EVENT, place.workflow_id)
    if status == EventStatus.DEAD.value and attempt.verdict is Verdict.DELIVERED:
        # An operator dropped it while it was on its way; it arrived all the same.
        _finish(transaction, row_id, attempt, EventStatus.DELIVERED)
        transaction.add(counters.events(EventStatus.DEAD), -1)
        transaction.add(counters.events(EventStatus.DELIVERED))
    elif status == EventStatus.PENDING.value:
        _record_pending(transaction, (row_id, place.workflow_id, attempts), attempt)


def _record_pending(transaction: Transaction, event: tuple[int, str, int], attempt: Attempt) -> None:
    if attempt.verdict is Verdict.RETRY:
        transaction.run(
            "UPDATE event SET attempts = attempts + 1, next_attempt_at = ?, claimed_by = '', claimed_until = 0, "
            "error_type = ?, error = ?, cause = ? WHERE row_id = ?",
            optional_micros(attempt.next_attempt_at) or to_micros(attempt.at),
            attempt.error_type.value if attempt.error_type is not None else None,
            attempt.error,
            attempt.cause,
            event[0],
        )
        if event[2] == 0:
            transaction.add(counters.FAILING)
        return
    status = EventStatus.DELIVERED if attempt.verdict is Verdict.DELIVERED else EventStatus.DEAD
    _finish(transaction, event[0], attempt, status)
    leave_pending(transaction, event, status, to_micros(attempt.at))


def _finish(transaction: Transaction, row_id: int, attempt: Attempt, status: EventStatus) -> None:
    transaction.run(
        "UPDATE event SET status = ?, attempts = attempts + 1, next_attempt_at = NULL, claimed_by = '', "
        "claimed_until = 0, error_type = coalesce(?, error_type), error = coalesce(?, error), cause = ? "
        "WHERE row_id = ?",
        status.value,
        attempt.error_type.value if attempt.error_type is not None else None,
        attempt.error,
        attempt.cause,
        row_id,
    )


def _release(transaction: Transaction, row_id: int) -> None:
    """Give a claim back, if it is this engine's still."""
    transaction.run(
        "UPDATE event SET claimed_by = '', claimed_until = 0 WHERE row_id = ? AND claimed_by = ?",
        row_id,
        transaction.me.incarnation,
    )


def _drop_newest(transaction: Transaction, by: Attempt) -> bool:
    """Move the newest failing event to the dead letter; nobody else can count its error."""
    newest = transaction.row(
        "SELECT row_id, workflow_id, attempts FROM event INDEXED BY event_failing "
        "WHERE status = 'pending' AND attempts > 0 ORDER BY row_id DESC LIMIT 1"
    )
    if newest is None:
        return False
    row_id, workflow_id, attempts = newest
    at = to_micros(by.at)
    transaction.run(
        "UPDATE event SET status = 'dead', next_attempt_at = NULL, claimed_by = '', claimed_until = 0, cause = ? "
        "WHERE row_id = ?",
        QUEUE_FULL,
        row_id,
    )
    leave_pending(transaction, (row_id, workflow_id, attempts), EventStatus.DEAD, at)
    counters.add_error(transaction, WorkflowErrorType.EVENT_PUBLISH_ERROR.value, at)
    transaction.notice(NoticeKind.EVENT, workflow_id)
    return True
