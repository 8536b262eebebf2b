"""One workflow in full, and one document as it is on disk, as lines to be read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any, Final

from console.cells import Cell, StyleName
from console.glyphs import glyphs
from console.text import fit, safe, safe_lines, wrap
from console.view.lines import BLANK, CellLine, cell
from console.view.strip import next_keys, stay_text
from console.view.words import moment_text, since_text, typed_error
from engine.model.names import Origin
from engine.model.times import parse_time
from engine.model.workflow import Step, Workflow
from engine.observation.views import Detail
from engine.rules.ages import age_text

_LABEL_CELLS: Final = 12
_TEXT_LINES: Final = 12
_HISTORY_SHOWN: Final = 200
_STEPS_SHOWN: Final = 100
_RAW_LINES: Final = 20_000
_RAW_LINE_CELLS: Final = 2_000


def detail_lines(detail: Detail, now: datetime, zone: tzinfo | None, cells: int) -> tuple[CellLine, ...]:
    """Return everything known about one workflow, or one damaged document, in lines of at most ``cells`` cells."""
    blocks = (
        _why(detail, cells),
        _state(detail, now, zone, cells),
        _texts(detail, cells),
        _steps(detail.workflow, cells),
        _history(detail, now, zone, cells),
        _events(detail, now, zone),
        _document(detail, now, zone, cells),
    )
    lines: list[CellLine] = []
    for block in blocks:
        rows = tuple(block)
        if rows:
            lines += [*((BLANK,) if lines else ()), *rows]
    return tuple(lines)


def raw_lines(document: bytes | None, cells: int) -> tuple[CellLine, ...]:
    """Return a document's bytes as lines; what is not UTF-8 is escaped, long lines are wrapped."""
    if document is None:
        return ((cell("There is no file on disk for this workflow.", "dim"),),)
    text = document.decode("utf-8", errors="backslashreplace")
    lines: list[CellLine] = []
    for line in safe_lines(text, limit=_RAW_LINE_CELLS, max_lines=_RAW_LINES):
        indent = " " * (len(line) - len(line.lstrip(" ")))
        body = wrap(safe(line.lstrip(" ")), max(8, cells - len(indent)))
        lines += [(cell(indent), Cell(piece)) for piece in body]
    return tuple(lines)


def _why(detail: Detail, cells: int) -> Iterator[CellLine]:
    yield from _labelled("why", detail.why.sentence or "-", cells, "strong")
    keys = next_keys(detail.why)
    if keys:
        yield (_label("next"), *keys)


def _state(detail: Detail, now: datetime, zone: tzinfo | None, cells: int) -> Iterator[CellLine]:
    row, flow = detail.row, detail.workflow
    yield from _labelled("id", row.workflow_id, cells)
    if flow is None:
        yield from _labelled("problem", row.error or "unreadable", cells, "bad")
        return
    marks = [word for word, is_on in (("forced", row.is_forced), (row.flag.value, bool(row.flag))) if is_on]
    forced = f"  ({', '.join(marks)})" if marks else ""
    yield from _labelled("state", f"{row.state}{forced}, for {since_text(row.entered_at, now)}", cells)
    driver = "written by another program" if row.origin is Origin.EXTERNAL else "driven by an engine of this store"
    yield from _labelled("type", f"{row.workflow_type}, {driver}", cells)
    yield from _labelled("revision", f"{row.revision}, generation {row.generation}, attempt {row.attempt}", cells)
    if row.deadline_at is not None:
        left_s = (row.deadline_at - now).total_seconds()
        text = f"in {age_text(left_s)}" if left_s > 0 else f"passed {age_text(-left_s)} ago"
        deadline = f"{moment_text(row.deadline_at, now, zone)}, {text}"
        yield from _labelled("deadline", deadline, cells, "text" if left_s > 0 else "bad")
    if detail.lock is not None:
        held = detail.lock
        text = f"{held.lock.owner} is {held.liveness.value}, {held.evidence}; fence {held.lock.fence}"
        yield from _labelled("lock", text, cells)
    yield from _labelled("created", moment_text(row.created_at, now, zone), cells)
    if flow.target_module:
        yield from _labelled("module", flow.target_module, cells)
    yield from _labelled("path", f" {glyphs().step} ".join(flow.active_path), cells)


def _texts(detail: Detail, cells: int) -> Iterator[CellLine]:
    flow = detail.workflow
    if flow is None:
        return
    if flow.error is not None:
        yield from _labelled("error", typed_error(flow.error_type, flow.error), cells, "bad")
    yield from _labelled("input", _as_text(flow.user_input), cells)
    if flow.final_answer is not None:
        yield from _labelled("answer", flow.final_answer, cells)
    missing = [slot for slot, value in flow.results.items() if value is None]
    there = [slot for slot, value in flow.results.items() if value is not None]
    if there or missing:
        yield from _labelled("results", ", ".join(there) or "none yet", cells)


