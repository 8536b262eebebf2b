"""The timeline: a bar per visit on a time axis, the deadline on it, superseded visits hatched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from console.cells import Cell, StyleName
from console.durations import compact
from console.glyphs import Glyphs, glyphs
from console.text import SafeText, cut_middle, fit, safe
from console.view.flows import limit_text
from console.view.lines import BLANK, CellLine, Part, cell, compose, cut_line
from console.view.strip import why_lines
from console.view.words import moment_text, seconds_since, short_state
from engine.model.line import Line
from engine.model.lock import Liveness
from engine.model.names import Phase
from engine.observation.views import Detail
from engine.rules.visits import Visit

_NAME_CELLS: Final = 7
_STAY_CELLS: Final = 6
_LEAST_AXIS: Final = 8
_WHY_LEAST: Final = 2
_BARS_KEPT: Final = 6
"""Bars that go before the reason does, where lines are short."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A stretch of time over a number of cells."""

    start: datetime
    end: datetime
    cells: int

    def at(self, moment: datetime) -> int:
        """Return the cell a moment falls into; moments outside fall into the ends."""
        whole_s = (self.end - self.start).total_seconds()
        if whole_s <= 0:
            return 0
        share = (moment - self.start).total_seconds() / whole_s
        return max(0, min(self.cells - 1, int(share * self.cells)))


def timeline_lines(
    detail: Detail, line: Line | None, now: datetime, zone: tzinfo | None, size: tuple[int, int]
) -> tuple[CellLine, ...]:
    """Return the picture of one workflow in ``size`` (cells, lines); older visits go first where lines are short."""
    cells, height = size
    head = _head(detail, cells)
    least = min(len(detail.visits), _BARS_KEPT) + 1
    spare = height - len(head) - least - 1
    why = (BLANK, *why_lines(detail.why, cells, max_lines=spare)) if spare >= _WHY_LEAST else ()
    room = max(1, height - len(head) - len(why))
    return (*head, *_bars(detail, line, now, zone, (cells, room)), *why)[:height]


def axis_of(visits: Sequence[Visit], now: datetime, cells: int) -> Axis:
    """Return the axis from the first visit to now or the deadline, or to the end of a workflow that ended."""
    last = visits[-1]
    ends = [visit.left_at for visit in visits if visit.left_at is not None]
    if last.left_at is None:
        ends.append(now)
        if last.deadline_at is not None:
            ends.append(last.deadline_at)
    return Axis(visits[0].entered_at, max(ends), max(1, cells))


def bar(visit: Visit, axis: Axis, now: datetime) -> tuple[SafeText, SafeText, SafeText]:
    """Return what lies before a visit's bar, the bar, and what lies after it, together as wide as the axis."""
    table = glyphs()
    start = axis.at(visit.entered_at)
    end = axis.at(visit.left_at or now)
    length = max(1, end - start + (1 if visit.left_at is None else 0))
    length = min(length, axis.cells - start)
    after = axis.cells - start - length
    return safe(" " * start), safe(_bar_glyph(visit, table) * length), safe(" " * after)


def _head(detail: Detail, cells: int) -> tuple[CellLine, ...]:
    row = detail.row
    facts = [cell(row.workflow_type or "document", "dim")]
    if row.revision:
        facts.append(cell(f"rev {row.revision}", "dim"))
    if row.generation > 1:
        facts.append(cell(f"gen {row.generation}", "dim"))
    if row.origin.value == "external":
        facts.append(cell("external", "dim"))
    if row.is_forced:
        facts.append(cell("forced", "warn"))
    if row.flag:
        facts.append(cell(row.flag.value, "bad"))
    lock = detail.lock
    if lock is not None:
        is_dead = lock.liveness is Liveness.DEAD
        facts.append(
            cell(f"lock {lock.lock.owner}{f' {glyphs().dead}' if is_dead else ''}", "bad" if is_dead else "text")
        )
    parts = [Part(((fact,),), weight=len(facts) - index) for index, fact in enumerate(facts)]
    return (Cell(cut_middle(safe(row.workflow_id), cells), "strong"),), compose(parts, cells), BLANK


