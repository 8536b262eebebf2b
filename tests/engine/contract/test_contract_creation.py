from __future__ import annotations

import asyncio
import hashlib
import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from making import MakeEngine

from engine import IntelligentWorkflowData, ProductionWorkflowOrchestrator, RefusedError, WorkflowOrchestrator

DATA_FIELDS = [
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
]


async def test_ids_are_the_type_and_twelve_hex_digits(engine: ProductionWorkflowOrchestrator) -> None:
    assert re.fullmatch(r"wf_intelligent_[0-9a-f]{12}", await engine.create_intelligent_workflow("q"))
    assert re.fullmatch(r"wf_direct_[0-9a-f]{12}", await engine.create_direct_workflow("q", "erp"))


async def test_get_workflow_gives_exactly_the_data_fields(engine: ProductionWorkflowOrchestrator) -> None:
    workflow_id = await engine.create_intelligent_workflow(
        "本月销售", {"k": 1}, {"m": 2}, trace_id="trace-4", parent_span_id="parent-1"
    )
    found = await engine.get_workflow(workflow_id)
    assert found is not None
    assert list(found) == DATA_FIELDS
    assert IntelligentWorkflowData(**found).user_input == "本月销售"
    assert (found["context"], found["metadata"]) == ({"k": 1}, {"m": 2})
    assert (found["trace_id"], found["parent_span_id"], found["span_id"]) == ("trace-4", "parent-1", None)
    assert (found["state"], found["started_at"], found["completed_at"]) == ("initialized", None, None)


async def test_a_workflow_without_a_trace_gets_one_and_a_span_only_where_spans_are_observed(
    make_engine: MakeEngine,
) -> None:
    plain, observed = make_engine(), make_engine(observability_system=object(), enable_persistence=False)
    first = await plain.get_workflow(await plain.create_direct_workflow("q", "erp"))
    second = await observed.get_workflow(await observed.create_direct_workflow("q", "erp"))
    assert first is not None
    assert second is not None
    assert len(first["trace_id"]) == 36
    assert first["span_id"] is None
    assert len(second["span_id"]) == 36


async def test_what_the_caller_hands_over_and_gets_back_is_a_copy(engine: ProductionWorkflowOrchestrator) -> None:
    context: dict[str, Any] = {"list": [1]}
    workflow_id = await engine.create_direct_workflow("q", "erp", context)
    context["list"].append(2)
    found = await engine.get_workflow(workflow_id)
    assert found is not None
    assert found["context"] == {"list": [1]}
    found["context"]["list"].append(3)
    again = await engine.get_workflow(workflow_id)
    assert again is not None
    assert again["context"] == {"list": [1]}


async def test_the_document_is_on_disk_when_the_creating_call_returns(
    engine: ProductionWorkflowOrchestrator, tmp_path: Path
) -> None:
    workflow_id = await engine.create_direct_workflow("q", "erp")
    document = json.loads((tmp_path / "store" / f"{workflow_id}.json").read_text(encoding="utf-8"))
    assert document["state"] == "initialized"
    assert document["target_module"] == "erp"


async def test_a_creation_with_the_same_request_id_is_the_same_workflow(
    engine: ProductionWorkflowOrchestrator,
) -> None:
    first = await engine.create_direct_workflow("q", "erp", request_id="order-17")
    again = await engine.create_direct_workflow("q", "erp", request_id="order-17")
    other = await engine.create_direct_workflow("q", "erp", request_id="order-18")
    assert first == again != other
    digits = hashlib.sha256(b'["direct","order-17"]').hexdigest()[:12]
    assert first == f"wf_direct_{digits}"
    assert len(await engine.list_workflows()) == 2


async def test_concurrent_creations_with_one_request_id_make_one_workflow(
    engine: ProductionWorkflowOrchestrator,
) -> None:
    made = await asyncio.gather(*(engine.create_direct_workflow("q", "erp", request_id="r") for _ in range(10)))
    assert len(set(made)) == 1
    assert (await engine.get_metrics_json())["total_workflows"] == 1


