"""Workflows as rows: glyph, short id, type, state, time in state, limit, tries, lock, error, changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from console.cells import Cell, Column, Row
from console.glyphs import Glyphs, glyphs
from console.text import EMPTY, SafeText, cut, safe, width
from console.view.words import error_word, short_id, short_state, since_text, type_word
from engine.model.lock import Liveness, Lock
from engine.model.names import Flag, Phase
from engine.observation.views import Health
from engine.operations.effects import RETRIES_OF_A_STATE
from engine.rules.ages import age_text
from engine.rules.classify import classify
from engine.store.query import FlowRow

LOCK_LEAST: Final = 8
"""Cells of the narrowest LOCK column; the sign of a dead owner shows in it whatever the owner's name is."""

COLUMNS: Final = (
    Column("id", safe("ID"), 12, min_width=12),
    Column("type", safe("TY"), 2, drop=4),
    Column("state", safe("STATE"), 19, min_width=6),
    Column("age", safe("IN-ST"), 5, "right"),
    Column("limit", safe("LIMIT"), 5, "right", drop=5),
    Column("tries", safe("RTY"), 3, "right", drop=3),
    Column("lock", safe("LOCK"), 12, min_width=LOCK_LEAST, flex=1, drop=1),
    Column("error", safe("ERR"), 8, drop=2),
    Column("changed", safe("~"), 1, "right"),
)
"""The columns of the list; they drop LIMIT, TY, RTY, ERR, then LOCK where the list is narrow."""

_GONE_WORDS: Final[Mapping[Flag, str]] = {
    Flag.DAMAGED: "damaged",
    Flag.CONFLICT: "conflict",
    Flag.GONE: "gone",
    Flag.OVERWRITTEN: "overwrit",
}


@dataclass(frozen=True, slots=True)
class FlowFacts:
    """What a row needs beyond the workflow itself.

    Attributes:
        now: the time ages are counted to.
        lives: what is known of each engine that has not ended, by incarnation.
        lives_at: when that was read, None before it ever was.
        changed: ids that changed since the operator looked.
        looked_at: the workflow the operator is looking at now; a change of it is no news.
    """

    now: datetime
    lives: Mapping[str, Liveness] = field(default_factory=dict)
    lives_at: datetime | None = None
    changed: Collection[str] = ()
    looked_at: str | None = None


def lives_of(health: Health) -> dict[str, Liveness]:
    """Return what is known of each engine that has not ended, by incarnation."""
    return {view.row.engine.incarnation: view.liveness for view in health.engines}


def is_overdue(flow: FlowRow, now: datetime) -> bool:
    """Return whether an open workflow is past its deadline."""
    return (
        flow.phase is Phase.OPEN and flow.paused_at is None and flow.deadline_at is not None and flow.deadline_at <= now
    )


def flow_row(flow: FlowRow, facts: FlowFacts) -> Row:
    """Return a workflow as a row of :data:`COLUMNS`."""
    table = glyphs()
    overdue = is_overdue(flow, facts.now)
    is_news = flow.workflow_id in facts.changed and flow.workflow_id != facts.looked_at
    return Row(
        key=flow.workflow_id,
        cells=(
            Cell(short_id(flow.workflow_id, flow.workflow_type)),
            Cell(type_word(flow.workflow_type), "dim"),
            state_cell(flow),
            Cell(safe(since_text(flow.entered_at, facts.now)), "bad" if overdue else "text"),
            Cell(limit_text(flow), "dim"),
            _tries_cell(flow),
            lock_cell(flow, facts, table),
            _error_cell(flow),
            Cell(safe("*") if is_news else EMPTY, "accent"),
        ),
        lead=(state_glyph(flow, facts.now, table),),
        is_dim=flow.phase is Phase.DONE and flow.flag is Flag.NONE,
    )


