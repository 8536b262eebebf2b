"""A plan can only be confirmed where it is seen, whatever size the terminal has."""

from __future__ import annotations

from pathlib import Path

import pytest
from deck_session import Session, open_deck

from engine import ProductionWorkflowOrchestrator

_SIZES = ((60, 20), (140, 40), (40, 6), (200, 60), (30, 9), (100, 30), (60, 20), (80, 24), (60, 20))


async def _running(service: ProductionWorkflowOrchestrator, count: int) -> list[str]:
    workflows = [await service.create_intelligent_workflow(f"order {number}") for number in range(count)]
    for workflow in workflows:
        for state in ("rag_retrieval_1", "expert_routing", "module_execution"):
            await service.transition_state(workflow, state)
        await service.acquire_workflow_lock(workflow, f"worker {workflow[-4:]}")
    return workflows


def _is_whole(session: Session) -> bool:
    text = session.text()
    return all(part in text for part in ("PLAN", "checks", "revision", "reason", "enter to apply"))


@pytest.mark.parametrize("count", [1, 8])
async def test_after_every_resize_a_plan_is_whole_or_says_that_it_cannot_be_applied(
    place: Path, service: ProductionWorkflowOrchestrator, count: int
) -> None:
    workflows = await _running(service, count)
    async with open_deck(place) as session:
        await session.move_to(workflows[0])
        await session.press("asterisk")
        await session.until_shown(f"{count} marked")
        await session.press("R")
        await session.until_shown("nothing written yet")
        for columns, rows in _SIZES:
            await session.pilot.resize_terminal(columns, rows)
            await session.pilot.pause()
            assert _is_whole(session) or "There is no room" in session.text() or columns < 60, session.text()
            assert _is_whole(session) or (columns, rows) != (60, 20), session.text()


async def test_a_plan_that_is_not_in_sight_takes_no_typing(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    workflow = (await _running(service, 1))[0]
    async with open_deck(place) as session:
        await session.move_to(workflow)
        await session.press("R")
        await session.until_shown("nothing written yet")
        await session.press("a", "b", "c", "enter")
        for columns, rows in ((140, 40), (60, 20), (50, 5)):
            await session.pilot.resize_terminal(columns, rows)
            await session.pilot.pause()
        assert "enter to apply" not in session.text()
        confirming = session.plan._confirming
        assert confirming is not None
        await session.type(confirming.plan.token)
        await session.press("enter")
        row = await service.store.row(workflow)
        assert row is not None
        assert row.state == "module_execution"
        await session.pilot.resize_terminal(80, 24)
        await session.pilot.pause()
        await session.until_shown("enter to apply")
        await session.type(confirming.plan.token)
        await session.press("enter")
        await session.until_shown("DONE")
