from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from flows import (
    CALLER,
    FOREIGN,
    OPERATOR,
    START,
    events_of,
    failed_in,
    later,
    moved_to,
    new,
    payload_of,
    step_to,
    told,
)

from engine.errors import InvalidStepError, TransitionRefusedError, WorkflowErrorType
from engine.model.line import Line
from engine.model.names import EntryKind, Flag, Origin, Phase
from engine.model.view import data_dict
from engine.rules.lines import BUILT_IN, DIRECT, INTELLIGENT
from engine.rules.transitions import StepReport, cancel, read_step, transition

REPORT: dict[str, Any] = {
    "started_at": "2026-01-01T00:00:00.000000Z",
    "completed_at": "2026-01-01T00:00:00.250000Z",
    "duration": 0.25,
    "input_data": {"q": 1},
    "output_data": {"hits": 3},
    "metadata": {"node": "a"},
}


def refused(workflow: Any, state: str, line: Line = INTELLIGENT) -> TransitionRefusedError:
    with pytest.raises(TransitionRefusedError) as caught:
        transition(workflow, line, state, at=later(1), actor=CALLER)
    return caught.value


@pytest.mark.parametrize("line", BUILT_IN.values(), ids=str)
def test_exactly_the_lines_edges_are_accepted(line: Line) -> None:
    for state in line.path:
        workflow = moved_to(state, line)
        for to_state in (*line.states, "expert_routing", "teleported"):
            if to_state in line.next_states(state):
                assert transition(workflow, line, to_state, at=later(99), actor=CALLER).after.state == to_state
            else:
                refused(workflow, to_state, line)


def test_a_refusal_says_what_is_allowed_and_counts_as_a_transition_error() -> None:
    error = refused(new(), "completed")
    assert str(error) == (
        "wf_intelligent_0123456789ab cannot go from initialized to completed. Nothing was changed. "
        "From initialized it may go to rag_retrieval_1."
    )
    assert error.error_type is WorkflowErrorType.STATE_TRANSITION_ERROR


def test_nothing_leaves_failed_or_cancelled_by_a_transition() -> None:
    assert "failed is final" in str(refused(failed_in("rag_retrieval_1"), "expert_routing"))
    cancelled = cancel(new(), INTELLIGENT, reason=None, at=later(1), actor=CALLER).after
    refused(cancelled, "rag_retrieval_1")


@pytest.mark.parametrize("line", BUILT_IN.values(), ids=str)
def test_a_report_records_a_step_of_the_new_state_and_fills_its_slot(line: Line) -> None:
    workflow = moved_to("completed", line)
    assert [step.step_id for step in workflow.steps] == [f"step_{n}" for n in range(1, len(line.path))]
    assert [step.step_name for step in workflow.steps] == list(line.path[1:])
    for state, slot in line.results.items():
        expected = f"said in {state}" if slot == "response" else {"of": state, "response": f"said in {state}"}
        assert workflow.results[slot] == expected


def test_a_step_holds_what_the_caller_reported_and_the_history_all_but_the_output() -> None:
    decision = transition(
        new(), INTELLIGENT, "rag_retrieval_1", step=read_step("wf", REPORT), at=later(4), actor=CALLER, error="slow"
    )
    (step,) = decision.after.steps
    assert (step.started_at, step.completed_at, step.duration) == (
        REPORT["started_at"],
        REPORT["completed_at"],
        REPORT["duration"],
    )
    assert (step.input_data, step.output_data, step.metadata) == ({"q": 1}, {"hits": 3}, {"node": "a"})
    assert (step.error, step.generation, step.is_superseded) == ("slow", 1, False)
    (entry,) = told([decision])
    assert entry["metadata"] == {key: value for key, value in REPORT.items() if key != "output_data"}
    assert payload_of(decision, 0)["step_data"] == REPORT


def test_without_a_report_no_step_is_recorded() -> None:
    decision = transition(new(), INTELLIGENT, "rag_retrieval_1", at=later(1), actor=CALLER)
    assert decision.after.steps == ()
    assert decision.after.results["rag_result_1"] is None
    assert payload_of(decision, 0)["step_data"] is None


@pytest.mark.parametrize("output", [{"text": "no answer"}, "an answer", None])
def test_an_output_without_a_response_leaves_the_response_empty(output: Any) -> None:
    workflow = moved_to("rag_retrieval_2")
    step = StepReport(output_data=output)
    after = transition(workflow, INTELLIGENT, "response_generation", step=step, at=later(99), actor=CALLER).after
    assert after.results["response"] is None


def test_a_report_without_an_output_leaves_the_slot_empty() -> None:
    step = read_step("wf", {"duration": 1})
    after = transition(new(), INTELLIGENT, "rag_retrieval_1", step=step, at=later(1), actor=CALLER).after
    assert after.results["rag_result_1"] is None
    assert after.steps[0].output_data == {}


