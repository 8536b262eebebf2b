"""What an operator sees, and that it follows what a service does."""

from __future__ import annotations

import json
from pathlib import Path

from deck_session import Session, TypingClock, open_deck

from console.app import ConsoleApp
from console.link import EngineLink, LinkState
from engine import ProductionWorkflowOrchestrator


async def test_every_workflow_of_a_running_service_is_listed_with_its_state(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    direct = await service.create_direct_workflow("sum", "billing")
    await service.transition_state(direct, "module_execution")
    intelligent = await service.create_intelligent_workflow("ask")
    async with open_deck(place) as session:
        await session.until_shown(direct[-12:], intelligent[-12:], "LIVE", "svc:")
        assert "module_execution" in session.line_with(direct[-12:])
        assert "initialized" in session.line_with(intelligent[-12:])


async def test_what_the_service_changes_appears_without_a_key(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    workflow = await service.create_direct_workflow("sum", "billing")
    async with open_deck(place) as session:
        await session.until_shown("initialized")
        await service.transition_state(workflow, "module_execution")
        await session.until(lambda: "module_execution" in session.line_with(workflow[-12:]), "the new state")
        late = await service.create_intelligent_workflow("later")
        await session.until_shown(late[-12:])


async def test_the_frame_is_painted_before_the_engine_is_open(place: Path) -> None:
    place.mkdir()
    link = EngineLink(str(place))
    frames: list[str] = []
    begin = link.start

    def start() -> None:
        frames.append(link.state.value)
        begin()

    link.start = start  # type: ignore[method-assign]
    app = ConsoleApp(link)
    async with app.run_test(size=(80, 24)) as pilot:
        session = Session(app, pilot, TypingClock())
        await session.until(lambda: frames, "the first frame")
        assert frames == [LinkState.OPENING.value]
        assert "OPENING" in session.lines()[0]
        await session.until_shown("no workflows are here yet")


async def test_a_directory_that_is_none_ends_the_console_with_exit_code_9(tmp_path: Path) -> None:
    wrong = tmp_path / "file"
    wrong.write_text("not a directory")
    link = EngineLink(str(wrong))
    async with open_deck(wrong, link=link) as session:
        await session.until(lambda: session.app.return_code is not None, "the end")
        assert session.app.return_code == 9
    assert link.refusal


async def test_damaged_documents_are_listed_with_the_reason_and_left_as_they_are(place: Path) -> None:
    place.mkdir()
    torn = place / "wf_direct_00000000dead.json"
    torn.write_text('{"workflow_id": "wf_direct_00000000dead", "state": "init')
    before = torn.read_bytes()
    async with open_deck(place, size=(100, 30)) as session:
        await session.until_shown("00000000dead", "damaged document")
        await session.move_to("wf_direct_00000000dead")
        await session.press("d")
        await session.until_shown("problem")
        await session.press("escape", "R")
        await session.until_shown("its document is damaged")
    assert torn.read_bytes() == before


async def test_a_failed_workflow_shows_the_state_that_failed_and_its_error(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    workflow = await service.create_direct_workflow("sum", "billing")
    await service.transition_state(workflow, "module_execution")
    await service.transition_state(workflow, "failed", error="TimeoutError: no answer")
    async with open_deck(place) as session:
        await session.until_shown("FAILED", "timeout", "1 failed")
        assert "module ✖" in session.text()


async def test_one_workflow_is_described_and_its_document_shown_as_it_is_on_disk(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    workflow = await service.create_direct_workflow("add two and two", "billing")
    async with open_deck(place, size=(100, 40)) as session:
        await session.move_to(workflow)
        await session.press("enter")
        await session.until_shown("add two and two", "revision", "billing")
        await session.press("escape", "y")
        await session.until_shown('"workflow_id"', workflow)
        shown = [line.strip() for line in session.lines() if '"target_module"' in line]
        assert shown == ['"target_module": "billing",']
    assert json.loads((place / f"{workflow}.json").read_bytes())["target_module"] == "billing"


async def test_a_frozen_view_stands_still_until_it_may_follow_again(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    await service.create_direct_workflow("sum", "billing")
    async with open_deck(place) as session:
        await session.until_settled()
        await session.press("p")
        await session.until_shown("FROZEN")
        late = await service.create_direct_workflow("later", "billing")
        await session.until(lambda: session.screen.following.pump.is_idle, "the change was heard")
        await session.press("j")
        assert late[-12:] not in session.text()
        await session.press("p")
        await session.until_shown(late[-12:])


async def test_nobody_supervising_open_work_is_said_above_all_else(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    workflow = await service.create_direct_workflow("sum", "billing")
    await service.transition_state(workflow, "module_execution")
    async with open_deck(place) as session:
        await session.until_shown("svc:")
        assert "NOTICE" not in session.text()
        await service.cleanup()
        await session.until_shown("NOTICE", "nobody supervises")


async def test_documents_of_another_program_that_nothing_times_need_no_supervisor(place: Path) -> None:
    place.mkdir()
    document = {"workflow_id": "wf_direct_0000000000aa", "workflow_type": "direct", "state": "initialized"}
    times = {"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}
    (place / "wf_direct_0000000000aa.json").write_text(json.dumps(document | times))
    async with open_deck(place) as session:
        await session.until_shown("0000000000aa", "no service")
        assert "NOTICE" not in session.text()


async def test_leaving_is_asked_for_and_any_other_key_stays(place: Path) -> None:
    place.mkdir()
    async with open_deck(place, typing=TypingClock()) as session:
        await session.press("q")
        await session.until_shown("leave the console?")
        await session.press("n")
        await session.until_gone("leave the console?")
        assert session.app.return_code is None
        await session.press("q", "y")
        await session.until(lambda: session.app.return_code == 0, "the end")
