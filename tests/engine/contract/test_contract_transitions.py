from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from making import MakeEngine

from engine import (
    DirectWorkflowData,
    IntelligentWorkflowData,
    ManualClock,
    ProductionWorkflowOrchestrator,
    WorkflowState,
    WorkflowStep,
)

INTELLIGENT = [
    "initialized",
    "rag_retrieval_1",
    "expert_routing",
    "module_execution",
    "rag_retrieval_2",
    "response_generation",
    "completed",
]
DIRECT = ["initialized", "module_execution", "response_generation", "completed"]


async def state_of(engine: ProductionWorkflowOrchestrator, workflow_id: str) -> str:
    found = await engine.get_workflow(workflow_id)
    assert found is not None
    return str(found["state"])


async def at(engine: ProductionWorkflowOrchestrator, state: str, line: list[str] = DIRECT) -> str:
    """Return a new workflow that was moved along its line to ``state``."""
    if line is DIRECT:
        workflow_id = await engine.create_direct_workflow("q", "erp")
    else:
        workflow_id = await engine.create_intelligent_workflow("q")
    for each in line[1 : line.index(state) + 1]:
        assert await engine.transition_state(workflow_id, each)
    return workflow_id


@pytest.mark.parametrize("line", [INTELLIGENT, DIRECT], ids=["intelligent", "direct"])
async def test_a_line_allows_its_next_state_and_failure_and_nothing_else(
    engine: ProductionWorkflowOrchestrator, line: list[str]
) -> None:
    every = [*INTELLIGENT, "failed", "cancelled", "no_such_state"]
    workflow_id = await at(engine, "initialized", line)
    for here, following in pairwise(line):
        allowed = {following} if here == "initialized" else {following, "failed"}
        for wrong in set(every) - allowed:
            assert not await engine.transition_state(workflow_id, wrong)
            assert await state_of(engine, workflow_id) == here
        assert await engine.transition_state(workflow_id, following)
    for wrong in every:
        assert not await engine.transition_state(workflow_id, wrong)


@pytest.mark.parametrize("state", DIRECT[1:-1])
async def test_every_running_state_may_fail(engine: ProductionWorkflowOrchestrator, state: str) -> None:
    workflow_id = await at(engine, state)
    assert await engine.transition_state(workflow_id, WorkflowState.FAILED, error="it broke")
    found = await engine.get_workflow(workflow_id)
    assert found is not None
    assert (found["state"], found["error"]) == ("failed", "it broke")
    assert found["completed_at"] is not None


async def test_step_data_records_a_step_and_fills_the_result_slot_of_its_state(
    engine: ProductionWorkflowOrchestrator,
) -> None:
    workflow_id = await engine.create_intelligent_workflow("q")
    slots = {
        "rag_retrieval_1": "rag_result_1",
        "expert_routing": "expert_routing_result",
        "module_execution": "module_execution_result",
        "rag_retrieval_2": "rag_result_2",
    }
    for n, (state, slot) in enumerate(slots.items(), start=1):
        report = {
            "started_at": "2026-11-22T06:00:00.000000Z",
            "completed_at": "2026-11-22T06:00:00.250000Z",
            "duration": 0.25,
            "input_data": {"query": state},
            "output_data": {"n": n},
            "metadata": {"attempt": 1},
        }
        assert await engine.transition_state(workflow_id, state, report)
        found = await engine.get_workflow(workflow_id)
        assert found is not None
        assert found[slot] == {"n": n}
        assert found["steps"][-1] == {
            "step_id": f"step_{n}",
            "step_name": state,
            "state": state,
            "error": None,
            **report,
        }
    assert await engine.transition_state(workflow_id, "response_generation", {"output_data": {"response": "答"}})
    found = await engine.get_workflow(workflow_id)
    assert found is not None
    assert found["response"] == "答"


async def test_a_result_is_stored_once_and_handed_out_as_copies(engine: ProductionWorkflowOrchestrator) -> None:
    workflow_id = await engine.create_direct_workflow("q", "erp")
    await engine.transition_state(workflow_id, "module_execution", {"output_data": {"x": [1]}})
    for read in (engine.get_workflow(workflow_id), engine.list_workflows()):
        answer = await read
        found = answer[0] if isinstance(answer, list) else answer
        assert found is not None
        found["module_execution_result"]["x"].append(2)
        assert found["steps"][0]["output_data"] == {"x": [1]}


@pytest.mark.parametrize(
    "bad",
    [
        "text",
        {"output_data": {"o": object()}},
        {"duration": "soon"},
        {"duration": float("nan")},
        {"duration": -1},
        {"started_at": 5},
        {"metadata": ["not", "a", "mapping"]},
    ],
)
async def test_bad_step_data_changes_nothing(engine: ProductionWorkflowOrchestrator, tmp_path: Path, bad: Any) -> None:
    workflow_id = await at(engine, "module_execution")
    document = tmp_path / "store" / f"{workflow_id}.json"
    before, bytes_before = await engine.get_workflow(workflow_id), document.read_bytes()
    errors = engine.get_error_stats()
    assert not await engine.transition_state(workflow_id, "response_generation", bad)
    assert await engine.get_workflow(workflow_id) == before
    assert document.read_bytes() == bytes_before
    assert engine.get_error_stats()["validation_error"] == errors.get("validation_error", 0) + 1