def test_times_follow_the_line() -> None:
    workflow = new()
    first = transition(workflow, INTELLIGENT, "rag_retrieval_1", at=later(7), actor=CALLER)
    assert (first.after.started_at, first.after.entered_at, first.after.updated_at) == (later(7),) * 3
    assert first.entry.body["duration"] == 7.0
    assert first.after.deadline_at == later(7 + 300)
    second = transition(first.after, INTELLIGENT, "expert_routing", at=later(9), actor=CALLER)
    assert second.after.started_at == later(7)
    assert second.after.deadline_at == later(9 + 300)
    assert second.entry.body["duration"] == 2.0


def test_completion_has_its_time_its_duration_and_no_deadline() -> None:
    workflow = moved_to("completed")
    assert (workflow.phase, workflow.completed_at, workflow.deadline_at) == (Phase.DONE, later(60), None)
    assert workflow.total_duration == 50.0
    assert workflow.active_path == INTELLIGENT.path


def test_one_transition_emits_one_state_changed_then_what_it_ended_in() -> None:
    before = moved_to("response_generation")
    assert events_of(step_to(moved_to("module_execution"), "rag_retrieval_2", at=later(99))) == [
        "workflow.state_changed"
    ]
    done = transition(before, INTELLIGENT, "completed", at=later(99), actor=CALLER)
    assert events_of(done) == ["workflow.state_changed", "workflow.completed"]
    assert payload_of(done, 0) == {
        "workflow_id": before.workflow_id,
        "workflow_type": "intelligent",
        "old_state": "response_generation",
        "new_state": "completed",
        "step_data": None,
        "error": None,
    }
    assert payload_of(done, 1) == {
        "workflow_id": before.workflow_id,
        "workflow_type": "intelligent",
        "workflow": data_dict(done.after),
    }


def test_a_failure_keeps_its_error_its_type_and_the_state_it_left() -> None:
    decision = transition(
        moved_to("module_execution"), INTELLIGENT, "failed", error="boom 17", at=later(99), actor=CALLER
    )
    after = decision.after
    assert (after.phase, after.error, after.failed_from) == (Phase.FAILED, "boom 17", "module_execution")
    assert (after.error_type, len(after.fingerprint or "")) == ("module_execution_error", 12)
    assert after.active_path[-1] == "module_execution"
    assert (after.completed_at, after.deadline_at) == (later(99), None)
    assert (decision.entry.body["success"], decision.entry.body["error"]) == (False, "boom 17")
    assert events_of(decision) == ["workflow.state_changed", "workflow.failed"]
    failed = payload_of(decision, 1)
    assert (failed["error"], failed["error_type"]) == ("boom 17", "module_execution_error")
    assert failed["workflow"] == data_dict(after)


def test_a_given_error_type_is_taken_as_it_is() -> None:
    after = transition(
        moved_to("module_execution"),
        INTELLIGENT,
        "failed",
        error="boom",
        error_type=WorkflowErrorType.RESOURCE_ERROR,
        at=later(99),
        actor=CALLER,
    ).after
    assert after.error_type == "resource_error"


def test_a_later_success_clears_what_an_error_left() -> None:
    troubled = moved_to("expert_routing").evolve(error="slow", error_type="timeout", fingerprint="f", failed_from="x")
    after = transition(troubled, INTELLIGENT, "module_execution", at=later(99), actor=CALLER).after
    assert (after.error, after.error_type, after.fingerprint, after.failed_from) == (None, None, None, None)


def test_only_a_callers_own_success_forgives_its_timeouts() -> None:
    workflow = moved_to("expert_routing").evolve(caller_timeouts=1)
    own = transition(workflow, INTELLIGENT, "module_execution", at=later(99), actor=CALLER)
    operators = transition(workflow, INTELLIGENT, "module_execution", at=later(99), actor=OPERATOR)
    failure = transition(workflow, INTELLIGENT, "failed", at=later(99), actor=CALLER)
    assert [d.after.caller_timeouts for d in (own, operators, failure)] == [0, 1, 1]
    assert [d.entry.is_audit for d in (own, operators, failure)] == [False, True, False]


def test_an_external_workflow_becomes_ours_by_a_callers_transition_and_is_timed_from_then_on() -> None:
    foreign = moved_to("expert_routing").evolve(
        origin=Origin.EXTERNAL, timeout_s=None, deadline_at=None, flag=Flag.GONE
    )
    ours = transition(foreign, INTELLIGENT, "module_execution", timeout_s=60.0, at=later(99), actor=CALLER).after
    assert (ours.origin, ours.timeout_s, ours.deadline_at) == (Origin.OWN, 60.0, later(159))
    assert ours.flag is Flag.NONE
    theirs = transition(foreign, INTELLIGENT, "module_execution", timeout_s=60.0, at=later(99), actor=OPERATOR).after
    assert (theirs.origin, theirs.deadline_at) == (Origin.EXTERNAL, None)


