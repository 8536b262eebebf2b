"""Every size has a layout, resizes are live, and nothing that data holds reaches the terminal as more than text."""

from __future__ import annotations

from pathlib import Path

import pytest
from deck_session import open_deck

from console.glyphs import UNICODE
from console.screen.pane_set import PANES
from engine import ProductionWorkflowOrchestrator

_HOSTILE = (
    "A[bold red]HOT[/bold red]Z",
    "A[/nope]Z",
    "A[@click=app.quit]LNK[/]Z",
    "A\x1b[2JZ",
    "A\x1b]52;c;aGFjaw==\x07Z",
    "A\x9b2JZ",
    "AAA\rB\nC\tD\x00E",
    "A漢字漢字Z",
    "A\u202eEVIL\u202cZ",
    "A\udc80Z",
    "A" + "x" * 5_000 + "Z",
)
_EVERY_TEXT = ("d", "escape", "x", "x", "y", "escape", "F", "escape", "U", "escape", "R", "escape", "l", "escape")
_SIZES = ((80, 24), (140, 40), (60, 20), (100, 30), (40, 10), (200, 60), (20, 5), (80, 24))


async def _fill(service: ProductionWorkflowOrchestrator, count: int) -> list[str]:
    workflows = []
    for number in range(count):
        workflow = await service.create_intelligent_workflow(f"question {number}")
        await service.transition_state(workflow, "rag_retrieval_1")
        workflows.append(workflow)
    return workflows


async def test_resizes_between_all_layouts_keep_the_cursor_and_crash_nothing(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    workflows = await _fill(service, 30)
    async with open_deck(place) as session:
        await session.move_to(workflows[7])
        await session.press("k", "j")
        for columns, rows in _SIZES:
            await session.pilot.resize_terminal(columns, rows)
            await session.pilot.pause()
            assert len(session.lines()) == rows
            assert session.screen.current_id() == workflows[7]
            if columns >= 60:
                assert workflows[7][-12:] in session.line_with(UNICODE.cursor)


async def test_the_board_shows_all_seven_panes_and_one_of_them_over_the_whole_screen(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    await _fill(service, 3)
    async with open_deck(place, size=(140, 40)) as session:
        titles = ("1 Flows", "2 Timeline", "3 Retry", "4 Locks", "5 Errors", "6 Log", "7 Audit")
        await session.until_shown(*titles)
        await session.press("4", "f")
        await session.until_gone("IN-ST")
        await session.until_shown("no locks are held")
        await session.press("0")
        await session.until_shown(*titles)


async def test_each_pane_takes_the_keys_by_its_number_and_by_tab_at_80_columns(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    await _fill(service, 3)
    async with open_deck(place) as session:
        for number, name in enumerate(PANES, start=1):
            await session.press(str(number))
            assert session.screen.active == name
        for name in PANES:
            await session.press("tab")
            assert session.screen.active == name
        await session.press("0")
        await session.until_shown("the board needs 140 columns")


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_hostile_texts_are_inert_in_every_pane_and_text(
    place: Path, service: ProductionWorkflowOrchestrator, size: tuple[int, int]
) -> None:
    workflows = []
    for text in _HOSTILE:
        clean = text.encode("utf-8", "replace").decode()
        workflow = await service.create_direct_workflow(clean, clean)
        await service.transition_state(workflow, "module_execution", {"output_data": {"response": clean}})
        await service.transition_state(workflow, "failed", error=clean)
        await service.acquire_workflow_lock(workflow, clean[:40])
        workflows.append(workflow)
    async with open_deck(place, size=size) as session:
        for workflow in workflows:
            await session.move_to(workflow)
            keys = ("d", "escape") if workflow != workflows[3] else _EVERY_TEXT
            for key in keys:
                await session.press(key)
                assert all(line.isprintable() for line in session.lines())
        for number in range(1, 8):
            await session.press(str(number))
            await session.until_settled()
            assert all(line.isprintable() for line in session.lines())
        assert session.app.return_code is None


async def test_help_lists_every_action_and_says_why_a_key_is_off(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    await _fill(service, 1)
    async with open_deck(place, size=(140, 100)) as session:
        await session.until_settled()
        await session.press("j", "question_mark")
        await session.until_shown(
            "Roll back", "Force", "Mark all shown", "off: it is not locked", "off: in rag_retrieval_1"
        )
