from __future__ import annotations

import math
from typing import Any

import pytest
from flows import FOREIGN, OPERATOR, as_entry, later, move, moved_to

from engine.model.change import Decision
from engine.model.names import EntryKind, Flag, Origin, Phase
from engine.model.view import history_dicts
from engine.model.workflow import Workflow
from engine.rules.adoption import adopt, adopt_change, flag
from engine.rules.lines import INTELLIGENT
from engine.rules.rollback import roll_back

FIRST = move("initialized", "rag_retrieval_1", "2026-01-01T00:00:10Z")
SECOND = move("rag_retrieval_1", "expert_routing", "2026-01-01T00:00:20Z")
THIRD = move("expert_routing", "module_execution", "2026-01-01T00:00:30Z")


def document(state: str, **facts: Any) -> Workflow:
    """Return what the codec reads from a foreign document in ``state``."""
    read = {"state": state, "phase": INTELLIGENT.phase(state), "origin": Origin.EXTERNAL}
    return moved_to("rag_retrieval_1").evolve(**{**read, "timeout_s": None, "deadline_at": None, **facts})


def adopted(state: str = "expert_routing", history: tuple[Any, ...] = (FIRST, SECOND)) -> Workflow:
    return adopt(document(state), history, at=later(100), actor=FOREIGN).after


def changed(before: Workflow, after: Workflow, history: list[Any], known: list[Any]) -> Decision:
    return adopt_change(before, after, history, known, at=later(200), actor=FOREIGN)


def test_an_adopted_document_is_external_untimed_and_brings_its_history_verbatim() -> None:
    found = document("expert_routing", deadline_at=later(1), timeout_s=5.0)
    decision = adopt(found, [FIRST, SECOND], at=later(100), actor=FOREIGN)
    after, entry = decision.after, decision.entry
    assert (after.origin, after.deadline_at, after.timeout_s) == (Origin.EXTERNAL, None, None)
    assert after.active_path == INTELLIGENT.path[:3]
    assert (entry.kind, entry.is_history, entry.is_audit, entry.events) == (EntryKind.ADOPTED, True, True, ())
    assert history_dicts([as_entry(1, decision)]) == [FIRST, SECOND]


def test_a_failed_document_is_classified_by_its_text_and_the_state_that_failed() -> None:
    history = [FIRST, move("rag_retrieval_1", "failed", success=False, error="boom")]
    after = adopt(document("failed", error="LLM 502"), history, at=later(100), actor=FOREIGN).after
    assert (after.phase, after.failed_from) == (Phase.FAILED, "rag_retrieval_1")
    assert after.error_type == "resource_error"
    assert len(after.fingerprint or "") == 12


def test_a_note_that_a_rollback_left_in_error_is_no_failure() -> None:
    assert (
        adopt(document("expert_routing", error="rolled back"), [], at=later(1), actor=FOREIGN).after.error_type is None
    )


def test_a_history_that_grew_adds_its_tail() -> None:
    before = adopted()
    decision = changed(before, document("module_execution"), [FIRST, SECOND, THIRD], [FIRST, SECOND])
    assert decision.entry.body == {"history": [THIRD], "is_whole": False}
    assert (decision.entry.kind, decision.entry.is_history, decision.entry.is_audit) == (EntryKind.EXTERNAL, True, True)
    assert (decision.entry.from_state, decision.entry.to_state) == ("expert_routing", "module_execution")
    assert decision.after.active_path == INTELLIGENT.path[:4]


def test_a_history_with_not_a_number_in_it_is_still_the_same_history() -> None:
    odd = {**FIRST, "metadata": {"score": math.nan}}
    same = {**FIRST, "metadata": {"score": float("nan")}}
    decision = changed(adopted(), document("expert_routing"), [same, SECOND, THIRD], [odd, SECOND])
    assert decision.entry.body == {"history": [THIRD], "is_whole": False}


def test_a_document_that_holds_only_the_newest_part_of_the_history_still_extends_it() -> None:
    decision = changed(adopted(), document("module_execution"), [SECOND, THIRD], [FIRST, SECOND])
    assert decision.entry.body == {"history": [THIRD], "is_whole": False}


