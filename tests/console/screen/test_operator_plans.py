"""From an uppercase key to what became true: ledger, document, audit and screen agree."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from deck_session import Session, open_deck
from textual.events import Paste

from console.glyphs import UNICODE
from engine import ProductionWorkflowOrchestrator
from engine.model.entry import Entry
from engine.store.query import Query

_STEP = UNICODE.step
_LOCK_AND_DIE = """
import asyncio, os, sys
from engine import ProductionWorkflowOrchestrator
async def main() -> None:
    engine = ProductionWorkflowOrchestrator(persistence_dir=sys.argv[1], supervises=False, scans=False)
    await engine.start()
    assert await engine.acquire_workflow_lock(sys.argv[2], "worker")
    os._exit(0)
asyncio.run(main())
"""


class FlakyBus:
    """Refuses every event while it is down."""

    def __init__(self) -> None:
        self.is_down = False
        self.taken: list[str] = []

    def publish(self, event: object) -> None:
        if self.is_down:
            raise ConnectionError("the bus is down")
        self.taken.append(event.event_type)  # type: ignore[attr-defined]


async def _in_module(service: ProductionWorkflowOrchestrator) -> str:
    workflow = await service.create_intelligent_workflow("ask")
    for state in ("rag_retrieval_1", "expert_routing", "module_execution"):
        assert await service.transition_state(workflow, state, {"output_data": {"from": state}})
    return workflow


async def _audit(service: ProductionWorkflowOrchestrator, workflow: str) -> list[Entry]:
    page = await service.store.page_audit(Query(limit=50))
    return [entry for entry in page.rows if entry.workflow_id == workflow]


def _document(place: Path, workflow: str) -> dict[str, object]:
    document: dict[str, object] = json.loads((place / f"{workflow}.json").read_bytes())
    return document


async def _confirm(session: Session, reason: str, token: str) -> None:
    await session.until_shown("nothing written yet")
    await session.type(reason)
    await session.press("enter")
    await session.type(token)
    await session.press("enter")


async def test_a_rollback_is_true_in_ledger_document_audit_service_and_screen_and_a_late_write_is_refused(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    workflow = await _in_module(service)
    assert await service.acquire_workflow_lock(workflow, "worker")
    async with open_deck(place) as session:
        await session.move_to(workflow)
        await session.press("R")
        await session.until_shown(
            "PLAN roll back 1 workflow", f"module_execution {_STEP} expert_routing", "worker is ALIVE"
        )
        await _confirm(session, "INC-204 pool hung", "1")
        await session.until_shown("DONE", "was rolled back")
        await session.press("x")
        await session.until_gone("any key closes")
        await session.until(lambda: "expert_routing" in session.line_with(workflow[-12:]), "the state on the screen")
    late = await service.transition_state(workflow, "rag_retrieval_2", {"output_data": {}}, lock_owner="worker")
    assert late is False
    row = await service.store.row(workflow)
    assert row is not None
    assert row.state == "expert_routing"
    assert _document(place, workflow)["state"] == "expert_routing"
    loaded = await service.get_workflow(workflow)
    assert loaded is not None
    assert loaded["state"] == "expert_routing"
    acts = [entry for entry in await _audit(service, workflow) if entry.kind == "rollback"]
    assert [entry.reason for entry in acts] == ["INC-204 pool hung"]


async def test_leaving_a_plan_changes_nothing(place: Path, service: ProductionWorkflowOrchestrator) -> None:
    workflow = await _in_module(service)
    async with open_deck(place) as session:
        await session.move_to(workflow)
        await session.press("R")
        await session.until_shown("nothing written yet")
        await session.type("why")
        await session.press("escape")
        await session.until_shown("nothing was changed")
    row = await service.store.row(workflow)
    assert row is not None
    assert (row.state, row.revision) == ("module_execution", 4)


async def test_a_plan_whose_workflow_moved_on_is_refused_and_says_so(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    workflow = await _in_module(service)
    async with open_deck(place) as session:
        await session.move_to(workflow)
        await session.press("R")
        await session.until_shown("nothing written yet")
        assert await service.transition_state(workflow, "rag_retrieval_2", {"output_data": {}})
        await _confirm(session, "too late", "y")
        await session.until_shown("0 OF 1 DONE", "moved on", "Nothing was changed")
    row = await service.store.row(workflow)
    assert row is not None
    assert row.state == "rag_retrieval_2"
    refused = [entry for entry in await _audit(service, workflow) if entry.kind == "refused"]
    assert len(refused) == 1


async def test_a_batch_takes_the_marked_ones_and_asks_for_their_number(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    workflows = [await _in_module(service) for _ in range(3)]
    done = await service.create_direct_workflow("sum", "billing")
    for state in ("module_execution", "response_generation", "completed"):
        assert await service.transition_state(done, state, {"output_data": {"response": "4"}})
    async with open_deck(place, size=(100, 30)) as session:
        await session.until_shown(done[-12:])
        await session.press("asterisk", "R")
        await session.until_shown("roll back 4 workflows", "3 can, 1 skipped", "skipped: completed")
        await _confirm(session, "pool hung", "4")
        await session.until_shown("that is not 3")
        await session.press("3", "enter")
        await session.until_shown("3 of 4 done")
    for workflow in workflows:
        row = await service.store.row(workflow)
        assert row is not None
        assert row.state == "expert_routing"


async def test_the_lock_of_a_dead_owner_is_released_with_y_alone(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    workflow = await _in_module(service)
    subprocess.run([sys.executable, "-c", _LOCK_AND_DIE, str(place), workflow], check=True)
    async with open_deck(place) as session:
        await session.move_to(workflow)
        await session.until_shown("worker †")
        await session.press("U")
        await session.until_shown("PLAN unlock 1 workflow", "its holder is dead")
        await _confirm(session, "", "y")
        await session.until_shown("DONE")
        await session.press("x")
        await session.until(lambda: "worker" not in session.line_with(workflow[-12:]), "no lock")
    assert await service.acquire_workflow_lock(workflow, "next")


async def test_a_live_owner_is_only_robbed_after_the_steal_was_chosen_and_its_tail_typed(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    workflow = await _in_module(service)
    assert await service.acquire_workflow_lock(workflow, "worker")
    async with open_deck(place) as session:
        await session.move_to(workflow)
        await session.press("U")
        await session.until_shown("worker is alive", "steal")
        await session.press("j", "enter")
        await session.until_shown("steal the lock of 1 workflow")
        await _confirm(session, "worker hangs, INC-9", workflow[-4:])
        await session.until_shown("DONE")
    late = await service.transition_state(workflow, "rag_retrieval_2", {"output_data": {}}, lock_owner="worker")
    assert late is False


async def test_force_asks_for_the_state_shows_what_it_lacks_and_takes_the_tail(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    workflow = await _in_module(service)
    async with open_deck(place) as session:
        await session.move_to(workflow)
        await session.press("F")
        await session.until_shown("force to which state", "lacks the results of")
        await session.press("6", "enter")
        await session.until_shown("force 1 workflow to completed")
        await session.type("short")
        await session.press("enter")
        await session.until_shown("a reason of at least 8 characters")
        await _confirm(session, " but longer", workflow[-4:])
        await session.until_shown("DONE")
    row = await service.store.row(workflow)
    assert row is not None
    assert (row.state, row.is_forced) == ("completed", True)


async def test_a_failed_state_is_entered_again_by_retry(place: Path, service: ProductionWorkflowOrchestrator) -> None:
    workflow = await _in_module(service)
    await service.transition_state(workflow, "failed", error="TimeoutError: no answer")
    async with open_deck(place) as session:
        await session.move_to(workflow)
        await session.press("T")
        await session.until_shown(f"failed {_STEP} module_execution")
        await _confirm(session, "", "y")
        await session.until_shown("DONE")
        await session.press("x")
        await session.until(lambda: "module_execution" in session.line_with(workflow[-12:]), "the state again")
    assert _document(place, workflow)["error"] is None


async def test_open_work_is_cancelled(place: Path, service: ProductionWorkflowOrchestrator) -> None:
    workflow = await _in_module(service)
    async with open_deck(place) as session:
        await session.move_to(workflow)
        await session.press("X")
        await session.until_shown("cancel 1 workflow")
        await _confirm(session, "not wanted any more", "y")
        await session.until_shown("DONE")
    assert _document(place, workflow)["state"] == "cancelled"


async def test_a_failing_event_is_dropped_to_the_dead_letter_and_then_delivered_after_all(
    place: Path, tmp_path: Path
) -> None:
    bus = FlakyBus()
    service = ProductionWorkflowOrchestrator(bus, persistence_dir=place, log_dir=tmp_path / "log", retry_interval=60)
    await service.start()
    bus.is_down = True
    await service.create_direct_workflow("sum", "billing")
    async with open_deck(place) as session:
        await session.press("3")
        await session.until_shown("resource", "in 0m")
        await session.press("D")
        await session.until_shown("drop 1 event", f"pending {_STEP} dead")
        await _confirm(session, "nobody wants it", "y")
        await session.until_shown("DONE")
        await session.press("x")
        await session.until(lambda: "dead" in session.line_with("resource"), "the dead letter")
        bus.is_down = False
        await session.press("T")
        await session.until_shown("deliver 1 event now")
        await _confirm(session, "", "y")
        await session.until_shown("DONE")
        await session.until(lambda: bus.taken == ["workflow.started"], "the delivery")
    await service.cleanup()


async def test_a_read_only_console_opens_no_plan_and_says_why(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    workflow = await _in_module(service)
    async with open_deck(place, is_read_only=True) as session:
        await session.move_to(workflow)
        for key in ("R", "U", "F", "T", "X", "D"):
            await session.press(key)
            await session.until_shown("is off: nothing can be changed here")
            assert not session.screen.is_plan_open
        assert "roll back" not in session.lines()[-1]
    row = await service.store.row(workflow)
    assert row is not None
    assert row.revision == 4


async def test_keys_that_come_in_a_burst_open_no_plan(place: Path, service: ProductionWorkflowOrchestrator) -> None:
    workflow = await _in_module(service)
    async with open_deck(place) as session:
        await session.move_to(workflow)
        session.typing.pace_s = 0.0
        await session.pilot.press("k", "R")
        await session.until_shown("too fast")
        assert not session.screen.is_plan_open


@pytest.mark.parametrize("keys", [("R",), ("F", "enter"), ("X",)])
async def test_pasted_text_confirms_no_plan(
    place: Path, service: ProductionWorkflowOrchestrator, keys: tuple[str, ...]
) -> None:
    workflow = await _in_module(service)
    async with open_deck(place) as session:
        await session.move_to(workflow)
        await session.press(keys[0])
        await session.until_shown("PLAN ")
        for key in keys[1:]:
            await session.until_shown("which state")
            await session.press(key)
        await session.until_shown("nothing written yet")
        session.plan.post_message(Paste("a reason that is long\ny\n"))
        await session.press("enter")
        session.plan.post_message(Paste("y\n" + workflow[-4:]))
        await session.until_shown("pasted text never confirms")
        await session.press("enter", "enter")
        assert session.screen.is_plan_open
    row = await service.store.row(workflow)
    assert row is not None
    assert row.revision == 4
