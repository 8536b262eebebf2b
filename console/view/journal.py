"""The log and the audit as rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Final

from console.cells import Cell, Column, Row, StyleName
from console.glyphs import glyphs
from console.text import EMPTY, safe
from console.view.acts import about, act_word, is_refused, reason_text
from console.view.words import moment_text, prefixless, short_state
from engine.model.entry import Entry
from engine.observation.views import LogLine

LOG_COLUMNS: Final = (
    Column("time", safe("TIME"), 8),
    Column("level", safe("LEVEL"), 5, drop=4),
    Column("event", safe("EVENT"), 16, min_width=10),
    Column("id", safe("WORKFLOW"), 12, drop=3),
    Column("message", safe("MESSAGE"), 24, min_width=20, flex=1, drop=1),
)
"""The columns of the log."""

AUDIT_COLUMNS: Final = (
    Column("time", safe("TIME"), 8),
    Column("what", safe("WHAT"), 12),
    Column("id", safe("WORKFLOW"), 12),
    Column("actor", safe("WHO"), 14, min_width=8, drop=2),
    Column("reason", safe("REASON"), 24, min_width=20, flex=1, drop=1),
)
"""The columns of the audit."""

_LEVELS: Final[Mapping[str, StyleName]] = {
    "error": "bad",
    "critical": "bad",
    "warning": "warn",
    "warn": "warn",
    "debug": "dim",
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
            Cell(safe(line.event), _LEVELS.get(level, "text")),
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
    is_bad = is_refused(entry)
    table = glyphs()
    return Row(
        key=entry_key(entry),
        cells=(
            Cell(safe(moment_text(entry.at, now, zone)), "dim", safe(entry.at.astimezone(zone).strftime("%b %d"))),
            Cell(safe(act_word(entry)), "bad" if is_bad else "text"),
            Cell(prefixless(about(entry)) if about(entry) else safe("the store")),
            Cell(safe(entry.actor), "dim", safe(entry.actor.removeprefix(_POLICY))),
            Cell(safe("; ".join(filter(None, (_states(entry), reason_text(entry)))))),
        ),
        lead=(Cell(table.failed, "bad") if is_bad else Cell(table.completed, "dim"),),
    )


def entry_key(entry: Entry) -> str:
    """Return what tells an entry from all others."""
    return f"{entry.workflow_id}:{entry.n}"


def _states(entry: Entry) -> str:
    if entry.from_state is None or entry.to_state is None or entry.from_state == entry.to_state:
        return ""
    return f"{short_state(entry.from_state)} {glyphs().step} {short_state(entry.to_state)}"