def test_a_rewritten_history_replaces_the_one_imported_before() -> None:
    other = move("rag_retrieval_1", "expert_routing", "2026-01-01T00:00:25Z")
    first = adopt(document("expert_routing"), [FIRST, SECOND], at=later(100), actor=FOREIGN)
    second = changed(first.after, document("expert_routing"), [FIRST, other], [FIRST, SECOND])
    assert second.entry.body == {"history": [FIRST, other], "is_whole": True}
    assert history_dicts([as_entry(1, first), as_entry(2, second)]) == [FIRST, other]


@pytest.mark.parametrize("history", [[FIRST, SECOND], []], ids=["unchanged", "no history key"])
def test_a_changed_state_without_history_is_told_in_our_words(history: list[Any]) -> None:
    decision = changed(adopted(), document("module_execution"), history, [FIRST, SECOND])
    (told,) = decision.entry.body["history"]
    assert (told["from_state"], told["to_state"]) == ("expert_routing", "module_execution")
    assert (told["metadata"], told["success"]) == ({"reason": "external"}, True)
    assert told["timestamp"] == "2026-01-01T00:03:20.000000Z"
    assert decision.after.active_path == INTELLIGENT.path[:4]


def test_a_change_of_other_fields_adds_no_history_and_is_the_same_visit() -> None:
    before = adopted().evolve(entered_at=later(20))
    after = document("expert_routing", entered_at=later(77), user_input="another question")
    decision = changed(before, after, [FIRST, SECOND], [FIRST, SECOND])
    assert decision.entry.body == {"history": [], "is_whole": False}
    assert (decision.after.user_input, decision.after.entered_at) == ("another question", later(20))


def test_what_only_the_ledger_knows_survives_a_foreign_change() -> None:
    known = adopted()
    steps = tuple(step for step in known.steps)
    rolled = roll_back(known, INTELLIGENT, "rag_retrieval_1", at=later(150), actor=OPERATOR).after
    before = rolled.evolve(revision=2, is_forced=True, caller_timeouts=1)
    decision = changed(before, document("module_execution", steps=steps), [FIRST, SECOND, THIRD], [FIRST, SECOND])
    after = decision.after
    assert (after.generation, after.revision, after.is_forced, after.caller_timeouts) == (2, 2, True, 1)
    assert [step.is_superseded for step in after.steps] == [step.is_superseded for step in before.steps] == [True]
    assert (after.origin, after.deadline_at) == (Origin.EXTERNAL, None)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (Flag.DAMAGED, Flag.NONE),
        (Flag.GONE, Flag.NONE),
        (Flag.CONFLICT, Flag.NONE),
        (Flag.OVERWRITTEN, Flag.OVERWRITTEN),
    ],
)
def test_a_readable_document_takes_away_what_was_wrong_with_it(was: Flag, becomes: Flag) -> None:
    before = adopted().evolve(flag=was)
    assert changed(before, document("expert_routing"), [], []).after.flag is becomes


def test_adopting_another_hands_version_of_our_own_workflow_keeps_it_ours_and_timed() -> None:
    before = moved_to("expert_routing")
    moved = adopt_change(before, document("module_execution"), [], [], at=later(200), actor=OPERATOR).after
    assert (moved.origin, moved.timeout_s, moved.deadline_at) == (Origin.OWN, 300.0, later(500))
    same = adopt_change(before, document("expert_routing"), [], [], at=later(200), actor=OPERATOR).after
    assert same.deadline_at == before.deadline_at


def test_a_workflow_that_fails_by_another_hand_is_told_as_a_failure() -> None:
    decision = changed(adopted(), document("failed", error="timed out"), [FIRST, SECOND], [FIRST, SECOND])
    (told,) = decision.entry.body["history"]
    assert (told["success"], told["error"]) == (False, "timed out")
    assert (decision.after.error_type, decision.after.failed_from) == ("timeout", "expert_routing")


def test_a_flag_is_an_audit_entry_with_its_evidence_and_changes_nothing_else() -> None:
    before = moved_to("expert_routing")
    decision = flag(before, Flag.CONFLICT, "its digest is not ours", at=later(9), actor=FOREIGN)
    assert decision.after == before.evolve(flag=Flag.CONFLICT)
    entry = decision.entry
    assert (entry.kind, entry.is_history, entry.is_audit) == (EntryKind.FLAGGED, False, True)
    assert (entry.reason, entry.body) == ("its digest is not ours", {"flag": "conflict", "was": ""})
    cleared = flag(decision.after, Flag.NONE, "published again", at=later(10), actor=OPERATOR)
    assert cleared.after == before
