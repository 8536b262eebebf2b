"""The codec that stores share: workflows, steps and entries between values and columns with a JSON body.

An output is stored once, in its step: a result slot that equals a step's output, or the ``response`` in it, is
stored as a pointer to that step. Bodies are UTF-8 JSON bytes that keep NaN, Infinity and key order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from pydantic_core import from_json

from engine.model.entry import Entry
from engine.model.lock import Lock
from engine.model.names import EntryKind, Flag, Origin, Phase
from engine.model.plain import encode
from engine.model.times import from_micros, to_micros
from engine.model.workflow import Step, Workflow
from engine.store.query import FlowRow

ERROR_WIDTH: Final = 200
"""Characters of an error that lists show."""

_SEARCHED_INPUT: Final = 160
_SEARCHED_ERROR: Final = 100


class WorkflowColumns(NamedTuple):
    """The columns of a workflow that lists and rules of the store read; times are microseconds."""

    id: str
    type: str
    line_version: int
    state: str
    phase: str
    origin: str
    flag: str
    revision: int
    generation: int
    created_at: int
    updated_at: int
    entered_at: int
    deadline_at: int | None
    ended_at: int | None
    paused_at: int | None
    attempt: int
    caller_timeouts: int
    is_forced: int
    error_type: str | None
    error: str | None
    fingerprint: str | None


class StepColumns(NamedTuple):
    """A step as a row."""

    n: int
    state: str
    generation: int
    is_superseded: int
    body: bytes


class EntryColumns(NamedTuple):
    """An entry as a row."""

    workflow_id: str
    n: int
    kind: str
    at: int
    actor: str
    reason: str | None
    revision: int
    generation: int
    from_state: str | None
    to_state: str | None
    request_id: str | None
    payload_hash: str | None
    outcome: str
    is_history: int
    is_audit: int
    hash: str
    body: bytes


class LockColumns(NamedTuple):
    """A lock as a row."""

    workflow_id: str
    owner: str
    incarnation: str
    fence: int
    generation: int
    acquired_at: int
    ttl_s: float
    expires_at: int
    boot_id: str
    expires_mono: float


def optional_micros(at: datetime | None) -> int | None:
    """Return microseconds since 1970, or None."""
    return None if at is None else to_micros(at)


def optional_time(micros: int | None) -> datetime | None:
    """Return the aware UTC time, or None."""
    return None if micros is None else from_micros(micros)


def workflow_columns(workflow: Workflow) -> WorkflowColumns:
    """Return what lists show of ``workflow``."""
    ended_at = workflow.completed_at or (None if workflow.is_open else workflow.entered_at)
    error = workflow.error
    return WorkflowColumns(
        id=workflow.workflow_id,
        type=workflow.workflow_type,
        line_version=workflow.line_version,
        state=workflow.state,
        phase=workflow.phase.value,
        origin=workflow.origin.value,
        flag=workflow.flag.value,
        revision=workflow.revision,
        generation=workflow.generation,
        created_at=to_micros(workflow.created_at),
        updated_at=to_micros(workflow.updated_at),
        entered_at=to_micros(workflow.entered_at),
        deadline_at=optional_micros(workflow.deadline_at),
        ended_at=optional_micros(ended_at),
        paused_at=optional_micros(workflow.paused_at),
        attempt=workflow.attempt,
        caller_timeouts=workflow.caller_timeouts,
        is_forced=int(workflow.is_forced),
        error_type=workflow.error_type,
        error=None if error is None else error[:ERROR_WIDTH],
        fingerprint=workflow.fingerprint,
    )


def search_text(workflow: Workflow) -> str:
    """Return what ``Filter.text`` searches: id, head of the input, error, target module; casefolded, without NUL."""
    asked = workflow.user_input
    if not isinstance(asked, str):
        asked = encode(asked).decode()
    parts = (
        workflow.workflow_id,
        asked[:_SEARCHED_INPUT],
        (workflow.error or "")[:_SEARCHED_ERROR],
        str(workflow.target_module or "")[:_SEARCHED_ERROR],
    )
    return "\n".join(parts).replace("\0", "").casefold()


def encode_body(workflow: Workflow) -> bytes:
    """Return what neither the columns nor the steps hold of ``workflow``.

    Raises:
        ValueError: some part of it has no JSON shape.
    """
    return encode(
        {
            "user_input": workflow.user_input,
            "context": workflow.context,
            "trace_id": workflow.trace_id,
            "span_id": workflow.span_id,
            "parent_span_id": workflow.parent_span_id,
            "target_module": workflow.target_module,
            "results": {slot: _slot(value, workflow.steps) for slot, value in workflow.results.items()},
            "metadata": workflow.metadata,
            "started_at": optional_micros(workflow.started_at),
            "completed_at": optional_micros(workflow.completed_at),
            "error": workflow.error,
            "total_duration": workflow.total_duration,
            "paused_left_s": workflow.paused_left_s,
            "timeout_s": workflow.timeout_s,
            "active_path": workflow.active_path,
            "failed_from": workflow.failed_from,
            "extra": workflow.extra,
        }
    )


def decode_workflow(columns: WorkflowColumns, body: bytes, steps: Iterable[StepColumns]) -> Workflow:
    """Return the workflow that the rows hold; slots share their value with the step they point to."""
    rest: dict[str, Any] = from_json(body)
    decoded = tuple(decode_step(step) for step in steps)
    outputs = {step.n: step.output_data for step in decoded}
    return Workflow(
        workflow_id=columns.id,
        workflow_type=columns.type,
        line_version=columns.line_version,
        state=columns.state,
        phase=Phase(columns.phase),
        user_input=rest["user_input"],
        context=rest["context"],
        trace_id=rest["trace_id"],
        span_id=rest["span_id"],
        parent_span_id=rest["parent_span_id"],
        target_module=rest["target_module"],
        results={slot: _slot_value(stored, outputs) for slot, stored in rest["results"].items()},
        steps=decoded,
        metadata=rest["metadata"],
        created_at=from_micros(columns.created_at),
        updated_at=from_micros(columns.updated_at),
        started_at=optional_time(rest["started_at"]),
        completed_at=optional_time(rest["completed_at"]),
        error=rest["error"],
        total_duration=rest["total_duration"],
        revision=columns.revision,
        generation=columns.generation,
        origin=Origin(columns.origin),
        flag=Flag(columns.flag),
        entered_at=from_micros(columns.entered_at),
        deadline_at=optional_time(columns.deadline_at),
        paused_at=optional_time(columns.paused_at),
        paused_left_s=rest["paused_left_s"],
        timeout_s=rest["timeout_s"],
        attempt=columns.attempt,
        caller_timeouts=columns.caller_timeouts,
        is_forced=bool(columns.is_forced),
        error_type=columns.error_type,
        fingerprint=columns.fingerprint,
        active_path=tuple(rest["active_path"]),
        failed_from=rest["failed_from"],
        extra=rest["extra"],
    )


def decode_flow(columns: WorkflowColumns, *, lock: Lock | None, events_failing: int, position: int) -> FlowRow:
    """Return the list row that the columns hold."""
    return FlowRow(
        workflow_id=columns.id,
        workflow_type=columns.type,
        state=columns.state,
        phase=Phase(columns.phase),
        origin=Origin(columns.origin),
        flag=Flag(columns.flag),
        revision=columns.revision,
        generation=columns.generation,
        created_at=from_micros(columns.created_at),
        updated_at=from_micros(columns.updated_at),
        entered_at=from_micros(columns.entered_at),
        deadline_at=optional_time(columns.deadline_at),
        ended_at=optional_time(columns.ended_at),
        paused_at=optional_time(columns.paused_at),
        attempt=columns.attempt,
        is_forced=bool(columns.is_forced),
        error_type=columns.error_type,
        error=columns.error,
        lock=lock,
        events_failing=events_failing,
        position=position,
    )


def encode_step(step: Step) -> StepColumns:
    """Return ``step`` as a row.

    Raises:
        ValueError: some part of it has no JSON shape.
    """
    body = {
        "step_id": step.step_id,
        "step_name": step.step_name,
        "started_at": step.started_at,
        "completed_at": step.completed_at,
        "duration": step.duration,
        "input_data": step.input_data,
        "output_data": step.output_data,
        "error": step.error,
        "metadata": step.metadata,
    }
    return StepColumns(step.n, step.state, step.generation, int(step.is_superseded), encode(body))


def decode_step(columns: StepColumns) -> Step:
    """Return the step that a row holds."""
    return Step(
        n=columns.n,
        state=columns.state,
        generation=columns.generation,
        is_superseded=bool(columns.is_superseded),
        **from_json(columns.body),
    )


def changed_steps(before: Sequence[Step], after: Sequence[Step]) -> tuple[tuple[StepColumns, ...], tuple[int, ...]]:
    """Return the steps of ``after`` that differ from ``before``'s as rows, and the numbers of those dropped.

    Raises:
        ValueError: some part of a step has no JSON shape.
    """
    known = {step.n: step for step in before}
    changed = []
    for step in after:
        old = known.pop(step.n, None)
        if old is step:
            continue
        columns = encode_step(step)
        # Compared as bytes: 1 and True, or two orders of keys, are equal in Python and not in JSON.
        if old is None or encode_step(old) != columns:
            changed.append(columns)
    return tuple(changed), tuple(known)


def entry_columns(entry: Entry) -> EntryColumns:
    """Return ``entry`` as a row.

    Raises:
        ValueError: some part of its body has no JSON shape.
    """
    return EntryColumns(
        workflow_id=entry.workflow_id,
        n=entry.n,
        kind=entry.kind.value,
        at=to_micros(entry.at),
        actor=entry.actor,
        reason=entry.reason,
        revision=entry.revision,
        generation=entry.generation,
        from_state=entry.from_state,
        to_state=entry.to_state,
        request_id=entry.request_id,
        payload_hash=entry.payload_hash,
        outcome=entry.outcome,
        is_history=int(entry.is_history),
        is_audit=int(entry.is_audit),
        hash=entry.hash,
        body=encode(entry.body),
    )


def decode_entry(columns: EntryColumns) -> Entry:
    """Return the entry that a row holds."""
    return Entry(
        workflow_id=columns.workflow_id,
        n=columns.n,
        kind=EntryKind(columns.kind),
        at=from_micros(columns.at),
        actor=columns.actor,
        reason=columns.reason,
        revision=columns.revision,
        generation=columns.generation,
        from_state=columns.from_state,
        to_state=columns.to_state,
        request_id=columns.request_id,
        payload_hash=columns.payload_hash,
        outcome=columns.outcome,
        is_history=bool(columns.is_history),
        is_audit=bool(columns.is_audit),
        body=from_json(columns.body),
        hash=columns.hash,
    )


def lock_columns(lock: Lock) -> LockColumns:
    """Return ``lock`` as a row."""
    return LockColumns(
        workflow_id=lock.workflow_id,
        owner=lock.owner,
        incarnation=lock.incarnation,
        fence=lock.fence,
        generation=lock.generation,
        acquired_at=to_micros(lock.acquired_at),
        ttl_s=lock.ttl_s,
        expires_at=to_micros(lock.expires_at),
        boot_id=lock.boot_id,
        expires_mono=lock.expires_mono,
    )


def decode_lock(columns: LockColumns) -> Lock:
    """Return the lock that a row holds."""
    return Lock(
        workflow_id=columns.workflow_id,
        owner=columns.owner,
        incarnation=columns.incarnation,
        fence=columns.fence,
        generation=columns.generation,
        acquired_at=from_micros(columns.acquired_at),
        ttl_s=columns.ttl_s,
        expires_at=from_micros(columns.expires_at),
        boot_id=columns.boot_id,
        expires_mono=columns.expires_mono,
    )


def _slot(value: Any, steps: Sequence[Step]) -> dict[str, Any]:
    """Return a result slot as a pointer to the newest step with that output, else the value itself."""
    if isinstance(value, str | Mapping | list):
        for step in reversed(steps):
            output = step.output_data
            if _is_same(value, output):
                return {"step": step.n}
            if isinstance(output, Mapping) and "response" in output and _is_same(value, output["response"]):
                return {"step": step.n, "key": "response"}
    return {"value": value}


def _is_same(value: Any, other: Any) -> bool:
    """Return whether both have one JSON text, key order included."""
    if value is other:
        return True
    return type(value) is type(other) and value == other and encode(value) == encode(other)


def _slot_value(stored: Mapping[str, Any], outputs: Mapping[int, Any]) -> Any:
    if "step" not in stored:
        return stored["value"]
    output = outputs[stored["step"]]
    return output[stored["key"]] if "key" in stored else output
