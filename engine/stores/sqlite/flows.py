"""Pages of workflows, damaged documents before them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Final

import apsw

from engine.model.names import Flag, Origin, Phase
from engine.model.times import from_micros, to_micros
from engine.store.query import Filter, FlowRow, Page, Query, Sort
from engine.stores.rows import LockColumns, WorkflowColumns, decode_flow, decode_lock
from engine.stores.sqlite import counters, sql
from engine.stores.sqlite.cursors import parse_cursor
from engine.stores.sqlite.filters import document_conditions, flow_conditions, flow_driver, text_conditions
from engine.stores.sqlite.reading import json_list
from engine.stores.sqlite.spans import Condition, Span, walk

RECENT: Final = timedelta(minutes=30)
"""Failures younger than this stand before open work without a deadline."""

_SPARSE: Final = 5_000
"""Up to so many selected rows are gathered and sorted; more are met soon enough by walking in order."""

_LOCK: Final = len(LockColumns._fields)
_FLOW: Final = (
    f"SELECT w.row_id, w.position, {sql.columns(LockColumns._fields, 'l')}, "
    "(SELECT count(*) FROM event e INDEXED BY event_failing "
    "WHERE e.workflow_id = w.id AND e.status = 'pending' AND e.attempts > 0), "
    f"{sql.columns(WorkflowColumns._fields, 'w')} "
    "FROM workflow w LEFT JOIN lock l ON l.workflow_id = w.id AND l.owner <> '' "
)
_DAMAGED: Final = "problem <> '' AND workflow_id = ''"
_DOCUMENT: Final = f"SELECT name, problem, looked_at FROM document WHERE {_DAMAGED} AND "

_NONE: Final = Condition("name < ''")
"""No document: a constant would leave SQLite without a use for the index it is told to take."""

_OPEN: Final = "phase = 'open'"
_TIMED: Final = "phase = 'open' AND deadline_at IS NOT NULL AND paused_at IS NULL"
_UNTIMED: Final = "phase = 'open' AND (deadline_at IS NULL OR paused_at IS NOT NULL)"
_FAILED: Final = "phase = 'failed'"
_DONE: Final = "phase = 'done'"

_BY_DEADLINE: Final = ("workflow_deadline", ("deadline_at", "row_id"))
_BY_WAIT: Final = ("workflow_untimed", ("entered_at", "row_id"))
_BY_PHASE: Final = ("workflow_phase", ("entered_at", "row_id"))


def page_of_flows(connection: apsw.Connection, query: Query, now_micros: int, searched_at_most: int) -> Page[FlowRow]:
    """Return one page; see the protocol."""
    judged_at = parse_cursor(query.after).judged_at if query.after is not None else _judged_at(query, now_micros)
    walked = walk(
        connection,
        _spans(connection, query, _judged_at(query, now_micros), judged_at),
        after=query.after,
        is_reversed=query.is_reversed,
        limit=query.limit,
        judged_at=judged_at,
        searched_at_most=searched_at_most,
    )
    names = [key[0] for number, key in walked.hits if number == 0]
    row_ids = [key[-1] for number, key in walked.hits if number > 0]
    rows = (*_documents(connection, names), *_flows(connection, row_ids))
    return Page(rows, next=walked.next, start=walked.start, searched=walked.searched)


def count_of_flows(connection: apsw.Connection, query: Query, cap: int, now_micros: int) -> int:
    """Return how many rows the filter selects; what only asks types and states is known already."""
    chosen = query.filter
    if chosen == Filter(types=chosen.types, states=chosen.states):
        counted = _counted(connection, chosen)
    else:
        counted = _unsorted(chosen, _judged_at(query, now_micros)).count(connection, (), cap)
    documents = document_conditions(chosen)
    if documents is not None:
        counted += _damaged(documents).count(connection, (), cap)
    return min(counted, cap)


def flow(connection: apsw.Connection, workflow_id: str) -> FlowRow | None:
    """Return the row of a workflow, or of the damaged document of that name."""
    found = sql.row(connection, f"{_FLOW} WHERE w.id = ?", workflow_id)
    if found is not None:
        return _flow_row(found)
    document = sql.row(connection, f"{_DOCUMENT} name = ?", f"{workflow_id}.json")
    return None if document is None else _document_row(*document)


def _spans(connection: apsw.Connection, query: Query, at: int, judged_at: int) -> tuple[Span, ...]:
    """Return the ranges of the list; the first is the damaged documents' even where they are left out."""
    chosen = query.filter
    documents = document_conditions(chosen)
    first = _damaged(documents if documents is not None else (_NONE,))
    where = flow_conditions(chosen, at)
    search = text_conditions(chosen, "search_text")
    driver = flow_driver(chosen, at)
    if driver is None and query.sort not in (Sort.PROBLEM, Sort.STATE_AGE):
        driver = _sparse_driver(connection, chosen)
    ranges = _ranges(query.sort, judged_at)
    if driver is not None:
        # Without an index for the order, SQLite starts from the driver's rows and sorts them.
        return (first, *(_span("workflow NOT INDEXED", part, (driver, *where), search) for part in ranges))
    return (first, *(_span(f"workflow INDEXED BY {part[0]}", part, where, search) for part in ranges))


_Range = tuple[str, tuple[str, ...], bool, tuple[Condition, ...]]
"""Index, key, whether the order descends, condition."""


