"""Leaving is never an accident, and a key that has no meaning says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from deck_session import open_deck

from engine import ProductionWorkflowOrchestrator


@pytest.mark.parametrize("key", ["enter", "n", "q", "escape"])
async def test_only_y_leaves_the_console(place: Path, key: str) -> None:
    place.mkdir()
    async with open_deck(place) as session:
        await session.press("q")
        await session.until_shown("leave the console?")
        await session.press(key)
        assert "leave the console?" not in session.text()
        assert session.app.return_code is None


async def test_a_key_for_the_list_is_not_swallowed_by_the_question_whether_to_leave(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    await service.create_direct_workflow("sum", "billing")
    async with open_deck(place) as session:
        await session.until_shown("initialized")
        await session.press("q", "question_mark")
        await session.until_shown("lowercase reads, UPPERCASE opens a plan")
        assert "leave the console?" not in session.text()


async def test_what_is_typed_after_a_colon_runs_nothing(place: Path, service: ProductionWorkflowOrchestrator) -> None:
    workflow = await service.create_direct_workflow("sum", "billing")
    async with open_deck(place) as session:
        await session.move_to(workflow)
        await session.press("colon")
        await session.until_shown(": does nothing here; ? shows the keys")
        await session.type("qRz ps")
        assert not session.screen.is_plan_open
        assert not session.screen.deck.is_problem_only
        assert not session.screen.deck.is_frozen
        await session.press("enter", "z")
        assert session.screen.deck.is_problem_only


async def test_a_key_that_means_nothing_says_so(place: Path) -> None:
    place.mkdir()
    async with open_deck(place) as session:
        await session.press("w")
        await session.until_shown("w does nothing here; ? shows the keys")
        await session.press("ctrl+p")
        await session.until_shown("ctrl+p does nothing here")


async def test_marking_all_says_how_many_of_them_are_finished(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    done, _ = [await service.create_direct_workflow(f"order {number}", "billing") for number in range(2)]
    for state in ("module_execution", "response_generation", "completed"):
        await service.transition_state(done, state, {"output_data": {"response": "4"}})
    async with open_deck(place) as session:
        await session.until_shown(done[-12:])
        await session.press("asterisk")
        await session.until_shown("2 marked, of which 1 finished")
