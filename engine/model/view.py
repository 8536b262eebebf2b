"""A workflow in the shape of its document: plain dicts, in the key order the contract fixes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from engine.model.entry import Entry
from engine.model.names import EntryKind
from engine.model.times import format_optional, format_time
from engine.model.workflow import Step, Workflow

LARGEST_DOCUMENT_BYTES: Final = 16 * 1024 * 1024
"""A larger document is neither read nor written (source: semantics, foreign documents)."""

_DIRECT_SLOTS: Final = ("module_execution_result", "response")
_INTELLIGENT_SLOTS: Final = (
    "rag_result_1",
    "expert_routing_result",
    "module_execution_result",
    "rag_result_2",
    "response",
)


def step_dict(step: Step) -> dict[str, Any]:
    """Return a step as documents hold it."""
    return {
        "step_id": step.step_id,
        "step_name": step.step_name,
        "state": step.state,
        "started_at": step.started_at,
        "completed_at": step.completed_at,
        "duration": step.duration,
        "input_data": step.input_data,
        "output_data": step.output_data,
        "error": step.error,
        "metadata": step.metadata,
    }


def data_dict(workflow: Workflow) -> dict[str, Any]:
    """Return exactly the data fields of the contract, in the document's key order."""
    fields: dict[str, Any] = {
        "workflow_id": workflow.workflow_id,
        "workflow_type": workflow.workflow_type,
        "state": workflow.state,
        "user_input": workflow.user_input,
        "context": workflow.context,
        "trace_id": workflow.trace_id,
        "span_id": workflow.span_id,
        "parent_span_id": workflow.parent_span_id,
    }
    if workflow.workflow_type == "direct":
        fields["target_module"] = workflow.target_module
        slots: Iterable[str] = _DIRECT_SLOTS
    elif workflow.workflow_type == "intelligent":
        slots = _INTELLIGENT_SLOTS
    else:
        slots = workflow.results
    fields.update({slot: workflow.results.get(slot) for slot in slots})
    fields.update(
        created_at=format_time(workflow.created_at),
        updated_at=format_time(workflow.updated_at),
        started_at=format_optional(workflow.started_at),
        completed_at=format_optional(workflow.completed_at),
        steps=[step_dict(step) for step in workflow.steps],
        metadata=workflow.metadata,
        error=workflow.error,
        total_duration=workflow.total_duration,
    )
    return fields


def history_dicts(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Return the state history that ``entries`` (of one workflow, in order) tell, as documents hold it.

    An ``adopted`` or ``external`` entry carries ``body["history"]``, the document's own entries verbatim;
    with ``body["is_whole"]`` they replace what was imported before, else they follow it.
    """
    history: list[dict[str, Any]] = []
    for entry in entries:
        if not entry.is_history:
            continue
        if entry.kind in (EntryKind.ADOPTED, EntryKind.EXTERNAL):
            if entry.body.get("is_whole"):
                history.clear()
            history.extend(entry.body.get("history", ()))
            continue
        history.append(history_dict(entry))
    return history


def history_dict(entry: Entry) -> dict[str, Any]:
    """Return one entry of the state history in the contract's shape."""
    body = entry.body
    return {
        "from_state": entry.from_state,
        "to_state": entry.to_state,
        "timestamp": format_time(entry.at),
        "duration": body.get("duration", 0.0),
        "success": body.get("success", True),
        "error": body.get("error"),
        "metadata": body.get("metadata", {}),
    }
