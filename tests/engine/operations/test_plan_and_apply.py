from __future__ import annotations

import random
from dataclasses import replace

import pytest
from operator_desk import ACTOR, REASON, STATES, Desk, ask

from engine.errors import InvalidValueError, ReasonRequiredError
from engine.operations.applying import plan_id
from engine.operations.effects import LOCK_VOID
from engine.operations.plan import Applied, Level, PlanRequest, Verb
from engine.orchestrator import ProductionWorkflowOrchestrator
from engine.store.query import Filter, Query

FLOW_VERBS = (Verb.ROLLBACK, Verb.RETRY, Verb.FORCE, Verb.CANCEL, Verb.UNLOCK)


@pytest.mark.parametrize(
    ("state", "verb", "to", "after"),
    [
        ("module_execution", Verb.ROLLBACK, None, "expert_routing"),
        ("response_generation", Verb.ROLLBACK, "rag_retrieval_1", "rag_retrieval_1"),
        ("failed", Verb.ROLLBACK, None, "module_execution"),
        ("failed", Verb.RETRY, None, "module_execution"),
        ("completed", Verb.FORCE, "expert_routing", "expert_routing"),
        ("initialized", Verb.FORCE, "failed", "failed"),
        ("module_execution", Verb.CANCEL, None, "cancelled"),
    ],
)
async def test_applying_does_what_the_plan_said(
    desk: Desk,
    state: str,
    verb: Verb,
    to: str | None,
    after: str,
) -> None:
    flow = await desk.make(state)
    before = await desk.read(flow)
    version = await desk.engine.store.version()
    plan = await desk.operations.plan(ask(verb, flow, to=to))
    assert await desk.engine.store.version() == version, "a plan writes nothing"
    (item,) = plan.items
    assert (item.before, item.after, item.revision, item.skipped) == (state, after, before.revision, "")
    applied = await desk.operations.apply(plan, reason=REASON)
    assert [outcome.code for outcome in applied.outcomes] == ["done"]
    now = await desk.read(flow)
    assert (now.state, now.revision) == (after, before.revision + 1)
    assert f"{state} > {after}" in applied.outcomes[0].sentence
    entries = await desk.engine.store.entries(flow, after=0)
    assert (entries[-1].actor, entries[-1].reason) == ("ops@desk", REASON)
    assert [step for step in before.steps if step.is_superseded] == []
    superseded = sum(step.is_superseded for step in now.steps)
    said = [effect for effect in item.effects if "superseded" in effect]
    assert said == ([] if superseded == 0 else [said[0]])
    assert not superseded or said[0].startswith(f"{superseded} step")


async def test_the_plan_of_a_rollback_names_every_effect(desk: Desk) -> None:
    flow = await desk.make("failed")
    assert await desk.engine.acquire_workflow_lock(flow, "svc")
    (item,) = (await desk.operations.plan(ask(Verb.ROLLBACK, flow, to="expert_routing"))).items
    assert item.effects == (
        "2 steps superseded (expert_routing, module_execution)",
        "1 result kept",
        "error cleared",
        LOCK_VOID,
        "fresh deadline 5m00",
        "sends rolled_back, state_changed",
    )


@pytest.mark.parametrize(
    ("state", "verb", "to", "why"),
    [
        ("completed", Verb.ROLLBACK, None, "completed; R does not reopen it, F forces it"),
        ("cancelled", Verb.RETRY, None, "cancelled; T does not reopen it, F forces it"),
        ("initialized", Verb.ROLLBACK, None, "with no earlier state to go back to"),
        ("module_execution", Verb.RETRY, None, "in module_execution, not failed; R rolls it back"),
        ("module_execution", Verb.ROLLBACK, "completed", "completed is not on its active path"),
        ("module_execution", Verb.ROLLBACK, "nowhere", "nowhere is no state of the intelligent line"),
        ("module_execution", Verb.FORCE, "module_execution", "in module_execution already"),
        ("completed", Verb.CANCEL, None, "completed already; X takes open work only"),
        ("module_execution", Verb.UNLOCK, None, "not locked"),
    ],
)
async def test_what_cannot_be_done_is_skipped_with_what_to_do(
    desk: Desk, state: str, verb: Verb, to: str | None, why: str
) -> None:
    plan = await desk.operations.plan(ask(verb, await desk.make(state), to=to))
    (item,) = plan.items
    assert item.skip_code == "refused"
    assert why in item.skipped
    assert plan.doable == ()
    assert plan.command == ""