async def test_a_refused_transition_counts_and_is_in_the_audit(engine: ProductionWorkflowOrchestrator) -> None:
    workflow_id = await at(engine, "module_execution")
    assert not await engine.transition_state(workflow_id, "completed")
    assert engine.get_error_stats() == {"state_transition_error": 1}
    assert (await engine.error_stats_of_store())["state_transition_error"] == 1
    refused = [entry for entry in await engine.store.entries(workflow_id) if entry.outcome == "refused"]
    assert len(refused) == 1
    assert refused[0].is_audit
    assert "cannot go from module_execution to completed" in str(refused[0].reason or refused[0].body)


async def test_a_flood_of_refusals_is_answered_at_once_and_loses_none(
    engine: ProductionWorkflowOrchestrator,
) -> None:
    workflow_id = await at(engine, "module_execution")
    answers = await asyncio.gather(*(engine.transition_state(workflow_id, "completed") for _ in range(300)))
    assert answers == [False] * 300
    assert (await engine.error_stats_of_store())["state_transition_error"] == 300


@pytest.mark.parametrize("bad", ["../evil", "wf_missing", "", "a/b", None, 7, ["x"]])
async def test_a_bad_or_unknown_id_is_false_or_none_everywhere(
    engine: ProductionWorkflowOrchestrator, tmp_path: Path, bad: Any
) -> None:
    (tmp_path / "evil.json").write_text("{}")
    assert not await engine.transition_state(bad, "module_execution")
    assert not await engine.rollback_workflow_state(bad)
    assert not await engine.cancel_workflow(bad)
    assert not await engine.acquire_workflow_lock(bad)
    assert not await engine.release_workflow_lock(bad)
    assert await engine.get_workflow(bad) is None
    assert await engine.load_workflow(bad) is None
    assert await engine.wait_for(bad, timeout=0.01) is None
    assert await engine.state_history_of(bad) == []
    assert not (await engine.execute_direct_workflow(bad))["success"]
    assert (tmp_path / "evil.json").read_text() == "{}"
    assert not list((tmp_path / "store").glob("*.json"))


async def test_expect_revision_guards_a_change(engine: ProductionWorkflowOrchestrator) -> None:
    workflow_id = await at(engine, "module_execution")
    assert not await engine.transition_state(workflow_id, "response_generation", expect_revision=1)
    assert await state_of(engine, workflow_id) == "module_execution"
    assert await engine.transition_state(workflow_id, "response_generation", expect_revision=2)


async def test_a_request_id_acts_once_and_gives_the_first_outcome(engine: ProductionWorkflowOrchestrator) -> None:
    workflow_id = await at(engine, "initialized")
    for _ in range(3):
        assert await engine.transition_state(workflow_id, "module_execution", request_id="r1")
    assert len(engine.get_state_history(workflow_id)) == 1
    assert not await engine.transition_state(workflow_id, "response_generation", request_id="r1")
    assert await state_of(engine, workflow_id) == "module_execution"


async def test_concurrent_callers_move_a_workflow_once(engine: ProductionWorkflowOrchestrator) -> None:
    workflow_id = await at(engine, "initialized")
    answers = await asyncio.gather(*(engine.transition_state(workflow_id, "module_execution") for _ in range(20)))
    assert answers.count(True) == 1
    assert len(await engine.state_history_of(workflow_id)) == 1


async def test_history_tells_the_real_time_spent_in_each_state(make_engine: MakeEngine) -> None:
    clock = ManualClock()
    engine = make_engine(clock=clock, enable_persistence=False)
    workflow_id = await engine.create_direct_workflow("q", "erp")
    for state, pause_s in zip(DIRECT[1:], (2.5, 7.0, 0.25), strict=True):
        await clock.advance(pause_s)
        assert await engine.transition_state(workflow_id, state)
    history = engine.get_state_history(workflow_id)
    assert [entry["duration"] for entry in history] == [2.5, 7.0, 0.25]
    assert list(history[0]) == ["from_state", "to_state", "timestamp", "duration", "success", "error", "metadata"]
    assert history == await engine.state_history_of(workflow_id)
    found = await engine.get_workflow(workflow_id)
    assert found is not None
    assert found["completed_at"] == "2026-01-01T00:00:09.750000Z"
    assert found["total_duration"] == 7.25


async def test_history_is_a_copy(engine: ProductionWorkflowOrchestrator) -> None:
    workflow_id = await at(engine, "module_execution")
    engine.get_state_history(workflow_id)[0]["metadata"]["x"] = 1
    engine.get_state_history(workflow_id).clear()
    assert "x" not in engine.get_state_history(workflow_id)[0]["metadata"]
    assert len(engine.get_state_history(workflow_id)) == 1


