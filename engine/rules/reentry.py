"""Entering a state again: what rollback, retry and time-out share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from engine.model.actor import Actor
from engine.model.change import Decision
from engine.model.entry import NewEntry
from engine.model.line import Line
from engine.model.names import EntryKind, Flag, WorkflowEventType
from engine.model.workflow import Workflow
from engine.rules import events
from engine.rules.paths import jump
from engine.rules.visiting import entering, moved, orphaned


@dataclass(frozen=True, slots=True, kw_only=True)
class Reentry:
    """One way of entering a state again.

    Attributes:
        kind: of the entry; its value is the ``reason`` that the event and the history carry.
        event: told before ``state_changed``.
        superseded: states whose results and steps no longer count, the target first.
        error: what was wrong with the visit that ends, None for nothing.
    """

    kind: EntryKind
    event: WorkflowEventType
    target: str
    superseded: tuple[str, ...]
    error: str | None = None


def from_on(line: Line, state: str) -> tuple[str, ...]:
    """Return ``state`` and all later ones, in line order."""
    return line.path[line.path.index(state) :] if state in line.path else (state,)


def latest_success(workflow: Workflow) -> str:
    """Return the top of the active path: for a failed workflow the state that failed."""
    return workflow.active_path[-1] if workflow.active_path else workflow.state


def enter_again(  # noqa: PLR0913  who, when and why, named at the call
    workflow: Workflow, line: Line, reentry: Reentry, *, at: datetime, actor: Actor, reason: str | None
) -> Decision:
    """Return ``workflow`` in the target state anew: next generation, fresh deadline, no attempts, no error.

    Results that stand in no step are kept in the entry, so that superseding never deletes.
    """
    undone = {*reentry.superseded, line.failed, line.cancelled}
    slots = tuple(line.results[state] for state in reentry.superseded if state in line.results)
    after = workflow.evolve(
        **entering(workflow, line, reentry.target, at),
        generation=workflow.generation + 1,
        error=None,
        error_type=None,
        fingerprint=None,
        failed_from=None,
        flag=Flag.NONE if workflow.flag is Flag.OVERWRITTEN else workflow.flag,
        active_path=jump(workflow.active_path, reentry.target, line),
        results={**workflow.results, **dict.fromkeys(slots)},
        steps=tuple(
            replace(step, is_superseded=True) if step.state in undone and not step.is_superseded else step
            for step in workflow.steps
        ),
    )
    facts = {
        "old_state": workflow.state,
        "new_state": reentry.target,
        "generation": after.generation,
        "superseded": list(reentry.superseded),
        "actor": actor.name,
        "reason": reason if reentry.error is None else reentry.kind.value,
    }
    entry = NewEntry(
        kind=reentry.kind,
        at=at,
        actor=actor,
        reason=reason,
        from_state=workflow.state,
        to_state=reentry.target,
        is_history=True,
        is_audit=True,
        body=_body(workflow, reentry, slots, at, reason),
        events=(
            events.event(after, reentry.event, facts),
            events.state_changed(workflow, after, error=reentry.error, reason=reentry.kind.value),
        ),
    )
    return Decision(after=after, entry=entry)


def _body(
    workflow: Workflow, reentry: Reentry, slots: tuple[str, ...], at: datetime, reason: str | None
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"reason": reentry.kind.value, "target": reentry.target}
    if reason is not None:
        metadata["note"] = reason
    body = moved(workflow, at, metadata=metadata, success=reentry.error is None, error=reentry.error)
    body["attempt"] = workflow.attempt
    if superseded := orphaned(workflow, slots):
        body["superseded"] = superseded
    return body
