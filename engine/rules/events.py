"""What a change tells the bus: the payloads of the contract's events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.model.entry import NewEvent
from engine.model.line import Line
from engine.model.names import WorkflowEventType
from engine.model.view import data_dict
from engine.model.workflow import Workflow


def event(
    workflow: Workflow, event_type: WorkflowEventType, facts: Mapping[str, Any], *, severity: str = "info"
) -> NewEvent:
    """Return an event whose payload begins with what every payload has."""
    payload = {"workflow_id": workflow.workflow_id, "workflow_type": workflow.workflow_type, **facts}
    return NewEvent(type=event_type, payload=payload, severity=severity)


def started(workflow: Workflow, line: Line) -> NewEvent:
    """Return the one event of a creation."""
    facts = {
        "user_input": workflow.user_input,
        "context": workflow.context,
        "trace_id": workflow.trace_id,
        "span_id": workflow.span_id,
    }
    if line.has_target_module:
        facts["target_module"] = workflow.target_module
    return event(workflow, WorkflowEventType.STARTED, facts)


def state_changed(
    before: Workflow,
    after: Workflow,
    *,
    step_data: Mapping[str, Any] | None = None,
    error: str | None = None,
    reason: str | None = None,
) -> NewEvent:
    """Return the event of a changed state; ``reason`` is in it only where there is one."""
    facts: dict[str, Any] = {
        "old_state": before.state,
        "new_state": after.state,
        "step_data": None if step_data is None else dict(step_data),
        "error": error,
    }
    if reason is not None:
        facts["reason"] = reason
    return event(after, WorkflowEventType.STATE_CHANGED, facts, severity="info" if error is None else "warning")


def ended(after: Workflow, line: Line) -> tuple[NewEvent, ...]:
    """Return ``completed`` or ``failed`` where ``after`` entered that state, else nothing."""
    if after.state == line.final:
        return (event(after, WorkflowEventType.COMPLETED, {"workflow": data_dict(after)}),)
    if after.state == line.failed:
        facts = {"workflow": data_dict(after), "error": after.error, "error_type": after.error_type}
        return (event(after, WorkflowEventType.FAILED, facts, severity="error"),)
    return ()