def _steps(flow: Workflow | None, cells: int) -> Iterator[CellLine]:
    if flow is None or not flow.steps:
        return
    yield _title("steps", len(flow.steps))
    for step in flow.steps[-_STEPS_SHOWN:]:
        yield _step_line(step, cells)


def _step_line(step: Step, cells: int) -> CellLine:
    style: StyleName = "dim" if step.is_superseded else "text"
    duration = "-" if step.duration is None else stay_text(step.duration)
    said = "superseded" if step.is_superseded else _as_text(step.error or step.output_data)
    room = max(8, cells - _LABEL_CELLS - 29)
    return (
        Cell(fit(safe(step.step_id), _LABEL_CELLS), "dim"),
        Cell(fit(safe(step.state), 20), style),
        Cell(fit(safe(duration), 7, "right"), "dim"),
        cell("  "),
        Cell(fit(safe(said), room), "bad" if step.error else style),
    )


def _history(detail: Detail, now: datetime, zone: tzinfo | None, cells: int) -> Iterator[CellLine]:
    if not detail.history:
        return
    yield _title("history", len(detail.history))
    for move in detail.history[-_HISTORY_SHOWN:]:
        yield _move_line(move, now, zone, cells)


def _move_line(move: Mapping[str, Any], now: datetime, zone: tzinfo | None, cells: int) -> CellLine:
    at = safe(_told_time(move.get("timestamp"), now, zone))
    states = f"{move.get('from_state')} {glyphs().step} {move.get('to_state')}"
    duration = move.get("duration")
    metadata = move.get("metadata")
    reason = metadata.get("reason") if isinstance(metadata, Mapping) else None
    said = move.get("error") or reason or ""
    stay = stay_text(float(duration)) if isinstance(duration, int | float) else "-"
    is_bad = move.get("success") is False or bool(move.get("error"))
    room = max(8, cells - _LABEL_CELLS - 51)
    return (
        Cell(fit(at, _LABEL_CELLS), "dim"),
        Cell(fit(safe(states), 42), "bad" if is_bad else "text"),
        Cell(fit(safe(stay), 7, "right"), "dim"),
        cell("  "),
        Cell(fit(safe(said), room), "bad" if is_bad else "dim"),
    )


def _told_time(text: object, now: datetime, zone: tzinfo | None) -> str:
    """Return a time as another program wrote it, in the shape of ours where it can be read."""
    try:
        return moment_text(parse_time(str(text)), now, zone)
    except (ValueError, OverflowError):
        return str(text)


def _events(detail: Detail, now: datetime, zone: tzinfo | None) -> Iterator[CellLine]:
    if not detail.events:
        return
    yield _title("events", len(detail.events))
    for event in detail.events[:20]:
        is_dead = event.status.value == "dead"
        yield (
            Cell(fit(safe(moment_text(event.created_at, now, zone)), _LABEL_CELLS), "dim"),
            Cell(fit(safe(event.type), 26), "text"),
            Cell(fit(safe(event.status.value), 11), "bad" if is_dead else "dim"),
            Cell(safe("" if not event.attempts else f"{event.attempts} attempts"), "dim"),
        )


def _document(detail: Detail, now: datetime, zone: tzinfo | None, cells: int) -> Iterator[CellLine]:
    document = detail.document
    if document is None:
        return
    text = f"{document.name}, {document.size} bytes, revision {document.published_revision or 'foreign'}"
    yield from _labelled("document", text, cells)
    yield from _labelled("looked at", moment_text(document.looked_at, now, zone), cells)
    if document.problem:
        yield from _labelled("problem", document.problem, cells, "bad")


def _title(name: str, count: int) -> CellLine:
    return (cell(name, "header"), cell(f" {count}", "dim"))


def _label(name: str) -> Cell:
    return Cell(fit(safe(name), _LABEL_CELLS), "dim")


def _labelled(name: str, value: object, cells: int, style: StyleName = "text") -> Iterable[CellLine]:
    """Return a value beside its label, wrapped; a long text is cut after some lines."""
    room = max(8, cells - _LABEL_CELLS)
    pieces = [piece for line in safe_lines(str(value), max_lines=_TEXT_LINES) for piece in wrap(line, room)]
    shown: Sequence[Any] = pieces[:_TEXT_LINES]
    lines = [((_label(name if index == 0 else "")), Cell(piece, style)) for index, piece in enumerate(shown)]
    if len(pieces) > _TEXT_LINES:
        lines.append((_label(""), cell(f"{len(pieces) - _TEXT_LINES} more lines; y shows all", "dim")))
    return lines


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return "-"
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError):
        return str(value)
