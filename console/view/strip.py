"""The strip under the list: the line of states with the present one lit, and why it is there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from console.actions import by_verb
from console.cells import Cell, StyleName
from console.glyphs import glyphs
from console.text import safe, wrap
from console.view.lines import CellLine, cell, cut_line, line_width
from console.view.words import seconds_since, short_state
from engine.model.line import Line
from engine.model.names import Phase
from engine.observation.views import Detail
from engine.rules.ages import age_text
from engine.rules.stuck import Why
from engine.rules.visits import Visit

_TENTHS_BELOW_S: Final = 60.0
_WHY_INDENT: Final = 5


def stay_text(seconds: float) -> str:
    """Return how long a visit lasted: ``0.1``, ``41.0``, ``12m40``."""
    return f"{seconds:.1f}" if seconds < _TENTHS_BELOW_S else age_text(seconds)


def state_line(detail: Detail, line: Line | None, now: datetime, cells: int) -> CellLine:
    """Return the way of a workflow through its line in ``cells`` cells.

    ``init 0.1 > rag1 1.9 > MODULE 12m40 / 5m00 OVER > rag2 > resp > done``; a failed one shows where it failed. Where
    room is short the states to come lose their names first, then the durations of the past go, then its beginning.
    """
    past, present, future = _way(detail, line, now)
    for shape in (
        _chain([*past, present, *future]),
        _chain([*past, present, *future[:1], (cell(glyphs().ellipsis, "dim"),)] if len(future) > 1 else []),
        _chain([*past, present]),
        _chain([*(one[:1] for one in past), present]),
    ):
        if shape and line_width(shape) <= cells:
            return shape
    for first in range(1, len(past) + 1):
        shape = _chain([(cell(glyphs().ellipsis, "dim"),), *past[first:], present])
        if line_width(shape) <= cells:
            return shape
    return cut_line(present, cells)


def why_lines(why: Why, cells: int, *, max_lines: int = 2) -> tuple[CellLine, ...]:
    """Return the reason a workflow is where it is, and the keys that help, in at most ``max_lines`` lines."""
    room = max(1, cells - _WHY_INDENT)
    keys = next_keys(why)
    keys_width = line_width(keys) + 2 if keys else 0
    texts = wrap(safe(why.sentence or "nothing is known"), room, max_lines=max_lines)
    lines: list[CellLine] = [
        (cell("WHY  " if index == 0 else " " * _WHY_INDENT, "warn"), Cell(text)) for index, text in enumerate(texts)
    ]
    if not keys:
        return tuple(lines)
    if line_width(lines[-1]) + keys_width <= cells:
        lines[-1] = (*lines[-1], cell("  "), *keys)
    elif len(lines) < max_lines:
        lines.append((cell(" " * _WHY_INDENT), *keys))
    else:
        last = wrap(texts[-1], max(1, room - keys_width), max_lines=1)[0]
        lines[-1] = (lines[-1][0], Cell(last), cell("  "), *keys)
    return tuple(cut_line(line, cells) for line in lines)


def next_keys(why: Why) -> CellLine:
    """Return the suggested keys: ``R roll back  U unlock``."""
    keys: list[Cell] = []
    for verb in why.verbs:
        action = by_verb(verb)
        if action is not None:
            keys += [cell("  " if keys else ""), cell(action.key, "accent"), cell(f" {action.short}")]
    return tuple(keys)


def _chain(pieces: Sequence[CellLine]) -> CellLine:
    chain: list[Cell] = []
    for piece in pieces:
        if chain:
            chain.append(cell(f" {glyphs().step} ", "dim"))
        chain.extend(piece)
    return tuple(chain)


def _way(detail: Detail, line: Line | None, now: datetime) -> tuple[list[CellLine], CellLine, list[CellLine]]:
    """Return the states that were passed, the present one, and those to come."""
    row = detail.row
    kept = [visit for visit in detail.visits if visit.outcome not in ("superseded", "current")]
    if kept and kept[-1].state == row.state:
        kept = kept[:-1]
    past = [_passed(visit, line) for visit in kept]
    future: list[CellLine] = []
    if row.phase is Phase.OPEN and line is not None and row.state in line.path:
        following = line.path[line.path.index(row.state) + 1 :]
        future = [(cell(short_state(state, line), "dim"),) for state in following]
    return past, _present(detail, line, now), future


def _passed(visit: Visit, line: Line | None) -> CellLine:
    name = short_state(visit.state, line)
    style: StyleName = "bad" if visit.outcome == "failed" else "ok" if visit.outcome == "done" else "dim"
    sign = f" {glyphs().failed}" if visit.outcome == "failed" else ""
    return (cell(name, style), cell(f"{sign} {stay_text(visit.duration_s)}", "dim"))


def _present(detail: Detail, line: Line | None, now: datetime) -> CellLine:
    row = detail.row
    if not row.state:
        return (cell(" DAMAGED ", "badge_bad"),)
    stay_s = seconds_since(row.entered_at, now)
    name = short_state(row.state, line).upper()
    if row.phase is Phase.DONE:
        return (cell(f"{name} {age_text(stay_s)} ago", "text"),)
    if row.phase is Phase.FAILED:
        return (cell(f" {name} {age_text(stay_s)} ago ", "badge_bad"),)
    if row.deadline_at is None:
        return (cell(f" {name} {age_text(stay_s)} ", "badge_accent"),)
    limit = age_text((row.deadline_at - row.entered_at).total_seconds())
    is_over = row.deadline_at <= now and row.paused_at is None
    over = " OVER" if is_over else ""
    return (cell(f" {name} {age_text(stay_s)} / {limit}{over} ", "badge_bad" if is_over else "badge_accent"),)
