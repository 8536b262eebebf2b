"""Visits: a state history as stretches of time, for timelines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One stay in one state.

    Attributes:
        left_at: None while it lasts.
        duration_s: seconds, up to now where it lasts.
        outcome: ``done``, ``failed``, ``superseded``, ``current`` or ``left`` (by force or cancel).
        cause: kind of the entry that began it: ``transition rollback retry force timeout external created``.
        deadline_at: for the present visit.
    """

    state: str
    entered_at: datetime
    left_at: datetime | None
    duration_s: float
    outcome: str
    cause: str
    attempt: int = 0
    deadline_at: datetime | None = None
    error: str | None = None
