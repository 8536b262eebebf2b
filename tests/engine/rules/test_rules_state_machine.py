"""Random lives of a workflow: whatever is asked in whatever order, the rules keep what they promise."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flows import CALLER, OPERATOR, later, new, told
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.errors import RefusedError
from engine.model.change import Decision
from engine.model.line import Line
from engine.model.names import Phase, WorkflowEventType
from engine.model.plain import encode
from engine.model.workflow import Workflow
from engine.rules.force import force
from engine.rules.lines import BUILT_IN, INTELLIGENT
from engine.rules.retry import retry
from engine.rules.rollback import active_path, roll_back, targets
from engine.rules.timeouts import time_out
from engine.rules.transitions import StepReport, cancel, transition
from engine.rules.visits import visits

REASON = "a reason that is long enough"
states = st.sampled_from(INTELLIGENT.states)


class Life(RuleBasedStateMachine):
    """One workflow, every rule, and what must be so after each."""

    workflow: Workflow
    line: Line

    @initialize(line=st.sampled_from(sorted(BUILT_IN.values(), key=lambda line: line.name)))
    def begin(self, line: Line) -> None:
        self.line = line
        self.workflow = new(line)
        self.decisions: list[Decision] = []
        self.seconds = 0.0
        self.outputs: list[Any] = []

    def at(self, seconds: float = 1.0) -> datetime:
        self.seconds += seconds
        return later(self.seconds)

    def apply(self, decision: Decision) -> None:
        before, after = self.workflow, decision.after
        assert decision.entry.from_state == before.state
        assert decision.entry.to_state == after.state
        assert after.generation - before.generation in (0, 1)
        assert after.revision == before.revision
        for was, now in zip(before.steps, after.steps, strict=False):
            assert (was.n, was.state, was.output_data) == (now.n, now.state, now.output_data)
            assert now.is_superseded or not was.is_superseded
        assert len(after.steps) >= len(before.steps)
        encode(decision.entry.body)
        encode([event.payload for event in decision.entry.events])
        self.decisions.append(decision)
        self.workflow = after

    @rule(is_reported=st.booleans())
    def go_on(self, *, is_reported: bool) -> None:
        following = [s for s in self.line.next_states(self.workflow.state) if s != self.line.failed]
        if not following:
            return
        report = None
        if is_reported:
            output = {"response": f"r{len(self.outputs)}", "n": len(self.outputs)}
            self.outputs.append(output)
            report = StepReport(output_data=output)
        self.apply(transition(self.workflow, self.line, following[0], step=report, at=self.at(), actor=CALLER))
        assert self.workflow.caller_timeouts == 0

    @rule(error=st.sampled_from(["boom", "timed out", None]))
    def fail(self, error: str | None) -> None:
        try:
            self.apply(transition(self.workflow, self.line, "failed", error=error, at=self.at(), actor=CALLER))
        except RefusedError:
            assert self.line.failed not in self.line.next_states(self.workflow.state)

    @rule(to=st.one_of(st.none(), states))
    def go_back(self, to: str | None) -> None:
        ways = targets(self.workflow)
        try:
            self.apply(roll_back(self.workflow, self.line, to, at=self.at(), actor=OPERATOR))
        except RefusedError:
            assert to not in ways if to is not None else not ways
        else:
            assert self.workflow.state == (to or ways[-1])

    @rule()
    def try_again(self) -> None:
        failed_from = self.workflow.failed_from
        try:
            self.apply(retry(self.workflow, self.line, at=self.at(), actor=OPERATOR))
        except RefusedError:
            assert self.workflow.phase is not Phase.FAILED
        else:
            assert self.workflow.state == failed_from

    @rule(state=states, is_supplied=st.booleans())
    def force_it(self, state: str, *, is_supplied: bool) -> None:
        results = {self.line.path[1]: {"by": "hand", "n": len(self.outputs)}} if is_supplied else {}
        if is_supplied:
            self.outputs.append(results[self.line.path[1]])
        try:
            self.apply(
                force(self.workflow, self.line, state, results=results, at=self.at(), actor=OPERATOR, reason=REASON)
            )
        except RefusedError:
            if is_supplied:
                self.outputs.pop()
            assert state == self.workflow.state or state not in self.line.states

    @rule()
    @precondition(lambda self: self.workflow.deadline_at is not None)
    def run_out_of_time(self) -> None:
        before = self.workflow
        self.apply(time_out(before, self.line, at=self.at(301)))
        assert self.workflow.caller_timeouts == before.caller_timeouts + 1
        if before.caller_timeouts:
            assert self.workflow.state == self.line.failed

    @rule(is_wanted=st.integers(0, 4))
    def call_off(self, is_wanted: int) -> None:
        if is_wanted or not self.workflow.is_open:
            return
        self.apply(cancel(self.workflow, self.line, reason=None, at=self.at(), actor=OPERATOR))

    @invariant()
    def the_state_is_the_top_of_the_path_or_an_end_that_never_pushes(self) -> None:
        workflow = self.workflow
        if workflow.state in (self.line.failed, self.line.cancelled):
            assert workflow.active_path[-1] in self.line.path[:-1]
        else:
            assert workflow.active_path[-1] == workflow.state
        assert workflow.active_path[0] == self.line.initial
        assert list(workflow.active_path) == sorted(workflow.active_path, key=self.line.path.index)

    @invariant()
    def the_history_folds_to_the_path(self) -> None:
        assert active_path(told(self.decisions), self.workflow.state, self.line) == self.workflow.active_path

    @invariant()
    def phase_deadline_and_times_agree_with_the_state(self) -> None:
        workflow = self.workflow
        assert workflow.phase is self.line.phase(workflow.state)
        is_over = not workflow.is_open
        assert (workflow.completed_at is not None) == (workflow.total_duration is not None) == is_over
        is_timed = workflow.is_open and workflow.state != self.line.initial
        assert (workflow.deadline_at is not None) == is_timed
        assert (workflow.failed_from is not None) == (workflow.phase is Phase.FAILED)
        assert (workflow.error_type is not None) == (workflow.phase is Phase.FAILED)

    @invariant()
    def no_output_ever_vanishes(self) -> None:
        steps = [step.output_data for step in self.workflow.steps]
        kept = [value for d in self.decisions for value in d.entry.body.get("results", {}).values()]
        assert all(output in steps or output in kept for output in self.outputs)

    @invariant()
    def a_result_in_a_slot_belongs_to_a_step_that_counts_or_was_supplied(self) -> None:
        counting = [step.output_data for step in self.workflow.steps if not step.is_superseded]
        supplied = [value for d in self.decisions for value in d.entry.body.get("results", {}).values()]
        for slot, value in self.workflow.results.items():
            if value is None:
                continue
            told_by = [output.get("response") for output in counting] if slot == "response" else counting
            assert value in told_by or value in supplied

    @invariant()
    def the_timeline_ends_in_the_present_state(self) -> None:
        found = visits(told(self.decisions), self.workflow, later(self.seconds))
        assert found[-1].state == self.workflow.state
        assert len(found) == len(self.decisions) + 1

    @invariant()
    def every_change_told_the_bus_in_order(self) -> None:
        for decision in self.decisions[-1:]:
            types = [event.type for event in decision.entry.events]
            assert types.count(WorkflowEventType.STATE_CHANGED) == 1
            expected = {"completed": WorkflowEventType.COMPLETED, "failed": WorkflowEventType.FAILED}
            if (end := expected.get(decision.after.state)) is not None:
                assert types[-1] is end


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=120, stateful_step_count=25, deadline=None)


@given(moves=st.lists(st.integers(0, 6), max_size=12))
@settings(deadline=None)
def test_a_generation_counts_exactly_the_moves_that_were_no_normal_transition(moves: list[int]) -> None:
    workflow, jumps = new(), 0
    for n, choice in enumerate(moves, start=1):
        following = INTELLIGENT.next_states(workflow.state)
        if choice and following:
            workflow = transition(workflow, INTELLIGENT, following[0], at=later(n), actor=CALLER).after
        elif targets(workflow):
            workflow = roll_back(workflow, INTELLIGENT, None, at=later(n), actor=OPERATOR).after
            jumps += 1
    assert workflow.generation == 1 + jumps
