"""Each test holds one fault that the earlier program had (source: contract, its last section)."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from making import MakeEngine

from engine import IntelligentWorkflowData, ManualClock, ProductionWorkflowOrchestrator, RefusedError, StoreError


async def moved(engine: ProductionWorkflowOrchestrator, *states: str) -> str:
    workflow_id = await engine.create_intelligent_workflow("q")
    for state in states:
        assert await engine.transition_state(workflow_id, state)
    return workflow_id


async def read(engine: ProductionWorkflowOrchestrator, workflow_id: str) -> dict[str, Any]:
    found = await engine.get_workflow(workflow_id)
    assert found is not None
    return found


async def test_a_rollback_leaves_the_engine_able_to_work(engine: ProductionWorkflowOrchestrator) -> None:
    first = await moved(engine, "rag_retrieval_1", "expert_routing")
    async with asyncio.timeout(10):
        assert await engine.rollback_workflow_state(first)
        assert await engine.transition_state(first, "expert_routing")
        assert await engine.create_direct_workflow("q", "erp")


async def test_a_state_timeout_fires_for_a_stuck_workflow_and_leaves_the_engine_able_to_work(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(state_timeout=0.2, check_interval=0.05)
    async with asyncio.timeout(10):
        stuck = await moved(engine, "rag_retrieval_1", "expert_routing")
        assert await engine.wait_for(stuck, "rag_retrieval_1", timeout=5) is not None
        assert await engine.create_direct_workflow("q", "erp")


async def test_a_completed_workflow_is_not_turned_to_failed_by_a_timeout(make_engine: MakeEngine) -> None:
    clock = ManualClock()
    engine = make_engine(state_timeout=1, clock=clock, enable_persistence=False, supervises=False)
    await engine.start()
    done = await engine.create_direct_workflow("q", "erp")
    for state in ("module_execution", "response_generation", "completed"):
        assert await engine.transition_state(done, state)
    await clock.advance(600)
    await engine._life.rooms.running.make_supervisor().turn()
    assert (await read(engine, done))["state"] == "completed"


async def test_an_event_that_failed_is_tried_again(make_engine: MakeEngine) -> None:
    class Away:
        tries = 0

        async def publish(self, event: object) -> None:  # noqa: ARG002  the bus's form
            self.tries += 1
            if self.tries == 1:
                raise ConnectionError("away")

    bus = Away()
    engine = make_engine(bus, retry_interval=0.02)
    await engine.create_direct_workflow("q", "erp")
    async with asyncio.timeout(10):
        while len(engine.event_queue) == 0:
            await engine.clock.sleep(0.01)
    assert bus.tries == 2


async def test_events_reach_the_callers_own_bus(make_engine: MakeEngine) -> None:
    class Bus:
        def __init__(self) -> None:
            self.types: list[str] = []

        def publish(self, event: Any) -> None:
            self.types.append(event.event_type)

    bus = Bus()
    engine = make_engine(bus)
    await engine.create_direct_workflow("q", "erp")
    assert bus.types == ["workflow.started"]


async def test_load_workflow_works_in_another_engine(make_engine: MakeEngine) -> None:
    workflow_id = await moved(make_engine(), "rag_retrieval_1")
    other = make_engine(supervises=False)
    loaded = await other.load_workflow(workflow_id)
    assert isinstance(loaded, IntelligentWorkflowData)
    assert loaded.state == "rag_retrieval_1"
    assert len(other.get_state_history(workflow_id)) == 1


async def test_a_lock_does_not_refuse_its_own_holder(engine: ProductionWorkflowOrchestrator) -> None:
    workflow_id = await moved(engine)
    for owner in ("system", "alice"):
        assert await engine.acquire_workflow_lock(workflow_id, owner)
        assert await engine.transition_state(workflow_id, "rag_retrieval_1" if owner == "system" else "expert_routing")
        assert await engine.release_workflow_lock(workflow_id, owner)


async def test_creation_and_cancellation_are_persisted(engine: ProductionWorkflowOrchestrator, tmp_path: Path) -> None:
    workflow_id = await moved(engine)
    document = tmp_path / "store" / f"{workflow_id}.json"
    assert json.loads(document.read_text(encoding="utf-8"))["state"] == "initialized"
    await engine.cancel_workflow(workflow_id)
    assert json.loads(document.read_text(encoding="utf-8"))["state"] == "cancelled"


async def test_a_document_that_cannot_be_written_stays_whole_and_is_written_later(
    engine: ProductionWorkflowOrchestrator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow_id = await moved(engine)
    document = tmp_path / "store" / f"{workflow_id}.json"
    before, rename = document.read_bytes(), os.rename

    def failing(source: Any, target: Any, **options: Any) -> None:
        if str(target).endswith(".json"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        rename(source, target, **options)

    monkeypatch.setattr(os, "rename", failing)
    assert await engine.transition_state(workflow_id, "rag_retrieval_1")
    assert document.read_bytes() == before
    assert (await engine.error_stats_of_store())["resource_error"] == 1
    assert engine.get_error_stats()["resource_error"] == 1
    assert (await read(engine, workflow_id))["state"] == "rag_retrieval_1"
    monkeypatch.setattr(os, "rename", rename)
    async with asyncio.timeout(10):
        while json.loads(document.read_text(encoding="utf-8"))["state"] != "rag_retrieval_1":
            await engine.clock.sleep(0.05)
    assert [path.name for path in document.parent.iterdir() if path.name != ".flowdeck"] == [document.name]


async def test_a_change_the_ledger_cannot_take_raises_and_changes_nothing(
    engine: ProductionWorkflowOrchestrator, tmp_path: Path
) -> None:
    workflow_id = await moved(engine)
    document = (tmp_path / "store" / f"{workflow_id}.json").read_bytes()
    connection = engine.store._group._connection  # type: ignore[attr-defined]
    (pages,) = next(connection.execute("PRAGMA page_count"))
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match=r"full.*Nothing was changed"):
        await engine.transition_state(workflow_id, "rag_retrieval_1", {"output_data": "x" * 500_000})
    assert (await read(engine, workflow_id))["state"] == "initialized"
    assert (tmp_path / "store" / f"{workflow_id}.json").read_bytes() == document
    connection.execute("PRAGMA max_page_count = 1000000")
    assert await engine.transition_state(workflow_id, "rag_retrieval_1")


async def test_step_data_without_a_json_shape_leaves_no_torn_file_and_is_refused(
    engine: ProductionWorkflowOrchestrator, tmp_path: Path
) -> None:
    workflow_id = await moved(engine)
    document = tmp_path / "store" / f"{workflow_id}.json"
    before = document.read_bytes()
    assert not await engine.transition_state(workflow_id, "rag_retrieval_1", {"output_data": {"o": object()}})
    assert document.read_bytes() == before


async def test_an_id_with_dots_and_slashes_does_not_leave_the_directory(
    engine: ProductionWorkflowOrchestrator, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text('{"workflow_id": "../secret", "state": "initialized", "workflow_type": "direct"}')
    assert await engine.get_workflow("../secret") is None
    assert await engine.load_workflow("../secret") is None
    assert not await engine.transition_state("../secret", "module_execution")
    with pytest.raises(RefusedError):
        await engine.create_direct_workflow("q", "erp", workflow_id="../evil")
    assert [path.name for path in tmp_path.glob("*.json")] == ["secret.json"]


async def test_completed_workflows_have_a_completion_time(engine: ProductionWorkflowOrchestrator) -> None:
    workflow_id = await engine.create_direct_workflow("q", "erp")
    for state in ("module_execution", "response_generation", "completed"):
        assert (await read(engine, workflow_id))["completed_at"] is None
        assert await engine.transition_state(workflow_id, state)
    found = await read(engine, workflow_id)
    assert found["completed_at"] == found["updated_at"]
    assert found["total_duration"] > 0


async def test_the_active_gauge_does_not_go_negative(make_engine: MakeEngine) -> None:
    maker, ender = make_engine(), make_engine(supervises=False)
    workflow_id = await moved(maker, "rag_retrieval_1")
    assert await ender.transition_state(workflow_id, "failed", error="no")
    for engine in (maker, ender):
        samples = [
            line
            for line in engine.get_prometheus_metrics().decode().splitlines()
            if line.startswith("workflow_orchestrator_active{")
        ]
        assert all(float(line.rpartition(" ")[2]) >= 0 for line in samples)


async def test_a_second_instance_records_metrics_too(make_engine: MakeEngine) -> None:
    for engine in (make_engine(enable_persistence=False), make_engine(enable_persistence=False)):
        await moved(engine, "rag_retrieval_1")
        assert b'workflow_orchestrator_total{state="initialized",status="started"' in engine.get_prometheus_metrics()
        assert (await engine.get_metrics_json())["total_workflows"] == 1
