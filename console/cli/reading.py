"""The verbs that read: ls, show, history, why, events, dead, audit."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from console.cli.exits import Exit, UsageError
from console.cli.ids import full_id, known_id
from console.cli.output import Printer
from console.cli.session import Session
from console.cli.shapes import (
    detail_shape,
    entry_shape,
    event_shape,
    row_shape,
    suggested_command,
    why_shape,
)
from console.durations import compact
from console.filters import FilterError, parse_filter
from console.view.acts import about, act_word, is_refused, reason_text
from engine.errors import WorkflowNotFoundError
from engine.model.entry import Entry
from engine.model.names import Flag
from engine.observation.places import place_of
from engine.observation.views import Detail
from engine.store.query import EventRow, Filter, FlowRow, Page, Query, Sort

RowT = TypeVar("RowT")

_PAGE: Final = 500
_WIDE: Final = 300
"""Characters of a value that a human listing shows."""


async def list_flows(session: Session, asked: Namespace) -> Exit:
    """Print workflows and damaged documents."""
    query = Query(filter=chosen(asked.where), sort=Sort(asked.sort))
    rows = [row async for row in walk(session.observer.flows, query, asked.limit)]
    if session.printer.is_json:
        for row in rows:
            session.printer.record(row_shape(row))
        return Exit.DONE
    at = session.engine.clock.now()
    session.printer.table(
        ("ID", "TYPE", "STATE", "IN-ST", "LEFT", "REV", "LOCK", "ERROR"),
        [
            (
                row.workflow_id,
                row.workflow_type or "-",
                _state_word(row),
                compact((at - row.entered_at).total_seconds()) if row.state else "-",
                compact((row.deadline_at - at).total_seconds() if row.deadline_at else None),
                row.revision or "-",
                row.lock.owner if row.lock is not None and row.lock.owner else "-",
                row.error or "",
            )
            for row in rows
        ],
    )
    total = await session.observer.count(query)
    more = f", {total - len(rows)} more (--limit)" if total > len(rows) else ""
    session.printer.say(f"{len(rows)} shown of {place_of(session.engine)}{more}")
    return Exit.DONE


async def show(session: Session, asked: Namespace) -> Exit:
    """Print everything about one workflow."""
    detail = await session.observer.describe(await _id(session, asked.id))
    if detail is None:
        raise WorkflowNotFoundError(asked.id, is_read=True)
    if session.printer.is_json:
        session.printer.record(detail_shape(detail))
        return Exit.DONE
    _print_detail(session, detail)
    return Exit.DONE


async def history(session: Session, asked: Namespace) -> Exit:
    """Print the state history of one workflow."""
    detail = await session.observer.describe(await _id(session, asked.id))
    if detail is None:
        raise WorkflowNotFoundError(asked.id, is_read=True)
    if session.printer.is_json:
        for entry in detail.history:
            session.printer.record(entry)
    elif detail.workflow is None:
        session.printer.say(detail.why.sentence)
    else:
        _print_history(session.printer, detail.history)
    return Exit.DONE


async def explain(session: Session, asked: Namespace) -> Exit:
    """Print why one workflow is where it is, and the command that helps."""
    workflow_id = await _id(session, asked.id)
    why = await session.observer.why(workflow_id)
    if session.printer.is_json:
        session.printer.record(why_shape(workflow_id, why))
        return Exit.DONE
    session.printer.line(f"{why.code}: {why.sentence}")
    command = suggested_command(workflow_id, why)
    if command is not None:
        session.printer.line(f"next: {command}")
    return Exit.DONE


async def waiting_and_dead(session: Session, asked: Namespace) -> Exit:
    """Print the events that are still owed, and those that were given up."""
    return await _list_events(session, asked, ("pending", "dead"))


async def dead(session: Session, asked: Namespace) -> Exit:
    """Print the dead letter."""
    return await _list_events(session, asked, ("dead",))


async def _list_events(session: Session, asked: Namespace, statuses: Sequence[str]) -> Exit:
    query = Query(filter=chosen(asked.where))
    ids = tuple([await _id(session, each) for each in getattr(asked, "ids", ())])
    if ids:
        query = replace(query, filter=replace(query.filter, ids=(*query.filter.ids, *ids)))

    async def page(query: Query) -> Page[EventRow]:
        return await session.observer.events(statuses, query)

    rows = [row async for row in walk(page, query, asked.limit)]
    if session.printer.is_json:
        for row in rows:
            session.printer.record(event_shape(row))
        return Exit.DONE
    at = session.engine.clock.now()
    session.printer.table(
        ("EVENT", "TYPE", "STATUS", "TRIES", "AGE", "NEXT", "ERROR"),
        [
            (
                str(row.id),
                row.type.removeprefix("workflow."),
                row.status.value,
                row.attempts,
                compact((at - row.created_at).total_seconds()),
                compact((row.next_attempt_at - at).total_seconds() if row.next_attempt_at else None),
                row.error or row.cause or "",
            )
            for row in rows
        ],
    )
    return Exit.DONE


async def audit(session: Session, asked: Namespace) -> Exit:
    """Print audit entries, newest first; with ``--locks`` those of every grant and release too."""
    query = Query(filter=replace(chosen(asked.where), has_locks=asked.locks))
    if asked.id is not None:
        query = replace(query, filter=replace(query.filter, ids=(*query.filter.ids, await _id(session, asked.id))))
    rows = [row async for row in walk(session.observer.audit, query, asked.limit)]
    if session.printer.is_json:
        for row in rows:
            session.printer.record(entry_shape(row))
        return Exit.DONE
    session.printer.table(
        ("AT", "WORKFLOW", "WHAT", "REV", "BY", "REASON"),
        [
            (
                session.printer.time(row.at),
                about(row) or "(store)",
                _what(row),
                row.revision or "-",
                row.actor,
                reason_text(row),
            )
            for row in rows
        ],
    )
    return Exit.DONE


async def _id(session: Session, text: str) -> str:
    return await full_id(session, known_id(text))


def chosen(where: str) -> Filter:
    """Return the filter that ``--where`` means.

    Raises:
        UsageError: the filter line is wrong.
    """
    try:
        return parse_filter(where)
    except FilterError as error:
        raise UsageError(str(error)) from error


async def walk(page: Callable[[Query], Awaitable[Page[RowT]]], query: Query, limit: int) -> AsyncIterator[RowT]:
    """Yield rows page by page, ``limit`` at most; 0 yields all."""
    left = limit or None
    while True:
        size = _PAGE if left is None else min(_PAGE, left)
        found = await page(replace(query, limit=size))
        for row in found.rows:
            yield row
        left = None if left is None else left - len(found.rows)
        if found.next is None or left == 0:
            return
        query = replace(query, after=found.next)


def _state_word(row: FlowRow) -> str:
    flag = row.flag.value if row.flag is not Flag.NONE else ""
    words = [row.state or flag, "forced" if row.is_forced else "", flag if row.state else ""]
    return " ".join(word for word in words if word)


def _what(entry: Entry) -> str:
    if is_refused(entry):
        return f"{act_word(entry)} REFUSED"
    if entry.from_state and entry.to_state:
        return f"{entry.kind.value} {entry.from_state} > {entry.to_state}"
    return entry.kind.value


def _print_detail(session: Session, detail: Detail) -> None:
    printer, row, workflow = session.printer, detail.row, detail.workflow
    lock = detail.lock
    printer.facts(
        [
            ("id", row.workflow_id),
            ("type", row.workflow_type),
            ("state", _state_word(row)),
            ("revision", row.revision),
            ("origin", row.origin.value),
            ("created", printer.time(row.created_at)),
            ("entered", printer.time(row.entered_at)),
            ("deadline", printer.time(row.deadline_at)),
            ("ended", printer.time(row.ended_at)),
            ("lock", "" if lock is None else f"{lock.lock.owner}, {lock.liveness.value} ({lock.evidence})"),
            ("error", row.error),
            ("input", "" if workflow is None else _value(workflow.user_input)),
            ("target", "" if workflow is None else _value(workflow.target_module)),
            ("answer", "" if workflow is None else workflow.final_answer),
            ("path", "" if workflow is None else " > ".join(workflow.active_path)),
            ("document", "" if detail.document is None else detail.document.problem or detail.document.name),
            ("why", f"{detail.why.code}: {detail.why.sentence}"),
            ("next", suggested_command(row.workflow_id, detail.why)),
        ]
    )
    if workflow is not None and workflow.steps:
        printer.line()
        printer.table(
            ("STEP", "STATE", "TOOK", "OUTPUT"),
            [
                (
                    step.step_id,
                    step.state + (" superseded" if step.is_superseded else ""),
                    compact(step.duration if isinstance(step.duration, int | float) else None),
                    _value(step.output_data),
                )
                for step in workflow.steps
            ],
        )
    if detail.history:
        printer.line()
        _print_history(printer, detail.history)
    if detail.events:
        printer.line()
        printer.table(
            ("EVENT", "TYPE", "STATUS", "TRIES"),
            [(str(each.id), each.type, each.status.value, each.attempts) for each in detail.events],
        )


def _print_history(printer: Printer, entries: Sequence[Mapping[str, Any]]) -> None:
    printer.table(
        ("AT", "FROM", "TO", "STAYED", "OK", "NOTE"),
        [
            (
                entry.get("timestamp", "-"),
                entry.get("from_state", "-"),
                entry.get("to_state", "-"),
                compact(entry["duration"] if isinstance(entry.get("duration"), int | float) else None),
                "yes" if entry.get("success", True) else "no",
                entry.get("error") or _note(entry.get("metadata")),
            )
            for entry in entries
        ],
    )


def _note(metadata: Any) -> str:
    return str(metadata.get("reason", "")) if isinstance(metadata, Mapping) else ""


def _value(value: Any) -> str:
    """Return any JSON value on one line, cut."""
    text = (
        value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False, default=str)
    )
    return text if len(text) <= _WIDE else text[: _WIDE - 3] + "..."
