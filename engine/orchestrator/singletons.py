"""One orchestrator a mode, for those who do not pass theirs around."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any

from engine.orchestrator.memory import WorkflowOrchestrator
from engine.orchestrator.opening import directory_of
from engine.orchestrator.production import ProductionWorkflowOrchestrator
from engine.orchestrator.settings import DEFAULT_DIRECTORY

_mutex = threading.Lock()
_instances: dict[bool, ProductionWorkflowOrchestrator] = {}
_options: dict[bool, dict[str, Any]] = {}


def get_workflow_orchestrator(  # noqa: PLR0913, PLR0917  the constructor's arguments
    event_bus: object | None = None,
    rag_service: object | None = None,
    expert_router: object | None = None,
    module_executor: object | None = None,
    observability_system: object | None = None,
    persistence_dir: str | Path | None = None,
    production_mode: bool = True,
    **options: Any,
) -> ProductionWorkflowOrchestrator:
    """Return the process's orchestrator of a mode, made at the first call and again after a cleanup.

    Later arguments that are not None fill what was unset; those that would change what is set are warned of and
    left out.

    Args:
        event_bus: see :class:`ProductionWorkflowOrchestrator`, as for all that follow.
        rag_service: retrieves.
        expert_router: routes.
        module_executor: executes.
        observability_system: gives spans.
        persistence_dir: directory of the documents; in production mode only.
        production_mode: False gives the one in memory.
        options: further arguments of the constructor.

    Raises:
        InvalidValueError: an argument of the first call is out of its range.
    """
    parts: dict[str, Any] = {
        "event_bus": event_bus,
        "rag_service": rag_service,
        "expert_router": expert_router,
        "module_executor": module_executor,
        "observability_system": observability_system,
    }
    if production_mode:
        options["persistence_dir"] = directory_of(DEFAULT_DIRECTORY if persistence_dir is None else persistence_dir)
    with _mutex:
        instance = _instances.get(production_mode)
        if instance is None or instance.is_closed:
            kind = ProductionWorkflowOrchestrator if production_mode else WorkflowOrchestrator
            instance = _instances[production_mode] = kind(**parts, **options)
            _options[production_mode] = options
            return instance
        ignored = instance.fill(parts)
        if persistence_dir is None:
            options.pop("persistence_dir", None)
        first = _options[production_mode]
        ignored += [name for name, value in options.items() if value is not None and first.get(name) != value]
    if ignored:
        names = ", ".join(sorted(ignored))
        warnings.warn(f"The orchestrator exists already; left as they were: {names}.", RuntimeWarning, stacklevel=2)
    return instance


def get_production_workflow_orchestrator(  # noqa: PLR0913, PLR0917  the constructor's arguments
    event_bus: object | None = None,
    rag_service: object | None = None,
    expert_router: object | None = None,
    module_executor: object | None = None,
    observability_system: object | None = None,
    persistence_dir: str | Path | None = None,
    **options: Any,
) -> ProductionWorkflowOrchestrator:
    """Return the process's production orchestrator; see :func:`get_workflow_orchestrator`."""
    return get_workflow_orchestrator(
        event_bus,
        rag_service,
        expert_router,
        module_executor,
        observability_system,
        persistence_dir,
        production_mode=True,
        **options,
    )
