from __future__ import annotations

import asyncio
import json
import shlex
from pathlib import Path

import pytest
from store_maker import Deck

from console.cli.operating import read_request
from console.cli.parser import parse
from engine.model.actor import Actor, ActorKind
from engine.operations.operations import Operations
from engine.operations.plan import PlanRequest, Verb
from engine.orchestrator import ProductionWorkflowOrchestrator

REASON = "INC-204 module pool hung"


def test_a_verb_with_yes_is_applied_and_the_documents_agree(deck: Deck) -> None:
    flow = deck.flow("failed")
    told = deck.run("retry", flow, "--yes", "--reason", REASON, "--json")
    assert told.code == 0
    (outcome,) = told.records
    assert (outcome["code"], outcome["revision"]) == ("done", 4)
    assert json.loads((deck.place / f"{flow}.json").read_bytes())["state"] == "module_execution"
    (entry, *_) = deck.run("audit", flow, "--json").records
    assert (entry["kind"], entry["reason"], entry["actor"].partition("@")[1]) == ("retry", REASON, "@")
    assert deck.run("verify").code == 0


@pytest.mark.parametrize("words", [("plan", "rollback"), ("rollback", "--dry-run")])
def test_a_plan_shows_and_changes_nothing(deck: Deck, words: tuple[str, ...]) -> None:
    flow = deck.flow("failed")
    before = deck.states()
    told = deck.run(*words, flow, "--json")
    assert told.code == 0
    (plan,) = told.records
    assert plan["items"][0]["before"] == "failed"
    assert plan["items"][0]["after"] == "module_execution"
    assert plan["command"].startswith(f"flowdeck rollback {flow} --if-rev 3")
    human = deck.run(*words, flow).out
    assert "failed > module_execution" in human
    assert "nothing written yet" in human
    assert deck.states() == before


def test_without_a_terminal_and_without_yes_nothing_is_done(deck: Deck) -> None:
    flow = deck.flow("failed")
    before = deck.states()
    told = deck.run("retry", flow)
    assert told.code == 6
    assert "--yes" in told.err
    assert deck.states() == before


def test_the_audit_says_what_an_operator_meant_and_what_stood_in_the_way(deck: Deck) -> None:
    flow = deck.flow("completed")
    assert deck.run("rollback", flow, "--yes", "--reason", "zzz").code == 6
    assert deck.run("force", flow, "failed", typed="short\n").code == 6
    shown = deck.run("audit", flow).out
    assert "rollback REFUSED" in shown
    assert "zzz; refused: completed" in shown
    assert "short; refused: force needs a reason of at least 8 characters." in shown


def test_the_audit_shows_everyday_locks_only_with_locks(deck: Deck) -> None:
    flow = deck.flow()

    async def work(engine: ProductionWorkflowOrchestrator) -> None:
        assert await engine.acquire_workflow_lock(flow, "svc")
        assert await engine.release_workflow_lock(flow, "svc")
        assert await engine.acquire_workflow_lock(flow, "svc")

    deck.work(work)
    assert deck.run("unlock", flow, "--yes").code == 0
    assert [each["kind"] for each in deck.run("audit", "--json").records] == ["unlock"]
    kinds = [each["kind"] for each in deck.run("audit", "--locks", "--json").records]
    assert sorted(kinds) == ["lock.acquired", "lock.acquired", "lock.released", "unlock"]


def test_at_a_terminal_the_token_decides(deck: Deck) -> None:
    flow = deck.flow("failed")
    before = deck.states()
    for typed in ("n\n", "\n", "", "yes\n", "Y\n"):
        told = deck.run("retry", flow, typed=typed)
        assert told.code == 6
        assert "Left unchanged" in told.err
    assert deck.states() == before
    told = deck.run("retry", flow, typed="y\n")
    assert told.code == 0
    assert "PLAN retry 1 workflow" in told.out
    assert deck.states()[flow] == ("module_execution", 4)


