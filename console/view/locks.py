"""Locks as rows: who holds what, for how long, until when, and whether the holder lives."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from console.cells import Cell, Column, Row, StyleName
from console.glyphs import glyphs
from console.text import safe
from console.view.words import prefixless
from engine.model.lock import Liveness
from engine.observation.views import LockView
from engine.rules.ages import age_text

COLUMNS: Final = (
    Column("id", safe("WORKFLOW"), 12),
    Column("owner", safe("OWNER"), 12, min_width=8),
    Column("held", safe("HELD"), 5, "right", drop=2),
    Column("left", safe("LEFT"), 7, "right"),
    Column("alive", safe("HOLDER"), 7),
    Column("evidence", safe("EVIDENCE"), 16, min_width=16, flex=1, drop=3),
)
"""The columns of the lock list."""

_STYLES: Final[Mapping[Liveness, StyleName]] = {
    Liveness.ALIVE: "ok",
    Liveness.DEAD: "bad",
    Liveness.SILENT: "warn",
    Liveness.UNKNOWN: "dim",
}


def lock_row(view: LockView, now: datetime, read_at: datetime) -> Row:
    """Return a lock as a row of :data:`COLUMNS`; what is left of it is counted on from when it was read."""
    passed_s = (now - read_at).total_seconds()
    left_s = view.left_s - passed_s
    table = glyphs()
    is_dead = view.liveness is Liveness.DEAD
    return Row(
        key=view.lock.workflow_id,
        cells=(
            Cell(prefixless(view.lock.workflow_id)),
            Cell(safe(view.lock.owner)),
            Cell(safe(age_text(view.held_s + passed_s)), "dim"),
            Cell(safe(age_text(left_s)) if left_s > 0 else safe("expired"), "text" if left_s > 0 else "warn"),
            Cell(safe(liveness_word(view)), "warn" if view.is_void and not is_dead else _STYLES[view.liveness]),
            Cell(safe(view.evidence), "dim"),
        ),
        lead=(Cell(table.dead, "bad") if is_dead else Cell(table.live, _STYLES[view.liveness]),),
    )


def liveness_word(view: LockView) -> str:
    """Return what is known of the holder in one word; loud where it is dead."""
    if view.liveness is Liveness.DEAD:
        return "DEAD"
    return "void" if view.is_void else view.liveness.value
