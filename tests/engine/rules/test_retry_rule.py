from __future__ import annotations

import pytest
from flows import OPERATOR, events_of, failed_in, later, moved_to, payload_of, step_to, told

from engine.errors import FinishedError, NotFailedError
from engine.model.names import EntryKind, Phase
from engine.rules.force import force
from engine.rules.lines import INTELLIGENT
from engine.rules.retry import retry
from engine.rules.transitions import StepReport, transition


def test_a_retry_enters_the_state_that_failed_and_keeps_every_earlier_result() -> None:
    failed = failed_in("module_execution")
    decision = retry(failed, INTELLIGENT, at=later(100), actor=OPERATOR, reason="pool restarted")
    after = decision.after
    assert (after.state, after.phase, after.generation) == ("module_execution", Phase.OPEN, 2)
    assert (after.error, after.completed_at, after.deadline_at) == (None, None, later(400))
    assert after.results["expert_routing_result"] == failed.results["expert_routing_result"]
    assert after.results["module_execution_result"] is None
    assert [step.is_superseded for step in after.steps] == [False, False, True]
    assert decision.entry.kind is EntryKind.RETRY
    assert told([decision])[0]["metadata"]["reason"] == "retry"


def test_a_retry_keeps_results_that_were_supplied_for_later_states() -> None:
    forced = force(
        moved_to("expert_routing"),
        INTELLIGENT,
        "failed",
        results={"rag_retrieval_2": {"hits": 1}},
        at=later(50),
        actor=OPERATOR,
        reason="INC-204 by hand",
    ).after
    after = retry(forced, INTELLIGENT, at=later(60), actor=OPERATOR).after
    assert after.state == "expert_routing"
    assert after.results["rag_result_2"] == {"hits": 1}


def test_the_step_of_the_failure_itself_is_superseded_too() -> None:
    workflow = moved_to("module_execution")
    step = StepReport(output_data={"trace": 1})
    failed = transition(workflow, INTELLIGENT, "failed", step=step, error="boom", at=later(90), actor=OPERATOR).after
    after = retry(failed, INTELLIGENT, at=later(100), actor=OPERATOR).after
    assert after.steps[-1].state == "failed"
    assert after.steps[-1].is_superseded


def test_retried_is_emitted_before_state_changed() -> None:
    decision = retry(failed_in("module_execution"), INTELLIGENT, at=later(100), actor=OPERATOR)
    assert events_of(decision) == ["workflow.retried", "workflow.state_changed"]
    assert payload_of(decision, 1)["reason"] == "retry"


def test_after_a_retry_the_line_goes_on() -> None:
    after = retry(failed_in("module_execution"), INTELLIGENT, at=later(100), actor=OPERATOR).after
    assert step_to(after, "rag_retrieval_2", at=later(110)).after.active_path == INTELLIGENT.path[:5]


def test_what_has_not_failed_is_not_retried() -> None:
    with pytest.raises(NotFailedError, match="is in expert_routing and has not failed"):
        retry(moved_to("expert_routing"), INTELLIGENT, at=later(1), actor=OPERATOR)
    with pytest.raises(FinishedError, match="retry does not reopen it"):
        retry(moved_to("completed"), INTELLIGENT, at=later(1), actor=OPERATOR)