def _span(source: str, part: _Range, where: Sequence[Condition], search: tuple[Condition, ...]) -> Span:
    return Span(source, part[1], part[2], (*part[3], *where), search)


def _ranges(sort: Sort, judged_at: int) -> tuple[_Range, ...]:
    if sort is Sort.PROBLEM:
        recent = to_micros(from_micros(judged_at) - RECENT)
        return (
            (*_BY_DEADLINE, False, (Condition(_TIMED),)),
            (*_BY_PHASE, True, (Condition(_FAILED), Condition("entered_at > ?", (recent,)))),
            (*_BY_WAIT, False, (Condition(_UNTIMED),)),
            (*_BY_PHASE, True, (Condition(_FAILED), Condition("entered_at <= ?", (recent,)))),
            (*_BY_PHASE, True, (Condition(_DONE),)),
        )
    if sort is Sort.STATE_AGE:
        return (
            (*_BY_PHASE, False, (Condition(_OPEN),)),
            (*_BY_PHASE, True, (Condition(_FAILED),)),
            (*_BY_PHASE, True, (Condition(_DONE),)),
        )
    if sort is Sort.ID:
        return (("workflow_id", ("id", "row_id"), False, ()),)
    if sort is Sort.UPDATED:
        return (("workflow_updated", ("updated_at", "row_id"), True, ()),)
    return (("workflow_created", ("created_at", "row_id"), True, ()),)


def _sparse_driver(connection: apsw.Connection, chosen: Filter) -> Condition | None:
    """Return a driver for states and phases that few workflows are in; an index over all of them tells."""
    if not chosen.states and not chosen.phases:
        return None
    conditions = flow_conditions(Filter(types=chosen.types, states=chosen.states, phases=chosen.phases), 0)
    selected = Span("workflow INDEXED BY workflow_phase", ("row_id",), where=(*_any_phase(chosen), *conditions))
    if selected.count(connection, (), _SPARSE) == _SPARSE:
        return None
    where = " AND ".join(condition.sql for condition in selected.where)
    values = tuple(value for condition in selected.where for value in condition.values)
    return Condition(f"row_id IN (SELECT row_id FROM workflow INDEXED BY workflow_phase WHERE {where})", values)


def _any_phase(chosen: Filter) -> tuple[Condition, ...]:
    """Return a condition that lets the phase index be used where no phase is asked for."""
    return () if chosen.phases else (Condition("phase IN ('open', 'failed', 'done')"),)


def _unsorted(chosen: Filter, at: int) -> Span:
    """Return all that a filter selects, in no order."""
    driver = flow_driver(chosen, at)
    where = (*flow_conditions(chosen, at), *text_conditions(chosen, "search_text"))
    if driver is not None:
        return Span("workflow NOT INDEXED", ("row_id",), where=(driver, *where))
    if chosen.text or chosen.not_text or chosen.pattern is not None:
        return Span("workflow NOT INDEXED", ("row_id",), where=where)
    return Span("workflow INDEXED BY workflow_phase", ("row_id",), where=(*_any_phase(chosen), *where))


def _counted(connection: apsw.Connection, chosen: Filter) -> int:
    types, states = {counters.part(name) for name in chosen.types}, {counters.part(name) for name in chosen.states}
    counted = 0
    for name, number in counters.read(connection, "flows/").items():
        _, workflow_type, state = name.split("/")
        if (not types or workflow_type in types) and (not states or state in states):
            counted += number
    return counted


def _damaged(conditions: tuple[Condition, ...]) -> Span:
    return Span("document INDEXED BY document_problem", ("name",), where=(Condition(_DAMAGED), *conditions))


def _flows(connection: apsw.Connection, row_ids: Sequence[int]) -> Iterable[FlowRow]:
    """Return rows in the order of ``row_ids``."""
    if not row_ids:
        return ()
    found = sql.rows(connection, f"{_FLOW} WHERE w.row_id IN (SELECT value FROM json_each(?))", json_list(row_ids))
    rows = {values[0]: _flow_row(values) for values in found}
    return (rows[row_id] for row_id in row_ids)


def _documents(connection: apsw.Connection, names: Sequence[str]) -> Iterable[FlowRow]:
    if not names:
        return ()
    found = sql.rows(connection, f"{_DOCUMENT} name IN (SELECT value FROM json_each(?))", json_list(names))
    rows = {values[0]: _document_row(*values) for values in found}
    return (rows[name] for name in names)


def _flow_row(values: tuple[Any, ...]) -> FlowRow:
    _, position, *rest = values
    lock = decode_lock(LockColumns(*rest[:_LOCK])) if rest[0] is not None else None
    columns = WorkflowColumns(*rest[_LOCK + 1 :])
    return decode_flow(columns, lock=lock, events_failing=rest[_LOCK], position=position)


def _document_row(name: str, problem: str, looked_at: int) -> FlowRow:
    at = from_micros(looked_at)
    return FlowRow(
        workflow_id=name.removesuffix(".json"),
        workflow_type="",
        state="",
        phase=Phase.FAILED,
        origin=Origin.EXTERNAL,
        flag=Flag.DAMAGED,
        revision=0,
        generation=0,
        created_at=at,
        updated_at=at,
        entered_at=at,
        deadline_at=None,
        ended_at=None,
        paused_at=None,
        attempt=0,
        is_forced=False,
        error_type=None,
        error=problem,
    )


def _judged_at(query: Query, now_micros: int) -> int:
    return to_micros(query.at) if query.at is not None else now_micros