async def test_an_unknown_id_and_a_name_that_is_none_are_skipped_too(desk: Desk) -> None:
    plan = await desk.operations.plan(ask(Verb.RETRY, "wf_direct_nothere", "../etc/passwd"))
    assert [item.skip_code for item in plan.items] == ["not_found", "not_found"]


async def test_a_plan_whose_workflow_moved_on_is_refused_says_so_and_is_recorded(desk: Desk) -> None:
    flow = await desk.make()
    plan = await desk.operations.plan(ask(Verb.ROLLBACK, flow))
    assert await desk.engine.transition_state(flow, "rag_retrieval_2")
    (outcome,) = (await desk.operations.apply(plan, reason=REASON)).outcomes
    assert outcome.code == "conflict"
    assert "moved on" in outcome.sentence
    assert "Nothing was changed" in outcome.sentence
    now = await desk.read(flow)
    assert now.state == "rag_retrieval_2"
    assert ("refused", "refused") in await desk.audit_of(flow)


async def test_a_plan_whose_lock_moved_on_is_refused_although_the_revision_stands(desk: Desk) -> None:
    flow = await desk.make()
    plan = await desk.operations.plan(ask(Verb.ROLLBACK, flow))
    assert await desk.engine.acquire_workflow_lock(flow, "svc")
    (outcome,) = (await desk.operations.apply(plan, reason=REASON)).outcomes
    assert outcome.code == "conflict"
    assert "the lock changed" in outcome.sentence
    now = await desk.read(flow)
    assert now.state == "module_execution"


async def test_of_a_batch_each_item_has_its_own_outcome(desk: Desk) -> None:
    good, moving, done = await desk.make(), await desk.make(), await desk.make("completed")
    plan = await desk.operations.plan(ask(Verb.ROLLBACK, good, moving, done, "wf_direct_nothere"))
    assert plan.title == "roll back 4 workflows"
    assert (plan.level, plan.token, plan.is_reason_required) == (Level.COUNT, "2", True)
    assert await desk.engine.transition_state(moving, "rag_retrieval_2")
    applied = await desk.operations.apply(plan, reason=REASON)
    assert [outcome.code for outcome in applied.outcomes] == ["done", "conflict", "skipped", "skipped"]
    assert applied.done == 1
    assert await desk.audit_of(done) == [], "what was shown as skipped was not attempted"


async def test_an_act_that_came_to_nothing_is_recorded_as_refused(desk: Desk) -> None:
    done = await desk.make("completed")
    await desk.operations.apply(await desk.operations.plan(ask(Verb.ROLLBACK, done)), reason=REASON)
    assert await desk.audit_of(done) == [("refused", "refused")]


async def test_applying_a_plan_again_does_nothing_twice(desk: Desk) -> None:
    flow = await desk.make()
    plan = await desk.operations.plan(ask(Verb.ROLLBACK, flow))
    first = await desk.operations.apply(plan, reason=REASON)
    again = await desk.operations.apply(plan, reason=REASON)
    assert first.request_id == again.request_id
    assert [outcome.code for outcome in again.outcomes] == ["done"]
    assert "nothing happened twice" in again.outcomes[0].sentence
    now = await desk.read(flow)
    assert now.revision == plan.items[0].revision + 1