def _bars(
    detail: Detail, line: Line | None, now: datetime, zone: tzinfo | None, size: tuple[int, int]
) -> tuple[CellLine, ...]:
    cells, room = size
    if not detail.visits:
        return ((cell(detail.row.error or "no visit is known", "dim"),),)
    width = max(_LEAST_AXIS, cells - _NAME_CELLS - _STAY_CELLS - 2)
    axis = axis_of(detail.visits, now, width)
    shown = detail.visits
    lines: list[CellLine] = []
    if len(shown) > room - 1:
        kept = max(1, room - 2)
        lines.append((cell(f"{len(shown) - kept} earlier visits", "dim"),))
        shown = shown[-kept:]
    lines.extend(_bar_line(visit, axis, detail, line, now) for visit in shown)
    lines.append(_axis_line(axis, detail, now, zone))
    return tuple(cut_line(one, cells) for one in lines)


def _bar_line(visit: Visit, axis: Axis, detail: Detail, line: Line | None, now: datetime) -> CellLine:
    is_present = visit is detail.visits[-1]
    style = _bar_style(visit, detail, now)
    before, drawn, after = bar(visit, axis, now)
    name_style: StyleName = "strong" if is_present else "dim" if visit.outcome == "superseded" else "text"
    middle: CellLine = (Cell(before, "dim"), Cell(drawn, style), Cell(after, "dim"))
    if visit.deadline_at is not None and visit.left_at is None:
        middle = _with_deadline(middle, axis.at(visit.deadline_at), is_over=visit.deadline_at <= now)
    stay_s = visit.duration_s if visit.left_at is not None else seconds_since(visit.entered_at, now)
    stay = "" if is_present and detail.row.phase is not Phase.OPEN else compact(stay_s)
    return (
        Cell(fit(safe(short_state(visit.state, line)), _NAME_CELLS), name_style),
        cell(" "),
        *middle,
        cell(" "),
        Cell(fit(safe(stay), _STAY_CELLS, "right"), style if is_present and style == "bad" else "dim"),
    )


def _with_deadline(middle: CellLine, at: int, *, is_over: bool) -> CellLine:
    """Return the cells of a bar with the deadline's sign put over the one it falls into."""
    table = glyphs()
    line: list[Cell] = []
    x = 0
    for one in middle:
        if x <= at < x + len(one.text):
            cut = at - x
            line += [
                Cell(safe(one.text[:cut]), one.style),
                Cell(table.deadline, "warn" if is_over else "accent"),
                Cell(safe(one.text[cut + 1 :]), one.style),
            ]
        else:
            line.append(one)
        x += len(one.text)
    return tuple(line)


def _axis_line(axis: Axis, detail: Detail, now: datetime, zone: tzinfo | None) -> CellLine:
    start = moment_text(axis.start, now, zone)
    end = moment_text(axis.end, now, zone)
    limit = limit_text(detail.row)
    middle = f"limit {limit}" if limit != "-" else ""
    room = axis.cells - len(start) - len(end)
    filling = f"{middle:^{room}}" if middle and room > len(middle) + 1 else " " * max(1, room)
    return (cell(" " * (_NAME_CELLS + 1)), cell(f"{start}{filling}{end}", "dim"))


def _bar_glyph(visit: Visit, table: Glyphs) -> SafeText:
    return table.bar_superseded if visit.outcome == "superseded" else table.bar


def _bar_style(visit: Visit, detail: Detail, now: datetime) -> StyleName:
    if visit.outcome in {"superseded", "left"}:
        return "dim"
    if visit.outcome == "failed":
        return "bad"
    if visit.left_at is not None:
        return "ok"
    if detail.row.phase is Phase.FAILED:
        return "bad"
    if detail.row.phase is Phase.DONE:
        return "ok"
    return "bad" if visit.deadline_at is not None and visit.deadline_at <= now else "accent"
