"""Small values that the store's tests commit: a direct workflow, its moves, who acts."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.clock import Clock
from engine.model.actor import Act, Actor, ActorKind
from engine.model.change import Change, LockPolicy
from engine.model.entry import NewEntry, NewEvent
from engine.model.lock import Claim, Incarnation, Instant, Lock
from engine.model.names import EntryKind, Phase, WorkflowEventType
from engine.model.workflow import Step, Workflow
from engine.store.requests import LockRelease, LockRequest

START = datetime(2026, 1, 1, tzinfo=UTC)
CALLER = Actor(name="svc:41")
OPERATOR = Actor(name="ops@host", kind=ActorKind.OPERATOR, facts={"user": "ops", "tty": "pts/3"})

_requests = itertools.count(1)

_PHASES = {"completed": Phase.DONE, "cancelled": Phase.DONE, "failed": Phase.FAILED}


def engine(name: str = "01ENGINE", *, has_bus: bool = True, kind: str = "service") -> Incarnation:
    return Incarnation(
        incarnation=name, kind=kind, host="host", boot_id="boot-1", pid=41, process_start="7", has_bus=has_bus
    )


def flow(workflow_id: str = "wf_direct_1", at: datetime = START, **facts: Any) -> Workflow:
    values: dict[str, Any] = {
        "workflow_id": workflow_id,
        "workflow_type": "direct",
        "created_at": at,
        "updated_at": at,
        "entered_at": at,
        "user_input": "Was ist Über-Druck?",
        "target_module": "mod",
        "revision": 1,
    }
    values.update(facts)
    return Workflow(**values)


def creation(workflow: Workflow, *, kind: EntryKind = EntryKind.CREATED, events: int = 1, **facts: Any) -> Change:
    entry = NewEntry(
        kind=kind,
        at=workflow.created_at,
        actor=CALLER,
        to_state=workflow.state,
        events=_events(workflow, WorkflowEventType.STARTED, events),
    )
    return _change(None, workflow, entry, facts)


def step_of(workflow: Workflow, output: Any) -> Step:
    n = len(workflow.steps) + 1
    return Step(n=n, step_id=f"step_{n}", step_name=workflow.state, state=workflow.state, output_data=output)


def move(  # noqa: PLR0913  facts, named at the call
    before: Workflow,
    state: str,
    *,
    at: datetime | None = None,
    kind: EntryKind = EntryKind.TRANSITION,
    events: int = 1,
    values: Mapping[str, Any] | None = None,
    **facts: Any,
) -> Change:
    """A change to ``state``; ``values`` go to the workflow, ``facts`` to the change."""
    at = at or before.updated_at + timedelta(seconds=1)
    phase = _PHASES.get(state, Phase.OPEN)
    after = before.evolve(
        revision=before.revision + 1,
        state=state,
        phase=phase,
        entered_at=at,
        updated_at=at,
        completed_at=None if phase is Phase.OPEN else at,
        **dict(values or {}),
    )
    entry = NewEntry(
        kind=kind,
        at=at,
        actor=CALLER,
        from_state=before.state,
        to_state=state,
        is_history=True,
        is_audit=kind is not EntryKind.TRANSITION,
        body={"duration": 1.0, "success": True, "error": None, "metadata": {}},
        events=_events(after, WorkflowEventType.STATE_CHANGED, events),
    )
    return _change(before, after, entry, facts)


def note(before: Workflow, text: str, **facts: Any) -> Change:
    entry = NewEntry(
        kind=EntryKind.NOTE, at=before.updated_at, actor=OPERATOR, reason=text, is_audit=True, body={"text": text}
    )
    return _change(before, before, entry, facts)


def moment(clock: Clock) -> Instant:
    return Instant(clock.now(), clock.monotonic(), clock.boot_id())


def wanted_lock(  # noqa: PLR0913  facts, named at the call
    clock: Clock,
    workflow_id: str = "wf_direct_1",
    owner: str = "svc:41",
    *,
    me: Incarnation | None = None,
    ttl_s: float = 300.0,
    seen_fence: int | None = None,
    dead_fence: int | None = None,
) -> LockRequest:
    return LockRequest(
        workflow_id=workflow_id,
        owner=owner,
        me=me or engine(),
        ttl_s=ttl_s,
        now=moment(clock),
        act=Act(actor=CALLER),
        seen_fence=seen_fence,
        dead_fence=dead_fence,
    )


def given_up(clock: Clock, lock: Lock, **facts: Any) -> LockRelease:
    return LockRelease(
        workflow_id=lock.workflow_id, fence=lock.fence, now=moment(clock), act=Act(actor=OPERATOR), **facts
    )


def claim_of(lock: Lock) -> Claim:
    return Claim(
        workflow_id=lock.workflow_id,
        owner=lock.owner,
        incarnation=lock.incarnation,
        fence=lock.fence,
        generation=lock.generation,
    )


def _events(workflow: Workflow, kind: WorkflowEventType, count: int) -> Sequence[NewEvent]:
    payload = {"workflow_id": workflow.workflow_id, "workflow_type": workflow.workflow_type}
    return tuple(NewEvent(type=kind, payload=payload) for _ in range(count))


def _change(before: Workflow | None, after: Workflow, entry: NewEntry, facts: dict[str, Any]) -> Change:
    return Change(
        before=before,
        after=after,
        entry=entry,
        act=Act(actor=entry.actor),
        request_id=facts.pop("request_id", None) or f"request-{next(_requests)}",
        payload_hash=facts.pop("payload_hash", "00"),
        lock_policy=facts.pop("lock_policy", LockPolicy.OBEY),
        **facts,
    )
