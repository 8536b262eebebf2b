from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from engine import ProductionWorkflowOrchestrator
from engine.errors import InvalidValueError, RefusedError

LONE = "\ud800"
NAN = float("nan")

Ask = Callable[[Any, str], Awaitable[object]]

REFUSED: dict[str, Ask] = {
    "acquire for ages": lambda engine, known: engine.acquire_workflow_lock(known, "a", timeout=1e12),
    "acquire for ever": lambda engine, known: engine.acquire_workflow_lock(known, "a", timeout=1e308),
    "acquire for nan": lambda engine, known: engine.acquire_workflow_lock(known, "a", timeout=NAN),
    "acquire for less": lambda engine, known: engine.acquire_workflow_lock(known, "a", timeout=-1),
    "acquire for a huge int": lambda engine, known: engine.acquire_workflow_lock(known, "a", timeout=10**400),
    "acquire as no text": lambda engine, known: engine.acquire_workflow_lock(known, LONE),
    "release as no text": lambda engine, known: engine.release_workflow_lock(known, LONE),
    "release as a list": lambda engine, known: engine.release_workflow_lock(known, []),
    "transition as a list": lambda engine, known: engine.transition_state(known, "module_execution", lock_owner=[]),
    "transition to no text": lambda engine, known: engine.transition_state(known, LONE),
    "transition asked by no text": lambda engine, known: engine.transition_state(
        known, "module_execution", request_id=LONE
    ),
    "transition with no step": lambda engine, known: engine.transition_state(known, "module_execution", 5),
    "transition with no text": lambda engine, known: engine.transition_state(
        known, "module_execution", {"output_data": {"a": LONE}}
    ),
    "cancel for a number": lambda engine, known: engine.cancel_workflow(known, 5),
    "cancel asked by no text": lambda engine, known: engine.cancel_workflow(known, request_id=LONE),
    "rollback for an object": lambda engine, known: engine.rollback_workflow_state(known, reason=object()),
    "rollback for no text": lambda engine, known: engine.rollback_workflow_state(known, None, LONE),
}

RAISED: dict[str, Ask] = {
    "list of no text": lambda engine, _: engine.list_workflows(LONE),
    "list in no text": lambda engine, _: engine.list_workflows(None, LONE),
    "list of a word": lambda engine, _: engine.list_workflows(limit="5"),
    "wait for nan": lambda engine, known: engine.wait_for(known, timeout=NAN),
    "wait for less": lambda engine, known: engine.wait_for(known, timeout=-1),
    "wait for ages": lambda engine, known: engine.wait_for(known, timeout=1e300),
    "wait for no states": lambda engine, known: engine.wait_for(known, 5),
    "wait for no text": lambda engine, known: engine.wait_for(known, [LONE]),
    "create asked by no text": lambda engine, _: engine.create_direct_workflow("q", "erp", request_id=LONE),
    "create asked by a number": lambda engine, _: engine.create_direct_workflow("q", "erp", request_id=5),
    "create of no text": lambda engine, _: engine.create_direct_workflow(LONE, "erp"),
    "create traced by no text": lambda engine, _: engine.create_direct_workflow("q", "erp", trace_id=LONE),
    "create named by no text": lambda engine, _: engine.create_direct_workflow("q", "erp", workflow_id=LONE),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_no_caller_can_mean_is_answered_with_false(
    engine: ProductionWorkflowOrchestrator, name: str
) -> None:
    workflow_id = await engine.create_direct_workflow("q", "erp")
    before = await engine.get_workflow(workflow_id)
    assert await REFUSED[name](engine, workflow_id) is False
    stats = await engine.error_stats_of_store()
    assert {kind: count for kind, count in stats.items() if count} == {"validation_error": 1}
    assert engine.get_error_stats() == {"validation_error": 1}
    assert await engine.get_workflow(workflow_id) == before


@pytest.mark.parametrize("name", RAISED)
async def test_a_question_that_cannot_be_meant_raises_a_sentence(
    engine: ProductionWorkflowOrchestrator, name: str
) -> None:
    workflow_id = await engine.create_direct_workflow("q", "erp")
    with pytest.raises(RefusedError, match="Nothing was changed") as raised:
        await RAISED[name](engine, workflow_id)
    assert str(raised.value).encode()
    if "named" not in name:
        assert isinstance(raised.value, InvalidValueError)


async def test_an_error_of_odd_text_still_fails_its_workflow(engine: ProductionWorkflowOrchestrator) -> None:
    workflow_id = await engine.create_direct_workflow("q", "erp")
    assert await engine.transition_state(workflow_id, "module_execution")
    assert await engine.transition_state(workflow_id, "failed", error=LONE)
    found = await engine.get_workflow(workflow_id)
    assert found is not None
    assert found["error"] == r"\ud800"


async def test_unreadable_ids_are_no_workflows(engine: ProductionWorkflowOrchestrator) -> None:
    assert await engine.get_workflow(LONE) is None
    assert await engine.wait_for(LONE, timeout=1) is None
    assert await engine.state_history_of(LONE) == []
