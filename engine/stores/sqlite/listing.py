"""Pages of locks, events and audit entries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import apsw
from pydantic_core import from_json

from engine.model.entry import Entry
from engine.model.lock import Lock
from engine.model.names import EventStatus
from engine.model.times import from_micros
from engine.store.outcomes import EventId
from engine.store.query import EventRow, Filter, Page, Query, RowT
from engine.stores.rows import LockColumns, decode_lock, optional_time
from engine.stores.sqlite import sql
from engine.stores.sqlite.entries import ENTRY_COLUMNS, STORE_WIDE, entry_of
from engine.stores.sqlite.filters import one_of, owned_condition, text_conditions
from engine.stores.sqlite.reading import LOCK_COLUMNS
from engine.stores.sqlite.spans import Condition, Span, Walked, walk

EVENT_COLUMNS: Final = (
    "workflow_id, entry_n, n, type, status, incarnation, attempts, created_at, next_attempt_at, error_type, error, "
    "cause, replay_of, replays, body"
)
_EVENT_TEXT: Final = "casefolded(workflow_id || char(10) || type || char(10) || coalesce(error, ''))"
_AUDIT_TEXT: Final = (
    "casefolded(workflow_id || char(10) || kind || char(10) || actor || char(10) || coalesce(reason, '') "
    "|| char(10) || coalesce(from_state, '') || char(10) || coalesce(to_state, '') || char(10) "
    "|| CASE kind WHEN 'refused' THEN CAST(body AS TEXT) ELSE '' END)"
)
_AUDIT: Final = (Condition("is_audit"),)
_ACTS: Final = (*_AUDIT, Condition("kind NOT IN ('lock.acquired', 'lock.released', 'lock.expired')"))
"""The words of the index ``entry_act``, which SQLite has to recognise."""
_NAMED: Final = "CASE kind WHEN 'refused' THEN json_extract(CAST(body AS TEXT), '$.workflow_id') END"
"""What a refusal in the store-wide chain is about: a damaged document, or an id that there is not."""
_LOCK_TEXT: Final = "casefolded(workflow_id || char(10) || owner)"
_PENDING: Final = "status = 'pending'"
_FAILING: Final = "status = 'pending' AND attempts > 0"
_FEW: Final = frozenset((EventStatus.PENDING.value, EventStatus.DEAD.value, EventStatus.PURGED.value))
"""Statuses that have an index, because few events stay in them."""


def page_of_locks(connection: apsw.Connection, query: Query) -> Page[Lock]:
    """Return held locks, the soonest to expire first."""
    chosen = query.filter
    where = [Condition("owner <> ''"), *_ids(chosen), *text_conditions(chosen, _LOCK_TEXT)]
    if chosen.owners:
        where.append(owned_condition(chosen.owners))
    span = Span("lock INDEXED BY lock_held", ("expires_at", "workflow_id"), where=tuple(where))
    walked = _walk(connection, (span,), query)
    found = (
        sql.row(connection, f"SELECT {LOCK_COLUMNS} FROM lock WHERE workflow_id = ?", key[1]) for _, key in walked.hits
    )
    return _page(tuple(decode_lock(LockColumns(*values)) for values in found if values is not None), walked)


def page_of_audit(connection: apsw.Connection, query: Query) -> Page[Entry]:
    """Return audit entries, newest first; what locks go through every day only where it is asked for."""
    chosen = query.filter
    index, where = ("entry_audit", _AUDIT) if chosen.has_locks else ("entry_act", _ACTS)
    span = Span(
        "entry" if chosen.ids else f"entry INDEXED BY {index}",
        ("at", "workflow_id", "n"),
        is_descending=True,
        where=(*where, *_about(chosen)),
        search=text_conditions(chosen, _AUDIT_TEXT),
    )
    walked = _walk(connection, (span,), query)
    found = (
        sql.row(connection, f"SELECT {ENTRY_COLUMNS} FROM entry WHERE workflow_id = ? AND n = ?", *key[1:])
        for _, key in walked.hits
    )
    return _page(tuple(entry_of(values) for values in found if values is not None), walked)


def page_of_events(
    connection: apsw.Connection, statuses: Sequence[str], query: Query, *, failing_only: bool
) -> Page[EventRow]:
    """Return events: pending ones by next attempt, those that wait behind another last; else newest first."""
    names = tuple(str(status) for status in statuses)
    walked = _walk(connection, _event_spans(names, query.filter, failing_only=failing_only), query)
    found = (
        sql.row(connection, f"SELECT {EVENT_COLUMNS} FROM event WHERE row_id = ?", key[-1]) for _, key in walked.hits
    )
    return _page(tuple(event_of(values) for values in found if values is not None), walked)


def event_of(values: tuple[Any, ...]) -> EventRow:
    """Return the event of a row of ``EVENT_COLUMNS``; a purged one has no body left."""
    body: bytes = values[14]
    return EventRow(
        id=EventId(workflow_id=values[0], entry_n=values[1], n=values[2]),
        type=values[3],
        status=EventStatus(values[4]),
        incarnation=values[5],
        attempts=values[6],
        created_at=from_micros(values[7]),
        next_attempt_at=optional_time(values[8]),
        error_type=values[9],
        error=values[10],
        cause=values[11],
        replay_of=values[12],
        replays=values[13],
        body=from_json(body) if body else None,
    )


def _event_spans(statuses: tuple[str, ...], chosen: Filter, *, failing_only: bool) -> tuple[Span, ...]:
    conditions = [*_ids(chosen)]
    if chosen.error_types:
        conditions.append(one_of("error_type", chosen.error_types))
    where = tuple(conditions)
    search = text_conditions(chosen, _EVENT_TEXT)
    if statuses == (EventStatus.PENDING.value,):
        if failing_only:
            failing = (Condition(_FAILING), *where)
            source = "event INDEXED BY event_failing"
        else:
            failing = (Condition(_PENDING), *where)
            source = "event INDEXED BY event_due"
        due = (Condition("next_attempt_at IS NOT NULL"), *failing)
        behind = (Condition("next_attempt_at IS NULL"), *failing)
        other = "event INDEXED BY event_failing" if failing_only else "event INDEXED BY event_pending"
        return (
            Span(source, ("next_attempt_at", "row_id"), where=due, search=search),
            Span(other, ("row_id",), where=behind, search=search),
        )
    if failing_only:
        where = (Condition("status <> 'pending' OR attempts > 0"), *where)
    where = (one_of("status", statuses), *where)
    if chosen.ids:
        return (Span("event INDEXED BY event_id", ("row_id",), is_descending=True, where=where, search=search),)
    if _FEW.issuperset(statuses):
        where = (Condition(f"row_id IN ({' UNION ALL '.join(_few(name) for name in statuses)})"), *where)
    return (Span("event NOT INDEXED", ("row_id",), is_descending=True, where=where, search=search),)


def _few(status: str) -> str:
    """Return the subquery for the events of a status that has an index; ``status`` is one of ours."""
    if status == EventStatus.PENDING.value:
        return "SELECT row_id FROM event INDEXED BY event_pending WHERE status = 'pending'"
    index = "event INDEXED BY event_dead WHERE status IN ('dead', 'purged')"
    return f"SELECT row_id FROM {index} AND status = '{EventStatus(status).value}'"


def _ids(chosen: Filter) -> tuple[Condition, ...]:
    return (one_of("workflow_id", chosen.ids),) if chosen.ids else ()


def _about(chosen: Filter) -> tuple[Condition, ...]:
    """Return the condition that entries are about one of the ids, those in the store-wide chain by what they name."""
    if not chosen.ids:
        return ()
    named = one_of(_NAMED, chosen.ids)
    return (
        one_of("workflow_id", (*chosen.ids, STORE_WIDE)),
        Condition(f"workflow_id <> '' OR {named.sql}", named.values),
    )


def _walk(connection: apsw.Connection, spans: tuple[Span, ...], query: Query) -> Walked:
    return walk(connection, spans, after=query.after, is_reversed=query.is_reversed, limit=query.limit, judged_at=0)


def _page(rows: tuple[RowT, ...], walked: Walked) -> Page[RowT]:
    return Page(rows, next=walked.next, start=walked.start, searched=walked.searched)
