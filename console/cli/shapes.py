"""The JSON shapes of the command line; keys are a promise to scripts, times are document text."""

from __future__ import annotations

from typing import Any

from console.view.acts import about
from engine.model.entry import Entry
from engine.model.lock import Lock
from engine.model.names import Flag
from engine.model.times import format_optional, format_time
from engine.model.view import data_dict
from engine.observation.views import Detail, LockView
from engine.operations.plan import Applied, ItemOutcome, Plan
from engine.rules.stuck import Why
from engine.store.query import EventRow, FlowRow


def row_shape(row: FlowRow) -> dict[str, Any]:
    """Return one workflow or damaged document of ``ls``."""
    return {
        "workflow_id": row.workflow_id,
        "type": row.workflow_type,
        "state": row.state,
        "revision": row.revision,
        "created_at": format_time(row.created_at),
        "updated_at": format_time(row.updated_at),
        "error": row.error,
        "damaged": row.flag is Flag.DAMAGED,
        "lock": None if row.lock is None or not row.lock.owner else lock_shape(row.lock),
        "deadline_at": format_optional(row.deadline_at),
        "phase": row.phase.value,
        "origin": row.origin.value,
        "flag": row.flag.value,
        "generation": row.generation,
        "entered_at": format_time(row.entered_at),
        "ended_at": format_optional(row.ended_at),
        "error_type": row.error_type,
        "attempt": row.attempt,
        "is_forced": row.is_forced,
        "events_failing": row.events_failing,
    }


def lock_shape(lock: Lock) -> dict[str, Any]:
    """Return a held lock."""
    return {
        "owner": lock.owner,
        "incarnation": lock.incarnation,
        "fence": lock.fence,
        "generation": lock.generation,
        "acquired_at": format_time(lock.acquired_at),
        "expires_at": format_time(lock.expires_at),
    }


def lock_view_shape(view: LockView) -> dict[str, Any]:
    """Return a held lock with what is known of its holder."""
    return {
        **lock_shape(view.lock),
        "liveness": view.liveness.value,
        "evidence": view.evidence,
        "left_s": round(view.left_s, 3),
        "is_void": view.is_void,
    }


def event_shape(event: EventRow) -> dict[str, Any]:
    """Return an event of the outbox."""
    return {
        "event_id": str(event.id),
        "workflow_id": event.id.workflow_id,
        "event_type": event.type,
        "status": event.status.value,
        "attempts": event.attempts,
        "created_at": format_time(event.created_at),
        "next_attempt_at": format_optional(event.next_attempt_at),
        "error_type": event.error_type,
        "error": event.error,
        "cause": event.cause,
    }


def entry_shape(entry: Entry) -> dict[str, Any]:
    """Return an entry of the audit; ``workflow_id`` also names a damaged document, "" is the store as a whole."""
    return {
        "workflow_id": about(entry),
        "n": entry.n,
        "kind": entry.kind.value,
        "at": format_time(entry.at),
        "actor": entry.actor,
        "reason": entry.reason,
        "outcome": entry.outcome,
        "revision": entry.revision,
        "generation": entry.generation,
        "from_state": entry.from_state,
        "to_state": entry.to_state,
        "request_id": entry.request_id,
        "body": dict(entry.body),
        "hash": entry.hash,
    }


def why_shape(workflow_id: str, why: Why) -> dict[str, Any]:
    """Return why a workflow is where it is."""
    return {
        "workflow_id": workflow_id,
        "code": why.code,
        "sentence": why.sentence,
        "verbs": list(why.verbs),
        "command": suggested_command(workflow_id, why),
    }


def suggested_command(workflow_id: str, why: Why) -> str | None:
    """Return the command line of the verb that helps most, None where none does."""
    if not why.verbs:
        return None
    verb = why.verbs[0]
    return f"flowdeck {verb} {workflow_id}" + (" STATE" if verb == "force" else "")


def detail_shape(detail: Detail) -> dict[str, Any]:
    """Return everything about one workflow; ``workflow`` holds the contract's fields, null if it is damaged."""
    workflow = detail.workflow
    document = detail.document
    return {
        **row_shape(detail.row),
        "lock": None if detail.lock is None else lock_view_shape(detail.lock),
        "workflow": None if workflow is None else data_dict(workflow),
        "final_answer": None if workflow is None else workflow.final_answer,
        "active_path": [] if workflow is None else list(workflow.active_path),
        "state_history": [dict(entry) for entry in detail.history],
        "events": [event_shape(event) for event in detail.events],
        "document": None
        if document is None
        else {
            "name": document.name,
            "published_revision": document.published_revision,
            "size": document.size,
            "problem": document.problem,
        },
        "why": why_shape(detail.row.workflow_id, detail.why),
    }


def plan_shape(plan: Plan) -> dict[str, Any]:
    """Return a plan; ``items`` are in the order in which they were asked for."""
    return {
        "plan": plan.request.verb.value,
        "title": plan.title,
        "read_at": format_time(plan.read_at),
        "level": plan.level.value,
        "token": plan.token,
        "is_reason_required": plan.is_reason_required,
        "reason_at_least": plan.reason_at_least,
        "checks": list(plan.checks),
        "undo": plan.undo,
        "command": plan.command,
        "items": [
            {
                "id": item.id,
                "revision": item.revision,
                "lock_fence": item.lock_fence,
                "before": item.before,
                "after": item.after,
                "skipped": item.skipped,
                "skip_code": item.skip_code,
                "effects": list(item.effects),
                "missing": list(item.missing),
            }
            for item in plan.items
        ],
    }


def outcome_shape(applied: Applied, outcome: ItemOutcome) -> dict[str, Any]:
    """Return what became of one item."""
    return {
        "id": outcome.id,
        "verb": applied.plan.request.verb.value,
        "code": outcome.code,
        "sentence": outcome.sentence,
        "revision": outcome.revision,
        "request_id": applied.request_id,
    }
