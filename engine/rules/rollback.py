"""Rollback: enter an earlier successful state again."""

from __future__ import annotations

from datetime import datetime

from engine.errors import (
    AlreadyInStateError,
    FinishedError,
    NothingToRollBackError,
    NotOnActivePathError,
    UnknownStateError,
)
from engine.model.actor import Actor
from engine.model.change import Decision
from engine.model.line import Line
from engine.model.names import EntryKind, Phase, WorkflowEventType
from engine.model.workflow import Workflow
from engine.rules.paths import active_path
from engine.rules.reentry import Reentry, enter_again, from_on

__all__ = ["active_path", "roll_back", "targets"]


def targets(workflow: Workflow) -> tuple[str, ...]:
    """Return the states a rollback may enter, the default one last; empty where there is none."""
    if workflow.phase is Phase.DONE:
        return ()
    if workflow.phase is Phase.FAILED:
        return workflow.active_path
    return tuple(state for state in workflow.active_path if state != workflow.state)


def roll_back(  # noqa: PLR0913  who, when and why, named at the call
    workflow: Workflow,
    line: Line,
    target: str | None,
    *,
    at: datetime,
    actor: Actor,
    reason: str | None = None,
) -> Decision:
    """Return ``workflow`` in an earlier state of its active path; that state's and all later results are superseded.

    Args:
        workflow: as it stands.
        line: its line.
        target: a state on the active path; None means the previous one, for a failed workflow the one that failed.
        at: the moment it happens.
        actor: who does it.
        reason: why, in words.

    Raises:
        FinishedError: it is completed or cancelled.
        NothingToRollBackError: no earlier successful state exists.
        UnknownStateError: the line has no state ``target``.
        AlreadyInStateError: ``target`` is the present state of a workflow that has not failed.
        NotOnActivePathError: ``target`` was not visited, or was left by an earlier rollback.
    """
    if workflow.phase is Phase.DONE:
        raise FinishedError(workflow.workflow_id, workflow.state, "rollback")
    ways = targets(workflow)
    if target is None:
        if not ways:
            raise NothingToRollBackError(workflow.workflow_id, workflow.state)
        target = ways[-1]
    target = str(target)
    if target not in ways:
        raise _refusal(workflow, line, target, ways)
    reentry = Reentry(
        kind=EntryKind.ROLLBACK,
        event=WorkflowEventType.ROLLED_BACK,
        target=target,
        superseded=from_on(line, target),
    )
    return enter_again(workflow, line, reentry, at=at, actor=actor, reason=reason)


def _refusal(
    workflow: Workflow, line: Line, target: str, ways: tuple[str, ...]
) -> UnknownStateError | AlreadyInStateError | NotOnActivePathError:
    if target not in line.states:
        return UnknownStateError(line.name, target, line.states)
    if target == workflow.state:
        return AlreadyInStateError(workflow.workflow_id, target)
    return NotOnActivePathError(workflow.workflow_id, target, ways)
