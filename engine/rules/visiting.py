"""What every entering of a state has in common, whichever verb caused it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from engine.model.line import Line
from engine.model.names import Origin, Phase
from engine.model.workflow import Workflow


def deadline_for(line: Line, state: str, timeout_s: float | None, at: datetime) -> datetime | None:
    """Return when a visit that begins at ``at`` times out, or None where nothing times it.

    Nothing times the initial state, nor one that is not open.
    """
    if timeout_s is None or state == line.initial or line.phase(state) is not Phase.OPEN:
        return None
    return at + timedelta(seconds=timeout_s)


def entering(workflow: Workflow, line: Line, state: str, at: datetime) -> dict[str, Any]:
    """Return the fields of ``workflow`` that entering ``state`` at ``at`` changes, error fields left out.

    Only workflows of our own have deadlines.
    """
    phase = line.phase(state)
    is_over = phase is not Phase.OPEN
    started_at = workflow.started_at
    if started_at is None and state not in (line.initial, line.cancelled):
        started_at = at
    began_at = started_at or workflow.created_at
    is_timed = workflow.origin is Origin.OWN
    return {
        "state": state,
        "phase": phase,
        "entered_at": at,
        "updated_at": at,
        "started_at": started_at,
        "completed_at": at if is_over else None,
        "total_duration": max(0.0, (at - began_at).total_seconds()) if is_over else None,
        "deadline_at": deadline_for(line, state, workflow.timeout_s, at) if is_timed else None,
        "attempt": 0,
    }


def moved(
    workflow: Workflow,
    at: datetime,
    *,
    metadata: Mapping[str, Any],
    success: bool = True,
    error: str | None = None,
) -> dict[str, Any]:
    """Return what the body of every history entry holds; ``duration`` is the real time spent in the state left."""
    return {
        "duration": max(0.0, (at - workflow.entered_at).total_seconds()),
        "success": success,
        "error": error,
        "metadata": dict(metadata),
    }


def orphaned(workflow: Workflow, slots: Iterable[str]) -> dict[str, Any]:
    """Return those of the results in ``slots`` that stand in no step, by slot.

    They are about to be replaced or cleared; the entry that does it keeps them, so that nothing is lost.
    """
    values = {slot: workflow.results.get(slot) for slot in slots}
    return {
        slot: value for slot, value in values.items() if value is not None and not _stands_in_a_step(workflow, value)
    }


def _stands_in_a_step(workflow: Workflow, value: Any) -> bool:
    for step in workflow.steps:
        output = step.output_data
        if output == value or (isinstance(output, Mapping) and output.get("response") == value):
            return True
    return False
