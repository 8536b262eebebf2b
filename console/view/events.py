"""Events of the outbox as rows: what failed to reach the bus, when it is tried next, and the dead letter."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from console.cells import Cell, Column, Row
from console.glyphs import glyphs
from console.text import safe
from console.view.words import error_word, prefixless, since_text
from engine.model.names import EventStatus
from engine.rules.ages import age_text
from engine.store.query import EventRow

COLUMNS: Final = (
    Column("id", safe("WORKFLOW"), 12),
    Column("type", safe("EVENT"), 13, drop=3),
    Column("tries", safe("TRY"), 3, "right"),
    Column("next", safe("NEXT"), 8, "right"),
    Column("error", safe("ERR"), 8, drop=2),
    Column("message", safe("SAID"), 12, min_width=12, flex=1, drop=4),
)
"""The columns of the retry list."""


def event_row(event: EventRow, now: datetime) -> Row:
    """Return an event as a row of :data:`COLUMNS`; its key is the event id that verbs take."""
    is_dead = event.status is EventStatus.DEAD
    is_calm = event.status in (EventStatus.DELIVERED, EventStatus.RECORDED, EventStatus.PURGED)
    return Row(
        key=str(event.id),
        cells=(
            Cell(prefixless(event.id.workflow_id)),
            Cell(safe(event.type.removeprefix("workflow.")), "dim"),
            Cell(safe(event.attempts), "warn" if event.attempts > 1 else "text"),
            _next_cell(event, now),
            Cell(error_word(event.error_type), "bad" if is_dead else "warn"),
            Cell(safe(_said(event)), "dim"),
        ),
        lead=(_glyph(event),),
        is_dim=is_calm,
    )


def _said(event: EventRow) -> str:
    said = event.error or ""
    return f"{event.cause.replace('_', ' ')}; {said}" if event.cause else said


def _glyph(event: EventRow) -> Cell:
    table = glyphs()
    if event.status is EventStatus.DEAD:
        return Cell(table.failed, "bad")
    if event.status is EventStatus.PENDING:
        return Cell(table.waiting, "warn" if event.attempts else "dim")
    return Cell(table.completed, "dim")


def _next_cell(event: EventRow, now: datetime) -> Cell:
    if event.status is not EventStatus.PENDING:
        return Cell(safe(event.status.value), "bad" if event.status is EventStatus.DEAD else "dim")
    if event.next_attempt_at is None or event.next_attempt_at <= now:
        return Cell(safe("due"), "accent")
    left_s = (event.next_attempt_at - now).total_seconds()
    return Cell(safe(f"in {age_text(left_s)}"))


def oldest_text(events: tuple[EventRow, ...], now: datetime) -> str:
    """Return how long the oldest of the waiting ones has waited, "" where none waits."""
    waiting = [event.created_at for event in events if event.status is EventStatus.PENDING and event.attempts]
    return since_text(min(waiting), now) if waiting else ""
