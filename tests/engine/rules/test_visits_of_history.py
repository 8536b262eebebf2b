from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flows import OPERATOR, START, failed_in, later, move, moved_to, new, step_to, told
from hypothesis import given
from hypothesis import strategies as st

from engine.model.change import Decision
from engine.model.names import Origin, Phase
from engine.model.times import format_time
from engine.model.workflow import Workflow
from engine.rules.force import force
from engine.rules.lines import INTELLIGENT
from engine.rules.retry import retry
from engine.rules.rollback import roll_back
from engine.rules.timeouts import time_out
from engine.rules.transitions import cancel, transition
from engine.rules.visits import Visit, visits

RAG1, ROUTE, MODULE = INTELLIGENT.path[1:4]


class Run:
    """Decisions one after another, 10 s apart."""

    def __init__(self) -> None:
        self.workflow = new()
        self.decisions: list[Decision] = []

    def add(self, decision: Decision) -> None:
        self.decisions.append(decision)
        self.workflow = decision.after

    def to(self, *states: str) -> Run:
        for state in states:
            self.add(step_to(self.workflow, state, at=self.now))
        return self

    @property
    def now(self) -> Any:
        return later(10.0 * (len(self.decisions) + 1))

    def visits(self, at: float = 1_000) -> tuple[Visit, ...]:
        return visits(told(self.decisions), self.workflow, later(at))


def outlines(found: tuple[Visit, ...]) -> list[tuple[str, str, str]]:
    return [(visit.state, visit.outcome, visit.cause) for visit in found]


def test_a_new_workflow_has_one_visit_that_lasts() -> None:
    (visit,) = visits([], new(), later(7))
    assert (visit.state, visit.outcome, visit.cause) == ("initialized", "current", "created")
    assert (visit.entered_at, visit.left_at, visit.duration_s) == (START, None, 7.0)


def test_a_run_is_a_chain_of_done_visits_and_the_present_one() -> None:
    run = Run().to(RAG1, ROUTE)
    found = run.visits(at=25)
    assert outlines(found) == [
        ("initialized", "done", "created"),
        (RAG1, "done", "transition"),
        (ROUTE, "current", "transition"),
    ]
    assert [visit.duration_s for visit in found] == [10.0, 10.0, 5.0]
    assert [visit.left_at for visit in found] == [later(10), later(20), None]
    assert found[-1].deadline_at == later(320)


def test_the_end_takes_no_time() -> None:
    run = Run().to(*INTELLIGENT.path[1:])
    last = run.visits()[-1]
    assert (last.state, last.outcome, last.duration_s, last.left_at) == ("completed", "done", 0.0, last.entered_at)


def test_a_rollback_supersedes_the_visits_it_undoes() -> None:
    run = Run().to(RAG1, ROUTE, MODULE)
    run.add(roll_back(run.workflow, INTELLIGENT, RAG1, at=run.now, actor=OPERATOR))
    assert outlines(run.visits()) == [
        ("initialized", "done", "created"),
        (RAG1, "superseded", "transition"),
        (ROUTE, "superseded", "transition"),
        (MODULE, "superseded", "transition"),
        (RAG1, "current", "rollback"),
    ]


def test_a_failed_visit_stays_failed_when_it_is_retried() -> None:
    run = Run().to(RAG1, ROUTE)
    run.add(transition(run.workflow, INTELLIGENT, "failed", error="boom", at=run.now, actor=OPERATOR))
    assert outlines(run.visits())[-2:] == [(ROUTE, "failed", "transition"), ("failed", "failed", "transition")]
    assert run.visits()[-2].error == "boom"
    run.add(retry(run.workflow, INTELLIGENT, at=run.now, actor=OPERATOR))
    assert outlines(run.visits())[1:] == [
        (RAG1, "done", "transition"),
        (ROUTE, "failed", "transition"),
        ("failed", "failed", "transition"),
        (ROUTE, "current", "retry"),
    ]


def test_a_timeout_fails_the_visit_it_ends_and_supersedes_the_one_before() -> None:
    run = Run().to(RAG1, ROUTE)
    run.add(time_out(run.workflow, INTELLIGENT, at=later(320)))
    found = run.visits()
    assert outlines(found)[1:] == [
        (RAG1, "superseded", "transition"),
        (ROUTE, "failed", "transition"),
        (RAG1, "current", "timeout"),
    ]
    assert "took longer than its 300 s" in (found[2].error or "")


def test_a_force_leaves_and_a_cancel_leaves() -> None:
    run = Run().to(RAG1, ROUTE)
    run.add(force(run.workflow, INTELLIGENT, MODULE, results={}, at=run.now, actor=OPERATOR, reason="INC-204 by hand"))
    run.add(cancel(run.workflow, INTELLIGENT, reason=None, at=run.now, actor=OPERATOR))
    assert outlines(run.visits())[1:] == [
        (RAG1, "done", "transition"),
        (ROUTE, "left", "transition"),
        (MODULE, "left", "force"),
        ("cancelled", "left", "cancel"),
    ]


