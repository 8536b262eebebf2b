from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from datetime import timedelta

import pytest
from conftest import Commit
from ledger_values import (
    OPERATOR,
    START,
    claim_of,
    creation,
    engine,
    flow,
    given_up,
    move,
    note,
    step_of,
    wanted_lock,
)

from engine.clock import ManualClock
from engine.errors import (
    LockHeldError,
    LockMovedOnError,
    RequestReusedError,
    StaleLockError,
    WorkflowErrorType,
    WorkflowExistsError,
)
from engine.model.actor import Act
from engine.model.change import LockPolicy
from engine.model.entry import chain_hash
from engine.model.names import EntryKind, Flag, Origin, Phase
from engine.store.outcomes import Committed, Conflict, Fenced, Granted, Refused
from engine.store.protocol import Store
from engine.store.requests import Refusal

WF = "wf_direct_1"


async def test_a_workflow_is_read_as_it_was_committed(store: Store, commit: Commit) -> None:
    made = flow(
        context={"ключ": [1, 2.5, None, True], "big": 2**70},
        trace_id="t",
        results={"module_execution_result": {"deep": {"x": [1]}}, "response": "done"},
        metadata={"a": {"b": []}},
        started_at=START,
        completed_at=START + timedelta(microseconds=1),
        error="kaputt \x00 \x1b[31m",
        total_duration=1.25,
        origin=Origin.EXTERNAL,
        flag=Flag.CONFLICT,
        deadline_at=START + timedelta(seconds=5),
        paused_at=START,
        paused_left_s=2.5,
        timeout_s=300.0,
        attempt=2,
        caller_timeouts=1,
        is_forced=True,
        error_type="timeout",
        fingerprint="f",
        active_path=("initialized", "module_execution"),
        failed_from="module_execution",
        extra={"z": 1, "a": 2},
        generation=4,
    )
    await commit(creation(made))
    assert await store.read(WF) == made
    assert list((await store.read(WF)).extra) == ["z", "a"]


async def test_nan_and_infinity_stay_what_they_are(store: Store, commit: Commit) -> None:
    before = await commit(creation(flow()))
    output = {"score": math.nan, "limit": math.inf}
    steps = (step_of(before, output),)
    await commit(move(before, "module_execution", values={"steps": steps, "context": {"n": math.nan}}))
    found = await store.read(WF)
    assert math.isnan(found.steps[0].output_data["score"])
    assert found.steps[0].output_data["limit"] == math.inf
    assert math.isnan(found.context["n"])


async def test_an_output_is_stored_once_and_its_slot_points_to_the_step(store: Store, commit: Commit) -> None:
    before = await commit(creation(flow()))
    output = {"response": "x" * 10_000, "n": math.nan}
    values = {
        "steps": (step_of(before, output),),
        "results": {"module_execution_result": output, "response": output["response"]},
    }
    await commit(move(before, "module_execution", values=values))
    found = await store.read(WF)
    assert found.results["module_execution_result"] is found.steps[0].output_data
    assert found.results["response"] == "x" * 10_000


async def test_a_slot_that_only_looks_equal_keeps_its_own_value(store: Store, commit: Commit) -> None:
    before = await commit(creation(flow()))
    steps = (step_of(before, {"a": 1, "b": 1.0}),)
    await commit(move(before, "module_execution", values={"steps": steps, "results": {"slot": {"b": True, "a": 1}}}))
    slot = (await store.read(WF)).results["slot"]
    assert list(slot) == ["b", "a"]
    assert slot["b"] is True


async def test_steps_are_replaced_added_and_dropped(store: Store, commit: Commit) -> None:
    first = await commit(creation(flow()))
    one = step_of(first, {"a": 1})
    second = await commit(move(first, "module_execution", values={"steps": (one,)}))
    two = step_of(second, {"b": 2})
    third = await commit(
        move(second, "module_execution", values={"steps": (replace(one, is_superseded=True, generation=2), two)})
    )
    assert [(step.n, step.is_superseded) for step in (await store.read(WF)).steps] == [(1, True), (2, False)]
    await commit(move(third, "completed", values={"steps": (two,)}))
    assert [step.n for step in (await store.read(WF)).steps] == [2]


