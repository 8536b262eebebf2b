"""Deadlines: when a visit times out, and what comes of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from engine.errors import NotOverdueError, WorkflowErrorType
from engine.model.actor import policy
from engine.model.change import Decision
from engine.model.entry import NewEntry
from engine.model.line import Line
from engine.model.names import EntryKind, WorkflowEventType
from engine.model.times import format_optional, format_time
from engine.model.workflow import Workflow
from engine.rules import events
from engine.rules.classify import fingerprint
from engine.rules.paths import jump
from engine.rules.reentry import Reentry, enter_again, from_on
from engine.rules.visiting import deadline_for, entering, moved

__all__ = ["GRACE_S", "deadline_for", "grace", "time_out"]

GRACE_S: Final = 60.0
"""The longest grace an overdue visit is given at start after a downtime, seconds."""

_ACTOR: Final = policy("timeout")


def time_out(workflow: Workflow, line: Line, *, at: datetime) -> Decision:
    """Return what a passed deadline makes of a ``workflow`` that its caller drives.

    The first time-out rolls it back to the previous state of its path. One more before a success of the
    caller's own fails it, and so does the first where the previous state would be the initial one
    (source: semantics, Timeouts).

    Raises:
        NotOverdueError: its deadline has not passed, is frozen by a pause, or nothing times it.
    """
    deadline_at = workflow.deadline_at
    if not workflow.is_open or workflow.paused_at is not None or deadline_at is None or deadline_at > at:
        raise NotOverdueError(workflow.workflow_id, workflow.state, format_optional(deadline_at))
    limit_s = (deadline_at - workflow.entered_at).total_seconds()
    over = f"timeout: {workflow.state} took longer than its {limit_s:g} s"
    previous = _previous(workflow)
    if workflow.caller_timeouts > 0:
        return _failed(workflow, line, f"{over}, again before its caller had moved it on", at)
    if previous is None or previous == line.initial:
        return _failed(workflow, line, f"{over}, and there is no earlier result to go back to", at)
    reentry = Reentry(
        kind=EntryKind.TIMEOUT,
        event=WorkflowEventType.ROLLED_BACK,
        target=previous,
        superseded=from_on(line, previous),
        error=over,
    )
    decision = enter_again(workflow, line, reentry, at=at, actor=_ACTOR, reason=over)
    after = decision.after.evolve(caller_timeouts=workflow.caller_timeouts + 1)
    return Decision(after=after, entry=decision.entry)


def grace(workflow: Workflow, *, at: datetime) -> Decision:
    """Return ``workflow`` with a short new deadline, for a visit whose own one passed while no engine ran.

    Raises:
        NotOverdueError: nothing times it, or its deadline is further off than the grace.
    """
    was = workflow.deadline_at
    grace_s = GRACE_S if workflow.timeout_s is None else min(workflow.timeout_s, GRACE_S)
    until = at + timedelta(seconds=grace_s)
    if not workflow.is_open or was is None or was >= until:
        raise NotOverdueError(workflow.workflow_id, workflow.state, format_optional(was))
    entry = NewEntry(
        kind=EntryKind.EXTEND,
        at=at,
        actor=policy("grace"),
        reason=f"no engine ran when the deadline passed; {grace_s:g} s of grace",
        from_state=workflow.state,
        to_state=workflow.state,
        is_audit=True,
        body={"was": format_time(was), "deadline_at": format_time(until)},
    )
    return Decision(after=workflow.evolve(deadline_at=until), entry=entry)


def _previous(workflow: Workflow) -> str | None:
    path = workflow.active_path
    earlier = path[: path.index(workflow.state)] if workflow.state in path else path
    return earlier[-1] if earlier else None


def _failed(workflow: Workflow, line: Line, error: str, at: datetime) -> Decision:
    kind = WorkflowErrorType.TIMEOUT
    after = workflow.evolve(
        **entering(workflow, line, line.failed, at),
        error=error,
        error_type=kind.value,
        fingerprint=fingerprint(kind, error),
        failed_from=workflow.state,
        active_path=jump(workflow.active_path, line.failed, line),
        caller_timeouts=workflow.caller_timeouts + 1,
    )
    body = moved(workflow, at, metadata={"reason": EntryKind.TIMEOUT.value}, success=False, error=error)
    entry = NewEntry(
        kind=EntryKind.TIMEOUT,
        at=at,
        actor=_ACTOR,
        reason=error,
        from_state=workflow.state,
        to_state=line.failed,
        is_history=True,
        is_audit=True,
        body={**body, "error_type": kind.value},
        events=(
            events.state_changed(workflow, after, error=error, reason=EntryKind.TIMEOUT.value),
            *events.ended(after, line),
        ),
    )
    return Decision(after=after, entry=entry)