def test_at_a_terminal_the_reason_is_asked_for_and_a_short_one_ends_it(deck: Deck) -> None:
    flow = deck.flow("failed")
    told = deck.run("force", flow, "completed", typed=f"short\n{flow[-4:]}\n")
    assert told.code == 6
    assert "at least 8 characters" in told.err
    told = deck.run("force", flow, "completed", typed=f"{REASON}\n{flow[-4:]}\n")
    assert told.code == 0
    assert deck.states()[flow] == ("completed", 4)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("rollback", "FLOW", "--to", "nowhere"), 6, "nowhere is no state of the direct line"),
        (("rollback", "FLOW", "--to", "completed"), 6, "not on its active path"),
        (("rollback", "wf_direct_none"), 3, "there is no such workflow"),
        (("rollback", "FLOW", "--if-rev", "1"), 4, "you saw 1"),
        (("rollback", "FLOW", "--if-rev", "FLOW=1"), 4, "you saw 1"),
        (("rollback", "FLOW", "--if-rev", "x"), 2, "'x' is not a revision"),
        (("rollback", "FLOW", "--if-rev", "0"), 2, "is not a revision"),
        (("rollback", "FLOW", "--if-rev", "-3"), 2, "'-3' is not a revision"),
        (("rollback", "FLOW", "--if-rev", "1,2"), 2, "2 revisions for 1 ids"),
        (("rollback",), 2, "give ids or --where"),
        (("rollback", "FLOW", "--where", "is:open"), 2, "the one or the other"),
        (("rollback", "--where", "state:completed"), 6, "selects no workflow"),
        (("rollback", "--where", "nonsense:1"), 2, "no such key"),
        (("retry", "FLOW", "--request-id", ""), 6, "printable characters"),
        (("force", "FLOW"), 2, "the state to enter"),
        (("force", "FLOW", "completed"), 6, "at least 8 characters"),
        (("force", "FLOW", "completed", "--reason", "short"), 6, "at least 8 characters"),
        (("force", "FLOW", "nowhere", "--reason", REASON), 6, "nowhere is no state"),
        (("force", "FLOW", "completed", "--set", "x=1", "--reason", REASON), 2, "is not result.STATE"),
        (("force", "FLOW", "completed", "--set", "result.=1", "--reason", REASON), 2, "is not result.STATE"),
        (("force", "FLOW", "completed", "--set", "result.module_execution={", "--reason", REASON), 2, "is not JSON"),
        (("force", "FLOW", "completed", "--set", "result.x=@/no/file", "--reason", REASON), 2, "cannot be read"),
        (("force", "FLOW", "completed", "--set", "result.x=@/tmp", "--reason", REASON), 2, "cannot be read"),
        (
            ("force", "FLOW", "completed", "--set", "result.x=1", "--reason", REASON),
            6,
            "only these states have a result",
        ),
        (("unlock", "FLOW"), 6, "not locked"),
        (("drop", "nonsense", "--reason", REASON), 6, "not an event id"),
        (("drop", "wf_direct_1:1:1", "--reason", REASON), 3, "no such event"),
        (("events", "retry"), 2, "give ids"),
        (("plan", "verify", "FLOW"), 2, "invalid choice"),
        (("plan", "events", "FLOW"), 2, "takes retry"),
        (("cancel", "FLOW", "--reason", "a\udc80b"), 6, "not valid text"),
    ],
)
def test_what_is_refused_says_so_with_its_exit_code_and_changes_nothing(
    deck: Deck, words: tuple[str, ...], code: int, said: str
) -> None:
    flow = deck.flow("failed") if words[0] != "cancel" else deck.flow()
    before = deck.states()
    told = deck.run(*(word.replace("FLOW", flow) for word in words), *(("--yes",) if words[0] != "plan" else ()))
    assert (told.code, said in told.err) == (code, True), told.err
    assert told.out == ""
    assert deck.states() == before


