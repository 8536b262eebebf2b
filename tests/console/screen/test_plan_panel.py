"""What a plan's panel says while it is open: its keys, what moved on, and why a state cannot be forced lightly."""

from __future__ import annotations

from pathlib import Path

from deck_session import open_deck

from engine import ProductionWorkflowOrchestrator


async def _in_module(service: ProductionWorkflowOrchestrator) -> str:
    workflow = await service.create_direct_workflow("sum", "billing")
    await service.transition_state(workflow, "module_execution")
    return workflow


async def test_the_footer_names_the_keys_of_what_takes_them(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    workflow = await _in_module(service)
    async with open_deck(place) as session:
        await session.move_to(workflow)
        await session.press("R")
        await session.until_shown("nothing written yet", "ctrl+y copies command", "esc leaves it unchanged")
        assert "/ filter" not in session.text()
        await session.press("a", "b", "c", "enter")
        await session.until_shown("up reason")
        await session.press("y", "enter")
        await session.until_shown("DONE", "any key closes")
        await session.press("j")
        await session.until_shown("/ filter")
        assert session.screen.current_id() == workflow


async def test_what_may_be_typed_begins_where_the_typed_text_will(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    workflow = await _in_module(service)
    async with open_deck(place) as session:
        await session.move_to(workflow)
        await session.press("R")
        await session.until_shown("may stay empty")
        column = session.line_with("reason  ").index("may stay empty")
        await session.type("pool")
        assert session.line_with("reason  ").index("pool") == column


async def test_an_open_plan_whose_workflow_moved_on_says_so_at_once(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    workflow = await _in_module(service)
    other = await _in_module(service)
    async with open_deck(place) as session:
        await session.move_to(workflow)
        await session.press("R")
        await session.until_shown("nothing written yet")
        await service.transition_state(other, "response_generation")
        await session.until(lambda: session.screen.following.pump.is_idle, "the change of another")
        assert "moved on" not in session.text()
        await service.transition_state(workflow, "response_generation")
        await session.until_shown("moved on: revision 3 now; esc and plan again")


async def test_what_a_forced_state_would_lack_can_be_read_on_a_small_terminal(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    workflow = await service.create_intelligent_workflow("ask")
    async with open_deck(place, size=(60, 20)) as session:
        await session.move_to(workflow)
        await session.press("F")
        await session.until_shown("force to which state")
        for _ in range(12):
            await session.press("j")
            choosing = session.plan._choosing
            assert choosing is not None
            shown = " ".join(" ".join(line.lstrip("▌").split()) for line in session.lines())
            assert all(word in shown for word in choosing.current.note.replace(",", "").split())
            assert f"{choosing.at + 1} {choosing.current.label}" in shown
            assert "enter takes it" in shown


async def test_at_60_columns_the_footer_keeps_its_form_from_row_to_row_and_events_name_their_workflow(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    running, failed = await _in_module(service), await _in_module(service)
    await service.transition_state(failed, "failed", error="broken")
    await service.acquire_workflow_lock(running, "worker")
    async with open_deck(place, size=(60, 20)) as session:
        for workflow in (running, failed):
            await session.move_to(workflow)
            await session.until_shown("enter open  / filter  x why", "? help")
        await session.press("l")
        await session.until_shown(f"3 Retry of {failed[-12:]}")