def test_a_workflow_of_ours_keeps_the_timeout_it_was_made_with() -> None:
    after = transition(new(), INTELLIGENT, "rag_retrieval_1", timeout_s=5.0, at=later(0), actor=CALLER).after
    assert after.deadline_at == later(300)


def test_a_result_that_stands_in_no_step_is_kept_by_the_entry_that_replaces_it() -> None:
    workflow = new().evolve(results={**new().results, "rag_result_1": {"by": "another program"}})
    decision = step_to(workflow, "rag_retrieval_1", at=later(1))
    assert decision.entry.body["superseded"] == {"rag_result_1": {"by": "another program"}}
    assert "superseded" not in step_to(new(), "rag_retrieval_1", at=later(1)).entry.body


def test_a_reason_is_in_the_event_only_where_there_is_one() -> None:
    plain_one = transition(new(), DIRECT, "module_execution", at=later(1), actor=CALLER)
    said = transition(new(), DIRECT, "module_execution", at=later(1), actor=CALLER, reason="replayed")
    assert "reason" not in payload_of(plain_one, 0)
    assert (payload_of(said, 0)["reason"], said.entry.reason) == ("replayed", "replayed")


def test_a_clock_that_went_back_gives_no_negative_durations() -> None:
    workflow = replace(moved_to("response_generation"), entered_at=later(500), started_at=later(500))
    decision = transition(workflow, INTELLIGENT, "completed", at=later(1), actor=FOREIGN)
    assert decision.entry.body["duration"] == 0.0
    assert decision.after.total_duration == 0.0


@pytest.mark.parametrize(
    ("step_data", "said"),
    [
        ([1], "it is a list, not a mapping"),
        ("text", "it is a str, not a mapping"),
        ({"output_data": object()}, "it cannot be written as JSON"),
        ({"duration": "fast"}, "duration is 'fast', not a number of seconds"),
        ({"duration": True}, "duration is True"),
        ({"duration": -1}, "duration is -1"),
        ({"duration": math.nan}, "duration is nan"),
        ({"started_at": 1_700_000_000.0}, "started_at is a float, not a time text"),
        ({"metadata": [1]}, "metadata is a list, not a mapping"),
    ],
)
def test_step_data_that_cannot_be_recorded_is_refused_with_its_reason(step_data: Any, said: str) -> None:
    with pytest.raises(InvalidStepError) as caught:
        read_step("wf_1", step_data)
    assert said in str(caught.value)
    assert "Nothing was changed" in str(caught.value)


def test_step_data_with_a_cycle_is_refused() -> None:
    loop: dict[str, Any] = {}
    loop["output_data"] = loop
    with pytest.raises(InvalidStepError):
        read_step("wf_1", loop)


@pytest.mark.parametrize("nothing", [None, {}])
def test_step_data_that_says_nothing_is_no_report(nothing: Any) -> None:
    assert read_step("wf_1", nothing) is None


def test_a_report_is_a_copy_and_keeps_keys_it_does_not_know() -> None:
    given = {"output_data": {"list": [1]}, "input_data": [], "metadata": {"a": 1}, "worker": "w7"}
    report = read_step("wf_1", given)
    given["output_data"]["list"].append(2)
    assert report == StepReport(output_data={"list": [1]}, input_data=[], metadata={"a": 1, "worker": "w7"})


@pytest.mark.parametrize("at", [datetime(2026, 1, 1, 5, tzinfo=UTC), datetime(2026, 1, 1, 5)])  # noqa: DTZ001  callers give both
def test_a_reported_time_may_be_a_datetime(at: datetime) -> None:
    report = read_step("wf_1", {"started_at": at, "completed_at": "yesterday"})
    assert report == StepReport(started_at="2026-01-01T05:00:00.000000Z", completed_at="yesterday")


@pytest.mark.parametrize("state", ["initialized", "module_execution", "response_generation"])
def test_cancelling_ends_with_cancelled_and_says_why(state: str) -> None:
    workflow = moved_to(state)
    decision = cancel(workflow, INTELLIGENT, reason="not wanted", at=later(99), actor=OPERATOR)
    after = decision.after
    assert (after.state, after.phase, after.error) == ("cancelled", Phase.DONE, "not wanted")
    assert (after.completed_at, after.deadline_at) == (later(99), None)
    assert after.active_path == workflow.active_path
    assert after.started_at == workflow.started_at
    assert decision.entry.kind is EntryKind.CANCEL
    assert events_of(decision) == ["workflow.state_changed", "workflow.cancelled"]
    assert payload_of(decision, 1)["reason"] == "not wanted"
    assert told([decision])[0]["metadata"] == {"reason": "cancel", "note": "not wanted"}


def test_what_has_ended_is_not_cancelled() -> None:
    for workflow in (moved_to("completed"), failed_in("rag_retrieval_1")):
        with pytest.raises(TransitionRefusedError, match="is final"):
            cancel(workflow, INTELLIGENT, reason=None, at=START, actor=CALLER)