async def test_a_request_id_given_again_is_answered_with_its_first_outcome_although_the_plan_is_a_new_one(
    desk: Desk,
) -> None:
    flow = await desk.make("failed")
    request = ask(Verb.RETRY, flow)

    async def do() -> Applied:
        return await desk.operations.apply(await desk.operations.plan(request), reason=REASON, request_id="INC-204")

    revision = (await do()).outcomes[0].revision
    again = await do()
    assert (again.outcomes[0].code, again.outcomes[0].revision) == ("done", revision)
    other = await desk.operations.plan(ask(Verb.CANCEL, flow))
    (outcome,) = (await desk.operations.apply(other, reason=REASON, request_id="INC-204")).outcomes
    assert outcome.code == "refused"
    assert "was used before" in outcome.sentence
    now = await desk.read(flow)
    assert (now.state, now.revision) == ("module_execution", revision)


@pytest.mark.parametrize(
    ("state", "verb", "to", "asked"),
    [
        ("module_execution", Verb.ROLLBACK, None, (Level.TOKEN, False, 3)),
        ("failed", Verb.RETRY, None, (Level.TOKEN, False, 3)),
        ("module_execution", Verb.CANCEL, None, (Level.TOKEN, False, 3)),
        ("module_execution", Verb.FORCE, "expert_routing", (Level.TOKEN, True, 8)),
        ("module_execution", Verb.FORCE, "completed", (Level.TAIL, True, 8)),
        ("module_execution", Verb.FORCE, "failed", (Level.TAIL, True, 8)),
    ],
)
async def test_a_plan_asks_for_as_much_as_it_could_hurt(
    desk: Desk, state: str, verb: Verb, to: str | None, asked: tuple[Level, bool, int]
) -> None:
    flow = await desk.make(state)
    plan = await desk.operations.plan(ask(verb, flow, to=to))
    assert (plan.level, plan.is_reason_required, plan.reason_at_least) == asked
    assert plan.token == (flow[-4:] if plan.level is Level.TAIL else "y")


async def test_a_live_owner_raises_the_rung_and_is_named(desk: Desk) -> None:
    flow = await desk.make()
    other = ProductionWorkflowOrchestrator(
        persistence_dir=str(desk.directory), supervises=False, scans=False, log_dir=desk.directory.parent / "logs"
    )
    await other.start()
    assert await other.acquire_workflow_lock(flow, "svc")
    plan = await desk.operations.plan(ask(Verb.ROLLBACK, flow))
    assert (plan.level, plan.token, plan.is_reason_required) == (Level.COUNT, "1", True)
    assert plan.checks[0].startswith("svc is ALIVE")
    await other.cleanup()


@pytest.mark.parametrize(("verb", "reason"), [(Verb.FORCE, "too few"), (Verb.FORCE, "  short   "), (Verb.FORCE, None)])
async def test_a_reason_that_is_too_short_changes_nothing(
    desk: Desk,
    verb: Verb,
    reason: str | None,
) -> None:
    flow = await desk.make()
    plan = await desk.operations.plan(ask(verb, flow, to="completed"))
    with pytest.raises(ReasonRequiredError, match="at least 8 characters"):
        await desk.operations.apply(plan, reason=reason)
    now = await desk.read(flow)
    assert now.revision == plan.items[0].revision
    assert await desk.audit_of(flow) == [("refused", "refused")]


async def test_a_reason_may_be_left_out_where_none_is_asked_for_but_not_be_two_letters(desk: Desk) -> None:
    flow = await desk.make()
    plan = await desk.operations.plan(ask(Verb.ROLLBACK, flow))
    assert not plan.is_reason_required
    with pytest.raises(ReasonRequiredError, match="at least 3 characters"):
        await desk.operations.apply(plan, reason="zz")
    (entry,) = (await desk.engine.store.page_audit(Query(filter=Filter(ids=(flow,))))).rows
    assert (entry.reason, entry.outcome) == ("zz", "refused")
    assert (await desk.operations.apply(plan)).done == 1


