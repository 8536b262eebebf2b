"""A filter belongs to the list that had the keys when it was typed."""

from __future__ import annotations

from pathlib import Path

from deck_session import open_deck

from engine import ProductionWorkflowOrchestrator


async def test_each_list_has_a_filter_of_its_own(place: Path, service: ProductionWorkflowOrchestrator) -> None:
    first, second = [await service.create_direct_workflow(f"order {number}", "billing") for number in range(2)]
    for workflow, owner in ((first, "alpha"), (second, "beta")):
        await service.transition_state(workflow, "module_execution")
        assert await service.acquire_workflow_lock(workflow, owner)
    async with open_deck(place, size=(120, 30)) as session:
        await session.until_settled()
        await session.press("4")
        await session.until_shown("no filter  2 locks", "alpha", "beta")
        await session.press("slash")
        await session.type("owner:alpha")
        await session.press("enter")
        await session.until_shown("filter owner:alpha  1")
        await session.until_gone("beta")
        await session.press("1")
        await session.until_shown("no filter 2", first[-12:], second[-12:])
        await session.press("4", "s")
        await session.until_shown("this list has one order")
        await session.press("escape")
        await session.until_shown("no filter  2 locks", "beta")
        assert session.screen.active == "locks"


async def test_a_word_that_means_nothing_in_a_list_is_refused(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    await service.create_direct_workflow("sum", "billing")
    async with open_deck(place) as session:
        await session.until_settled()
        await session.press("7", "slash")
        await session.type("state:failed")
        assert "this list takes id: text !text /re/" in session.screen.notice[0]


async def test_the_log_is_filtered_by_text(place: Path, service: ProductionWorkflowOrchestrator) -> None:
    first, second = [await service.create_direct_workflow(f"order {number}", "billing") for number in range(2)]
    async with open_deck(place, size=(120, 30)) as session:
        await session.press("6")
        await session.until_shown(first[-12:], second[-12:])
        await session.press("slash")
        await session.type(first[-12:])
        await session.press("enter")
        await session.until_gone(second[-12:])
        await session.until_shown(f"filter {first[-12:]}")
