from __future__ import annotations

import pytest
from flows import CALLER, OPERATOR, TIMEOUT_S, events_of, later, moved_to, new, payload_of, step_to, told

from engine.errors import NotOverdueError
from engine.model.names import EntryKind, Origin, Phase
from engine.model.workflow import Workflow
from engine.rules.lines import DIRECT, INTELLIGENT
from engine.rules.retry import retry
from engine.rules.timeouts import deadline_for, grace, time_out
from engine.rules.transitions import transition


def test_only_open_states_after_the_first_have_a_deadline() -> None:
    timed = {state for state in INTELLIGENT.states if deadline_for(INTELLIGENT, state, 5.0, later(1)) is not None}
    assert timed == set(INTELLIGENT.path[1:-1])
    assert deadline_for(INTELLIGENT, "expert_routing", 5.0, later(1)) == later(6)
    assert deadline_for(INTELLIGENT, "expert_routing", None, later(1)) is None


def test_the_first_timeout_rolls_back_to_the_previous_state() -> None:
    decision = time_out(moved_to("module_execution"), INTELLIGENT, at=later(330))
    after = decision.after
    assert (after.state, after.phase, after.caller_timeouts) == ("expert_routing", Phase.OPEN, 1)
    assert (after.generation, after.deadline_at) == (2, later(330 + TIMEOUT_S))
    assert (after.error, after.error_type) == (None, None)
    assert after.results["expert_routing_result"] is None
    assert [step.is_superseded for step in after.steps] == [False, True, True]


def test_it_is_audited_history_of_the_engines_own_policy() -> None:
    decision = time_out(moved_to("module_execution"), INTELLIGENT, at=later(330))
    entry = decision.entry
    assert (entry.kind, entry.is_history, entry.is_audit) == (EntryKind.TIMEOUT, True, True)
    assert entry.actor.name == "engine:policy/timeout"
    (history,) = told([decision])
    assert history["metadata"]["reason"] == "timeout"
    assert (history["success"], history["duration"]) == (False, 300.0)
    assert history["error"] == "timeout: module_execution took longer than its 300 s"


def test_a_rolled_back_timeout_emits_what_a_rollback_does_with_reason_timeout() -> None:
    decision = time_out(moved_to("module_execution"), INTELLIGENT, at=later(330))
    assert events_of(decision) == ["workflow.rolled_back", "workflow.state_changed"]
    assert [payload_of(decision, n)["reason"] for n in (0, 1)] == ["timeout", "timeout"]


def test_one_more_before_the_callers_own_success_fails_it() -> None:
    once = time_out(moved_to("module_execution"), INTELLIGENT, at=later(330)).after
    decision = time_out(once, INTELLIGENT, at=later(630))
    after = decision.after
    assert (after.state, after.phase, after.failed_from) == ("failed", Phase.FAILED, "expert_routing")
    assert (after.error_type, after.generation, after.caller_timeouts) == ("timeout", 2, 2)
    assert after.error == "timeout: expert_routing took longer than its 300 s, again before its caller had moved it on"
    assert (after.completed_at, after.deadline_at) == (later(630), None)
    assert events_of(decision) == ["workflow.state_changed", "workflow.failed"]
    assert payload_of(decision, 0)["reason"] == "timeout"
    assert payload_of(decision, 1)["error_type"] == "timeout"


def test_a_callers_success_in_between_earns_another_rollback() -> None:
    once = time_out(moved_to("module_execution"), INTELLIGENT, at=later(330)).after
    moved = step_to(once, "module_execution", at=later(340)).after
    assert time_out(moved, INTELLIGENT, at=later(700)).after.state == "expert_routing"


def test_an_operators_move_in_between_earns_none() -> None:
    once = time_out(moved_to("module_execution"), INTELLIGENT, at=later(330)).after
    moved = transition(once, INTELLIGENT, "module_execution", at=later(340), actor=OPERATOR).after
    assert time_out(moved, INTELLIGENT, at=later(700)).after.state == "failed"


@pytest.mark.parametrize(("line", "state"), [(INTELLIGENT, "rag_retrieval_1"), (DIRECT, "module_execution")])
def test_it_fails_at_once_where_only_the_first_state_lies_behind(line: object, state: str) -> None:
    decision = time_out(moved_to(state, line), line, at=later(330))  # type: ignore[arg-type]
    assert (decision.after.state, decision.after.failed_from) == ("failed", state)
    assert "there is no earlier result to go back to" in (decision.after.error or "")


def test_a_failure_by_timeout_can_be_retried() -> None:
    failed = time_out(moved_to("rag_retrieval_1"), INTELLIGENT, at=later(330)).after
    assert retry(failed, INTELLIGENT, at=later(400), actor=OPERATOR).after.state == "rag_retrieval_1"


@pytest.mark.parametrize(
    "workflow",
    [
        new(),
        moved_to("completed"),
        moved_to("module_execution").evolve(deadline_at=later(331)),
        moved_to("module_execution").evolve(paused_at=later(50)),
        moved_to("module_execution").evolve(origin=Origin.EXTERNAL, deadline_at=None),
    ],
    ids=["never started", "completed", "not yet", "paused", "external"],
)
def test_what_is_not_overdue_is_left_alone(workflow: Workflow) -> None:
    with pytest.raises(NotOverdueError, match="Nothing was changed"):
        time_out(workflow, INTELLIGENT, at=later(330))


def test_the_deadline_itself_is_overdue() -> None:
    assert time_out(moved_to("module_execution"), INTELLIGENT, at=later(330)).after.caller_timeouts == 1


@pytest.mark.parametrize(("timeout_s", "grace_s"), [(300.0, 60.0), (20.0, 20.0), (None, 60.0)])
def test_after_a_downtime_an_overdue_visit_gets_a_recorded_grace(timeout_s: float | None, grace_s: float) -> None:
    before = moved_to("module_execution").evolve(timeout_s=timeout_s, deadline_at=later(330))
    decision = grace(before, at=later(9_000))
    assert decision.after == before.evolve(deadline_at=later(9_000 + grace_s))
    entry = decision.entry
    assert (entry.kind, entry.is_history, entry.is_audit) == (EntryKind.EXTEND, False, True)
    assert entry.events == ()
    assert entry.body["was"] == "2026-01-01T00:05:30.000000Z"


def test_a_deadline_further_off_than_the_grace_needs_none() -> None:
    with pytest.raises(NotOverdueError):
        grace(moved_to("module_execution"), at=later(100))
    with pytest.raises(NotOverdueError):
        grace(new(), at=later(9_000))


def test_a_workflow_of_a_caller_without_timeout_is_never_timed() -> None:
    workflow = transition(new(timeout_s=None), INTELLIGENT, "rag_retrieval_1", at=later(1), actor=CALLER).after
    assert workflow.deadline_at is None
