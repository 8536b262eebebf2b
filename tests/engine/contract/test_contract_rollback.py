from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

from making import MakeEngine

from engine import ProductionWorkflowOrchestrator

LINE = [
    "initialized",
    "rag_retrieval_1",
    "expert_routing",
    "module_execution",
    "rag_retrieval_2",
    "response_generation",
    "completed",
]


async def moved_to(engine: ProductionWorkflowOrchestrator, state: str) -> str:
    workflow_id = await engine.create_intelligent_workflow("q")
    for each in LINE[1 : LINE.index(state) + 1]:
        assert await engine.transition_state(workflow_id, each, {"output_data": {"of": each}})
    return workflow_id


async def read(engine: ProductionWorkflowOrchestrator, workflow_id: str) -> dict[str, Any]:
    found = await engine.get_workflow(workflow_id)
    assert found is not None
    return found


async def test_a_rollback_enters_the_previous_state_and_a_second_one_goes_further(
    engine: ProductionWorkflowOrchestrator,
) -> None:
    workflow_id = await moved_to(engine, "rag_retrieval_2")
    for expected in ("module_execution", "expert_routing", "rag_retrieval_1", "initialized"):
        assert await engine.rollback_workflow_state(workflow_id)
        assert (await read(engine, workflow_id))["state"] == expected
    assert not await engine.rollback_workflow_state(workflow_id)


async def test_a_rollback_to_a_visited_state_succeeds_and_to_any_other_is_refused(
    engine: ProductionWorkflowOrchestrator,
) -> None:
    workflow_id = await moved_to(engine, "rag_retrieval_2")
    for wrong in ("response_generation", "completed", "failed", "no_such_state", "rag_retrieval_2"):
        assert not await engine.rollback_workflow_state(workflow_id, wrong)
    assert await engine.rollback_workflow_state(workflow_id, "expert_routing")
    assert not await engine.rollback_workflow_state(workflow_id, "module_execution")
    assert (await read(engine, workflow_id))["state"] == "expert_routing"


async def test_a_rollback_without_history_is_refused(engine: ProductionWorkflowOrchestrator) -> None:
    workflow_id = await moved_to(engine, "initialized")
    assert not await engine.rollback_workflow_state(workflow_id)
    assert engine.get_state_history(workflow_id) == []


async def test_a_rollback_from_failed_revives_the_state_that_failed(engine: ProductionWorkflowOrchestrator) -> None:
    workflow_id = await moved_to(engine, "module_execution")
    await engine.transition_state(workflow_id, "failed", error="it broke")
    assert (await read(engine, workflow_id))["completed_at"] is not None
    assert await engine.rollback_workflow_state(workflow_id)
    found = await read(engine, workflow_id)
    assert (found["state"], found["completed_at"], found["total_duration"]) == ("module_execution", None, None)
    assert await engine.transition_state(workflow_id, "rag_retrieval_2")


async def test_a_rollback_from_completed_and_cancelled_is_refused(engine: ProductionWorkflowOrchestrator) -> None:
    done = await moved_to(engine, "completed")
    assert not await engine.rollback_workflow_state(done)
    cancelled = await moved_to(engine, "expert_routing")
    await engine.cancel_workflow(cancelled)
    assert not await engine.rollback_workflow_state(cancelled)


async def test_a_rollback_is_in_the_history_and_leaves_no_note_after_a_later_success(
    engine: ProductionWorkflowOrchestrator,
) -> None:
    workflow_id = await moved_to(engine, "module_execution")
    assert await engine.rollback_workflow_state(workflow_id, reason="wrong expert")
    entry = engine.get_state_history(workflow_id)[-1]
    assert (entry["from_state"], entry["to_state"]) == ("module_execution", "expert_routing")
    assert entry["metadata"]["reason"] == "rollback"
    assert await engine.transition_state(workflow_id, "module_execution")
    assert (await read(engine, workflow_id))["error"] is None


async def test_later_results_are_superseded_and_none_is_deleted(engine: ProductionWorkflowOrchestrator) -> None:
    workflow_id = await moved_to(engine, "rag_retrieval_2")
    await engine.rollback_workflow_state(workflow_id, "expert_routing")
    assert [step["state"] for step in (await read(engine, workflow_id))["steps"]] == LINE[1:5]
    workflow = await engine.store.read(workflow_id)
    assert workflow is not None
    assert [step.is_superseded for step in workflow.steps] == [False, True, True, True]


async def test_concurrent_rollbacks_and_transitions_do_not_stop_the_engine(make_engine: MakeEngine) -> None:
    engine = make_engine()
    workflow_id = await moved_to(engine, "module_execution")
    async with asyncio.timeout(10):
        await asyncio.gather(
            *(engine.rollback_workflow_state(workflow_id) for _ in range(5)),
            *(engine.transition_state(workflow_id, "module_execution") for _ in range(5)),
            *(engine.get_workflow(workflow_id) for _ in range(5)),
        )
    history = await engine.state_history_of(workflow_id)
    for before, after in pairwise(history):
        assert before["to_state"] == after["from_state"]
    assert engine.get_state_history(workflow_id) == history
