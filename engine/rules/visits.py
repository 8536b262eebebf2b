"""Visits: a state history as stretches of time, for timelines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from engine.model.names import Phase
from engine.model.times import parse_time
from engine.model.workflow import Workflow
from engine.rules.paths import reason_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One stay in one state. Completed, failed and cancelled take no time while they are the last.

    Attributes:
        left_at: None while it lasts.
        duration_s: seconds, up to now where it lasts.
        outcome: ``done``, ``failed``, ``superseded``, ``current`` or ``left`` (by force or cancel).
        cause: kind of the entry that began it: ``transition rollback retry force timeout cancel external created``.
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


_CAUSES: Final = ("rollback", "retry", "force", "timeout", "cancel", "external")
_SUPERSEDING: Final = ("rollback", "retry", "timeout")
_ENDS: Final = {"completed": "done", "failed": "failed", "cancelled": "left"}
_PRESENT: Final = "current"


def visits(history: Sequence[Mapping[str, Any]], workflow: Workflow, at: datetime) -> tuple[Visit, ...]:
    """Return the visits that a history tells, oldest first, the present one last; never fails.

    Foreign histories may lack entries, repeat states, run backwards or carry no readable times: a time that
    cannot be read is taken from the entry before, and a state that the history does not end in is added.

    Args:
        history: ``state_history`` as documents hold it.
        workflow: as it stands.
        at: now.
    """
    moves = [move for move in history if _is_readable(move)]
    told = _Telling([_first(moves, workflow)])
    for move in moves:
        told.follow(move)
    if told.present.state != workflow.state:
        told.mend(workflow)
    return (*told.visits[:-1], _present(told.present, workflow, at))


class _Telling:
    """Visits so far, and which of them make up the path that is still valid."""

    def __init__(self, visits_: list[Visit]) -> None:
        self.visits = visits_
        self._path = [0]

    @property
    def present(self) -> Visit:
        return self.visits[-1]

    def follow(self, move: Mapping[str, Any]) -> None:
        """Close the present visit and open the next as one history entry says."""
        state, reason = str(move["to_state"]), reason_of(move)
        error = move.get("error") if isinstance(move.get("error"), str) else None
        at = _time(move.get("timestamp"), self.present.entered_at)
        is_again = reason in _SUPERSEDING or state == self.present.state or self._has_lost_a_move(move)
        if state == "failed" or reason == "timeout":
            outcome = "failed"
        elif is_again:
            outcome = "superseded"
        else:
            outcome = "left" if reason in ("force", "cancel") or state == "cancelled" else "done"
        self._close(at, outcome, error if outcome == "failed" else None)
        self._open(state, at, cause=reason if reason in _CAUSES else "transition", is_again=is_again)

    def mend(self, workflow: Workflow) -> None:
        """Add the workflow's own state where the history ends in another one."""
        state = workflow.state
        at = max(workflow.entered_at, self.present.entered_at)
        is_again = any(self.visits[place].state == state for place in self._path)
        outcome = "superseded" if is_again else {"failed": "failed", "cancelled": "left"}.get(state, "done")
        self._close(at, outcome, workflow.error if outcome == "failed" else None)
        self._open(state, at, cause="external", is_again=is_again)

    def _has_lost_a_move(self, move: Mapping[str, Any]) -> bool:
        """Return whether the move leaves another, earlier state than the one the history was in."""
        left = move.get("from_state")
        return left != self.present.state and any(self.visits[place].state == left for place in self._path)

    def _close(self, at: datetime, outcome: str, error: str | None) -> None:
        visit = self.present
        own = _ENDS.get(visit.state)
        duration_s = max(0.0, (at - visit.entered_at).total_seconds())
        self.visits[-1] = replace(
            visit, left_at=at, duration_s=duration_s, outcome=own or outcome, error=error or visit.error
        )

    def _open(self, state: str, at: datetime, *, cause: str, is_again: bool) -> None:
        self._leave_path(state, is_superseding=is_again)
        self.visits.append(_visit(state, at, cause))
        if state not in ("failed", "cancelled"):
            self._path.append(len(self.visits) - 1)

    def _leave_path(self, state: str, *, is_superseding: bool) -> None:
        """Take ``state`` and what came after it off the path; mark it where it no longer counts."""
        states = [self.visits[place].state for place in self._path]
        if state not in states:
            return
        start = states.index(state)
        for place in self._path[start:]:
            if is_superseding and self.visits[place].outcome == "done":
                self.visits[place] = replace(self.visits[place], outcome="superseded")
        del self._path[start:]


def _is_readable(move: object) -> bool:
    return isinstance(move, Mapping) and isinstance(move.get("to_state"), str)


def _first(moves: Sequence[Mapping[str, Any]], workflow: Workflow) -> Visit:
    if not moves:
        return _visit("initialized", workflow.created_at, "created")
    first = moves[0]
    state = first["from_state"] if isinstance(first.get("from_state"), str) else "initialized"
    duration = first.get("duration")
    left_at = _time(first.get("timestamp"), workflow.created_at)
    entered_at = workflow.created_at
    if isinstance(duration, int | float) and 0 < duration <= (left_at - entered_at).total_seconds():
        entered_at = left_at - timedelta(seconds=duration)
    return _visit(state, entered_at, "created")


def _present(visit: Visit, workflow: Workflow, at: datetime) -> Visit:
    if workflow.phase is not Phase.OPEN:
        outcome = _ENDS.get(visit.state, "done")
        error = workflow.error if outcome == "failed" else None
        return replace(visit, left_at=visit.entered_at, outcome=outcome, error=error)
    return replace(
        visit,
        duration_s=max(0.0, (at - visit.entered_at).total_seconds()),
        outcome=_PRESENT,
        attempt=workflow.attempt,
        deadline_at=workflow.deadline_at,
    )


def _visit(state: str, entered_at: datetime, cause: str) -> Visit:
    return Visit(state=state, entered_at=entered_at, left_at=None, duration_s=0.0, outcome=_PRESENT, cause=cause)


def _time(text: object, otherwise: datetime) -> datetime:
    try:
        return parse_time(str(text))
    except (ValueError, OverflowError):
        return otherwise
