from __future__ import annotations

import asyncio
import contextvars

import pytest
from making import MakeEngine

from engine import ManualClock, ProductionWorkflowOrchestrator


async def started(engine: ProductionWorkflowOrchestrator) -> str:
    workflow_id = await engine.create_direct_workflow("q", "erp")
    assert await engine.transition_state(workflow_id, "module_execution")
    return workflow_id


async def elsewhere(coroutine: object) -> object:
    """Await in a fresh context, as a caller that never acquired anything."""
    return await asyncio.create_task(coroutine, context=contextvars.Context())  # type: ignore[arg-type]


async def test_the_holder_may_transition_and_others_may_not(engine: ProductionWorkflowOrchestrator) -> None:
    workflow_id = await started(engine)
    assert await engine.acquire_workflow_lock(workflow_id, "alice")
    assert not await elsewhere(engine.transition_state(workflow_id, "response_generation"))
    assert not await elsewhere(engine.rollback_workflow_state(workflow_id))
    assert not await elsewhere(engine.cancel_workflow(workflow_id))
    assert not await engine.transition_state(workflow_id, "response_generation", lock_owner="bob")
    assert await engine.transition_state(workflow_id, "response_generation")


async def test_a_release_lets_others_in(engine: ProductionWorkflowOrchestrator) -> None:
    workflow_id = await started(engine)
    assert await engine.acquire_workflow_lock(workflow_id, "alice")
    assert await engine.release_workflow_lock(workflow_id)
    assert not await engine.release_workflow_lock(workflow_id)
    assert await elsewhere(engine.transition_state(workflow_id, "response_generation"))


async def test_the_explicit_owner_holds_where_the_context_was_lost(engine: ProductionWorkflowOrchestrator) -> None:
    workflow_id = await started(engine)
    assert await elsewhere(engine.acquire_workflow_lock(workflow_id, "alice"))
    assert not await engine.transition_state(workflow_id, "response_generation")
    assert await engine.transition_state(workflow_id, "response_generation", lock_owner="alice")
    assert await engine.release_workflow_lock(workflow_id, "alice")


async def test_a_valid_lock_is_not_reentrant_and_keeps_other_owners_out(
    engine: ProductionWorkflowOrchestrator,
) -> None:
    workflow_id = await started(engine)
    assert await engine.acquire_workflow_lock(workflow_id, "alice")
    assert not await engine.acquire_workflow_lock(workflow_id, "alice")
    assert not await engine.acquire_workflow_lock(workflow_id, "bob")
    assert not await engine.release_workflow_lock(workflow_id, "bob")
    assert await engine.release_workflow_lock(workflow_id, "alice")
    assert await engine.acquire_workflow_lock(workflow_id, "bob")


async def test_a_lock_of_the_default_owner_refuses_acquirers_and_never_a_transition(
    engine: ProductionWorkflowOrchestrator,
) -> None:
    workflow_id = await started(engine)
    assert await engine.acquire_workflow_lock(workflow_id)
    assert not await engine.acquire_workflow_lock(workflow_id, "bob")
    assert not await engine.acquire_workflow_lock(workflow_id)
    assert await elsewhere(engine.transition_state(workflow_id, "response_generation"))
    assert await engine.release_workflow_lock(workflow_id)


async def test_an_expired_lock_blocks_nobody_before_it_is_swept_and_cannot_be_released(
    make_engine: MakeEngine,
) -> None:
    clock = ManualClock()
    engine = make_engine(clock=clock, enable_persistence=False, supervises=False)
    workflow_id = await started(engine)
    assert await engine.acquire_workflow_lock(workflow_id, "alice", timeout=10)
    await clock.advance(10.1)
    assert not await engine.release_workflow_lock(workflow_id)
    assert await elsewhere(engine.transition_state(workflow_id, "response_generation"))
    assert await engine.acquire_workflow_lock(workflow_id, "bob")


async def test_a_release_that_came_too_late_leaves_a_caller_without_a_lock(make_engine: MakeEngine) -> None:
    clock = ManualClock()
    engine = make_engine(clock=clock, enable_persistence=False, supervises=False)
    workflow_id = await started(engine)
    assert await engine.acquire_workflow_lock(workflow_id, "alice", timeout=10)
    await clock.advance(10.1)
    assert await elsewhere(engine.acquire_workflow_lock(workflow_id, "bob"))
    assert not await engine.release_workflow_lock(workflow_id)
    assert not await engine.transition_state(workflow_id, "response_generation")
    assert await elsewhere(engine.release_workflow_lock(workflow_id, "bob"))
    assert await engine.transition_state(workflow_id, "response_generation")


