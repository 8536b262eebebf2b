"""The orchestrator without a disk."""

from __future__ import annotations

from typing import Any

from engine.orchestrator.production import ProductionWorkflowOrchestrator
from engine.orchestrator.settings import DEFAULT_MAX_RETRIES, DEFAULT_STATE_TIMEOUT_S


class WorkflowOrchestrator(ProductionWorkflowOrchestrator):
    """The same orchestrator in memory: nothing is written to disk."""

    def __init__(  # noqa: PLR0913, PLR0917  the contract's constructor
        self,
        event_bus: object | None = None,
        rag_service: object | None = None,
        expert_router: object | None = None,
        module_executor: object | None = None,
        observability_system: object | None = None,
        state_timeout: float | None = DEFAULT_STATE_TIMEOUT_S,
        max_retries: int = DEFAULT_MAX_RETRIES,
        **options: Any,
    ) -> None:
        """Take the settings; ``options`` are the keyword-only ones of the production class."""
        super().__init__(
            event_bus,
            rag_service,
            expert_router,
            module_executor,
            observability_system,
            state_timeout=state_timeout,
            max_retries=max_retries,
            enable_persistence=False,
            **options,
        )
