from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flows import OPERATOR, failed_in, later, moved_to, new

from engine.model.line import Line
from engine.model.lock import Instant, Liveness, Lock
from engine.model.names import Flag, Origin
from engine.model.workflow import Workflow
from engine.operations.plan import Verb
from engine.rules.ages import age_text
from engine.rules.lines import INTELLIGENT
from engine.rules.stuck import FailingEvent, StuckFacts, Why, why
from engine.rules.transitions import cancel

MODULE = moved_to("module_execution")
"""Entered at second 30, due at second 330."""
LOCK = Lock(
    workflow_id=MODULE.workflow_id,
    owner="svc:4121",
    incarnation="I1",
    fence=3,
    generation=1,
    acquired_at=later(31),
    ttl_s=600.0,
    expires_at=later(631),
    boot_id="boot-1",
    expires_mono=631.0,
)
HEAD = FailingEvent(type="workflow.completed", attempts=2, error="bus says 503", next_attempt_at=later(110))
NOWHERE = Line(name="nowhere", path=("a", "b"), results={})


def ask(workflow: Workflow | None, at: float = 100, **facts: Any) -> Why:
    now = Instant(later(at), at, "boot-1")
    return why(StuckFacts(workflow_id="wf_1", workflow=workflow, now=now, **facts))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0m00"),
        (7.9, "0m07"),
        (842, "14m02"),
        (3_599, "59m59"),
        (7_500, "2h05"),
        (86_399, "23h59"),
        (273_600, "3d04"),
        (-5, "0m00"),
        (float("nan"), "0m00"),
        (float("inf"), "ever"),
    ],
)
def test_ages_read_like_a_clock(seconds: float, text: str) -> None:
    assert age_text(seconds) == text


def test_a_document_that_never_was_readable_is_damaged_with_its_reason() -> None:
    assert ask(None, problem="line 12: EOF").sentence.startswith("The document of wf_1 is damaged: line 12: EOF. ")
    assert ask(None).code == "damaged"


@pytest.mark.parametrize(
    ("flag", "code"), [(Flag.DAMAGED, "damaged"), (Flag.CONFLICT, "conflict"), (Flag.GONE, "gone")]
)
def test_what_is_wrong_with_the_document_comes_first(flag: Flag, code: str) -> None:
    flagged = MODULE.evolve(flag=flag, paused_at=later(50))
    found = ask(flagged, lock=LOCK, failing=HEAD, problem="digest differs")
    assert found.code == code
    assert "digest differs" in found.sentence


def test_a_failed_workflow_says_where_when_and_why_and_how_to_go_on() -> None:
    found = ask(failed_in("module_execution", error="boom"), at=100)
    assert found.code == "failed"
    assert found.sentence == "Failed in module_execution 1m00 ago (module_execution_error): boom."
    assert found.verbs == ("retry", "rollback", "force")


def test_a_finished_workflow_waits_for_nothing_unless_its_event_cannot_be_delivered() -> None:
    done = moved_to("completed")
    assert (ask(done).code, ask(done).sentence) == ("finished", "Finished 0m40 ago; nothing is waiting.")
    assert ask(done, failing=HEAD).code == "outbox_blocked"
    cancelled = cancel(MODULE, INTELLIGENT, reason="not wanted", at=later(40), actor=OPERATOR).after
    assert ask(cancelled).sentence == "Cancelled 1m00 ago: not wanted."


def test_a_paused_workflow_says_since_when_and_what_was_left() -> None:
    found = ask(MODULE.evolve(paused_at=later(40), paused_left_s=290.0), lock=LOCK, at=1_000)
    assert (found.code, found.sentence) == ("paused", "Paused 16m00 ago in module_execution; 4m50 were left then.")


def test_a_lock_held_by_the_living_says_by_whom_for_how_long_and_until_when() -> None:
    found = ask(MODULE, lock=LOCK, liveness=Liveness.ALIVE, evidence="heartbeat 0m02 ago")
    assert found.code == "lock_held"
    assert found.sentence == "Locked by svc:4121 for 1m09, alive (heartbeat 0m02 ago); expires in 8m51."
    assert found.verbs == ()


def test_a_lock_on_overdue_work_says_that_too_and_suggests_the_rollback_first() -> None:
    found = ask(MODULE, at=500, lock=LOCK, liveness=Liveness.ALIVE)
    assert found.code == "lock_held"
    assert found.sentence.endswith("Its deadline passed 2m50 ago.")
    assert found.verbs[0] == "rollback"


def test_a_dead_holder_is_told_from_a_living_one() -> None:
    found = ask(MODULE, lock=LOCK, liveness=Liveness.DEAD, evidence="its process ended")
    assert (found.code, found.verbs[0]) == ("lock_dead", "unlock")
    assert "which is dead (its process ended)" in found.sentence


def test_a_grant_of_an_older_generation_is_void_and_still_keeps_others_out() -> None:
    found = ask(MODULE.evolve(generation=2), lock=LOCK, liveness=Liveness.ALIVE)
    assert (found.code, found.verbs) == ("lock_void", ("unlock",))
    assert "others are kept out for 8m51 more" in found.sentence


@pytest.mark.parametrize(
    "lock", [replace(LOCK, owner=""), replace(LOCK, expires_mono=99.0)], ids=["released", "expired"]
)
def test_a_lock_that_nobody_holds_explains_nothing(lock: Lock) -> None:
    assert ask(MODULE, lock=lock).code == "waiting"


