"""Pages of workflows, damaged documents before them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

import apsw

from engine.model.names import Flag, Origin, Phase
from engine.model.times import from_micros, to_micros
from engine.store.query import Filter, FlowRow, Page, Query, Sort
from engine.stores.rows import LockColumns, WorkflowColumns, decode_flow, decode_lock
from engine.stores.sqlite import counters, sql
from engine.stores.sqlite.cursors import parse_cursor
from engine.stores.sqlite.filters import (
    Selection,
    document_conditions,
    indexed_conditions,
    one_of,
    problem_ids,
    selection,
    text_conditions,
)
from engine.stores.sqlite.reading import json_list
from engine.stores.sqlite.spans import Condition, Span, walk

RECENT: Final = timedelta(minutes=30)
"""Failures younger than this stand before open work that is not overdue."""

_SPARSE: Final = 20_000
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

_TIMED: Final = Condition("phase = 'open' AND deadline_at IS NOT NULL AND paused_at IS NULL")
_UNTIMED: Final = Condition("phase = 'open' AND (deadline_at IS NULL OR paused_at IS NOT NULL)")
_LISTED: Final = "row_id IN (SELECT value FROM json_each(?))"


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
    if _is_counted(chosen):
        counted = _counted(connection, chosen)
    else:
        spans = _unsorted(connection, chosen, _judged_at(query, now_micros))
        counted = sum(span.count(connection, (), cap) for span in spans)
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


class _Range(NamedTuple):
    """A part of an order, before the filter."""

    source: str
    key: tuple[str, str]
    is_descending: bool = False
    phase: Phase | None = None
    conditions: tuple[Condition, ...] = ()


def _spans(connection: apsw.Connection, query: Query, at: int, judged_at: int) -> tuple[Span, ...]:
    """Return the ranges of the list; the first is the damaged documents' even where they are left out."""
    chosen = query.filter
    documents = document_conditions(chosen)
    first = _damaged(documents if documents is not None else (_NONE,))
    driver, where = selection(chosen, at)
    if driver is None and query.sort not in (Sort.PROBLEM, Sort.STATE_AGE):
        driver = _sparse_driver(connection, chosen, at)
    problems = problem_ids(connection, at) if chosen.is_problem else None
    search = text_conditions(chosen, "search_text")
    return (
        first,
        *(
            _span(part, _problem_driven(part, driver, where, problems), search)
            for part in _ranges(query.sort, judged_at)
        ),
    )


def _span(part: _Range, chosen: Selection, search: tuple[Condition, ...]) -> Span:
    if chosen.driver is not None:
        # Without an index for the order, SQLite starts from the driver's rows and sorts them.
        where = (chosen.driver, *part.conditions, *chosen.where)
        return Span("workflow NOT INDEXED", part.key, part.is_descending, where, search, is_gathered=True)
    where = (*part.conditions, *chosen.where)
    return Span(f"workflow INDEXED BY {part.source}", part.key, part.is_descending, where, search)


def _problem_driven(
    part: _Range, driver: Condition | None, where: tuple[Condition, ...], problems: str | None
) -> Selection:
    """Return how to find in a range what needs a look: failures all do, the others are few."""
    if problems is None or part.phase is Phase.FAILED:
        return Selection(driver, where)
    if part.phase is None:
        return Selection(driver, (*where, Condition(f"phase = 'failed' OR {_LISTED}", (problems,))))
    listed = Condition(_LISTED, (problems,))
    return Selection(listed, where) if driver is None else Selection(driver, (*where, listed))


def _ranges(sort: Sort, judged_at: int) -> tuple[_Range, ...]:
    if sort is Sort.PROBLEM:
        recent = to_micros(from_micros(judged_at) - RECENT)
        return (
            _timed(Condition("deadline_at <= ?", (judged_at,))),
            _by_phase(Phase.FAILED, Condition("entered_at > ?", (recent,))),
            _timed(Condition("deadline_at > ?", (judged_at,))),
            _Range("workflow_untimed", ("entered_at", "row_id"), phase=Phase.OPEN, conditions=(_UNTIMED,)),
            _by_phase(Phase.FAILED, Condition("entered_at <= ?", (recent,))),
            _by_phase(Phase.DONE),
        )
    if sort is Sort.STATE_AGE:
        return tuple(_by_phase(phase) for phase in Phase)
    if sort is Sort.ID:
        return (_Range("workflow_id", ("id", "row_id")),)
    if sort is Sort.UPDATED:
        return (_Range("workflow_updated", ("updated_at", "row_id"), is_descending=True),)
    return (_Range("workflow_created", ("created_at", "row_id"), is_descending=True),)


def _timed(condition: Condition) -> _Range:
    """Return open work that has a deadline, the earliest first."""
    return _Range("workflow_deadline", ("deadline_at", "row_id"), phase=Phase.OPEN, conditions=(_TIMED, condition))


def _by_phase(phase: Phase, *conditions: Condition) -> _Range:
    """Return a phase by time of entry: open work the longest in its state first, what ended the newest first."""
    where = (Condition("phase = ?", (phase.value,)), *conditions)
    return _Range("workflow_phase", ("entered_at", "row_id"), phase is not Phase.OPEN, phase, where)


def _sparse_driver(connection: apsw.Connection, chosen: Filter, at: int) -> Condition | None:
    """Return a driver for states, phases and ages that few workflows are in; one index over all of them tells."""
    conditions = indexed_conditions(chosen, at)
    if not conditions or chosen == Filter(types=chosen.types):
        return None
    found = _indexed(chosen, conditions)
    if _is_counted(chosen):
        if _counted(connection, chosen) >= _SPARSE:
            return None
    elif found.count(connection, (), _SPARSE) == _SPARSE:
        return None
    where = " AND ".join(condition.sql for condition in found.where)
    values = tuple(value for condition in found.where for value in condition.values)
    return Condition(f"row_id IN (SELECT row_id FROM {found.source} WHERE {where})", values)


def _indexed(chosen: Filter, conditions: tuple[Condition, ...]) -> Span:
    """Return what the phase index alone finds; it wants to be asked for a phase to be used."""
    phases = () if chosen.phases else (one_of("phase", tuple(Phase)),)
    return Span("workflow INDEXED BY workflow_phase", ("row_id",), where=(*phases, *conditions))


def _unsorted(connection: apsw.Connection, chosen: Filter, at: int) -> tuple[Span, ...]:
    """Return all that a filter selects, in no order."""
    driver, where = selection(chosen, at)
    where = (*where, *text_conditions(chosen, "search_text"))
    if driver is not None:
        if chosen.is_problem:
            where = (*where, Condition(f"phase = 'failed' OR {_LISTED}", (problem_ids(connection, at),)))
        return (Span("workflow NOT INDEXED", ("row_id",), where=(driver, *where)),)
    if chosen.is_problem:
        listed = Condition(_LISTED, (problem_ids(connection, at),))
        failed = Condition("phase = 'failed'")
        return (
            Span("workflow INDEXED BY workflow_phase", ("row_id",), where=(failed, *where)),
            Span("workflow NOT INDEXED", ("row_id",), where=(listed, *where)),
        )
    if chosen.text or chosen.not_text or chosen.pattern is not None:
        return (Span("workflow NOT INDEXED", ("row_id",), where=where),)
    return (_indexed(chosen, where),)


def _is_counted(chosen: Filter) -> bool:
    """Return whether maintained counters know how much ``chosen`` selects."""
    return chosen == Filter(types=chosen.types, states=chosen.states)


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
