from __future__ import annotations

from typing import Any

import pytest
from flows import OPERATOR, events_of, failed_in, later, moved_to, new, payload_of, told

from engine.errors import AlreadyInStateError, InvalidValueError, ReasonRequiredError, UnknownStateError
from engine.model.change import Decision
from engine.model.names import EntryKind, Phase
from engine.model.workflow import Workflow
from engine.rules.force import force, missing_results
from engine.rules.lines import DIRECT, INTELLIGENT
from engine.rules.rollback import roll_back
from engine.rules.transitions import cancel

WHY = "INC-204 pool hung"


def forced(workflow: Workflow, state: str, results: dict[str, Any] | None = None, reason: str | None = WHY) -> Decision:
    return force(workflow, INTELLIGENT, state, results=results or {}, at=later(100), actor=OPERATOR, reason=reason)


@pytest.mark.parametrize("state", INTELLIGENT.states)
def test_any_state_can_be_forced_from_any_other(state: str) -> None:
    sources = [
        *(moved_to(source) for source in INTELLIGENT.path),
        failed_in("expert_routing"),
        cancel(moved_to("expert_routing"), INTELLIGENT, reason=None, at=later(50), actor=OPERATOR).after,
    ]
    for workflow in sources:
        if workflow.state == state:
            with pytest.raises(AlreadyInStateError):
                forced(workflow, state)
            continue
        after = forced(workflow, state).after
        assert (after.state, after.phase) == (state, INTELLIGENT.phase(state))
        assert (after.generation, after.is_forced) == (2, True)
        assert (after.completed_at is None) == (after.phase is Phase.OPEN)


def test_a_visited_state_is_popped_to_and_another_is_taken_from_the_line() -> None:
    assert forced(moved_to("module_execution"), "rag_retrieval_1").after.active_path == INTELLIGENT.path[:2]
    assert forced(moved_to("rag_retrieval_1"), "rag_retrieval_2").after.active_path == INTELLIGENT.path[:5]
    assert forced(new(), "completed").after.active_path == INTELLIGENT.path
    assert forced(moved_to("expert_routing"), "cancelled").after.active_path == INTELLIGENT.path[:3]


def test_what_is_forced_from_completed_to_failed_can_be_rolled_back_to_its_last_open_state() -> None:
    failed = forced(moved_to("completed"), "failed").after
    assert failed.failed_from == "response_generation"
    after = roll_back(failed, INTELLIGENT, None, at=later(200), actor=OPERATOR).after
    assert after.state == "response_generation"


def test_forcing_keeps_results_and_steps_and_starts_a_fresh_visit() -> None:
    before = moved_to("completed").evolve(attempt=2)
    decision = forced(before, "module_execution")
    assert decision.after.results == before.results
    assert decision.after.steps == before.steps
    assert (decision.after.deadline_at, decision.after.attempt, decision.entry.body["attempt"]) == (later(400), 0, 2)
    assert decision.after.total_duration is None


def test_supplied_results_fill_their_slots_and_stand_in_the_entry() -> None:
    given = {"hits": [1]}
    decision = forced(moved_to("rag_retrieval_1"), "module_execution", {"expert_routing": given})
    given["hits"].append(2)
    assert decision.after.results["expert_routing_result"] == {"hits": [1]}
    assert decision.entry.body["results"] == {"expert_routing_result": {"hits": [1]}}
    assert decision.entry.body["missing"] == []


def test_a_replaced_result_that_stands_in_no_step_is_kept_in_the_entry() -> None:
    first = forced(moved_to("rag_retrieval_1"), "module_execution", {"expert_routing": "by hand"}).after
    second = forced(first, "rag_retrieval_2", {"expert_routing": "better"})
    assert second.entry.body["superseded"] == {"expert_routing_result": "by hand"}


def test_missing_results_are_those_of_earlier_states_in_line_order() -> None:
    workflow = moved_to("rag_retrieval_1")
    assert missing_results(workflow, INTELLIGENT, "response_generation") == (
        "expert_routing",
        "module_execution",
        "rag_retrieval_2",
    )
    assert missing_results(workflow, INTELLIGENT, "expert_routing") == ()
    assert missing_results(workflow, INTELLIGENT, "failed") == ()
    assert missing_results(new(DIRECT), DIRECT, "completed") == ("module_execution", "response_generation")


def test_it_is_audited_history_marked_as_forced() -> None:
    decision = forced(moved_to("rag_retrieval_1"), "rag_retrieval_2")
    entry = decision.entry
    assert (entry.kind, entry.is_history, entry.is_audit, entry.reason) == (EntryKind.FORCE, True, True, WHY)
    assert told([decision])[0]["metadata"] == {"reason": "force", "note": WHY}
    assert entry.body["missing"] == ["expert_routing", "module_execution"]


@pytest.mark.parametrize(
    ("state", "events"),
    [
        ("rag_retrieval_2", ["workflow.forced", "workflow.state_changed"]),
        ("completed", ["workflow.forced", "workflow.state_changed", "workflow.completed"]),
        ("failed", ["workflow.forced", "workflow.state_changed", "workflow.failed"]),
    ],
)
def test_forced_is_emitted_first_then_what_a_transition_would(state: str, events: list[str]) -> None:
    decision = forced(moved_to("rag_retrieval_1"), state)
    assert events_of(decision) == events
    assert payload_of(decision, 1)["reason"] == "force"


def test_a_forced_failure_says_so_and_a_forced_way_out_clears_it() -> None:
    failed = forced(moved_to("module_execution"), "failed").after
    assert (failed.error, failed.failed_from, failed.error_type) == (WHY, "module_execution", "module_execution_error")
    out = forced(failed, "rag_retrieval_2").after
    assert (out.error, out.error_type, out.fingerprint, out.failed_from) == (None, None, None, None)


@pytest.mark.parametrize("reason", [None, "", "too few", "          a"])
def test_a_force_without_a_real_reason_is_refused(reason: str | None) -> None:
    with pytest.raises(ReasonRequiredError, match="at least 8 characters"):
        forced(new(), "completed", reason=reason)


def test_a_state_of_another_line_is_refused() -> None:
    with pytest.raises(UnknownStateError, match="'expert_routing' is not a state of the direct line"):
        force(new(DIRECT), DIRECT, "expert_routing", results={}, at=later(1), actor=OPERATOR, reason=WHY)


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ({"completed": 1}, "result.completed: only these states have a result: rag_retrieval_1"),
        ({"teleported": 1}, "result.teleported: only these"),
        ({"expert_routing": object()}, "result.expert_routing: it cannot be written as JSON"),
    ],
)
def test_a_result_that_no_slot_takes_is_refused_by_name(results: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        forced(new(), "rag_retrieval_2", results)
    assert str(caught.value).startswith(said)