async def test_an_equal_step_of_another_json_type_is_written(store: Store, commit: Commit) -> None:
    first = await commit(creation(flow()))
    second = await commit(move(first, "module_execution", values={"steps": (step_of(first, {"ok": 1}),)}))
    await commit(move(second, "module_execution", values={"steps": (step_of(first, {"ok": True}),)}))
    assert (await store.read(WF)).steps[0].output_data["ok"] is True


async def test_a_conflict_writes_nothing(store: Store, commit: Commit) -> None:
    first = await commit(creation(flow()))
    second = await commit(move(first, "module_execution"))
    counters, position = await store.counters(""), await store.version()
    outcome = await store.commit(move(first, "failed"))
    assert outcome == Conflict(expected=1, found=2)
    assert await store.read(WF) == second
    assert len(await store.entries(WF)) == 2
    assert (await store.counters(""), await store.version()) == (counters, position)


async def test_a_change_of_a_workflow_that_is_not_there_is_a_conflict(store: Store) -> None:
    assert await store.commit(move(flow(), "module_execution")) == Conflict(expected=1, found=0)
    assert await store.read(WF) is None


async def test_an_id_is_created_once(store: Store, commit: Commit) -> None:
    made = await commit(creation(flow()))
    outcome = await store.commit(creation(flow(user_input="other")))
    assert isinstance(outcome, Refused)
    assert isinstance(outcome.error, WorkflowExistsError)
    assert await store.read(WF) == made


async def test_a_repeated_request_returns_the_first_outcome_and_acts_once(store: Store, commit: Commit) -> None:
    first = await commit(creation(flow()))
    change = move(first, "module_execution", request_id="r", payload_hash="aa", events=2)
    done = await store.commit(change)
    newest = await commit(move(done.workflow, "response_generation"))
    again = await store.commit(change)
    assert isinstance(again, Committed)
    assert again.is_replay
    assert (again.entry, again.event_ids) == (done.entry, done.event_ids)
    assert again.workflow == newest
    assert again.event_bodies == ()
    assert len(await store.entries(WF)) == 3


async def test_another_payload_under_a_used_request_id_is_refused(store: Store, commit: Commit) -> None:
    first = await commit(creation(flow()))
    await commit(move(first, "module_execution", request_id="r", payload_hash="aa"))
    outcome = await store.commit(move(first, "failed", request_id="r", payload_hash="bb"))
    assert isinstance(outcome, Refused)
    assert isinstance(outcome.error, RequestReusedError)
    assert (await store.read(WF)).state == "module_execution"


async def test_one_request_id_serves_several_workflows(commit: Commit) -> None:
    await commit(creation(flow("wf_direct_1"), request_id="batch"))
    await commit(creation(flow("wf_direct_2"), request_id="batch"))


async def test_settling_tells_what_happened_and_what_did_not(store: Store, commit: Commit) -> None:
    made = await commit(creation(flow(), request_id="r"))
    settled = await store.settle(WF, "r")
    assert settled is not None
    assert (settled.workflow, settled.is_replay) == (made, True)
    assert await store.settle(WF, "other") is None


async def test_comparison_goes_request_then_revision_then_plan_then_lock(
    store: Store, commit: Commit, clock: ManualClock
) -> None:
    first = await commit(creation(flow(), request_id="used", payload_hash="aa"))
    second = await commit(move(first, "module_execution"))
    granted = await store.grant(wanted_lock(clock, owner="svc:9", me=engine("01OTHER")))
    assert isinstance(granted, Granted)

    everything_wrong = move(first, "failed", request_id="used", payload_hash="bb", lock_fence=77)
    assert isinstance(await store.commit(everything_wrong), Refused)
    stale_and_fenced = replace(everything_wrong, request_id="fresh")
    assert await store.commit(stale_and_fenced) == Conflict(expected=1, found=2)
    plan_moved_on = await store.commit(move(second, "failed", lock_fence=77))
    assert isinstance(plan_moved_on, Fenced)
    assert isinstance(plan_moved_on.error, LockMovedOnError)
    held = await store.commit(move(second, "failed", lock_fence=granted.lock.fence))
    assert isinstance(held, Fenced)
    assert isinstance(held.error, LockHeldError)
    assert held.lock == granted.lock


