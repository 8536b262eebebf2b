"""A view that stands still does so for lists; the workflow under the cursor is still told truly."""

from __future__ import annotations

from pathlib import Path

from deck_session import open_deck

from engine import ProductionWorkflowOrchestrator


async def _running(service: ProductionWorkflowOrchestrator, count: int) -> list[str]:
    workflows = [await service.create_direct_workflow(f"order {number}", "billing") for number in range(count)]
    for workflow in workflows:
        await service.transition_state(workflow, "module_execution")
    return workflows


async def test_strip_and_explanation_follow_the_cursor_while_the_lists_stand_still(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    first, second = await _running(service, 2)
    async with open_deck(place) as session:
        await session.move_to(first)
        await session.press("p")
        await session.until_shown("FROZEN")
        await session.press("j")
        await session.until(lambda: second in session.text(), "the strip of the second")
        await session.press("x")
        await session.until_shown(f"WHY  {second}")


async def test_the_order_of_a_frozen_view_stays_and_says_why(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    await _running(service, 2)
    async with open_deck(place) as session:
        await session.until_settled()
        await session.press("p", "s")
        await session.until_shown("the view stands still; p lets it follow", "FROZEN")
        late = await service.create_direct_workflow("later", "billing")
        for key in ("z", "slash", "greater_than_sign"):
            await session.press(key)
        await session.until(lambda: session.screen.following.pump.is_idle, "nothing is read")
        assert late[-12:] not in session.text()
        assert not session.screen.filter_bar.display


async def test_the_cursor_keeps_its_workflow_when_the_view_follows_again(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    first, *_ = await _running(service, 5)
    async with open_deck(place) as session:
        await session.until(lambda: session.screen.current_id() == first, "the first")
        await session.press("p")
        for state in ("response_generation", "completed"):
            await service.transition_state(first, state, {"output_data": {"response": "4"}})
        assert session.screen.current_id() == first
        await session.press("p")
        await session.until(lambda: "✓" in session.line_with(first[-12:]), "its end")
        assert session.screen.current_id() == first


async def test_a_pane_first_looked_at_while_frozen_is_read_once(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    (workflow,) = await _running(service, 1)
    await service.acquire_workflow_lock(workflow, "worker")
    async with open_deck(place) as session:
        await session.until_settled()
        await session.press("p", "4")
        await session.until(lambda: "worker" in session.line_with(workflow[-12:]), "the lock")


async def test_what_the_engine_says_of_a_finished_workflow_is_asked_again(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    (workflow,) = await _running(service, 1)
    for state in ("response_generation", "completed"):
        await service.transition_state(workflow, state, {"output_data": {"response": "4"}})
    async with open_deck(place) as session:
        await session.move_to(workflow)
        await session.until_settled()
        before = session.screen.deck.detail
        session.screen.following._detail_at -= 2
        session.screen.following._tick()
        await session.until(lambda: session.screen.deck.detail is not before, "it is asked again")
