from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from making import MakeEngine

from engine import ProductionWorkflowOrchestrator

INTELLIGENT_KEYS = [
    "workflow_id",
    "workflow_type",
    "state",
    "user_input",
    "context",
    "trace_id",
    "span_id",
    "parent_span_id",
    "rag_result_1",
    "expert_routing_result",
    "module_execution_result",
    "rag_result_2",
    "response",
    "created_at",
    "updated_at",
    "started_at",
    "completed_at",
    "steps",
    "metadata",
    "error",
    "total_duration",
    "state_history",
    "flowdeck",
]
DIRECT_KEYS = [
    *INTELLIGENT_KEYS[:8],
    "target_module",
    "module_execution_result",
    "response",
    *INTELLIGENT_KEYS[13:],
]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def document(tmp_path: Path, workflow_id: str) -> dict[str, Any]:
    text = (tmp_path / "store" / f"{workflow_id}.json").read_text(encoding="utf-8")
    read: dict[str, Any] = json.loads(text)
    return read


async def test_documents_have_their_keys_in_order_and_their_times_in_one_format(
    engine: ProductionWorkflowOrchestrator, tmp_path: Path
) -> None:
    intelligent = await engine.create_intelligent_workflow("本月 ✅")
    direct = await engine.create_direct_workflow("q", "erp")
    assert list(document(tmp_path, intelligent)) == INTELLIGENT_KEYS
    assert list(document(tmp_path, direct)) == DIRECT_KEYS
    text = (tmp_path / "store" / f"{intelligent}.json").read_text(encoding="utf-8")
    assert "本月 ✅" in text
    assert text.startswith('{\n  "workflow_id"')
    for name in ("created_at", "updated_at"):
        assert TIME.fullmatch(document(tmp_path, direct)[name])


async def test_each_change_is_on_disk_when_its_call_returns(
    engine: ProductionWorkflowOrchestrator, tmp_path: Path
) -> None:
    workflow_id = await engine.create_direct_workflow("q", "erp")
    await engine.transition_state(workflow_id, "module_execution", {"output_data": {"x": float("nan")}})
    found = document(tmp_path, workflow_id)
    assert found["state"] == "module_execution"
    assert found["module_execution_result"]["x"] != found["module_execution_result"]["x"]  # NaN stays NaN
    assert found["state_history"] == [
        {**entry, "metadata": found["state_history"][0]["metadata"]} for entry in engine.get_state_history(workflow_id)
    ]
    assert found["flowdeck"]["revision"] == 2
    await engine.rollback_workflow_state(workflow_id)
    assert document(tmp_path, workflow_id)["state"] == "initialized"
    await engine.cancel_workflow(workflow_id)
    assert document(tmp_path, workflow_id)["state"] == "cancelled"


async def test_the_lock_is_not_in_the_document(engine: ProductionWorkflowOrchestrator, tmp_path: Path) -> None:
    workflow_id = await engine.create_direct_workflow("q", "erp")
    await engine.acquire_workflow_lock(workflow_id, "alice")
    assert "alice" not in (tmp_path / "store" / f"{workflow_id}.json").read_text(encoding="utf-8")


async def test_no_reader_ever_sees_a_torn_document(engine: ProductionWorkflowOrchestrator, tmp_path: Path) -> None:
    workflow_id = await engine.create_direct_workflow("q" * 5_000, "erp")
    is_over = asyncio.Event()

    async def read_on() -> int:
        reads = 0
        while not is_over.is_set():
            document(tmp_path, workflow_id)
            reads += 1
            await engine.clock.sleep(0)
        return reads

    reading = asyncio.create_task(read_on())
    for _ in range(20):
        assert await engine.transition_state(workflow_id, "module_execution")
        assert await engine.rollback_workflow_state(workflow_id)
    is_over.set()
    assert await reading > 20


async def test_publishing_behind_returns_at_the_commit_and_still_publishes(
    make_engine: MakeEngine, tmp_path: Path
) -> None:
    engine = make_engine(publish="behind")
    workflow_id = await engine.create_direct_workflow("q", "erp")
    await engine.transition_state(workflow_id, "module_execution")
    await engine.cleanup()
    assert document(tmp_path, workflow_id)["state"] == "module_execution"
