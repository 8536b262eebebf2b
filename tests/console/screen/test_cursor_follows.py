"""The cursor is on a workflow, not on a row; what comes under it by itself is told and not acted on."""

from __future__ import annotations

from pathlib import Path

import pytest
from deck_session import Session, open_deck

from console.screen.following import IDLE_S
from engine import ProductionWorkflowOrchestrator


async def _running(service: ProductionWorkflowOrchestrator, count: int) -> list[str]:
    workflows = [await service.create_direct_workflow(f"order {number}", "billing") for number in range(count)]
    for workflow in workflows:
        await service.transition_state(workflow, "module_execution")
    return workflows


async def _finish(service: ProductionWorkflowOrchestrator, workflow: str) -> None:
    for state in ("response_generation", "completed"):
        assert await service.transition_state(workflow, state, {"output_data": {"response": "4"}})


def _leave_the_keys(session: Session) -> None:
    session.screen.touched_at -= IDLE_S + 1


@pytest.mark.parametrize("key", ["g", "p", "home"])
async def test_from_the_first_key_on_the_cursor_follows_the_workflow(
    place: Path, service: ProductionWorkflowOrchestrator, key: str
) -> None:
    first, *_ = await _running(service, 4)
    async with open_deck(place) as session:
        await session.until(lambda: session.screen.current_id() == first, "the most urgent")
        await session.press(key)
        if key == "p":
            await session.press(key)
        await _finish(service, first)
        await session.until(lambda: "✓" in session.line_with(first[-12:]), "its end")
        assert session.screen.current_id() == first


async def test_a_workflow_that_leaves_the_window_of_an_idle_operator_is_not_scrolled_after_but_told(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    workflows = await _running(service, 30)
    async with open_deck(place) as session:
        await session.move_to(workflows[2])
        await session.press("j", "k")
        _leave_the_keys(session)
        await _finish(service, workflows[2])
        await session.until_shown(f"{workflows[2]} moved to row 30; the cursor stayed on its line")
        assert session.screen.current_id() == workflows[3]
        assert workflows[0][-12:] in session.text()
        await session.press("R")
        await session.until_shown("the cursor came to another row a moment ago; press R again")
        assert not session.screen.is_plan_open


async def test_while_somebody_is_at_the_keys_the_list_scrolls_after_the_workflow(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    workflows = await _running(service, 30)
    async with open_deck(place) as session:
        await session.move_to(workflows[2])
        await session.press("j", "k")
        await _finish(service, workflows[2])
        await session.until(lambda: "✓" in session.line_with(workflows[2][-12:]), "its end")
        assert session.screen.current_id() == workflows[2]


async def test_a_plan_is_not_made_for_a_row_the_terminal_does_not_show_under_the_cursor_yet(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    workflows = await _running(service, 3)
    async with open_deck(place) as session:
        await session.move_to(workflows[1])
        await session.press("j")
        session.screen.panes.flows.rows._painted_key = workflows[1]
        assert session.screen.keys.press("R")
        assert not session.screen.is_plan_open
        assert "press R again" in session.screen.notice[0]
