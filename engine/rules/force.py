"""Force: be in any state of the line, rules off, marked as forced from then on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from engine.errors import AlreadyInStateError, InvalidValueError, ReasonRequiredError, UnknownStateError
from engine.model.actor import Actor
from engine.model.change import Decision
from engine.model.entry import NewEntry
from engine.model.line import Line
from engine.model.names import EntryKind, Flag, WorkflowEventType
from engine.model.plain import plain
from engine.model.workflow import Workflow
from engine.rules import events
from engine.rules.classify import classify, fingerprint
from engine.rules.paths import jump
from engine.rules.visiting import entering, moved, orphaned

REASON_AT_LEAST: Final = 8
"""Characters a forcing reason needs."""


def missing_results(workflow: Workflow, line: Line, state: str) -> tuple[str, ...]:
    """Return the states before ``state``, in line order, whose result is not there; of failed and cancelled, none."""
    if state not in line.path:
        return ()
    earlier = line.path[: line.path.index(state)]
    return tuple(s for s in earlier if s in line.results and workflow.results.get(line.results[s]) is None)


def force(  # noqa: PLR0913  what an operator says of a force, named at the call
    workflow: Workflow,
    line: Line,
    state: str,
    *,
    results: Mapping[str, Any],
    at: datetime,
    actor: Actor,
    reason: str | None,
) -> Decision:
    """Return ``workflow`` in ``state``, whatever the edges say; revision, fence and schema still guard it.

    Args:
        workflow: as it stands.
        line: its line.
        state: any state of the line but the present one.
        results: results supplied by hand, by state; copied.
        at: the moment it happens.
        actor: who does it.
        reason: why, in at least :data:`REASON_AT_LEAST` characters.

    Raises:
        UnknownStateError: the line has no such state.
        AlreadyInStateError: it is in that state.
        ReasonRequiredError: the reason is missing or too short.
        InvalidValueError: a result is for a state that has none, or has no JSON shape.
    """
    state = str(state)
    if state not in line.states:
        raise UnknownStateError(line.name, state, line.states)
    if state == workflow.state:
        raise AlreadyInStateError(workflow.workflow_id, state)
    if reason is None or len(reason.strip()) < REASON_AT_LEAST:
        raise ReasonRequiredError("force", REASON_AT_LEAST)
    supplied = _supplied(line, results)
    after = _forced(workflow, line, state, supplied=supplied, at=at, reason=reason)
    entry = NewEntry(
        kind=EntryKind.FORCE,
        at=at,
        actor=actor,
        reason=reason,
        from_state=workflow.state,
        to_state=state,
        is_history=True,
        is_audit=True,
        body=_body(workflow, after, line, supplied, reason),
        events=(
            events.event(
                after,
                WorkflowEventType.FORCED,
                {
                    "old_state": workflow.state,
                    "new_state": state,
                    "generation": after.generation,
                    "results": sorted(supplied),
                    "actor": actor.name,
                    "reason": reason,
                },
                severity="warning",
            ),
            events.state_changed(workflow, after, error=after.error, reason=EntryKind.FORCE.value),
            *events.ended(after, line),
        ),
    )
    return Decision(after=after, entry=entry)


def _supplied(line: Line, results: Mapping[str, Any]) -> dict[str, Any]:
    """Return copies of the supplied results by slot."""
    supplied = {}
    for state, value in results.items():
        if state not in line.results:
            known = " ".join(line.results)
            raise InvalidValueError(f"result.{state}", f"only these states have a result: {known}")
        try:
            supplied[line.results[state]] = plain(value)
        except ValueError as error:
            raise InvalidValueError(f"result.{state}", f"it cannot be written as JSON ({error})") from error
    return supplied


def _forced(  # noqa: PLR0913  the facts of one force, named at the call
    workflow: Workflow, line: Line, state: str, *, supplied: Mapping[str, Any], at: datetime, reason: str
) -> Workflow:
    is_failure = state == line.failed
    path = jump(workflow.active_path, state, line)
    left = path[-1] if path else workflow.state
    kind = classify(reason, state=left) if is_failure else None
    return workflow.evolve(
        **entering(workflow, line, state, at),
        generation=workflow.generation + 1,
        is_forced=True,
        error=reason if is_failure else None,
        error_type=None if kind is None else kind.value,
        fingerprint=None if kind is None else fingerprint(kind, reason),
        failed_from=left if is_failure else None,
        flag=Flag.NONE if workflow.flag is Flag.OVERWRITTEN else workflow.flag,
        active_path=path,
        results={**workflow.results, **supplied},
    )


def _body(workflow: Workflow, after: Workflow, line: Line, supplied: Mapping[str, Any], reason: str) -> dict[str, Any]:
    body = moved(
        workflow,
        after.entered_at,
        metadata={"reason": EntryKind.FORCE.value, "note": reason},
        success=after.state != line.failed,
        error=after.error,
    )
    body["attempt"] = workflow.attempt
    body["missing"] = list(missing_results(after, line, after.state))
    if supplied:
        body["results"] = dict(supplied)
    if after.error_type is not None:
        body["error_type"] = after.error_type
    if superseded := orphaned(workflow, supplied):
        body["superseded"] = superseded
    return body
