"""Flowdeck's engine: workflows that are created, moved, persisted, supervised and told of.

The names of the orchestrator's callers come first, then what consoles and scripts read and act with. Loading a name
loads what it needs and no more.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from engine.clock import Clock as Clock
    from engine.clock import ManualClock as ManualClock
    from engine.clock import SystemClock as SystemClock
    from engine.errors import EngineError as EngineError
    from engine.errors import RefusedError as RefusedError
    from engine.errors import StoreError as StoreError
    from engine.errors import StoreUnsafeError as StoreUnsafeError
    from engine.errors import UnknownOutcomeError as UnknownOutcomeError
    from engine.model.names import WorkflowErrorType as WorkflowErrorType
    from engine.model.names import WorkflowEventType as WorkflowEventType
    from engine.model.names import WorkflowState as WorkflowState
    from engine.model.names import WorkflowType as WorkflowType
    from engine.model.public import DirectWorkflowData as DirectWorkflowData
    from engine.model.public import IntelligentWorkflowData as IntelligentWorkflowData
    from engine.model.public import StateTransitionHistory as StateTransitionHistory
    from engine.model.public import WorkflowLock as WorkflowLock
    from engine.model.public import WorkflowStep as WorkflowStep
    from engine.observation.observer import Observer as Observer
    from engine.operations.actor import terminal_actor as terminal_actor
    from engine.operations.operations import Operations as Operations
    from engine.operations.plan import Applied as Applied
    from engine.operations.plan import Plan as Plan
    from engine.operations.plan import PlanRequest as PlanRequest
    from engine.operations.plan import Verb as Verb
    from engine.orchestrator import ProductionWorkflowOrchestrator as ProductionWorkflowOrchestrator
    from engine.orchestrator import WorkflowOrchestrator as WorkflowOrchestrator
    from engine.orchestrator import get_production_workflow_orchestrator as get_production_workflow_orchestrator
    from engine.orchestrator import get_workflow_orchestrator as get_workflow_orchestrator
    from engine.store.query import Filter as Filter
    from engine.store.query import Page as Page
    from engine.store.query import Query as Query
    from engine.store.query import Sort as Sort

_HOMES: Final = {
    "engine.clock": ("Clock", "ManualClock", "SystemClock"),
    "engine.errors": ("EngineError", "RefusedError", "StoreError", "StoreUnsafeError", "UnknownOutcomeError"),
    "engine.model.names": ("WorkflowErrorType", "WorkflowEventType", "WorkflowState", "WorkflowType"),
    "engine.model.public": (
        "DirectWorkflowData",
        "IntelligentWorkflowData",
        "StateTransitionHistory",
        "WorkflowLock",
        "WorkflowStep",
    ),
    "engine.observation.observer": ("Observer",),
    "engine.operations.actor": ("terminal_actor",),
    "engine.operations.operations": ("Operations",),
    "engine.operations.plan": ("Applied", "Plan", "PlanRequest", "Verb"),
    "engine.orchestrator": (
        "ProductionWorkflowOrchestrator",
        "WorkflowOrchestrator",
        "get_production_workflow_orchestrator",
        "get_workflow_orchestrator",
    ),
    "engine.store.query": ("Filter", "Page", "Query", "Sort"),
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names}

__all__ = list(_HOME_OF)


def __getattr__(name: str) -> Any:
    """Load a public name at its first use.

    Raises:
        AttributeError: it is none.
    """
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
