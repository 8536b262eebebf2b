from __future__ import annotations

import math

import pytest
from flows import CALLER, START, new

from engine.errors import InvalidIdError, InvalidValueError
from engine.model.names import EntryKind, Origin, Phase
from engine.rules.creation import create
from engine.rules.lines import DIRECT, INTELLIGENT


def test_a_new_workflow_is_initialized_open_ours_and_timed_by_nothing() -> None:
    workflow = new()
    assert (workflow.state, workflow.phase, workflow.origin) == ("initialized", Phase.OPEN, Origin.OWN)
    assert workflow.deadline_at is None
    assert workflow.started_at is None
    assert workflow.active_path == ("initialized",)
    assert (workflow.revision, workflow.generation) == (0, 1)
    assert (workflow.created_at, workflow.updated_at, workflow.entered_at) == (START, START, START)
    assert (workflow.context, workflow.metadata) == ({}, {})


def test_creation_emits_started_with_the_contracts_payload_and_writes_no_history() -> None:
    decision = create(
        workflow_id="wf_direct_0123456789ab",
        line=DIRECT,
        user_input="订单",
        target_module="erp",
        context={"a": 1},
        trace_id="t",
        span_id="s",
        timeout_s=300,
        at=START,
        actor=CALLER,
    )
    assert decision.entry.kind is EntryKind.CREATED
    assert (decision.entry.is_history, decision.entry.is_audit) == (False, False)
    (started,) = decision.entry.events
    assert started.type == "workflow.started"
    assert started.payload == {
        "workflow_id": "wf_direct_0123456789ab",
        "workflow_type": "direct",
        "user_input": "订单",
        "context": {"a": 1},
        "trace_id": "t",
        "span_id": "s",
        "target_module": "erp",
    }


def test_only_a_line_with_target_modules_keeps_one() -> None:
    workflow = new(INTELLIGENT, target_module="erp")
    assert workflow.target_module is None
    assert new(DIRECT, target_module="erp").target_module == "erp"


def test_what_the_caller_hands_over_is_copied() -> None:
    context = {"list": [1]}
    workflow = new(context=context)
    context["list"].append(2)
    assert workflow.context == {"list": [1]}


def test_not_a_number_stays_what_it_is() -> None:
    assert math.isnan(new(context={"score": math.nan}).context["score"])


@pytest.mark.parametrize("workflow_id", ["", "../x", "a/b", ".hidden", "a" * 129, "x\n", 7, None])
def test_an_id_that_is_no_plain_name_is_refused(workflow_id: object) -> None:
    with pytest.raises(InvalidIdError, match="is not a workflow id"):
        new(workflow_id=workflow_id)


@pytest.mark.parametrize("field", ["user_input", "context", "metadata", "trace_id"])
def test_a_field_without_a_json_shape_is_refused_by_name(field: str) -> None:
    with pytest.raises(InvalidValueError, match=rf"^{field}: it cannot be written as JSON .* Nothing was changed\.$"):
        new(**{field: object()})