async def test_a_late_write_under_a_lock_that_another_took_since_is_refused(make_engine: MakeEngine) -> None:
    clock = ManualClock()
    engine = make_engine(clock=clock, enable_persistence=False)
    workflow_id = await started(engine)
    assert await engine.acquire_workflow_lock(workflow_id, "alice", timeout=10)
    await clock.advance(10.1)
    assert await elsewhere(engine.acquire_workflow_lock(workflow_id, "bob"))
    assert await elsewhere(engine.release_workflow_lock(workflow_id, "bob"))
    assert not await engine.transition_state(workflow_id, "response_generation")
    assert not await elsewhere(engine.transition_state(workflow_id, "response_generation", lock_owner="alice"))
    assert await elsewhere(engine.transition_state(workflow_id, "response_generation"))


async def test_the_holders_own_rollback_refreshes_its_grant(engine: ProductionWorkflowOrchestrator) -> None:
    workflow_id = await started(engine)
    assert await engine.acquire_workflow_lock(workflow_id, "alice")
    assert await engine.transition_state(workflow_id, "response_generation")
    assert await engine.rollback_workflow_state(workflow_id)
    assert await engine.transition_state(workflow_id, "response_generation")
    assert await engine.release_workflow_lock(workflow_id, "alice")


async def test_the_clock_of_the_day_neither_expires_a_lock_nor_revives_one(make_engine: MakeEngine) -> None:
    clock = ManualClock()
    engine = make_engine(clock=clock, enable_persistence=False, supervises=False)
    workflow_id = await started(engine)
    assert await engine.acquire_workflow_lock(workflow_id, "alice", timeout=10)
    clock.step(3600)
    assert not await elsewhere(engine.transition_state(workflow_id, "response_generation"))
    await clock.advance(11)
    clock.step(-7200)
    assert await elsewhere(engine.transition_state(workflow_id, "response_generation"))


@pytest.mark.parametrize(("owner", "timeout"), [("", 300.0), ("alice", 0), ("alice", -1), ("alice", float("nan"))])
async def test_a_lock_without_an_owner_or_a_time_is_refused(
    engine: ProductionWorkflowOrchestrator, owner: str, timeout: float
) -> None:
    workflow_id = await started(engine)
    assert not await engine.acquire_workflow_lock(workflow_id, owner, timeout)
    assert await engine.acquire_workflow_lock(workflow_id, "bob")


async def test_a_caller_that_stops_waiting_for_a_lock_does_not_keep_it(engine: ProductionWorkflowOrchestrator) -> None:
    workflow_id = await started(engine)
    asking = asyncio.create_task(engine.acquire_workflow_lock(workflow_id, "alice"))
    while not asking.done():
        await engine.clock.sleep(0)
        asking.cancel()
    async with asyncio.timeout(5):
        while not await engine.acquire_workflow_lock(workflow_id, "bob"):
            await engine.clock.sleep(0.001)


async def test_the_lock_is_in_the_audit_and_not_in_the_document(engine: ProductionWorkflowOrchestrator) -> None:
    workflow_id = await started(engine)
    before = await engine.get_workflow(workflow_id)
    await engine.acquire_workflow_lock(workflow_id, "alice")
    await engine.release_workflow_lock(workflow_id)
    assert await engine.get_workflow(workflow_id) == before
    kinds = [entry.kind.value for entry in await engine.store.entries(workflow_id) if entry.is_audit]
    assert kinds == ["lock.acquired", "lock.released"]


async def test_a_lock_of_the_default_owner_that_ran_out_refuses_its_old_holder_nothing(
    make_engine: MakeEngine,
) -> None:
    clock = ManualClock()
    engine = make_engine(clock=clock, enable_persistence=False, supervises=False)
    workflow_id = await started(engine)
    assert await engine.acquire_workflow_lock(workflow_id, timeout=10)
    await clock.advance(11)
    assert await elsewhere(engine.acquire_workflow_lock(workflow_id))
    assert await engine.transition_state(workflow_id, "response_generation")
