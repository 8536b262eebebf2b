"""The facts that explain where a workflow stands, gathered for the rule that weighs them."""

from __future__ import annotations

from engine.model.workflow import Workflow
from engine.observation.embedding import Engine
from engine.observation.views import LockView
from engine.rules.stuck import Why
from engine.store.query import FlowRow


async def explain(engine: Engine, row: FlowRow, workflow: Workflow | None, lock: LockView | None) -> Why:
    """Return why a workflow is where it is.

    Args:
        engine: whose store holds the facts.
        row: its list row, or that of a damaged document.
        workflow: the workflow, None for a damaged document.
        lock: its held lock, expired ones included.
    """
    return Why(code=row.flag.value or "waiting", sentence=row.error or f"In {row.state}.")
