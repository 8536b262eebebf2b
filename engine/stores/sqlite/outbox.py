"""Events of a commit: put into the outbox, the first of a workflow's pending ones due, the others behind it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from engine.model.entry import Entry, NewEvent
from engine.model.event import event_body
from engine.model.names import EventStatus
from engine.model.plain import encode
from engine.model.times import to_micros
from engine.store.outcomes import EventId
from engine.stores.sqlite import counters
from engine.stores.sqlite.transaction import Transaction

CLAIM: Final = timedelta(seconds=60)
"""How long an event stays with the engine that took it."""

_INSERT: Final = """
INSERT INTO event (workflow_id, entry_n, n, type, status, incarnation, attempts, next_attempt_at, claimed_by,
                   claimed_until, replays, created_at, body)
VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, 0, ?, ?)
"""
_OLDEST: Final = """
SELECT row_id, next_attempt_at FROM event WHERE workflow_id = ? AND status = 'pending' ORDER BY entry_n, n LIMIT 1
"""


def insert(
    transaction: Transaction, entry: Entry, events: Sequence[NewEvent]
) -> tuple[tuple[EventId, ...], tuple[bytes, ...]]:
    """Write the events of ``entry``.

    Returns:
        Their ids; and their bodies where this engine is to make the first attempt itself. Those are claimed for
        it, so that its own claim loop leaves them alone meanwhile.
    """
    if not events:
        return (), ()
    me = transaction.me
    is_owed = me.has_bus or transaction.has_seen_bus()
    status = EventStatus.PENDING if is_owed else EventStatus.RECORDED
    is_blocked = is_owed and transaction.row(_OLDEST, entry.workflow_id) is not None
    is_mine = me.has_bus and not is_blocked
    at = to_micros(entry.at)
    until = to_micros(entry.at + CLAIM) if is_mine else 0
    ids, bodies = [], []
    for n, event in enumerate(events, start=1):
        event_id = EventId(workflow_id=entry.workflow_id, entry_n=entry.n, n=n)
        body = encode(event_body(str(event_id), entry.workflow_id, event, entry.at))
        transaction.run(
            _INSERT,
            entry.workflow_id,
            entry.n,
            n,
            event.type.value,
            status.value,
            me.incarnation if me.has_bus else "",
            at if is_owed and n == 1 and not is_blocked else None,
            me.incarnation if is_mine else "",
            until,
            at,
            body,
        )
        ids.append(event_id)
        bodies.append(body)
    transaction.add(counters.events(status), len(ids))
    transaction.add(counters.ACCEPTED, len(ids))
    return tuple(ids), tuple(bodies) if is_mine else ()


def free_next(transaction: Transaction, workflow_id: str, at_micros: int) -> None:
    """Make the workflow's oldest pending event due, if it was waiting behind another until now."""
    oldest = transaction.row(_OLDEST, workflow_id)
    if oldest is not None and oldest[1] is None:
        transaction.run("UPDATE event SET next_attempt_at = ? WHERE row_id = ?", at_micros, oldest[0])