async def test_the_refusal_of_a_batch_for_its_reason_is_recorded_once(desk: Desk) -> None:
    flows = [await desk.make(), await desk.make()]
    plan = await desk.operations.plan(ask(Verb.ROLLBACK, *flows))
    with pytest.raises(ReasonRequiredError):
        await desk.operations.apply(plan)
    (entry,) = (await desk.engine.store.page_audit(Query())).rows
    assert (entry.workflow_id, entry.outcome) == ("", "refused")
    assert entry.body["why"].startswith("roll back 2 workflows")


async def test_a_refusal_on_a_damaged_document_is_found_by_the_documents_name(desk: Desk) -> None:
    (desk.directory / "wf_direct_torn.json").write_bytes(b"{")
    await desk.engine.rescan()
    plan = await desk.operations.plan(ask(Verb.ROLLBACK, "wf_direct_torn"))
    await desk.operations.apply(plan, reason=REASON)
    assert await desk.audit_of("wf_direct_torn") == [("refused", "refused")]
    assert await desk.audit_of("wf_direct_other") == []
    (entry,) = (await desk.engine.store.page_audit(Query())).rows
    assert entry.body["workflow_id"] == "wf_direct_torn"


async def test_force_names_missing_results_and_takes_them(desk: Desk) -> None:
    flow = await desk.make("rag_retrieval_1")
    plan = await desk.operations.plan(ask(Verb.FORCE, flow, to="rag_retrieval_2"))
    assert plan.items[0].missing == ("expert_routing", "module_execution")
    assert any("--set result.expert_routing=@file.json" in check for check in plan.checks)
    results = {"expert_routing": {"expert": "x"}, "module_execution": {"answer": 42}}
    plan = await desk.operations.plan(ask(Verb.FORCE, flow, to="rag_retrieval_2", results=results))
    assert plan.items[0].missing == ()
    await desk.operations.apply(plan, reason=REASON)
    now = await desk.read(flow)
    assert (now.state, now.is_forced) == ("rag_retrieval_2", True)
    assert now.results["module_execution_result"] == {"answer": 42}


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (ask(Verb.RETRY), "name at least one workflow"),
        (ask(Verb.FORCE, "wf_1"), "force needs the state"),
        (ask(Verb.RETRY, "wf_1", to="failed"), "takes no target state"),
        (ask(Verb.RETRY, "wf_1", results={"x": 1}), "takes no results"),
        (ask(Verb.RETRY, "wf_1", is_steal=True), "takes no lock"),
        (ask(Verb.RETRY, "wf_1", if_revisions={"wf_2": 1}), "is not among the ids"),
        (ask(Verb.DROP_EVENT, "wf_1:1:1", if_revisions={"wf_1:1:1": 1}), "events have no revision"),
        (ask(Verb.RETRY, *(f"wf_{n}" for n in range(10_001))), "10000 at most"),
    ],
)
async def test_a_malformed_request_is_refused_whole(desk: Desk, request_: PlanRequest, why: str) -> None:
    with pytest.raises(InvalidValueError, match=why):
        await desk.operations.plan(request_)


@pytest.mark.parametrize("request_id", ["", "x" * 201, "a\nb", "\x1b[2J"])
async def test_a_request_id_that_cannot_be_kept_is_refused(desk: Desk, request_id: str) -> None:
    plan = await desk.operations.plan(ask(Verb.ROLLBACK, await desk.make()))
    with pytest.raises(InvalidValueError, match="printable"):
        await desk.operations.apply(plan, reason=REASON, request_id=request_id)


async def test_a_revision_that_was_not_the_one_seen_is_a_conflict_before_anything_is_done(desk: Desk) -> None:
    flow = await desk.make()
    plan = await desk.operations.plan(ask(Verb.ROLLBACK, flow, if_revisions={flow: 1}))
    (item,) = plan.items
    assert item.skip_code == "conflict"
    assert "you saw 1" in item.skipped
    assert [each.code for each in (await desk.operations.apply(plan)).outcomes] == ["skipped"]


