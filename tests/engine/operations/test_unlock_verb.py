from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from operator_desk import REASON, Desk, ask

from engine.operations.plan import Level, Verb
from engine.orchestrator import ProductionWorkflowOrchestrator


@pytest.fixture
async def service(desk: Desk) -> AsyncIterator[ProductionWorkflowOrchestrator]:
    """Another engine on the same store, alive."""
    engine = ProductionWorkflowOrchestrator(
        persistence_dir=str(desk.directory), supervises=False, scans=False, log_dir=desk.directory.parent / "logs"
    )
    await engine.start()
    yield engine
    await engine.cleanup()


async def test_a_live_owners_lock_is_only_taken_by_a_steal(desk: Desk, service: ProductionWorkflowOrchestrator) -> None:
    flow = await desk.make()
    assert await service.acquire_workflow_lock(flow, "svc")
    plan = await desk.operations.plan(ask(Verb.UNLOCK, flow))
    assert plan.items[0].skip_code == "locked"
    assert "svc is alive" in plan.items[0].skipped
    assert "--steal" in plan.items[0].skipped
    steal = await desk.operations.plan(ask(Verb.UNLOCK, flow, is_steal=True))
    assert (steal.level, steal.token, steal.is_reason_required) == (Level.TAIL, flow[-4:], True)
    assert "--steal" in steal.command
    (outcome,) = (await desk.operations.apply(steal, reason=REASON)).outcomes
    assert outcome.code == "done"
    assert await desk.audit_of(flow) == [("lock.stolen", "committed")]
    assert not await service.transition_state(flow, "rag_retrieval_2", lock_owner="svc"), "a late write is refused"
    assert (await desk.read(flow)).state == "module_execution"


async def test_an_own_lock_is_released_on_the_first_rung(desk: Desk) -> None:
    flow = await desk.make()
    assert await desk.engine.acquire_workflow_lock(flow, "ops")
    plan = await desk.operations.plan(ask(Verb.UNLOCK, flow))
    assert (plan.level, plan.items[0].before, plan.items[0].after) == (Level.TOKEN, "locked by ops", "unlocked")
    assert (await desk.operations.apply(plan)).done == 1
    lock = await desk.engine.store.lock(flow)
    assert lock is not None
    assert (lock.owner, lock.fence) == ("", plan.items[0].lock_fence + 1)


async def test_an_expired_lock_is_released_on_the_first_rung(
    desk: Desk, service: ProductionWorkflowOrchestrator
) -> None:
    flow = await desk.make()
    assert await service.acquire_workflow_lock(flow, "svc", timeout=0.001)
    await desk.engine.clock.sleep(0.01)
    plan = await desk.operations.plan(ask(Verb.UNLOCK, flow))
    assert plan.level is Level.TOKEN
    assert "expired" in plan.items[0].effects[0]
    assert (await desk.operations.apply(plan)).done == 1


async def test_the_same_unlock_again_does_nothing_twice(desk: Desk) -> None:
    flow = await desk.make()
    assert await desk.engine.acquire_workflow_lock(flow, "ops")
    plan = await desk.operations.plan(ask(Verb.UNLOCK, flow))
    await desk.operations.apply(plan, reason=REASON)
    (again,) = (await desk.operations.apply(plan, reason=REASON)).outcomes
    assert again.code == "done"
    assert "nothing happened twice" in again.sentence
    assert [kind for kind, _ in await desk.audit_of(flow)] == ["unlock"]


async def test_a_lock_that_was_granted_anew_since_the_plan_is_left_alone(
    desk: Desk, service: ProductionWorkflowOrchestrator
) -> None:
    flow = await desk.make()
    assert await service.acquire_workflow_lock(flow, "svc", timeout=0.001)
    await desk.engine.clock.sleep(0.01)
    plan = await desk.operations.plan(ask(Verb.UNLOCK, flow))
    assert await service.acquire_workflow_lock(flow, "other")
    (outcome,) = (await desk.operations.apply(plan)).outcomes
    assert outcome.code == "conflict"
    assert "the lock changed" in outcome.sentence
    lock = await desk.engine.store.lock(flow)
    assert lock is not None
    assert lock.owner == "other"


async def test_an_unlock_of_a_workflow_that_moved_on_is_refused(
    desk: Desk, service: ProductionWorkflowOrchestrator
) -> None:
    flow = await desk.make()
    assert await service.acquire_workflow_lock(flow, "svc")
    plan = await desk.operations.plan(ask(Verb.UNLOCK, flow, is_steal=True))
    assert await service.transition_state(flow, "rag_retrieval_2", lock_owner="svc")
    (outcome,) = (await desk.operations.apply(plan, reason=REASON)).outcomes
    assert outcome.code == "conflict"
    assert "moved on" in outcome.sentence


async def test_a_dead_owner_needs_no_steal_and_the_plan_says_why_it_is_dead(
    desk: Desk, service: ProductionWorkflowOrchestrator
) -> None:
    flow = await desk.make()
    assert await service.acquire_workflow_lock(flow, "svc")
    await service.cleanup()
    plan = await desk.operations.plan(ask(Verb.UNLOCK, flow))
    assert plan.level is Level.TOKEN
    assert plan.items[0].effects[0].startswith("its holder is dead")
    assert (await desk.operations.apply(plan)).done == 1
    assert await desk.audit_of(flow) == [("unlock", "committed")]
