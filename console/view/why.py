"""The panel that explains one workflow: the reason, the evidence, the keys that help."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from console.cells import Cell, StyleName
from console.glyphs import glyphs
from console.text import fit, safe, wrap
from console.view.lines import CellLine, cell, compose, cut_line, part
from console.view.strip import next_keys
from console.view.words import since_text, typed_error
from engine.model.lock import Liveness
from engine.model.names import Phase
from engine.observation.views import Detail, Health
from engine.rules.ages import age_text

_LABEL_CELLS: Final = 11
_TEXT_CELLS: Final = 100


def why_panel(detail: Detail | None, health: Health | None, now: datetime, cells: int) -> tuple[CellLine, ...]:
    """Return the panel's lines."""
    bar = (Cell(glyphs().plan_bar, "accent"), cell(" "))
    room = min(cells - 3, _TEXT_CELLS)
    if detail is None:
        return ((*bar, cell("no workflow is selected", "dim")),)
    lines = [
        compose(
            (part(9, (cell("WHY  ", "accent"), Cell(safe(detail.row.workflow_id), "strong"))),),
            room,
            right=(part(1, (cell("x", "accent"), cell(" closes", "dim"))),),
        ),
        *((Cell(line),) for line in wrap(safe(detail.why.sentence), room, max_lines=4)),
        *_evidence(detail, health, now, room),
    ]
    keys = next_keys(detail.why)
    lines.append((_label("next"), *keys) if keys else (_label("next"), cell("nothing to do", "dim")))
    return tuple(cut_line((*bar, *line), cells) for line in lines)


def _evidence(detail: Detail, health: Health | None, now: datetime, room: int) -> Iterator[CellLine]:
    row = detail.row
    if row.deadline_at is not None and row.phase is Phase.OPEN:
        left_s = (row.deadline_at - now).total_seconds()
        text = f"in {age_text(left_s)}" if left_s > 0 else f"passed {age_text(-left_s)} ago"
        yield from _fact("deadline", f"{text}; in {row.state} for {since_text(row.entered_at, now)}", room)
    if detail.lock is not None:
        held = detail.lock
        void = "; the workflow moved on, so its holder cannot write" if held.is_void else ""
        text = f"{held.lock.owner} is {held.liveness.value} ({held.evidence}), expires in {age_text(held.left_s)}{void}"
        yield from _fact("lock", text, room, "bad" if held.liveness is Liveness.DEAD else "text")
    if row.error is not None:
        yield from _fact("error", typed_error(row.error_type, row.error), room, "bad")
    failing = [event for event in detail.events if event.status.value == "pending" and event.attempts]
    if failing:
        said = failing[0].error or "no reason is known"
        yield from _fact("events", f"{len(failing)} not delivered; {said}", room, "warn")
    is_timed = row.deadline_at is not None and row.phase is Phase.OPEN
    if health is not None and health.supervisor is None and is_timed:
        yield from _fact("supervisor", "nobody: deadlines do not fire", room, "warn")


def _fact(name: str, text: str, room: int, style: StyleName = "text") -> Iterator[CellLine]:
    for index, piece in enumerate(wrap(safe(text), max(8, room - _LABEL_CELLS), max_lines=2)):
        yield (_label(name if index == 0 else ""), Cell(piece, style))


def _label(name: str) -> Cell:
    return Cell(fit(safe(name), _LABEL_CELLS), "dim")
