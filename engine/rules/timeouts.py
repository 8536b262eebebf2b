"""Deadlines: when a visit times out, and what comes of it."""

from __future__ import annotations

from datetime import datetime, timedelta

from engine.model.line import Line
from engine.model.names import Phase


def deadline_for(line: Line, state: str, timeout_s: float | None, at: datetime) -> datetime | None:
    """Return when a visit that begins at ``at`` times out, or None where nothing times it.

    Nothing times the initial state, nor one that is not open.
    """
    if timeout_s is None or state == line.initial or line.phase(state) is not Phase.OPEN:
        return None
    return at + timedelta(seconds=timeout_s)
