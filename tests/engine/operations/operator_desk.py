"""An operator's desk for tests: a real engine on a directory, and workflows in any state."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.model.actor import Actor, ActorKind
from engine.model.workflow import Workflow
from engine.operations.operations import Operations
from engine.operations.plan import PlanRequest, Verb
from engine.orchestrator import ProductionWorkflowOrchestrator
from engine.store.query import Filter, Query

ACTOR = Actor(name="ops@desk", kind=ActorKind.OPERATOR, facts={"user": "ops", "pid": "1"})
REASON = "INC-204 module pool hung"
LINE = (
    "initialized",
    "rag_retrieval_1",
    "expert_routing",
    "module_execution",
    "rag_retrieval_2",
    "response_generation",
    "completed",
)
STATES = (*LINE, "failed", "cancelled")


def ask(verb: Verb, *ids: str, to: str | None = None, **more: Any) -> PlanRequest:
    return PlanRequest(verb=verb, ids=ids, to=to, **more)


@dataclass(frozen=True)
class Desk:
    engine: ProductionWorkflowOrchestrator
    operations: Operations
    directory: Path

    async def make(self, state: str = "module_execution") -> str:
        """Make an intelligent workflow that a caller drove to ``state``; a failed one failed in module_execution."""
        flow = await self.engine.create_intelligent_workflow("a question")
        if state == "cancelled":
            assert await self.engine.cancel_workflow(flow)
            return flow
        goal = "module_execution" if state == "failed" else state
        for each in LINE[1 : LINE.index(goal) + 1]:
            output = {"of": each, "response": "an answer"}
            assert await self.engine.transition_state(flow, each, step_data={"output_data": output, "duration": 0.1})
        if state == "failed":
            assert await self.engine.transition_state(flow, "failed", error="module pool hung")
        return flow

    async def read(self, flow: str) -> Workflow:
        found = await self.engine.store.read(flow)
        assert found is not None
        return found

    async def audit_of(self, flow: str) -> list[tuple[str, str]]:
        page = await self.engine.store.page_audit(Query(filter=Filter(ids=(flow,))))
        return [(entry.kind.value, entry.outcome) for entry in page.rows]
