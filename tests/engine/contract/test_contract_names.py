from __future__ import annotations

import json
import subprocess
import sys

import pytest

import engine
from engine import (
    DirectWorkflowData,
    IntelligentWorkflowData,
    StateTransitionHistory,
    WorkflowErrorType,
    WorkflowEventType,
    WorkflowLock,
    WorkflowState,
    WorkflowStep,
    WorkflowType,
)


@pytest.mark.parametrize(
    "name",
    [
        "get_workflow_orchestrator",
        "get_production_workflow_orchestrator",
        "ProductionWorkflowOrchestrator",
        "WorkflowOrchestrator",
        "WorkflowType",
        "WorkflowState",
        "WorkflowEventType",
        "WorkflowErrorType",
        "IntelligentWorkflowData",
        "DirectWorkflowData",
        "WorkflowStep",
        "StateTransitionHistory",
        "WorkflowLock",
    ],
)
def test_the_engine_exports_each_name_its_callers_import(name: str) -> None:
    assert getattr(engine, name) is not None
    assert name in engine.__all__
    assert name in dir(engine)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = engine.no_such_name


def test_the_vocabularies_are_plain_strings() -> None:
    assert WorkflowState.COMPLETED == "completed"
    assert [state.value for state in WorkflowState] == [
        "initialized",
        "rag_retrieval_1",
        "expert_routing",
        "module_execution",
        "rag_retrieval_2",
        "response_generation",
        "completed",
        "failed",
        "cancelled",
    ]
    assert [kind.value for kind in WorkflowType] == ["intelligent", "direct"]
    assert {kind.value for kind in WorkflowErrorType} == {
        "timeout",
        "state_transition_error",
        "module_execution_error",
        "event_publish_error",
        "validation_error",
        "resource_error",
        "unknown_error",
    }
    assert {kind.value for kind in WorkflowEventType} >= {
        f"workflow.{name}"
        for name in (
            "started",
            "state_changed",
            "step_started",
            "step_completed",
            "step_failed",
            "completed",
            "failed",
            "cancelled",
            "rolled_back",
            "forced",
            "retried",
            "paused",
            "resumed",
        )
    }


@pytest.mark.parametrize("kind", [IntelligentWorkflowData, DirectWorkflowData])
def test_data_classes_need_only_an_id_and_give_plain_dicts(
    kind: type[IntelligentWorkflowData | DirectWorkflowData],
) -> None:
    made = kind(workflow_id="wf_1")
    plain = made.to_dict()
    assert plain["workflow_id"] == "wf_1"
    assert type(plain["state"]) is str
    assert "state_history" not in plain
    json.dumps(plain)


def test_a_step_a_history_entry_and_a_lock_have_the_fields_callers_use() -> None:
    step = WorkflowStep(step_id="step_1", step_name="module_execution", state=WorkflowState.MODULE_EXECUTION)
    assert list(step.to_dict()) == [
        "step_id",
        "step_name",
        "state",
        "started_at",
        "completed_at",
        "duration",
        "input_data",
        "output_data",
        "error",
        "metadata",
    ]
    moved = StateTransitionHistory(
        from_state=WorkflowState.INITIALIZED,
        to_state=WorkflowState.MODULE_EXECUTION,
        timestamp="2026-01-01T00:00:00.000000Z",
        duration=1.5,
        success=True,
    )
    assert (moved.error, moved.metadata) == (None, {})
    assert WorkflowLock(workflow_id="wf_1").lock_owner == "system"


def test_importing_the_engine_loads_no_screen_and_no_database() -> None:
    code = (
        "import sys, engine; engine.ProductionWorkflowOrchestrator;"
        "print(sorted({'textual','rich','apsw','prometheus_client'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
