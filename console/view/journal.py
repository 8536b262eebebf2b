"""The log and the audit as rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Final

from console.cells import Cell, Column, Row, StyleName
from console.glyphs import glyphs
from console.text import EMPTY, SafeText, safe
from console.view.words import moment_text, prefixless, short_state
from engine.model.entry import Entry
from engine.model.names import EntryKind
from engine.observation.views import LogLine

LOG_COLUMNS: Final = (
    Column("time", safe("TIME"), 8),
    Column("level", safe("LEVEL"), 5, drop=2),
    Column("event", safe("EVENT"), 16, min_width=10),
    Column("id", safe("WORKFLOW"), 12, drop=3),
    Column("message", safe("MESSAGE"), 12, min_width=8, flex=1, drop=1),
)
"""The columns of the log."""

AUDIT_COLUMNS: Final = (
    Column("time", safe("TIME"), 8),
    Column("what", safe("WHAT"), 12),
    Column("id", safe("WORKFLOW"), 12),
    Column("states", safe("STATES"), 16, drop=3),
    Column("actor", safe("WHO"), 14, min_width=10, drop=1),
    Column("reason", safe("REASON"), 16, min_width=10, flex=1, drop=2),
)
"""The columns of the audit."""

_LEVELS: Final[Mapping[str, StyleName]] = {
    "error": "bad",
    "critical": "bad",
    "warning": "warn",
    "warn": "warn",
    "debug": "dim",
}
_KIND_WORDS: Final[Mapping[EntryKind, str]] = {
    EntryKind.LOCK_ACQUIRED: "lock taken",
    EntryKind.LOCK_RELEASED: "lock freed",
    EntryKind.LOCK_STOLEN: "lock stolen",
    EntryKind.LOCK_EXPIRED: "lock expired",
    EntryKind.EVENT_RETRIED: "event retry",
    EntryKind.EVENT_DROPPED: "event drop",
    EntryKind.EVENT_PURGED: "event purge",
    EntryKind.EVENT_REPLAYED: "event replay",
}
_POLICY: Final = "engine:policy/"
_LEVEL_WORDS: Final[Mapping[str, str]] = {"warning": "WARN", "critical": "CRIT"}


def log_row(line: LogLine, index: int, now: datetime, zone: tzinfo | None) -> Row:
    """Return a log line as a row of :data:`LOG_COLUMNS`; ``index`` tells equal lines apart."""
    level = line.level.lower()
    return Row(
        key=f"{line.timestamp.isoformat()} {line.event} {line.workflow_id} {index}",
        cells=(
            Cell(safe(moment_text(line.timestamp, now, zone)), "dim", safe(line.timestamp.strftime("%b %d"))),
            Cell(safe(_LEVEL_WORDS.get(level, level.upper()[:5])), _LEVELS.get(level, "dim")),
            Cell(safe(line.event)),
            Cell(EMPTY if line.workflow_id is None else prefixless(line.workflow_id), "dim"),
            Cell(safe(_message(line))),
        ),
    )


def _message(line: LogLine) -> str:
    """Return what the message says beyond the event's name, states by their short names."""
    name = line.event.replace("_", " ")
    rest = line.message.removeprefix(name).lstrip(": ")
    return " ".join(short_state(word) for word in rest.split(" "))


def audit_row(entry: Entry, now: datetime, zone: tzinfo | None) -> Row:
    """Return an audit entry as a row of :data:`AUDIT_COLUMNS`; refused attempts bear the sign of failure."""
    is_refused = entry.outcome != "committed"
    table = glyphs()
    return Row(
        key=entry_key(entry),
        cells=(
            Cell(safe(moment_text(entry.at, now, zone)), "dim", safe(entry.at.astimezone(zone).strftime("%b %d"))),
            Cell(safe(_KIND_WORDS.get(entry.kind, entry.kind.value)), "bad" if is_refused else "text"),
            Cell(prefixless(entry.workflow_id) if entry.workflow_id else safe("the store")),
            Cell(_states(entry), "dim"),
            Cell(safe(entry.actor), "dim", safe(entry.actor.removeprefix(_POLICY))),
            Cell(safe(entry.reason or entry.body.get("why") or "")),
        ),
        lead=(Cell(table.failed, "bad") if is_refused else Cell(table.completed, "dim"),),
    )


def entry_key(entry: Entry) -> str:
    """Return what tells an entry from all others."""
    return f"{entry.workflow_id}:{entry.n}"


def _states(entry: Entry) -> SafeText:
    if entry.from_state is None or entry.to_state is None or entry.from_state == entry.to_state:
        return EMPTY
    return safe(f"{short_state(entry.from_state)} {glyphs().step} {short_state(entry.to_state)}")