async def test_a_request_id_used_for_another_creation_is_refused(engine: ProductionWorkflowOrchestrator) -> None:
    workflow_id = await engine.create_direct_workflow("q", "erp", request_id="r")
    with pytest.raises(RefusedError):
        await engine.create_direct_workflow("another question", "erp", request_id="r")
    found = await engine.get_workflow(workflow_id)
    assert found is not None
    assert found["user_input"] == "q"


async def test_a_creation_may_choose_its_id_and_is_idempotent_with_it(engine: ProductionWorkflowOrchestrator) -> None:
    assert await engine.create_intelligent_workflow("q", workflow_id="wf_mine") == "wf_mine"
    assert await engine.create_intelligent_workflow("q", workflow_id="wf_mine") == "wf_mine"
    with pytest.raises(RefusedError, match="exists already"):
        await engine.create_intelligent_workflow("other", workflow_id="wf_mine")


@pytest.mark.parametrize("bad", ["../evil", "a/b", "", ".hidden", "x" * 129, "a\0b", "ä"])
async def test_an_id_that_is_no_plain_name_is_refused_and_nothing_is_written(
    engine: ProductionWorkflowOrchestrator, tmp_path: Path, bad: str
) -> None:
    with pytest.raises(RefusedError):
        await engine.create_direct_workflow("q", "erp", workflow_id=bad)
    assert list(tmp_path.rglob("*.json")) == []


async def test_a_field_without_a_json_shape_is_refused_and_nothing_is_created(
    engine: ProductionWorkflowOrchestrator,
) -> None:
    with pytest.raises(RefusedError, match="context"):
        await engine.create_direct_workflow("q", "erp", {"o": object()})
    assert await engine.list_workflows() == []


def test_it_is_constructed_outside_a_loop_and_in_a_worker_thread(tmp_path: Path) -> None:
    made: list[ProductionWorkflowOrchestrator] = []
    thread = threading.Thread(
        target=lambda: made.append(
            ProductionWorkflowOrchestrator(persistence_dir=tmp_path / "store", log_dir=tmp_path / "log")
        )
    )
    thread.start()
    thread.join()
    assert not (tmp_path / "store").exists()

    async def use() -> str:
        workflow_id = await made[0].create_direct_workflow("q", "erp")
        await made[0].cleanup()
        return workflow_id

    assert asyncio.run(use()).startswith("wf_direct_")


async def test_without_persistence_nothing_is_written_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORKFLOW_LOG_DIR", raising=False)
    for engine in (ProductionWorkflowOrchestrator(enable_persistence=False), WorkflowOrchestrator()):
        workflow_id = await engine.create_direct_workflow("q", "erp")
        assert await engine.transition_state(workflow_id, "module_execution")
        assert await engine.load_workflow(workflow_id) is not None
        await engine.cleanup()
    assert list(tmp_path.iterdir()) == []


async def test_the_default_directories_are_under_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORKFLOW_LOG_DIR", raising=False)
    engine = ProductionWorkflowOrchestrator()
    workflow_id = await engine.create_direct_workflow("q", "erp")
    await engine.cleanup()
    assert (tmp_path / "data" / "workflows" / f"{workflow_id}.json").is_file()
    assert list((tmp_path / "logs" / "workflow").glob("workflow_orchestrator_*.jsonl"))


async def test_lists_are_newest_first_filtered_and_limited(engine: ProductionWorkflowOrchestrator) -> None:
    made = [await engine.create_direct_workflow(f"q{n}", "erp") for n in range(4)]
    other = await engine.create_intelligent_workflow("q")
    await engine.transition_state(made[1], "module_execution")
    assert [each["workflow_id"] for each in await engine.list_workflows()] == [other, *reversed(made)]
    assert [each["workflow_id"] for each in await engine.list_workflows(limit=2)] == [other, made[3]]
    assert [each["workflow_id"] for each in await engine.list_workflows("intelligent")] == [other]
    assert [each["workflow_id"] for each in await engine.list_workflows(state="module_execution")] == [made[1]]
    assert await engine.list_workflows("no_such_type") == []
    assert await engine.list_workflows(limit=0) == []
