"""The data classes callers know; every name and default is fixed by the contract."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from engine.model.names import WorkflowState, WorkflowType


def _plain(value: Any) -> Any:
    """Return nested enum members as their plain strings."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


@dataclass
class WorkflowStep:
    """One executed step. Times are document text, ``duration`` is in seconds."""

    step_id: str
    step_name: str
    state: WorkflowState
    started_at: str | None = None
    completed_at: str | None = None
    duration: float | None = None
    input_data: Any = field(default_factory=dict)
    output_data: Any = field(default_factory=dict)
    error: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.state = _state(self.state)

    def to_dict(self) -> dict[str, Any]:
        """Return plain strings, numbers and dicts."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


@dataclass
class StateTransitionHistory:
    """One entry of ``state_history``. ``duration`` is seconds spent in ``from_state``."""

    from_state: WorkflowState
    to_state: WorkflowState
    timestamp: str
    duration: float
    success: bool
    error: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain strings, numbers and dicts."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


@dataclass
class WorkflowLock:
    """A held lock. Times are document text, ``timeout`` is in seconds."""

    workflow_id: str
    lock_owner: str = "system"
    acquired_at: str | None = None
    timeout: float = 300.0
    expires_at: str | None = None
    fence: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain strings, numbers and dicts."""
        return asdict(self)


@dataclass
class IntelligentWorkflowData:
    """A workflow of the intelligent line; only ``workflow_id`` is required. Times are document text."""

    workflow_id: str
    workflow_type: WorkflowType = WorkflowType.INTELLIGENT
    state: WorkflowState = WorkflowState.INITIALIZED
    user_input: str = ""
    context: dict[str, Any] = field(default_factory=dict)
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    rag_result_1: Any = None
    expert_routing_result: Any = None
    module_execution_result: Any = None
    rag_result_2: Any = None
    response: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    steps: list[WorkflowStep] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    total_duration: float | None = None

    def __post_init__(self) -> None:
        _type_all_the_way_down(self)

    def to_dict(self) -> dict[str, Any]:
        """Return plain strings, numbers and dicts, in the document's key order."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


@dataclass
class DirectWorkflowData:
    """A workflow of the direct line; only ``workflow_id`` is required. Times are document text."""

    workflow_id: str
    workflow_type: WorkflowType = WorkflowType.DIRECT
    state: WorkflowState = WorkflowState.INITIALIZED
    user_input: str = ""
    context: dict[str, Any] = field(default_factory=dict)
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    target_module: str | None = None
    module_execution_result: Any = None
    response: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    steps: list[WorkflowStep] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    total_duration: float | None = None

    def __post_init__(self) -> None:
        _type_all_the_way_down(self)

    def to_dict(self) -> dict[str, Any]:
        """Return plain strings, numbers and dicts, in the document's key order."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def _type_all_the_way_down(data: IntelligentWorkflowData | DirectWorkflowData) -> None:
    """Turn plain strings and dicts, as ``get_workflow`` gives them, into enums and steps."""
    data.workflow_type = WorkflowType(data.workflow_type)
    data.state = _state(data.state)
    data.steps = [WorkflowStep(**step) if isinstance(step, dict) else step for step in data.steps]


def _state(state: str) -> WorkflowState:
    """Return the enum member for a state's name.

    Raises:
        ValueError: the two built-in lines have no such state.
    """
    return WorkflowState(state)
