"""Workflows to try rules on, made by the rules themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.model.actor import Actor, ActorKind
from engine.model.change import Decision
from engine.model.entry import Entry
from engine.model.line import Line
from engine.model.names import EntryKind
from engine.model.view import history_dicts
from engine.model.workflow import Workflow
from engine.rules.creation import create
from engine.rules.lines import INTELLIGENT
from engine.rules.transitions import read_step, transition

START = datetime(2026, 1, 1, tzinfo=UTC)
CALLER = Actor(name="svc:1")
OPERATOR = Actor(name="ops@host", kind=ActorKind.OPERATOR)
FOREIGN = Actor(name="another program", kind=ActorKind.FOREIGN)
TIMEOUT_S = 300.0


def later(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def new(line: Line = INTELLIGENT, **facts: Any) -> Workflow:
    arguments: dict[str, Any] = {
        "workflow_id": f"wf_{line.name}_0123456789ab",
        "line": line,
        "user_input": "how many parts are left?",
        "timeout_s": TIMEOUT_S,
        "at": START,
        "actor": CALLER,
        **facts,
    }
    return create(**arguments).after


def moved_to(state: str, line: Line = INTELLIGENT) -> Workflow:
    """Return a workflow that came to ``state`` in steps of 10 s, with a step and an output for each state."""
    workflow = new(line)
    for n, to_state in enumerate(line.path[1 : line.path.index(state) + 1], start=1):
        workflow = step_to(workflow, to_state, line, at=later(10.0 * n)).after
    return workflow


def step_to(workflow: Workflow, state: str, line: Line = INTELLIGENT, *, at: datetime) -> Decision:
    report = read_step(
        workflow.workflow_id, {"duration": 0.5, "output_data": {"of": state, "response": f"said in {state}"}}
    )
    return transition(workflow, line, state, step=report, at=at, actor=CALLER)


def failed_in(state: str, line: Line = INTELLIGENT, error: str = "boom") -> Workflow:
    workflow = moved_to(state, line)
    at = workflow.entered_at + timedelta(seconds=10)
    return transition(workflow, line, line.failed, error=error, at=at, actor=CALLER).after


def told(decisions: Iterable[Decision]) -> list[dict[str, Any]]:
    """Return the state history that decisions leave, as documents hold it."""
    return history_dicts([as_entry(n, decision) for n, decision in enumerate(decisions, start=1)])


def as_entry(n: int, decision: Decision) -> Entry:
    entry, after = decision.entry, decision.after
    return Entry(
        workflow_id=after.workflow_id,
        n=n,
        kind=EntryKind(entry.kind),
        at=entry.at,
        actor=entry.actor.name,
        reason=entry.reason,
        revision=n,
        generation=after.generation,
        from_state=entry.from_state,
        to_state=entry.to_state,
        request_id=None,
        payload_hash=None,
        outcome="committed",
        is_history=entry.is_history,
        is_audit=entry.is_audit,
        body=entry.body,
        hash="",
    )


def events_of(decision: Decision) -> list[str]:
    return [event.type.value for event in decision.entry.events]


def payload_of(decision: Decision, n: int) -> Mapping[str, Any]:
    return decision.entry.events[n].payload


def move(
    from_state: str, to_state: str, timestamp: str = "2026-01-01T00:01:00.000000Z", **facts: Any
) -> dict[str, Any]:
    """Return one entry of a foreign document's history."""
    entry = {"from_state": from_state, "to_state": to_state, "timestamp": timestamp, "duration": 0.0, "success": True}
    return {**entry, "error": None, "metadata": {}, **facts}
