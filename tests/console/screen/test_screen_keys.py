"""Finding, marking, moving and copying by keys."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

from deck_session import open_deck

from console.actions import ACTIONS
from console.glyphs import UNICODE
from console.screen.keys import _BY_KEY
from engine import ProductionWorkflowOrchestrator


async def _fill(service: ProductionWorkflowOrchestrator, count: int) -> list[str]:
    made = (service.create_direct_workflow(f"order {number}", "billing") for number in range(count))
    rows = [await service.store.row(workflow) for workflow in await asyncio.gather(*made)]
    return [row.workflow_id for row in sorted(filter(None, rows), key=lambda row: (row.created_at, row.workflow_id))]


async def test_every_action_of_the_registry_has_its_key_and_does_something(place: Path) -> None:
    place.mkdir()
    async with open_deck(place) as session:
        done = set(session.screen.keys._do)
        for action in ACTIONS:
            assert all(_BY_KEY[key] is action for key in action.keys)
            assert action.is_plan or action.id in done, action.id


async def test_the_list_follows_the_filter_while_it_is_typed_and_says_what_is_wrong_with_it(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    first, second = await _fill(service, 2)
    await service.transition_state(second, "module_execution")
    async with open_deck(place) as session:
        await session.until_shown(first[-12:], second[-12:])
        await session.press("slash")
        await session.type("state:module")
        await session.until_gone(first[-12:])
        await session.until_shown(second[-12:])
        await session.type("x:")
        await session.until_shown("no state")
        await session.press("enter")
        assert session.screen.filter_bar.display
        await session.press("backspace", "backspace", "enter")
        await session.until_shown("filter state:module")
        await session.press("escape")
        await session.until_shown("no filter", first[-12:])


async def test_a_filter_that_is_given_up_leaves_the_one_before(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    first, second = await _fill(service, 2)
    async with open_deck(place) as session:
        await session.press("slash")
        await session.type(second[-12:])
        await session.until_gone(first[-12:])
        await session.press("escape")
        await session.until_shown("no filter", first[-12:])


async def test_marks_follow_their_workflows_when_the_order_changes_and_when_the_filter_hides_them(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    workflows = await _fill(service, 4)
    async with open_deck(place) as session:
        await session.move_to(workflows[2])
        await session.press("space")
        await session.until(lambda: "◆" in session.line_with(workflows[2][-12:]), "the mark")
        await service.transition_state(workflows[2], "module_execution")
        await service.transition_state(workflows[2], "failed", error="broken")
        await session.until(lambda: "✖" in session.line_with(workflows[2][-12:]), "the failure")
        assert "◆" in session.line_with(workflows[2][-12:])
        await session.press("slash")
        await session.type("state:init")
        await session.press("enter")
        await session.until_shown("1 marked (1 hidden)")
        await session.press("backslash", "escape")
        await session.until_gone("marked")


async def test_a_range_and_all_shown_are_marked(place: Path, service: ProductionWorkflowOrchestrator) -> None:
    await _fill(service, 6)
    async with open_deck(place) as session:
        await session.until_settled()
        await session.press("g", "space", "j", "v")
        await session.until_shown("3 marked")
        await session.press("asterisk")
        await session.until_shown("6 marked")


async def test_the_last_of_many_is_one_key_away_and_so_is_the_way_back(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    workflows = await _fill(service, 210)
    async with open_deck(place) as session:
        await session.press("s")
        await session.until_shown("newest first", workflows[-1][-12:])
        assert len(session.screen.deck.flows.rows) < 210
        await session.press("G")
        await session.until(lambda: session.screen.current_id() == workflows[0], "the oldest")
        assert UNICODE.cursor in session.line_with(workflows[0][-12:])
        await session.press("g")
        await session.until(lambda: session.screen.current_id() == workflows[-1], "the newest")


async def test_moving_down_loads_page_after_page(place: Path, service: ProductionWorkflowOrchestrator) -> None:
    workflows = await _fill(service, 210)
    async with open_deck(place) as session:
        await session.press("s")
        await session.until_shown("newest first", workflows[-1][-12:])
        held = session.screen.deck.flows
        passed = [session.screen.current_id()]
        while passed[-1] != workflows[0]:
            await session.press("ctrl+d")
            await session.until(lambda: session.screen.current_id() != passed[-1], "a step")
            passed.append(session.screen.current_id())
        places = [workflows.index(workflow or "") for workflow in passed]
        assert places == sorted(places, reverse=True)
        assert max(before - after for before, after in pairwise(places)) <= 8
        assert len(session.screen.deck.flows.rows) < 210
        assert session.screen.deck.flows is not held


async def test_until_a_row_is_chosen_the_head_of_the_list_is_watched_and_then_that_row_is_followed(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    first, second = await _fill(service, 2)
    for workflow in (first, second):
        await service.transition_state(workflow, "module_execution")
    async with open_deck(place) as session:
        await session.until(lambda: session.screen.current_id() == first, "the most urgent")
        await service.transition_state(first, "response_generation")
        await session.until(lambda: session.screen.current_id() == second, "who is at the head now")
        await session.press("k")
        await service.transition_state(second, "response_generation")
        await session.until(lambda: "response_generation" in session.line_with(second[-12:]), "the change")
        assert session.screen.current_id() == second


async def test_next_changed_finds_what_changed_since_it_was_looked_at(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    workflows = await _fill(service, 5)
    async with open_deck(place) as session:
        await session.until_settled()
        await session.press("m")
        await service.transition_state(workflows[3], "module_execution")
        await session.until(lambda: session.line_with(workflows[3][-12:]).rstrip().endswith("*"), "the sign")
        await session.press("n")
        await session.until(lambda: session.screen.current_id() == workflows[3], "the changed one")
        await session.until_shown("changed since you looked")
        await session.press("m")
        await session.until_gone("changed since you looked")


async def test_the_id_is_copied_through_the_terminal(place: Path, service: ProductionWorkflowOrchestrator) -> None:
    (workflow,) = await _fill(service, 1)
    async with open_deck(place) as session:
        await session.move_to(workflow)
        await session.press("c")
        await session.until_shown("copied the id")
        assert session.app.clipboard == workflow
        await session.press("c", "c", "c")
        await session.until_shown("copied the command")
        assert session.app.clipboard == f"flowdeck show {workflow}"


async def test_only_problems_are_shown_on_request(place: Path, service: ProductionWorkflowOrchestrator) -> None:
    calm, broken = await _fill(service, 2)
    await service.transition_state(broken, "module_execution")
    await service.transition_state(broken, "failed", error="broken")
    async with open_deck(place) as session:
        await session.until_shown(calm[-12:])
        await session.press("z")
        await session.until_gone(calm[-12:])
        await session.until_shown(broken[-12:], "is:problem")


async def test_the_events_of_one_workflow_are_shown_with_their_delivery(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    first, second = await _fill(service, 2)
    await service.transition_state(first, "module_execution")
    async with open_deck(place) as session:
        await session.move_to(first)
        await session.press("l")
        await session.until_shown("started", "state_changed", "recorded")
        assert second[-12:] not in session.text()
        await session.press("escape")
        await session.until_shown(second[-12:])
