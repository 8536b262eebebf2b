from __future__ import annotations

import pytest
from flows import OPERATOR, events_of, failed_in, later, moved_to, new, payload_of, step_to, told

from engine.errors import (
    AlreadyInStateError,
    FinishedError,
    NothingToRollBackError,
    NotOnActivePathError,
    RefusedError,
    UnknownStateError,
)
from engine.model.change import Decision
from engine.model.names import EntryKind, Flag, Origin, Phase
from engine.model.workflow import Workflow
from engine.rules.lines import DIRECT, INTELLIGENT
from engine.rules.rollback import roll_back, targets
from engine.rules.transitions import cancel


def rolled(workflow: Workflow, target: str | None = None, *, at: float = 100) -> Decision:
    return roll_back(workflow, INTELLIGENT, target, at=later(at), actor=OPERATOR, reason="INC-204")


def test_the_default_target_is_the_previous_state_and_a_second_rollback_goes_one_further() -> None:
    once = rolled(moved_to("module_execution")).after
    twice = rolled(once).after
    assert [once.state, twice.state] == ["expert_routing", "rag_retrieval_1"]
    assert twice.active_path == ("initialized", "rag_retrieval_1")


def test_a_rollback_after_going_on_again_does_not_ping_pong() -> None:
    workflow = rolled(moved_to("module_execution")).after
    workflow = step_to(workflow, "module_execution", at=later(110)).after
    assert rolled(workflow).after.state == "expert_routing"


def test_a_named_target_goes_further_back() -> None:
    after = rolled(moved_to("response_generation"), "rag_retrieval_1").after
    assert after.state == "rag_retrieval_1"
    assert after.active_path == ("initialized", "rag_retrieval_1")


def test_results_and_steps_from_the_target_on_are_superseded_and_none_is_deleted() -> None:
    before = moved_to("response_generation")
    after = rolled(before, "module_execution").after
    kept = {"rag_result_1", "expert_routing_result"}
    assert {slot for slot, value in after.results.items() if value is not None} == kept
    assert [step.is_superseded for step in after.steps] == [False, False, True, True, True]
    assert [step.output_data for step in after.steps] == [step.output_data for step in before.steps]


def test_a_superseded_result_that_stands_in_no_step_is_kept_in_the_entry() -> None:
    before = moved_to("rag_retrieval_2")
    before = before.evolve(results={**before.results, "module_execution_result": {"foreign": 1}})
    decision = rolled(before)
    assert decision.after.results["module_execution_result"] is None
    assert decision.entry.body["superseded"] == {"module_execution_result": {"foreign": 1}}
    assert "superseded" not in rolled(moved_to("rag_retrieval_2")).entry.body
    assert "superseded" not in rolled(moved_to("response_generation"), "rag_retrieval_1").entry.body


def test_control_moves_to_the_next_generation_with_a_fresh_deadline_and_no_attempts() -> None:
    before = moved_to("module_execution").evolve(attempt=3, generation=4)
    decision = rolled(before, at=1_000)
    assert (decision.after.generation, decision.after.attempt) == (5, 0)
    assert decision.entry.body["attempt"] == 3
    assert (decision.after.entered_at, decision.after.deadline_at) == (later(1_000), later(1_300))


def test_nothing_times_an_external_workflow_that_an_operator_rolled_back() -> None:
    assert rolled(moved_to("module_execution").evolve(origin=Origin.EXTERNAL)).after.deadline_at is None


def test_it_is_audited_history_of_its_own_kind() -> None:
    decision = rolled(moved_to("module_execution"), at=100)
    entry = decision.entry
    assert (entry.kind, entry.is_history, entry.is_audit) == (EntryKind.ROLLBACK, True, True)
    assert (entry.from_state, entry.to_state, entry.reason) == ("module_execution", "expert_routing", "INC-204")
    (history,) = told([decision])
    assert (history["duration"], history["success"], history["error"]) == (70.0, True, None)
    assert history["metadata"] == {"reason": "rollback", "target": "expert_routing", "note": "INC-204"}


