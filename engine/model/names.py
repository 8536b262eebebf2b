"""The closed vocabularies: types, states, event types, origins, flags, phases."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from engine.errors import WorkflowErrorType

__all__ = [
    "ID_PATTERN",
    "SYSTEM_OWNER",
    "TERMINAL_STATES",
    "EntryKind",
    "EventStatus",
    "Flag",
    "Origin",
    "Phase",
    "WorkflowErrorType",
    "WorkflowEventType",
    "WorkflowState",
    "WorkflowType",
    "is_plain_id",
]

ID_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
"""The one rule for workflow ids, at every entrance; use :func:`is_plain_id`."""

SYSTEM_OWNER: Final = "system"
"""Default lock owner: refuses other acquirers, never a transition (source: contract)."""


def is_plain_id(workflow_id: object) -> bool:
    """Return whether ``workflow_id`` is a plain name that can also be a file name."""
    return isinstance(workflow_id, str) and ID_PATTERN.fullmatch(workflow_id) is not None


class WorkflowType(StrEnum):
    """The two built-in lines."""

    INTELLIGENT = "intelligent"
    DIRECT = "direct"


class WorkflowState(StrEnum):
    """Every state of the two built-in lines."""

    INITIALIZED = "initialized"
    RAG_RETRIEVAL_1 = "rag_retrieval_1"
    EXPERT_ROUTING = "expert_routing"
    MODULE_EXECUTION = "module_execution"
    RAG_RETRIEVAL_2 = "rag_retrieval_2"
    RESPONSE_GENERATION = "response_generation"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL_STATES: Final = ("completed", "failed", "cancelled")


class WorkflowEventType(StrEnum):
    """Types of the events that reach the bus; ``lock.*`` only with ``extra_events=True``."""

    STARTED = "workflow.started"
    STATE_CHANGED = "workflow.state_changed"
    STEP_STARTED = "workflow.step_started"
    STEP_COMPLETED = "workflow.step_completed"
    STEP_FAILED = "workflow.step_failed"
    COMPLETED = "workflow.completed"
    FAILED = "workflow.failed"
    CANCELLED = "workflow.cancelled"
    ROLLED_BACK = "workflow.rolled_back"
    FORCED = "workflow.forced"
    RETRIED = "workflow.retried"
    PAUSED = "workflow.paused"
    RESUMED = "workflow.resumed"
    LOCK_ACQUIRED = "lock.acquired"
    LOCK_RELEASED = "lock.released"
    LOCK_STOLEN = "lock.stolen"
    LOCK_EXPIRED = "lock.expired"


class Origin(StrEnum):
    """Who drives a workflow: an engine of ours, or another program that writes its document."""

    OWN = "own"
    EXTERNAL = "external"


class Flag(StrEnum):
    """What is wrong with a workflow's document."""

    NONE = ""
    DAMAGED = "damaged"
    CONFLICT = "conflict"
    GONE = "gone"
    OVERWRITTEN = "overwritten"


class Phase(StrEnum):
    """Where a state stands in its line's life."""

    OPEN = "open"
    FAILED = "failed"
    DONE = "done"


class EventStatus(StrEnum):
    """Where an event is; accepted = the sum over all of them, always."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    RECORDED = "recorded"
    PURGED = "purged"


class EntryKind(StrEnum):
    """What an entry of the one chain says happened."""

    CREATED = "created"
    TRANSITION = "transition"
    ROLLBACK = "rollback"
    RETRY = "retry"
    FORCE = "force"
    CANCEL = "cancel"
    TIMEOUT = "timeout"
    PAUSE = "pause"
    RESUME = "resume"
    EXTEND = "extend"
    NOTE = "note"
    STEP = "step"
    """The work of a driven state began again; neither history nor audit, it carries the event."""
    ADOPTED = "adopted"
    EXTERNAL = "external"
    FLAGGED = "flagged"
    LOCK_ACQUIRED = "lock.acquired"
    LOCK_RELEASED = "lock.released"
    LOCK_STOLEN = "lock.stolen"
    LOCK_EXPIRED = "lock.expired"
    UNLOCK = "unlock"
    """An operator released a lock that nobody living needed; from a live owner it is a theft (``lock.stolen``)."""
    EVENT_RETRIED = "event.retried"
    EVENT_DROPPED = "event.dropped"
    EVENT_PURGED = "event.purged"
    EVENT_REPLAYED = "event.replayed"
    REFUSED = "refused"
