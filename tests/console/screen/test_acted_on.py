"""What an uppercase key acts on is what the operator sees, and the plan says by what it was chosen."""

from __future__ import annotations

from pathlib import Path

import pytest
from deck_session import open_deck

from engine import ProductionWorkflowOrchestrator


async def _running(service: ProductionWorkflowOrchestrator, count: int) -> list[str]:
    workflows = [await service.create_direct_workflow(f"order {number}", "billing") for number in range(count)]
    for workflow in workflows:
        await service.transition_state(workflow, "module_execution")
    return workflows


@pytest.mark.parametrize("key", ["d", "y", "x"])
async def test_where_one_workflow_is_shown_a_plan_takes_it_and_not_the_marked_one(
    place: Path, service: ProductionWorkflowOrchestrator, key: str
) -> None:
    marked, shown = await _running(service, 2)
    async with open_deck(place) as session:
        await session.move_to(marked)
        await session.press("space")
        await session.move_to(shown)
        await session.press(key)
        await session.until_shown(shown)
        await session.press("R")
        await session.until_shown("PLAN roll back 1 workflow", "nothing written yet")
        confirming = session.plan._confirming
        assert confirming is not None
        assert confirming.plan.request.ids == (shown,)
        assert "marked" not in session.line_with("PLAN")


async def test_a_plan_says_that_marks_chose_and_that_the_cursor_is_elsewhere(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    first, second, third = await _running(service, 3)
    async with open_deck(place) as session:
        await session.move_to(first)
        await session.press("space")
        await session.move_to(third)
        await session.press("R")
        await session.until_shown("PLAN roll back 1 workflow  1 marked, not the one under the cursor")
        await session.press("escape")
        await session.move_to(first)
        await session.press("R")
        await session.until_shown("PLAN roll back 1 workflow  1 marked  ")
        await session.press("escape")
        await session.move_to(second)
        await session.press("space", "R")
        await session.until_shown("PLAN roll back 2 workflows  2 marked")