def test_rolled_back_is_emitted_first_and_state_changed_last() -> None:
    decision = rolled(moved_to("module_execution"))
    assert events_of(decision) == ["workflow.rolled_back", "workflow.state_changed"]
    changed = payload_of(decision, 1)
    assert (changed["old_state"], changed["new_state"]) == ("module_execution", "expert_routing")
    assert (changed["reason"], changed["error"]) == ("rollback", None)
    assert payload_of(decision, 0)["reason"] == "INC-204"


def test_a_failed_workflow_comes_back_to_the_state_that_failed_with_nothing_left_of_the_failure() -> None:
    after = rolled(failed_in("module_execution")).after
    assert (after.state, after.phase) == ("module_execution", Phase.OPEN)
    assert (after.completed_at, after.total_duration, after.error, after.error_type) == (None, None, None, None)
    assert (after.fingerprint, after.failed_from) == (None, None)
    assert after.results["module_execution_result"] is None
    assert after.results["expert_routing_result"] is not None


def test_a_failed_workflow_can_be_rolled_back_further() -> None:
    assert rolled(failed_in("module_execution"), "rag_retrieval_1").after.state == "rag_retrieval_1"


def test_the_targets_are_the_path_nearest_last() -> None:
    assert targets(moved_to("module_execution")) == ("initialized", "rag_retrieval_1", "expert_routing")
    assert targets(failed_in("expert_routing")) == ("initialized", "rag_retrieval_1", "expert_routing")
    assert targets(new()) == ()
    assert targets(moved_to("completed")) == ()


def test_going_back_to_the_first_state_leaves_nothing_to_time() -> None:
    after = rolled(moved_to("rag_retrieval_1")).after
    assert (after.state, after.deadline_at, after.started_at) == ("initialized", None, later(10))


def cancelled() -> Workflow:
    return cancel(moved_to("expert_routing"), INTELLIGENT, reason=None, at=later(50), actor=OPERATOR).after


@pytest.mark.parametrize(
    ("workflow", "target", "error", "said"),
    [
        (new(), None, NothingToRollBackError, "has no earlier state to go back to"),
        (moved_to("completed"), None, FinishedError, "is completed; rollback does not reopen it"),
        (moved_to("completed"), "expert_routing", FinishedError, "Force .F. does"),
        (cancelled(), None, FinishedError, "is cancelled"),
        (moved_to("expert_routing"), "module_execution", NotOnActivePathError, "to initialized or rag_retrieval_1"),
        (
            rolled(moved_to("module_execution")).after,
            "module_execution",
            NotOnActivePathError,
            "not on its active path",
        ),
        (moved_to("expert_routing"), "expert_routing", AlreadyInStateError, "is in expert_routing already"),
        (moved_to("expert_routing"), "teleported", UnknownStateError, "is not a state of the intelligent line"),
        (moved_to("expert_routing"), "failed", NotOnActivePathError, "not on its active path"),
        (failed_in("expert_routing"), "failed", AlreadyInStateError, "is in failed already"),
    ],
)
def test_what_cannot_be_rolled_back_is_refused_with_what_was_left_unchanged(
    workflow: Workflow, target: str | None, error: type[RefusedError], said: str
) -> None:
    with pytest.raises(error, match=said) as caught:
        rolled(workflow, target)
    assert "Nothing was changed" in str(caught.value)


def test_a_workflow_stays_marked_as_forced_but_no_more_as_overwritten() -> None:
    before = moved_to("module_execution").evolve(is_forced=True, flag=Flag.OVERWRITTEN)
    after = rolled(before).after
    assert (after.is_forced, after.flag) == (True, Flag.NONE)


def test_the_direct_line_rolls_back_the_same_way() -> None:
    after = roll_back(moved_to("response_generation", DIRECT), DIRECT, None, at=later(99), actor=OPERATOR).after
    assert after.state == "module_execution"
    assert set(after.results.values()) == {None}