def state_glyph(flow: FlowRow, now: datetime, table: Glyphs | None = None) -> Cell:
    """Return the one sign of how a workflow fares."""
    table = table or glyphs()
    if flow.flag in (Flag.DAMAGED, Flag.CONFLICT) or not flow.state:
        return Cell(table.damaged, "warn" if flow.flag is Flag.CONFLICT else "bad")
    if flow.phase is Phase.FAILED:
        return Cell(table.failed, "bad")
    if flow.phase is Phase.DONE:
        return Cell(table.cancelled if flow.state == "cancelled" else table.completed, "dim")
    if is_overdue(flow, now):
        return Cell(table.overdue, "bad")
    is_idle = flow.paused_at is not None or flow.deadline_at is None
    return Cell(table.waiting, "dim") if is_idle else Cell(table.running, "text")


def state_cell(flow: FlowRow) -> Cell:
    """Return the state in words; a document without one shows what is wrong with it."""
    if not flow.state:
        return Cell(safe(_GONE_WORDS.get(flow.flag, "damaged")), "bad")
    short = short_state(flow.state)
    if flow.is_forced:
        forced = safe(f"{flow.state} (forced)")
        return Cell(forced if width(forced) <= _STATE_CELLS else safe(f"{short} (forced)"), "text", safe(short))
    return Cell(safe(flow.state), "text", safe(short))


_STATE_CELLS: Final = 19


def limit_text(flow: FlowRow) -> SafeText:
    """Return the time a visit may take, "-" where nothing limits it."""
    if flow.deadline_at is None or flow.phase is not Phase.OPEN:
        return safe("-")
    return safe(age_text((flow.deadline_at - flow.entered_at).total_seconds()))


def lock_cell(flow: FlowRow, facts: FlowFacts, table: Glyphs | None = None) -> Cell:
    """Return who holds the lock; a dead owner bears the sign of the dead, an expired or void grant is calm."""
    lock = flow.lock
    if lock is None or not lock.owner:
        return Cell(safe("-"), "dim")
    if is_dead(lock, facts):
        return _dead_owner_cell(lock.owner, (table or glyphs()).dead)
    is_calm = lock.expires_at <= facts.now or lock.generation != flow.generation
    return Cell(safe(lock.owner), "dim" if is_calm else "text")


def is_dead(lock: Lock, facts: FlowFacts) -> bool:
    """Return whether the holder is dead: known to be, or ended since it took the lock."""
    life = facts.lives.get(lock.incarnation)
    if life is None:
        return facts.lives_at is not None and lock.acquired_at < facts.lives_at
    return life is Liveness.DEAD


def _dead_owner_cell(owner: str, sign: str) -> Cell:
    text = safe(owner)
    return Cell(safe(f"{text} {sign}"), "bad", safe(cut(text, LOCK_LEAST - len(sign)) + sign))


def _tries_cell(flow: FlowRow) -> Cell:
    text = safe(f"{flow.attempt}/{RETRIES_OF_A_STATE}")
    is_spent = flow.attempt >= RETRIES_OF_A_STATE
    return Cell(text, "dim" if not flow.attempt else "bad" if is_spent and flow.phase is not Phase.DONE else "text")


def shown_error_type(flow: FlowRow) -> str | None:
    """Return the type of a workflow's error; that of a failed document by another program is read off its text."""
    if flow.error_type is None and flow.error and flow.state and flow.phase is Phase.FAILED:
        return classify(flow.error).value
    return flow.error_type


def _error_cell(flow: FlowRow) -> Cell:
    if flow.flag is not Flag.NONE and flow.state:
        return Cell(safe(_GONE_WORDS[flow.flag]), "bad")
    if not flow.state:
        return Cell(safe("document"), "bad")
    kind = shown_error_type(flow)
    if kind is not None:
        return Cell(error_word(kind), "bad" if flow.phase is Phase.FAILED else "warn")
    if flow.events_failing:
        return Cell(safe("publish"), "warn")
    return Cell(safe("-"), "dim")