async def test_an_operators_change_passes_the_lock_but_not_its_plans_guard(
    store: Store, commit: Commit, clock: ManualClock
) -> None:
    first = await commit(creation(flow()))
    lock = (await store.grant(wanted_lock(clock))).lock
    guarded = move(first, "failed", lock_policy=LockPolicy.PASS, lock_fence=0)
    assert isinstance((await store.commit(guarded)).error, LockMovedOnError)
    await commit(move(first, "failed", lock_policy=LockPolicy.PASS, lock_fence=lock.fence))


async def test_a_plan_that_saw_no_lock_is_not_stopped_by_one_taken_and_released_since(
    store: Store, commit: Commit, clock: ManualClock
) -> None:
    first = await commit(creation(flow()))
    lock = (await store.grant(wanted_lock(clock))).lock
    assert await store.release(given_up(clock, lock))
    await commit(move(first, "failed", lock_policy=LockPolicy.PASS, lock_fence=0))


async def test_the_holder_writes_and_a_superseded_claim_does_not(
    store: Store, commit: Commit, clock: ManualClock
) -> None:
    first = await commit(creation(flow()))
    lock = (await store.grant(wanted_lock(clock))).lock
    second = await commit(move(first, "module_execution", claim=claim_of(lock)))
    stolen = await store.grant(wanted_lock(clock, owner="ops", me=engine("01OPS"), seen_fence=lock.fence))
    assert isinstance(stolen, Granted)
    late = await store.commit(move(second, "response_generation", claim=claim_of(lock)))
    assert isinstance(late.error, StaleLockError)
    assert await store.read(WF) == second


async def test_a_holders_own_rollback_keeps_its_grant_and_anothers_voids_it(
    store: Store, commit: Commit, clock: ManualClock
) -> None:
    first = await commit(creation(flow()))
    lock = (await store.grant(wanted_lock(clock))).lock
    second = await commit(
        move(first, "initialized", kind=EntryKind.ROLLBACK, values={"generation": 2}, claim=claim_of(lock))
    )
    assert (await store.lock(WF)).generation == 2
    stale = claim_of(lock)
    operators = move(
        second,
        "initialized",
        kind=EntryKind.ROLLBACK,
        values={"generation": 3},
        lock_policy=LockPolicy.PASS,
        claim=stale,
    )
    third = await commit(operators)
    assert (await store.lock(WF)).generation == 2
    claim = replace(claim_of(lock), generation=2)
    late = await store.commit(move(third, "module_execution", claim=claim))
    assert isinstance(late.error, StaleLockError)


async def test_an_entry_without_a_new_revision_only_lengthens_the_chain(store: Store, commit: Commit) -> None:
    made = await commit(creation(flow()))
    before = await store.version()
    assert await commit(note(made, "looked at it")) == made
    assert await store.read(WF) == made
    entries = await store.entries(WF)
    assert [entry.n for entry in entries] == [1, 2]
    assert entries[1].body == {"text": "looked at it", "actor": {"kind": "operator", "user": "ops", "tty": "pts/3"}}
    assert await store.version() > before


async def test_every_entry_is_linked_to_the_one_before(store: Store, commit: Commit, clock: ManualClock) -> None:
    first = await commit(creation(flow()))
    second = await commit(move(first, "module_execution"))
    await store.grant(wanted_lock(clock))
    await commit(note(second, "n", lock_policy=LockPolicy.PASS))
    await store.record_refusal(_refusal(WF))
    previous = ""
    entries = await store.entries(WF)
    for n, entry in enumerate(entries, start=1):
        assert entry.n == n
        assert entry.hash == chain_hash(previous, entry)
        previous = entry.hash
    assert [entry.kind for entry in entries][-2:] == [EntryKind.NOTE, EntryKind.REFUSED]
    assert [entry.revision for entry in entries] == [1, 2, 2, 2, 2]


