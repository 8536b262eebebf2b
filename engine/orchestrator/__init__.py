"""The public orchestrator: commands in, views out; the one class services and consoles embed."""

from engine.orchestrator.memory import WorkflowOrchestrator
from engine.orchestrator.production import ProductionWorkflowOrchestrator
from engine.orchestrator.singletons import get_production_workflow_orchestrator, get_workflow_orchestrator

__all__ = [
    "ProductionWorkflowOrchestrator",
    "WorkflowOrchestrator",
    "get_production_workflow_orchestrator",
    "get_workflow_orchestrator",
]
