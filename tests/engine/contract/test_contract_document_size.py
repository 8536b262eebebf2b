"""Nothing is accepted whose document would be too large to be read again."""

from __future__ import annotations

from typing import Any

import pytest

from engine import ProductionWorkflowOrchestrator
from engine.errors import InvalidValueError
from engine.model.view import LARGEST_DOCUMENT_BYTES

MIB = 1024 * 1024


def _deep(levels: int, count: int) -> Any:
    value: Any = [1] * count
    for _ in range(levels):
        value = [value]
    return value


async def _stands(engine: ProductionWorkflowOrchestrator, workflow_id: str, state: str) -> None:
    loaded = await engine.load_workflow(workflow_id)
    assert loaded is not None
    found = await engine.get_workflow(workflow_id)
    assert found is not None
    assert found["state"] == state
    assert engine.directory is not None
    assert (engine.directory / f"{workflow_id}.json").stat().st_size <= LARGEST_DOCUMENT_BYTES


@pytest.mark.parametrize("too_much", ["x" * (16 * MIB), [1] * 3 * MIB], ids=["text", "numbers"])
async def test_a_creation_too_large_for_its_document_is_refused(
    engine: ProductionWorkflowOrchestrator, too_much: Any
) -> None:
    with pytest.raises(InvalidValueError, match=r"would be [\d,]+ bytes long.*Nothing was changed"):
        await engine.create_direct_workflow("u", "m", context={"x": too_much})
    assert await engine.list_workflows() == []


async def test_a_large_creation_is_kept_and_can_be_worked_with(engine: ProductionWorkflowOrchestrator) -> None:
    workflow_id = await engine.create_direct_workflow("x" * (14 * MIB), "m")
    assert await engine.transition_state(workflow_id, "module_execution")
    await _stands(engine, workflow_id, "module_execution")


@pytest.mark.parametrize(
    "step_data",
    [
        {"output_data": {"x": "y" * (16 * MIB)}},
        {"output_data": {"x": "y" * (9 * MIB)}},
        {"input_data": {"x": "y" * (9 * MIB)}},
        {"output_data": {"x": _deep(100, 60_000)}},
    ],
    ids=["output", "output twice: step and slot", "input twice: step and history", "indented"],
)
async def test_a_step_too_large_for_the_document_is_refused_and_nothing_changed(
    engine: ProductionWorkflowOrchestrator, step_data: Any
) -> None:
    workflow_id = await engine.create_direct_workflow("u", "m")
    assert not await engine.transition_state(workflow_id, "module_execution", step_data)
    await _stands(engine, workflow_id, "initialized")
    assert await engine.transition_state(workflow_id, "module_execution", {"output_data": {"x": "y"}})
    await _stands(engine, workflow_id, "module_execution")


async def test_steps_that_are_too_large_together_are_refused(engine: ProductionWorkflowOrchestrator) -> None:
    workflow_id = await engine.create_direct_workflow("u", "m")
    for _ in range(8):
        if not await engine.transition_state(workflow_id, "module_execution", {"output_data": {"x": "y" * (4 * MIB)}}):
            break
        assert await engine.rollback_workflow_state(workflow_id)
    else:
        pytest.fail("the document grew without end")
    await _stands(engine, workflow_id, "initialized")
    assert await engine.cancel_workflow(workflow_id)
    await _stands(engine, workflow_id, "cancelled")


async def test_an_error_too_large_for_the_document_is_refused(engine: ProductionWorkflowOrchestrator) -> None:
    workflow_id = await engine.create_direct_workflow("u", "m")
    assert await engine.transition_state(workflow_id, "module_execution")
    assert not await engine.transition_state(workflow_id, "failed", error="x" * (9 * MIB))
    await _stands(engine, workflow_id, "module_execution")
    assert await engine.transition_state(workflow_id, "failed", error="boom")