async def test_refusals_without_a_workflow_have_the_store_wide_chain(store: Store) -> None:
    for _ in range(2):
        await store.record_refusal(_refusal("wf_not_there"))
    entries = await store.entries("")
    assert [(entry.n, entry.outcome, entry.body["workflow_id"]) for entry in entries] == [
        (1, "refused", "wf_not_there"),
        (2, "refused", "wf_not_there"),
    ]
    assert entries[1].hash == chain_hash(entries[0].hash, entries[1])
    assert (await store.counters("errors/"))["errors/state_transition_error"] == 2


async def test_the_end_of_each_chain_is_kept_beside_it(store: Store, commit: Commit) -> None:
    assert await store.chain_head(WF) == (0, "")
    assert await store.chain_head("") == (0, "")
    made = await commit(creation(flow()))
    await commit(note(made, "n"))
    await store.record_refusal(_refusal("wf_not_there"))
    for chain in (WF, ""):
        newest = (await store.entries(chain))[-1]
        assert await store.chain_head(chain) == (newest.n, newest.hash)


async def test_entries_are_paged_and_history_is_a_selection_of_them(store: Store, commit: Commit) -> None:
    newest = await commit(creation(flow()))
    for state in ("module_execution", "response_generation", "completed"):
        newest = await commit(move(newest, state))
        await commit(note(newest, state))
    assert [entry.n for entry in await store.entries(WF, after=2, limit=3)] == [3, 4, 5]
    history = await store.entries(WF, history_only=True)
    assert [entry.to_state for entry in history] == ["module_execution", "response_generation", "completed"]
    newest_two, older = await store.last_history(WF, 2)
    assert [entry.to_state for entry in newest_two] == ["response_generation", "completed"]
    assert older == 1
    assert await store.last_history(WF, 3) == (tuple(history), 0)


async def test_concurrent_changes_from_one_revision_have_one_winner(store: Store, commit: Commit) -> None:
    made = await commit(creation(flow()))
    outcomes = await asyncio.gather(*(store.commit(move(made, "module_execution")) for _ in range(20)))
    assert sum(isinstance(outcome, Committed) for outcome in outcomes) == 1
    assert outcomes.count(Conflict(expected=1, found=2)) == 19
    assert len(await store.entries(WF)) == 2


async def test_revisions_that_do_not_follow_each_other_are_a_programming_error(store: Store, commit: Commit) -> None:
    made = await commit(creation(flow()))
    change = move(made, "module_execution")
    with pytest.raises(ValueError, match="revision"):
        await store.commit(replace(change, after=change.after.evolve(revision=5)))


async def test_what_has_no_json_shape_is_an_error_and_changes_nothing(store: Store, commit: Commit) -> None:
    made = await commit(creation(flow()))
    with pytest.raises(ValueError, match="serialize"):
        await store.commit(move(made, "module_execution", values={"context": {"x": object()}}))
    assert await store.read(WF) == made


async def test_several_workflows_are_read_in_the_order_asked(store: Store, commit: Commit) -> None:
    for name in ("a", "b", "c"):
        await commit(creation(flow(name)))
    assert [found.workflow_id for found in await store.read_many(["c", "missing", "a"])] == ["c", "a"]


async def test_entering_failed_counts_its_error_once(store: Store, commit: Commit) -> None:
    newest = await commit(creation(flow()))
    newest = await commit(move(newest, "module_execution"))
    newest = await commit(move(newest, "failed", values={"error_type": "timeout"}))
    await commit(move(newest, "failed", values={"flag": Flag.CONFLICT}, kind=EntryKind.FLAGGED))
    errors = await store.counters("errors/")
    minute = int(newest.updated_at.timestamp()) // 60
    assert errors == {"errors/timeout": 1, f"errors/timeout/{minute}": 1}
    assert (await store.row(WF)).phase is Phase.FAILED


async def test_a_workflow_adopted_as_failed_counts_no_error_of_now(store: Store, commit: Commit) -> None:
    await commit(creation(flow(state="failed", phase=Phase.FAILED, error_type="timeout"), kind=EntryKind.ADOPTED))
    assert await store.counters("errors/") == {}


def _refusal(workflow_id: str) -> Refusal:
    return Refusal(
        workflow_id=workflow_id,
        verb="rollback",
        at=START,
        act=Act(actor=OPERATOR, reason="INC-1"),
        why="it is completed",
        error_type=WorkflowErrorType.STATE_TRANSITION_ERROR,
    )
