"""Retry: enter again the state that failed, with everything before it kept."""

from __future__ import annotations

from datetime import datetime

from engine.errors import FinishedError, NotFailedError
from engine.model.actor import Actor
from engine.model.change import Decision
from engine.model.line import Line
from engine.model.names import EntryKind, Phase, WorkflowEventType
from engine.model.workflow import Workflow
from engine.rules.reentry import Reentry, enter_again, latest_success


def retry(workflow: Workflow, line: Line, *, at: datetime, actor: Actor, reason: str | None = None) -> Decision:
    """Return a failed ``workflow`` in the state that failed; only that state's own results are superseded.

    Raises:
        FinishedError: it is completed or cancelled.
        NotFailedError: it has not failed.
    """
    if workflow.phase is Phase.DONE:
        raise FinishedError(workflow.workflow_id, workflow.state, "retry")
    if workflow.phase is not Phase.FAILED:
        raise NotFailedError(workflow.workflow_id, workflow.state)
    target = latest_success(workflow)
    reentry = Reentry(kind=EntryKind.RETRY, event=WorkflowEventType.RETRIED, target=target, superseded=(target,))
    return enter_again(workflow, line, reentry, at=at, actor=actor, reason=reason)
