"""The demo's load: workers that drive workflows through the public API, as a service would."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from console.demo.bus import FlakyBus
from console.demo.scene import MODULES, REQUESTS, Role, draw_output, draw_role
from engine import ProductionWorkflowOrchestrator, StoreError, WorkflowType
from engine.clock import Clock

_POISONED_SHARE = 0.03
_STUBBORN_SHARE = 0.3
_NEXT = {
    WorkflowType.INTELLIGENT: (
        "initialized",
        "rag_retrieval_1",
        "expert_routing",
        "module_execution",
        "rag_retrieval_2",
        "response_generation",
        "completed",
    ),
    WorkflowType.DIRECT: ("initialized", "module_execution", "response_generation", "completed"),
}


@dataclass(frozen=True, slots=True)
class Pace:
    """How much happens.

    Attributes:
        at_start: workflows created at once, so that the first screen is full.
        every_s: mean seconds between later ones.
        at_most: workflows driven at a time.
    """

    at_start: int = 36
    every_s: float = 0.9
    at_most: int = 70


class Load:
    """Creates workflows and drives each by its role, until cancelled.

    A worker reads the workflow before each move and goes on from wherever an operator put it; what it writes
    under a lock that no longer counts is refused, and it starts over from the state it then finds.
    """

    def __init__(
        self, engine: ProductionWorkflowOrchestrator, bus: FlakyBus, clock: Clock, rng: random.Random, pace: Pace
    ) -> None:
        self._engine, self._bus, self._clock, self._rng, self._pace = engine, bus, clock, rng, pace
        self._roles: dict[str, Role] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Create the first workflows, then keep going."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._pace.at_start):
                await self._begin(group)
            group.create_task(self._revive(group))
            while True:
                await self._clock.sleep(self._rng.expovariate(1 / self._pace.every_s))
                if len(self._workers) < self._pace.at_most:
                    await self._begin(group)

    async def begin_idle(self, count: int) -> list[str]:
        """Create ``count`` workflows up to their module state that no worker drives; returns their ids."""
        ids = []
        for _ in range(count):
            workflow_id = await self._engine.create_intelligent_workflow(self._rng.choice(REQUESTS))
            for state in _NEXT[WorkflowType.INTELLIGENT][1:4]:
                output = draw_output(state, self._rng)
                await self._engine.transition_state(workflow_id, state, {"output_data": output})
            ids.append(workflow_id)
        return ids

    async def _begin(self, group: asyncio.TaskGroup) -> None:
        role = draw_role(self._rng)
        request = self._rng.choice(REQUESTS)
        facts = {"customer": f"C{self._rng.randrange(9_999):04}", "role": role.kind}
        if role.workflow_type is WorkflowType.DIRECT:
            module = self._rng.choice(MODULES)
            workflow_id = await self._engine.create_direct_workflow(request, module, metadata=facts)
        else:
            workflow_id = await self._engine.create_intelligent_workflow(request, metadata=facts)
        if self._rng.random() < _POISONED_SHARE:
            self._bus.poisoned.add(workflow_id)
        self._roles[workflow_id] = role
        self._employ(group, workflow_id)

    def _employ(self, group: asyncio.TaskGroup, workflow_id: str) -> None:
        worker = group.create_task(self._drive(workflow_id, self._roles[workflow_id]))
        self._workers[workflow_id] = worker
        worker.add_done_callback(lambda _: self._workers.pop(workflow_id, None))

    async def _revive(self, group: asyncio.TaskGroup) -> None:
        """Give a worker to workflows that an operator or a time-out put back to work."""
        while True:
            await self._clock.sleep(1.0)
            for shown in await self._engine.list_workflows(limit=300):
                workflow_id = str(shown["workflow_id"])
                is_open = shown["state"] not in ("completed", "failed", "cancelled")
                if is_open and workflow_id in self._roles and workflow_id not in self._workers:
                    self._roles[workflow_id] = _improved(self._roles[workflow_id], self._rng)
                    self._employ(group, workflow_id)

    async def _drive(self, workflow_id: str, role: Role) -> None:
        owner = f"worker-{self._rng.randrange(1, 9)}"
        try:
            if role.is_locked:
                await self._engine.acquire_workflow_lock(workflow_id, owner, timeout=120.0)
            while await self._move(workflow_id, role):
                pass
            if role.is_locked:
                await self._engine.release_workflow_lock(workflow_id)
        except StoreError:
            return

    async def _move(self, workflow_id: str, role: Role) -> bool:
        """Work one state and leave it; False ends the worker."""
        found = await self._engine.get_workflow(workflow_id)
        path = _NEXT[role.workflow_type]
        if found is None or found["state"] not in path[:-1]:
            return False
        state = str(found["state"])
        if state == "module_execution" and role.kind == "stuck":
            return False
        await self._clock.sleep(self._rng.expovariate(1 / role.pace_s) + 0.05)
        if role.failure is not None and role.failure[0] == state:
            await self._engine.transition_state(workflow_id, "failed", error=role.failure[1])
            return False
        following = path[path.index(state) + 1]
        output = draw_output(following, self._rng)
        return await self._engine.transition_state(workflow_id, following, {"output_data": output})


def _improved(role: Role, rng: random.Random) -> Role:
    """Return how a workflow behaves once it is tried again: most causes have gone away."""
    if role.kind in ("steady", "slow") or rng.random() < _STUBBORN_SHARE:
        return role
    return Role(role.workflow_type, "steady", 1.2, None, role.is_locked)
