from __future__ import annotations

import json

import pytest
from making import MakeEngine
from prometheus_client.parser import text_string_to_metric_families

from engine import ProductionWorkflowOrchestrator, WorkflowState

JSON_KEYS = {
    "timestamp",
    "total_workflows",
    "intelligent_count",
    "direct_count",
    "state_counts",
    "type_state_counts",
    "avg_duration_seconds",
    "completed_count",
    "active_count",
    "step_stats",
}


async def run_one(engine: ProductionWorkflowOrchestrator) -> str:
    workflow_id = await engine.create_direct_workflow("q", "erp")
    await engine.transition_state(workflow_id, "module_execution", {"duration": 2.0, "output_data": {"x": 1}})
    await engine.transition_state(workflow_id, "response_generation", {"duration": 4.0})
    await engine.transition_state(workflow_id, "completed")
    return workflow_id


async def test_the_json_metrics_have_their_keys_and_every_state(engine: ProductionWorkflowOrchestrator) -> None:
    await run_one(engine)
    await engine.create_intelligent_workflow("q")
    metrics = await engine.get_metrics_json()
    assert set(metrics) == JSON_KEYS
    json.dumps(metrics)
    assert set(metrics["state_counts"]) >= {state.value for state in WorkflowState}
    assert metrics["state_counts"]["completed"] == 1
    assert metrics["type_state_counts"]["intelligent"] == {"initialized": 1}
    assert (metrics["total_workflows"], metrics["intelligent_count"], metrics["direct_count"]) == (2, 1, 1)
    assert (metrics["completed_count"], metrics["active_count"]) == (1, 1)
    assert metrics["avg_duration_seconds"] > 0
    assert metrics["step_stats"]["module_execution"] == {"total": 1, "success": 1, "failed": 0, "avg_duration": 2.0}


def gauge(engine: ProductionWorkflowOrchestrator) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families(engine.get_prometheus_metrics().decode())
    (active,) = [family for family in families if family.name == "workflow_orchestrator_active"]
    return {(s.labels["workflow_type"], s.labels["state"]): s.value for s in active.samples if s.value}


async def test_prometheus_has_the_names_and_labels_of_the_contract(make_engine: MakeEngine) -> None:
    engine = make_engine()
    await run_one(engine)
    failing = await engine.create_direct_workflow("q", "erp")
    await engine.transition_state(failing, "completed")
    families = {
        family.name: family for family in text_string_to_metric_families(engine.get_prometheus_metrics().decode())
    }
    labels = {
        "workflow_orchestrator": {"workflow_type", "status", "state"},
        "workflow_orchestrator_active": {"workflow_type", "state"},
        "workflow_orchestrator_state_transitions": {"workflow_type", "from_state", "to_state", "status"},
        "workflow_orchestrator_errors": {"workflow_type", "error_type"},
        "workflow_orchestrator_events": {"workflow_type", "event_type", "status"},
    }
    for name, expected in labels.items():
        assert {frozenset(sample.labels) for sample in families[name].samples} == {frozenset(expected)}
    sampled = {sample.name for family in families.values() for sample in family.samples}
    assert sampled >= {
        "workflow_orchestrator_total",
        "workflow_orchestrator_duration_seconds_bucket",
        "workflow_orchestrator_steps_total",
        "workflow_orchestrator_step_duration_seconds_sum",
        "workflow_orchestrator_state_transitions_total",
        "workflow_orchestrator_errors_total",
        "workflow_orchestrator_events_total",
    }


async def test_the_active_gauge_is_never_negative_whatever_is_done_twice(
    engine: ProductionWorkflowOrchestrator,
) -> None:
    workflow_id = await run_one(engine)
    assert gauge(engine) == {}
    for _ in range(3):
        await engine.transition_state(workflow_id, "completed")
        await engine.cancel_workflow(workflow_id)
        await engine.load_workflow(workflow_id)
    other = await engine.create_direct_workflow("q", "erp")
    assert gauge(engine) == {("direct", "initialized"): 1.0}
    await engine.transition_state(other, "module_execution")
    assert gauge(engine) == {("direct", "module_execution"): 1.0}
    await engine.transition_state(other, "failed", error="no")
    assert gauge(engine) == {}
    await engine.rollback_workflow_state(other)
    assert gauge(engine) == {("direct", "module_execution"): 1.0}


@pytest.mark.parametrize("first", [0, 1])
async def test_each_instance_has_a_registry_of_its_own(make_engine: MakeEngine, first: int) -> None:
    engines = [make_engine(enable_persistence=False), make_engine(enable_persistence=False)]
    busy, idle = engines[first], engines[1 - first]
    await run_one(busy)
    await idle.start()
    assert b'status="completed"' in busy.get_prometheus_metrics()
    assert b'status="completed"' not in idle.get_prometheus_metrics()