async def test_whatever_is_planned_applying_does_exactly_that_or_nothing(desk: Desk) -> None:
    draw = random.Random(204)
    flows = [await desk.make(state) for state in STATES]
    for turn in range(120):
        flow, verb = draw.choice(flows), draw.choice(FLOW_VERBS)
        to = draw.choice(STATES) if verb is Verb.FORCE else draw.choice((None, None, *STATES))
        plan = await desk.operations.plan(ask(verb, flow, to=to if verb in (Verb.FORCE, Verb.ROLLBACK) else None))
        before = await desk.read(flow)
        applied = await desk.operations.apply(plan, reason=f"turn {turn} of the test")
        after = await desk.read(flow)
        (item,) = plan.items
        told = (verb, item, applied.outcomes)
        if item.skipped:
            assert after == before, told
        else:
            assert (applied.done, after.state, after.revision) == (1, item.after, item.revision + 1), told


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("verb", FLOW_VERBS[:4])
async def test_the_command_of_a_plan_is_the_plan(desk: Desk, verb: Verb, state: str) -> None:
    to = "rag_retrieval_2" if verb is Verb.FORCE else None
    plan = await desk.operations.plan(ask(verb, await desk.make(state), to=to))
    if not plan.doable:
        return
    assert plan.command.startswith(f"flowdeck {verb.value} {plan.items[0].id}")
    assert f"--if-rev {plan.items[0].revision}" in plan.command


async def test_the_same_plan_has_one_request_id_and_a_later_one_another(desk: Desk) -> None:
    plan = await desk.operations.plan(ask(Verb.ROLLBACK, await desk.make()))
    moved = replace(plan, items=(replace(plan.items[0], revision=9),))
    assert plan_id(plan, ACTOR) == plan_id(replace(plan), ACTOR)
    assert plan_id(plan, ACTOR) != plan_id(moved, ACTOR)


async def test_no_lock_stops_an_operator_and_the_holders_late_write_is_refused(desk: Desk) -> None:
    flow = await desk.make()
    service = ProductionWorkflowOrchestrator(
        persistence_dir=str(desk.directory), supervises=False, scans=False, log_dir=desk.directory.parent / "logs"
    )
    await service.start()
    assert await service.acquire_workflow_lock(flow, "svc")
    plan = await desk.operations.plan(ask(Verb.ROLLBACK, flow))
    assert LOCK_VOID in plan.items[0].effects
    assert (await desk.operations.apply(plan, reason=REASON)).done == 1
    assert not await service.transition_state(flow, "module_execution", lock_owner="svc")
    assert (await desk.read(flow)).state == "expert_routing"
    await service.cleanup()


async def test_a_batch_mentions_every_lock_live_ones_first_and_a_void_one_in_the_same_words(desk: Desk) -> None:
    service = ProductionWorkflowOrchestrator(
        persistence_dir=str(desk.directory), supervises=False, scans=False, log_dir=desk.directory.parent / "logs"
    )
    await service.start()
    flows = [await desk.make() for _ in range(3)]
    for flow in flows[1:]:
        assert await service.acquire_workflow_lock(flow, "svc")
    voided = await desk.operations.plan(ask(Verb.ROLLBACK, flows[1]))
    (outcome,) = (await desk.operations.apply(voided, reason=REASON)).outcomes
    assert outcome.sentence.endswith("It passed the lock of svc, which is alive; its writes are refused from now on.")
    plan = await desk.operations.plan(ask(Verb.ROLLBACK, *flows))
    assert [LOCK_VOID in item.effects for item in plan.items] == [False, True, True]
    first, second, *_ = plan.checks
    assert "and holds" in first
    assert LOCK_VOID in second
    stays = await desk.operations.plan(ask(Verb.CANCEL, flows[2]))
    assert "lock of svc stays" in stays.items[0].effects
    await service.cleanup()


async def test_a_force_without_results_says_when_done_what_is_missing(desk: Desk) -> None:
    flow = await desk.make("expert_routing")
    plan = await desk.operations.plan(ask(Verb.FORCE, flow, to="response_generation"))
    (outcome,) = (await desk.operations.apply(plan, reason=REASON)).outcomes
    assert "It has no result of" in outcome.sentence
    assert "module_execution" in outcome.sentence
