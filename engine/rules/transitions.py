"""Normal transitions along the line, with the step that led to them, and cancelling."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from engine.errors import InvalidStepError, TransitionRefusedError, WorkflowErrorType
from engine.model.actor import Actor, ActorKind
from engine.model.change import Decision
from engine.model.entry import NewEntry
from engine.model.line import Line
from engine.model.names import EntryKind, Flag, Origin, WorkflowEventType
from engine.model.plain import plain
from engine.model.times import format_time
from engine.model.workflow import Step, Workflow
from engine.rules import events
from engine.rules.classify import classify, fingerprint
from engine.rules.paths import jump, push
from engine.rules.visiting import entering, moved, orphaned

_RESPONSE: Final = "response"
"""The one slot that takes a part of the output: ``output_data["response"]`` (source: contract)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """What a caller tells of the execution that led to a state; plain JSON, the caller's own no more.

    Attributes:
        started_at: document time text.
        completed_at: document time text.
        duration: seconds.
        output_data: None where the caller gave none.
    """

    started_at: str | None = None
    completed_at: str | None = None
    duration: float | None = None
    input_data: Any = field(default_factory=dict)
    output_data: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the report in the shape callers give it."""
        return {
            "started_at": self.started_at,
            "completed_at": self.completed_at,
            "duration": self.duration,
            "input_data": self.input_data,
            "output_data": {} if self.output_data is None else self.output_data,
            "metadata": dict(self.metadata),
        }

    def without_output(self) -> dict[str, Any]:
        """Return the report for the history: an output stands in its step and its slot, not once more."""
        return {key: value for key, value in self.as_dict().items() if key != "output_data"}


def read_step(workflow_id: str, step_data: Mapping[str, Any] | None) -> StepReport | None:
    """Return a checked copy of a caller's ``step_data``; None where it says nothing.

    Keys that are not the contract's are kept in the step's metadata.

    Raises:
        InvalidStepError: it is no mapping, a part of it has no JSON shape, or a field is of the wrong kind.
    """
    if step_data is None:
        return None
    if not isinstance(step_data, Mapping):
        raise InvalidStepError(workflow_id, f"it is a {type(step_data).__name__}, not a mapping")
    if not step_data:
        return None
    try:
        given: dict[str, Any] = plain(dict(step_data))
    except ValueError as error:
        raise InvalidStepError(workflow_id, f"it cannot be written as JSON ({error})") from error
    metadata = given.pop("metadata", None) or {}
    if not isinstance(metadata, dict):
        raise InvalidStepError(workflow_id, f"metadata is a {type(metadata).__name__}, not a mapping")
    return StepReport(
        started_at=_time(workflow_id, "started_at", step_data, given),
        completed_at=_time(workflow_id, "completed_at", step_data, given),
        duration=_duration(workflow_id, given.pop("duration", None)),
        input_data={} if (input_data := given.pop("input_data", None)) is None else input_data,
        output_data=given.pop("output_data", None),
        metadata={**given, **metadata},
    )


def transition(  # noqa: PLR0913  what a caller may say of a transition, named at the call
    workflow: Workflow,
    line: Line,
    to_state: str,
    *,
    step: StepReport | None = None,
    error: str | None = None,
    error_type: WorkflowErrorType | None = None,
    timeout_s: float | None = None,
    at: datetime,
    actor: Actor,
    reason: str | None = None,
) -> Decision:
    """Return ``workflow`` in the next state of its line, or failed.

    With a report a step is recorded for the new state and that state's result slot filled. A success clears
    what an earlier failure or rollback left in ``error``. An external workflow that a caller moves becomes
    our own and is timed from then on.

    Args:
        workflow: as it stands.
        line: its line.
        to_state: the state to enter.
        step: the execution that led to it.
        error: what went wrong; recorded on the workflow and the step.
        error_type: of a failure; None classifies it by its text and the state that is left.
        timeout_s: seconds a visit may take, for a workflow that becomes our own.
        at: the moment it happens.
        actor: who does it.
        reason: why, in words.

    Raises:
        TransitionRefusedError: the line has no such edge.
    """
    to_state = str(to_state)
    allowed = line.next_states(workflow.state)
    if to_state not in allowed:
        raise TransitionRefusedError(workflow.workflow_id, workflow.state, to_state, allowed)
    is_failure = to_state == line.failed
    is_caller = actor.kind is ActorKind.CALLER
    before = _taken_over(workflow, timeout_s) if is_caller else workflow
    kind = (error_type or classify(error, state=workflow.state)) if is_failure else None
    changes = entering(before, line, to_state, at)
    if step is not None:
        changes.update(_recorded(before, line, to_state, step, error))
    after = before.evolve(
        **changes,
        error=error,
        error_type=None if kind is None else kind.value,
        fingerprint=None if kind is None else fingerprint(kind, error),
        failed_from=workflow.state if is_failure else None,
        active_path=before.active_path if is_failure else push(before.active_path, to_state),
        caller_timeouts=0 if is_caller and not is_failure else before.caller_timeouts,
    )
    body = moved(
        workflow, at, metadata={} if step is None else step.without_output(), success=not is_failure, error=error
    )
    if kind is not None:
        body["error_type"] = kind.value
    replaced = [slot for slot, value in after.results.items() if value is not before.results.get(slot)]
    if superseded := orphaned(before, replaced):
        body["superseded"] = superseded
    changed = events.state_changed(
        workflow, after, step_data=None if step is None else step.as_dict(), error=error, reason=reason
    )
    entry = NewEntry(
        kind=EntryKind.TRANSITION,
        at=at,
        actor=actor,
        reason=reason,
        from_state=workflow.state,
        to_state=to_state,
        is_history=True,
        is_audit=not is_caller,
        body=body,
        events=(changed, *events.ended(after, line)),
    )
    return Decision(after=after, entry=entry)


def cancel(workflow: Workflow, line: Line, *, reason: str | None, at: datetime, actor: Actor) -> Decision:
    """Return ``workflow`` cancelled: the one way into that state.

    Raises:
        TransitionRefusedError: it has ended already.
    """
    if not workflow.is_open:
        raise TransitionRefusedError(workflow.workflow_id, workflow.state, line.cancelled, ())
    after = workflow.evolve(
        **entering(workflow, line, line.cancelled, at),
        error=reason,
        error_type=None,
        fingerprint=None,
        failed_from=None,
        active_path=jump(workflow.active_path, line.cancelled, line),
    )
    metadata = {"reason": "cancel"} if reason is None else {"reason": "cancel", "note": reason}
    entry = NewEntry(
        kind=EntryKind.CANCEL,
        at=at,
        actor=actor,
        reason=reason,
        from_state=workflow.state,
        to_state=line.cancelled,
        is_history=True,
        is_audit=True,
        body=moved(workflow, at, metadata=metadata),
        events=(
            events.state_changed(workflow, after, reason="cancel"),
            events.event(after, WorkflowEventType.CANCELLED, {"reason": reason}),
        ),
    )
    return Decision(after=after, entry=entry)


def record(workflow: Workflow, line: Line, state: str, report: StepReport, error: str | None) -> Workflow:
    """Return ``workflow`` with a step of ``state`` and its result slot filled: for who drives a line.

    A caller reports a step with the transition into its state; who drives one reports it on leaving.
    """
    return workflow.evolve(**_recorded(workflow, line, state, report, error))


def _taken_over(workflow: Workflow, timeout_s: float | None) -> Workflow:
    if workflow.origin is not Origin.EXTERNAL:
        return workflow
    flag = Flag.NONE if workflow.flag in (Flag.GONE, Flag.OVERWRITTEN) else workflow.flag
    return workflow.evolve(origin=Origin.OWN, timeout_s=timeout_s, flag=flag)


def _recorded(workflow: Workflow, line: Line, state: str, report: StepReport, error: str | None) -> dict[str, Any]:
    n = max((step.n for step in workflow.steps), default=0) + 1
    step = Step(
        n=n,
        step_id=f"step_{n}",
        step_name=state,
        state=state,
        started_at=report.started_at,
        completed_at=report.completed_at,
        duration=report.duration,
        input_data=report.input_data,
        output_data={} if report.output_data is None else report.output_data,
        error=error,
        metadata=report.metadata,
        generation=workflow.generation,
    )
    changes: dict[str, Any] = {"steps": (*workflow.steps, step)}
    slot = line.results.get(state)
    output = report.output_data
    if slot == _RESPONSE:
        if isinstance(output, Mapping) and _RESPONSE in output:
            changes["results"] = {**workflow.results, slot: output[_RESPONSE]}
    elif slot is not None and output is not None:
        changes["results"] = {**workflow.results, slot: output}
    return changes


def _time(workflow_id: str, name: str, asked: Mapping[str, Any], given: dict[str, Any]) -> str | None:
    value, original = given.pop(name, None), asked.get(name)
    if isinstance(original, datetime):
        return format_time(original if original.tzinfo else original.replace(tzinfo=UTC))
    if value is not None and not isinstance(value, str):
        raise InvalidStepError(workflow_id, f"{name} is a {type(value).__name__}, not a time text")
    return value


def _duration(workflow_id: str, value: Any) -> float | None:
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value < 0:
        raise InvalidStepError(workflow_id, f"duration is {value!r}, not a number of seconds")
    return float(value)