def test_a_locked_workflow_answers_5_until_it_is_stolen(deck: Deck) -> None:
    flow = deck.flow()

    async def hold(engine: ProductionWorkflowOrchestrator) -> None:
        assert await engine.acquire_workflow_lock(flow, "svc")
        told = await asyncio.to_thread(deck.run, "unlock", flow, "--yes", "--reason", REASON)
        assert told.code == 5
        assert "only a steal takes it" in told.err
        told = await asyncio.to_thread(deck.run, "unlock", flow, "--steal", "--yes", "--reason", REASON)
        assert told.code == 0
        assert not await engine.transition_state(flow, "response_generation", lock_owner="svc")

    deck.work(hold)


def test_a_batch_that_is_partly_done_answers_8_with_an_outcome_each(deck: Deck) -> None:
    good, done = deck.flow("failed"), deck.flow("completed")
    told = deck.run("retry", good, done, "wf_direct_none", "--yes", "--reason", REASON, "--json")
    assert told.code == 8
    assert [outcome["code"] for outcome in told.records] == ["done", "skipped", "skipped"]
    assert "1 of 3 done" in told.err


def test_a_filter_chooses_the_workflows_of_a_verb(deck: Deck) -> None:
    flows = [deck.flow("failed"), deck.flow("failed")]
    other = deck.flow()
    told = deck.run("retry", "--where", "is:failed", "--yes", "--reason", REASON)
    assert told.code == 0
    assert {deck.states()[flow][0] for flow in flows} == {"module_execution"}
    assert deck.states()[other] == ("module_execution", 2)


def test_a_request_id_given_again_does_nothing_twice(deck: Deck) -> None:
    flow = deck.flow("failed")
    words = ("retry", flow, "--yes", "--reason", REASON, "--request-id", "INC-204", "--if-rev", "3")
    assert deck.run(*words).code == 0
    told = deck.run(*words)
    assert told.code == 0
    assert "nothing happened twice" in told.out
    assert deck.states()[flow] == ("module_execution", 4)


def test_supplied_results_come_from_json_and_from_files(deck: Deck, tmp_path: Path) -> None:
    flow = deck.flow("initialized")
    (tmp_path / "result.json").write_text('{"answer": 42}')
    told = deck.run(
        "force",
        flow,
        "response_generation",
        "--set",
        f"result.module_execution=@{tmp_path / 'result.json'}",
        "--reason",
        REASON,
        "--yes",
    )
    assert told.code == 0
    (shown,) = deck.run("show", flow, "--json").records
    assert shown["workflow"]["module_execution_result"] == {"answer": 42}
    assert shown["is_forced"] is True


@pytest.mark.parametrize(
    ("verb", "to", "more"),
    [
        (Verb.ROLLBACK, None, {}),
        (Verb.ROLLBACK, "initialized", {}),
        (Verb.RETRY, None, {}),
        (Verb.FORCE, "completed", {"results": {"module_execution": {"it's": '"quoted" $HOME'}}}),
    ],
)
def test_the_command_that_a_plan_shows_asks_for_that_very_plan(
    deck: Deck, verb: Verb, to: str | None, more: dict[str, object]
) -> None:
    flow = deck.flow("failed")

    async def plan(engine: ProductionWorkflowOrchestrator) -> str:
        operations = Operations(engine, Actor(name="ops", kind=ActorKind.OPERATOR))
        request = PlanRequest(verb=verb, ids=(flow,), to=to, **more)  # type: ignore[arg-type]
        return (await operations.plan(request)).command

    words = shlex.split(deck.work(plan))
    assert words[0] == "flowdeck"
    said, asked = parse(words[1:])
    assert said == verb.value
    assert asked.store == str(deck.place)
    assert read_request(asked, verb) == PlanRequest(
        verb=verb,
        ids=(flow,),
        to=to,
        if_revisions={flow: 3},
        **more,  # type: ignore[arg-type]
    )