def test_a_blocked_outbox_says_which_event_how_often_and_when_it_is_tried_again() -> None:
    found = ask(MODULE, failing=HEAD)
    assert found.code == "outbox_blocked"
    assert found.sentence == (
        "Its event workflow.completed failed 2 times, last with bus says 503; next try in 0m10. "
        "Later events wait behind it."
    )
    assert found.verbs == ("events retry", "drop")
    assert "its breaker is open" in ask(MODULE, failing=HEAD, is_breaker_open=True).sentence
    assert (
        "failed once; the next try is due"
        in ask(MODULE, failing=FailingEvent(type="workflow.started", attempts=1)).sentence
    )


def test_of_several_reasons_the_first_in_order_is_the_answer() -> None:
    both = {"lock": LOCK, "failing": HEAD, "at": 500.0, "engines_alive": 0}
    assert ask(MODULE, **both).code == "lock_held"
    assert ask(MODULE, **{**both, "lock": None}).code == "outbox_blocked"
    assert ask(MODULE, **{**both, "lock": None, "failing": None}).code == "overdue"


def test_overdue_work_says_by_how_much_and_whether_anybody_acts_on_it() -> None:
    watched, alone = ask(MODULE, at=500), ask(MODULE, at=500, has_supervisor=False, engines_alive=0)
    assert watched.code == alone.code == "overdue"
    assert watched.sentence == (
        "In module_execution for 7m50. Its deadline passed 2m50 ago. The supervisor acts on it with its next sweep."
    )
    assert alone.sentence.endswith("Nobody supervises this store.")


def test_in_good_time_a_living_owner_is_waited_for_and_one_not_known_to_live_may_be_unlocked() -> None:
    assert ask(MODULE, lock=LOCK, liveness=Liveness.ALIVE).verbs == ()
    assert ask(MODULE, lock=LOCK, liveness=Liveness.SILENT).verbs == ("unlock",)
    assert "unlock" in ask(MODULE, at=400, lock=LOCK, liveness=Liveness.ALIVE).verbs


def test_a_failed_workflow_under_a_dead_lock_is_to_be_unlocked_too() -> None:
    failed = failed_in("rag_retrieval_1")
    found = ask(failed, lock=LOCK, liveness=Liveness.DEAD)
    assert found.verbs[:2] == ("retry", "unlock")
    assert found.sentence.endswith("It is locked by svc:4121, which is dead.")
    assert "unlock" not in ask(failed, lock=LOCK, liveness=Liveness.ALIVE).verbs


def test_a_damaged_document_is_to_be_repaired_or_removed_and_no_verb_helps() -> None:
    for found in (ask(None, problem="it ends early"), ask(MODULE.evolve(flag=Flag.DAMAGED))):
        assert found.sentence.endswith("repair or remove it.")
        assert found.verbs == ()


def test_a_workflow_nobody_began_was_never_started() -> None:
    found = ask(new(), at=7_500, engines_alive=0)
    assert found.code == "never_started"
    assert found.sentence.startswith("Created 2h05 ago and never started")
    assert found.sentence.endswith("No engine is running.")


def test_a_workflow_that_came_back_to_the_first_state_was_started_once() -> None:
    assert ask(new().evolve(started_at=later(1))).code == "waiting"


def test_an_external_workflow_is_driven_by_another_program() -> None:
    external = MODULE.evolve(origin=Origin.EXTERNAL, deadline_at=None)
    assert ask(external, engines_alive=0).code == "external"
    overwritten = ask(external.evolve(flag=Flag.OVERWRITTEN))
    assert overwritten.sentence.endswith("It overwrote your last change.")


def test_without_an_engine_open_work_waits_for_one() -> None:
    found = ask(MODULE, engines_alive=0)
    assert (found.code, "no engine is running" in found.sentence) == ("no_engine", True)


def test_what_is_not_stuck_waits_for_its_caller_and_says_what_is_usual() -> None:
    found = ask(MODULE, p95_s=42.0)
    assert found == Why(
        code="waiting",
        sentence="In module_execution for 1m10, deadline in 3m50; 95 of 100 visits take at most 0m42. "
        "It waits for its caller.",
    )
    assert "no deadline" in ask(MODULE.evolve(deadline_at=None)).sentence


def test_a_document_that_cannot_be_published_is_added_to_whatever_else_is_so() -> None:
    assert ask(MODULE, problem="disk full").sentence.endswith("Its document could not be published: disk full.")


def test_a_workflow_of_a_line_that_is_not_known_here_has_an_answer_too() -> None:
    workflow = new(NOWHERE)
    assert ask(workflow).code == "never_started"


def test_every_suggested_verb_is_one_that_operators_have() -> None:
    flows = [
        new(),
        MODULE,
        moved_to("completed"),
        failed_in("rag_retrieval_1"),
        MODULE.evolve(origin=Origin.EXTERNAL, deadline_at=None),
        *(MODULE.evolve(flag=flag) for flag in Flag),
    ]
    for workflow in flows:
        for facts in ({}, {"lock": LOCK}, {"failing": HEAD}, {"engines_alive": 0}):
            for at in (100.0, 10_000.0):
                found = ask(workflow, at=at, **facts)
                assert set(found.verbs) <= set(Verb)
                assert found.sentence.endswith(".")


def test_ages_of_the_future_read_as_none() -> None:
    assert "1m00" not in ask(MODULE.evolve(entered_at=later(100) + timedelta(seconds=60)), p95_s=None).sentence