def test_the_present_visit_carries_its_attempt() -> None:
    workflow = moved_to(RAG1).evolve(attempt=2)
    assert visits([move("initialized", RAG1)], workflow, later(99))[-1].attempt == 2


def foreign(state: str, **facts: Any) -> Workflow:
    known = {"state": state, "phase": INTELLIGENT.phase(state), "origin": Origin.EXTERNAL, "entered_at": later(50)}
    return new().evolve(**{**known, **facts})


def test_self_moves_are_visits_that_were_gone_through_again() -> None:
    history = [move("initialized", MODULE, format_time(later(1)))]
    history += [move(MODULE, MODULE, format_time(later(n))) for n in range(2, 202)]
    found = visits(history, foreign(MODULE), later(300))
    assert len(found) == 202
    assert {visit.outcome for visit in found[1:-1]} == {"superseded"}
    assert found[-1].outcome == "current"


def test_a_state_the_history_does_not_end_in_is_added() -> None:
    history = [
        move("initialized", RAG1, format_time(later(1))),
        move(RAG1, ROUTE, format_time(later(2))),
        move(ROUTE, MODULE, format_time(later(3))),
    ]
    assert outlines(visits(history, foreign(ROUTE), later(99)))[2:] == [
        (ROUTE, "superseded", "transition"),
        (MODULE, "superseded", "transition"),
        (ROUTE, "current", "external"),
    ]
    cancelled = visits(history, foreign("cancelled"), later(99))
    assert outlines(cancelled)[-2:] == [(MODULE, "left", "transition"), ("cancelled", "left", "external")]
    failed = visits(history, foreign("failed", error="boom"), later(99))
    assert [(visit.outcome, visit.error) for visit in failed[-2:]] == [("failed", "boom")] * 2


def test_a_move_that_leaves_an_earlier_state_tells_of_a_rollback_nobody_recorded() -> None:
    history = [
        move("initialized", RAG1, format_time(later(1))),
        move(RAG1, ROUTE, format_time(later(2))),
        move(ROUTE, MODULE, format_time(later(3))),
        move(RAG1, ROUTE, format_time(later(4))),
    ]
    assert outlines(visits(history, foreign(ROUTE), later(99)))[1:] == [
        (RAG1, "done", "transition"),
        (ROUTE, "superseded", "transition"),
        (MODULE, "superseded", "transition"),
        (ROUTE, "current", "transition"),
    ]


def test_a_time_that_cannot_be_read_is_taken_from_the_entry_before() -> None:
    history = [move("initialized", RAG1, format_time(later(5))), move(RAG1, ROUTE, "yesterday")]
    found = visits(history, foreign(ROUTE), later(99))
    assert [visit.entered_at for visit in found] == [START, later(5), later(5)]


def test_a_history_whose_beginning_was_cut_off_begins_when_its_first_state_did() -> None:
    cut = [move(RAG1, ROUTE, format_time(later(900)), duration=30.0)]
    assert visits(cut, foreign(ROUTE), later(999))[0].entered_at == later(870)


def test_clocks_that_ran_back_give_no_negative_durations() -> None:
    history = [move("initialized", RAG1, format_time(later(50))), move(RAG1, ROUTE, format_time(later(10)))]
    assert [visit.duration_s for visit in visits(history, foreign(ROUTE), START)] == [50.0, 0.0, 0.0]


def test_the_present_visit_of_a_failed_workflow_of_ours_is_the_failure() -> None:
    workflow = failed_in(ROUTE)
    assert workflow.phase is Phase.FAILED
    found = visits([], workflow, later(999))
    assert (found[-1].state, found[-1].outcome, found[-1].error) == ("failed", "failed", "boom")


anything = st.one_of(st.none(), st.integers(), st.text(max_size=5), st.floats(), st.just(format_time(later(10**9))))
entries = st.one_of(
    anything,
    st.fixed_dictionaries(
        {},
        optional={
            "from_state": st.one_of(anything, st.sampled_from(INTELLIGENT.states)),
            "to_state": st.one_of(anything, st.sampled_from(INTELLIGENT.states)),
            "timestamp": st.one_of(anything, st.integers(-9, 99).map(lambda n: format_time(later(n)))),
            "duration": anything,
            "error": anything,
            "metadata": st.one_of(anything, st.fixed_dictionaries({"reason": anything})),
        },
    ),
)


@given(history=st.lists(entries, max_size=8), state=st.sampled_from(INTELLIGENT.states))
def test_no_history_whatever_breaks_a_timeline(history: list[Any], state: str) -> None:
    workflow = foreign(state)
    found = visits(history, workflow, later(99))
    assert found[-1].state == state
    assert all(visit.duration_s >= 0 for visit in found)
    assert all(visit.left_at is not None for visit in found[:-1])
    assert [visit.outcome for visit in found].count("current") == int(workflow.is_open)


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_a_time_at_the_end_of_all_time_is_one_that_cannot_be_read(text: str) -> None:
    found = visits([move("initialized", RAG1, text)], foreign(RAG1), later(99))
    assert found[-1].entered_at - START < timedelta(days=1)
