"""An event in the shape buses see it, made in one place: by the store for the outbox, by delivery for the first try."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from engine.model.entry import NewEvent
from engine.model.times import format_time


def event_body(event_id: str, workflow_id: str, event: NewEvent, at: datetime) -> dict[str, Any]:
    """Return ``event`` with the contract's keys, in its order; ``at`` is the time of the entry it belongs to.

    The payload is shared with ``event``, not copied: encode the body before anybody else sees it.
    """
    return {
        "event_id": event_id,
        "category": "workflow",
        "event_type": event.type.value,
        "source": "workflow_orchestrator",
        "severity": event.severity,
        "payload": event.payload,
        "timestamp": format_time(at),
        "correlation_id": workflow_id,
        "parent_event_id": None,
        "metadata": {},
    }
