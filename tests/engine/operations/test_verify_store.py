from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from operator_desk import REASON, Desk, ask

from engine.operations.plan import Verb
from engine.operations.verify import VerifyReport, verify


def ledger(desk: Desk) -> apsw.Connection:
    return apsw.Connection(str(desk.directory / ".flowdeck" / "ledger.db"))


async def tamper(desk: Desk, *statements: str) -> None:
    """Change the ledger behind the engine's back, as somebody with a database tool would."""
    connection = ledger(desk)
    connection.set_busy_timeout(5_000)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def kinds(report: VerifyReport) -> set[str]:
    return {problem.kind for problem in report.problems}


async def test_a_store_that_was_worked_on_agrees_with_itself(desk: Desk) -> None:
    flow = await desk.make("failed")
    await desk.make("completed")
    await desk.make("cancelled")
    assert await desk.engine.acquire_workflow_lock(flow, "svc")
    await desk.operations.apply(await desk.operations.plan(ask(Verb.RETRY, flow)), reason=REASON)
    forced = await desk.make("initialized")
    await desk.operations.apply(await desk.operations.plan(ask(Verb.FORCE, forced, to="failed")), reason=REASON)
    report = await verify(desk.engine)
    assert report.problems == ()
    assert (report.workflows, report.documents) == (4, 4)
    assert report.entries > 15


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE entry SET reason = 'other' WHERE n = 3", "the chain breaks at entry 3"),
        ("UPDATE entry SET actor = 'nobody' WHERE n = 1", "the chain breaks at entry 1"),
        ("UPDATE entry SET at = at + 1 WHERE n = 4", "the chain breaks at entry 4"),
        ("DELETE FROM entry WHERE n = 2", "entry 2 is missing"),
        ("DELETE FROM entry WHERE n = 4", "the chain ends at entry 3"),
        ("UPDATE entry SET to_state = 'completed' WHERE n = 2", "the chain breaks at entry 2"),
        ("UPDATE workflow SET head_hash = 'f'", "is not the one its workflow remembers"),
        ("UPDATE workflow SET revision = revision + 1", "its newest entry made revision 4"),
    ],
)
async def test_an_edited_dropped_or_cut_chain_is_reported_with_its_place(desk: Desk, statement: str, said: str) -> None:
    flow = await desk.make("module_execution")
    await tamper(desk, statement)
    report = await verify(desk.engine)
    chain = [problem for problem in report.problems if problem.kind == "chain"]
    assert chain
    assert chain[0].workflow_id == flow
    assert said in chain[0].sentence
    assert report.is_unsafe


async def test_two_entries_that_changed_places_break_the_chain(desk: Desk) -> None:
    await desk.make("module_execution")
    await tamper(
        desk,
        "UPDATE entry SET n = 99 WHERE n = 2",
        "UPDATE entry SET n = 2 WHERE n = 3",
        "UPDATE entry SET n = 3 WHERE n = 99",
    )
    assert "chain" in kinds(await verify(desk.engine))


async def test_a_state_that_its_history_does_not_lead_to_is_reported(desk: Desk) -> None:
    flow = await desk.make("module_execution")
    await tamper(desk, "UPDATE workflow SET state = 'response_generation'")
    report = await verify(desk.engine)
    fold = [problem.sentence for problem in report.problems if problem.kind == "fold"]
    assert fold == ["its history leads to module_execution, but it is in response_generation."]
    assert flow in {problem.workflow_id for problem in report.problems}


def remove(path: Path) -> None:
    path.unlink()


def edit(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"a question", b"a QUESTION"))


def age(path: Path) -> None:
    path.write_bytes(path.with_suffix(".old").read_bytes())


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def replace_wholly(path: Path) -> None:
    document = json.loads(path.read_bytes())
    del document["flowdeck"]
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (remove, "is missing; the ledger is at revision 5"),
        (edit, "its digest does not fit its bytes"),
        (age, "is stale: it shows revision 4, the ledger is at 5"),
        (tear, "it bears no mark of ours"),
        (replace_wholly, "it bears no mark of ours"),
    ],
)
async def test_a_document_that_is_not_what_was_published_is_reported_and_left_alone(
    desk: Desk, harm: Callable[[Path], None], said: str
) -> None:
    flow = await desk.make("module_execution")
    path = desk.directory / f"{flow}.json"
    path.with_suffix(".old").write_bytes(path.read_bytes())
    assert await desk.engine.transition_state(flow, "rag_retrieval_2")
    harm(path)
    before = path.read_bytes() if path.exists() else None
    report = await verify(desk.engine)
    assert [(problem.kind, problem.workflow_id) for problem in report.problems] == [("document", flow)]
    assert said in report.problems[0].sentence
    assert not report.is_unsafe
    assert (path.read_bytes() if path.exists() else None) == before


@pytest.mark.parametrize(
    ("statement", "kind", "said"),
    [
        ("UPDATE counter SET value = value + 1 WHERE name = 'events_accepted'", "events", "were accepted, but"),
        (
            "UPDATE counter SET value = value + 3 WHERE name = 'flows/intelligent/module_execution'",
            "counter",
            "workflows are counted in",
        ),
    ],
)
async def test_a_counter_that_is_wrong_is_reported(desk: Desk, statement: str, kind: str, said: str) -> None:
    await desk.make("module_execution")
    await tamper(desk, statement)
    report = await verify(desk.engine)
    assert [problem.kind for problem in report.problems] == [kind]
    assert said in report.problems[0].sentence


async def test_a_store_that_is_written_meanwhile_is_not_reported_for_it(desk: Desk) -> None:
    flows = [await desk.make("rag_retrieval_1") for _ in range(5)]

    async def write() -> None:
        for flow in flows:
            for state in ("expert_routing", "module_execution", "rag_retrieval_2"):
                assert await desk.engine.transition_state(flow, state)

    writing = asyncio.create_task(write())
    report = await verify(desk.engine)
    await writing
    assert report.problems == ()


async def test_what_settles_by_itself_within_a_moment_is_not_reported(desk: Desk) -> None:
    path = desk.directory / f"{await desk.make()}.json"
    body = path.read_bytes()
    path.unlink()

    async def publish_late() -> None:
        await desk.engine.clock.sleep(0.3)
        path.write_bytes(body)

    late = asyncio.create_task(publish_late())
    report = await verify(desk.engine)
    await late
    assert report.problems == ()