async def test_a_loaded_workflow_is_typed_all_the_way_down_with_its_history(make_engine: MakeEngine) -> None:
    writer = make_engine()
    workflow_id = await at(writer, "initialized")
    await writer.transition_state(workflow_id, "module_execution", {"output_data": {"x": float("inf")}})
    reader = make_engine(supervises=False)
    loaded = await reader.load_workflow(workflow_id)
    assert isinstance(loaded, DirectWorkflowData)
    assert loaded.state is WorkflowState.MODULE_EXECUTION
    assert isinstance(loaded.steps[0], WorkflowStep)
    assert loaded.steps[0].output_data == {"x": float("inf")}
    assert reader.get_state_history(workflow_id) == writer.get_state_history(workflow_id)
    assert isinstance(await reader.load_workflow(await at(writer, "initialized", INTELLIGENT)), IntelligentWorkflowData)


async def test_a_damaged_or_missing_document_loads_as_none(
    engine: ProductionWorkflowOrchestrator, tmp_path: Path
) -> None:
    await engine.start()
    (tmp_path / "store" / "wf_direct_torn.json").write_text('{"workflow_id": "wf_direct_torn", "state": "mod')
    assert await engine.load_workflow("wf_direct_torn") is None
    assert await engine.load_workflow("wf_direct_missing") is None


async def test_another_programs_document_that_was_damaged_or_removed_since_loads_as_none(
    engine: ProductionWorkflowOrchestrator, tmp_path: Path
) -> None:
    await engine.start()
    documents = [tmp_path / "store" / f"wf_direct_{n}.json" for n in range(2)]
    for document in documents:
        document.write_text(
            f'{{"workflow_id": "{document.stem}", "workflow_type": "direct", "state": "module_execution",'
            ' "user_input": "q", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}'
        )
        assert await engine.load_workflow(document.stem) is not None
    documents[0].write_text('{"workflow_id":')
    documents[1].unlink()
    async with asyncio.timeout(10):
        for document in documents:
            while await engine.load_workflow(document.stem) is not None:
                await engine.rescan()


async def test_a_document_just_dropped_in_by_another_program_is_found_at_once(
    engine: ProductionWorkflowOrchestrator, tmp_path: Path
) -> None:
    await engine.start()
    (tmp_path / "store" / "wf_direct_0123456789ab.json").write_text(
        '{"workflow_id": "wf_direct_0123456789ab", "workflow_type": "direct", "state": "module_execution",'
        ' "user_input": "q", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}'
    )
    found = await engine.get_workflow("wf_direct_0123456789ab")
    assert found is not None
    assert found["state"] == "module_execution"
    assert await engine.transition_state("wf_direct_0123456789ab", "response_generation")


async def test_wait_for_returns_once_another_engine_moved_the_workflow(make_engine: MakeEngine) -> None:
    mover, waiter = make_engine(), make_engine(supervises=False)
    workflow_id = await at(mover, "response_generation")
    await waiter.start()
    waiting = asyncio.create_task(waiter.wait_for(workflow_id, timeout=5))
    while not waiter._life.rooms.running.signals._waiting:
        await waiter.clock.sleep(0)
    await waiter.get_workflow(workflow_id)
    assert await mover.transition_state(workflow_id, "completed")
    found = await waiting
    assert found is not None
    assert found["state"] == "completed"
    assert await waiter.wait_for(workflow_id, WorkflowState.COMPLETED, timeout=0.01) is not None


async def test_wait_for_gives_up_after_its_timeout(make_engine: MakeEngine) -> None:
    clock = ManualClock()
    engine = make_engine(clock=clock, enable_persistence=False)
    workflow_id = await engine.create_direct_workflow("q", "erp")
    waiting = asyncio.create_task(engine.wait_for(workflow_id, timeout=30))
    while not waiting.done():
        await clock.advance(5)
    assert await waiting is None


async def test_cancel_ends_an_open_workflow_once(engine: ProductionWorkflowOrchestrator) -> None:
    for state in DIRECT[:-1]:
        workflow_id = await at(engine, state)
        assert await engine.cancel_workflow(workflow_id, "no longer wanted")
        assert await state_of(engine, workflow_id) == "cancelled"
        assert not await engine.cancel_workflow(workflow_id)
        assert not await engine.transition_state(workflow_id, "completed")


async def test_an_exception_given_as_error_is_recorded_and_classified(
    engine: ProductionWorkflowOrchestrator,
) -> None:
    workflow_id = await at(engine, "module_execution")
    assert await engine.transition_state(workflow_id, "failed", error=TimeoutError("no answer in 30 s"))
    found = await engine.get_workflow(workflow_id)
    assert found is not None
    assert found["error"] == "no answer in 30 s"
    assert engine.get_error_stats() == {"timeout": 1}


async def test_failing_counts_by_the_text_and_by_the_state_that_was_left(
    engine: ProductionWorkflowOrchestrator,
) -> None:
    workflow_id = await at(engine, "module_execution")
    assert await engine.transition_state(workflow_id, "failed", error="the ERP said no")
    assert engine.get_error_stats() == {"module_execution_error": 1}
    stats = engine.get_error_stats()
    stats["timeout"] = 99
    assert engine.get_error_stats() == {"module_execution_error": 1}
