from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import WorkflowNotFoundError
from engine.model.actor import Actor, ActorKind
from engine.model.lock import Liveness
from engine.model.names import Flag
from engine.observation.observer import Observer
from engine.operations.operations import Operations
from engine.operations.plan import PlanRequest, Verb
from engine.orchestrator import ProductionWorkflowOrchestrator
from engine.store.query import Filter, Query


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[ProductionWorkflowOrchestrator]:
    made = ProductionWorkflowOrchestrator(persistence_dir=str(tmp_path / "store"), log_dir=tmp_path / "logs")
    await made.start()
    yield made
    await made.cleanup()


@pytest.fixture
def observer(engine: ProductionWorkflowOrchestrator) -> Observer:
    return Observer(engine)


async def failed_flow(engine: ProductionWorkflowOrchestrator) -> str:
    flow = await engine.create_direct_workflow("a question", "erp")
    step: dict[str, Any] = {"output_data": {"response": "the answer"}, "duration": 0.2}
    assert await engine.transition_state(flow, "module_execution", step_data=step)
    assert await engine.transition_state(flow, "failed", error="timed out after 5 s")
    return flow


async def test_a_detail_holds_all_there_is_about_a_workflow(
    engine: ProductionWorkflowOrchestrator, observer: Observer
) -> None:
    flow = await failed_flow(engine)
    detail = await observer.describe(flow)
    assert detail is not None
    assert detail.workflow is not None
    assert [entry["to_state"] for entry in detail.history] == ["module_execution", "failed"]
    assert [visit.state for visit in detail.visits] == ["initialized", "module_execution", "failed"]
    assert detail.workflow.final_answer == "the answer"
    assert detail.why.code == "failed"
    assert "timed out after 5 s" in detail.why.sentence
    assert detail.why.verbs[0] == "retry"
    assert {event.id.workflow_id for event in detail.events} == {flow}
    assert await observer.raw(flow) == (engine.directory / f"{flow}.json").read_bytes()  # type: ignore[operator]


async def test_a_damaged_document_is_described_with_its_reason_and_its_bytes(
    engine: ProductionWorkflowOrchestrator, observer: Observer
) -> None:
    assert engine.directory is not None
    torn = engine.directory / "wf_direct_torn.json"
    torn.write_bytes(b'{"workflow_id": "wf_direct_torn", \xff')
    await engine.rescan()
    detail = await observer.describe("wf_direct_torn")
    assert detail is not None
    assert detail.workflow is None
    assert detail.row.flag is Flag.DAMAGED
    assert detail.why.code == "damaged"
    assert (await observer.why("wf_direct_torn")).code == "damaged"
    assert await observer.raw("wf_direct_torn") == b'{"workflow_id": "wf_direct_torn", \xff'


@pytest.mark.parametrize("odd", ["\ud800", "\udcff\udcfe", "", "a\0b"])
async def test_an_id_that_is_no_text_is_not_there(observer: Observer, odd: str) -> None:
    assert await observer.describe(odd) is None
    assert await observer.raw(odd) is None
    with pytest.raises(WorkflowNotFoundError) as raised:
        await observer.why(odd)
    assert str(raised.value).encode()


@pytest.mark.parametrize("flow", ["wf_direct_none", "../../etc/passwd", "", "a/b", ".."])
async def test_what_is_not_there_is_none_and_no_path_leaves_the_directory(observer: Observer, flow: str) -> None:
    assert await observer.describe(flow) is None
    assert await observer.raw(flow) is None
    with pytest.raises(WorkflowNotFoundError):
        await observer.why(flow)


async def test_a_link_in_a_documents_place_is_not_followed(
    engine: ProductionWorkflowOrchestrator, observer: Observer, tmp_path: Path
) -> None:
    assert engine.directory is not None
    (tmp_path / "secret").write_text("a secret")
    (engine.directory / "wf_direct_link.json").symlink_to(tmp_path / "secret")
    assert await observer.raw("wf_direct_link") is None


async def test_a_lock_is_shown_with_its_holders_life_and_whether_it_is_void(
    engine: ProductionWorkflowOrchestrator, observer: Observer
) -> None:
    flow = await failed_flow(engine)
    assert await engine.acquire_workflow_lock(flow, "svc")
    (view,) = (await observer.locks(Query())).rows
    assert (view.lock.owner, view.liveness, view.is_void) == ("svc", Liveness.ALIVE, False)
    assert 0 < view.left_s <= 300
    health = await observer.health()
    assert health.locks == {"held": 1, "dead": 0}
    operations = Operations(engine, Actor(name="ops", kind=ActorKind.OPERATOR))
    await operations.apply(await operations.plan(PlanRequest(verb=Verb.RETRY, ids=(flow,))), reason="INC-204")
    (view,) = (await observer.locks(Query())).rows
    assert view.is_void, "the retry moved the workflow on"


async def test_a_lock_whose_engine_ended_is_held_by_a_dead_owner_everywhere(
    engine: ProductionWorkflowOrchestrator, observer: Observer
) -> None:
    other = ProductionWorkflowOrchestrator(persistence_dir=str(engine.directory), supervises=False, scans=False)
    await other.start()
    flow = await engine.create_direct_workflow("a question", "erp")
    assert await other.acquire_workflow_lock(flow, "nightly-batch")
    await engine.store.end_engine(other.me.incarnation)
    health = await observer.health()
    assert other.me.incarnation not in {view.row.engine.incarnation for view in health.engines}
    assert health.locks == {"held": 1, "dead": 1}
    (view,) = (await observer.locks(Query())).rows
    assert view.liveness is Liveness.DEAD
    assert (await observer.why(flow)).code == "lock_dead"
    plan = await Operations(engine, Actor(name="ops")).plan(PlanRequest(verb=Verb.UNLOCK, ids=(flow,)))
    assert [item.skipped for item in plan.items] == [""]
    assert plan.checks[0].startswith("nightly-batch is DEAD")
    await other.cleanup()


@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize(("living", "dead"), [(0, 4), (4, 0), (5, 3), (3, 5), (1, 1), (4, 4)])
@pytest.mark.parametrize("limit", [1, 2, 4, 50])
async def test_locks_of_the_dead_come_first_and_every_lock_is_met_once(  # noqa: PLR0913  what varies
    engine: ProductionWorkflowOrchestrator, observer: Observer, living: int, dead: int, limit: int, *, is_reversed: bool
) -> None:
    other = ProductionWorkflowOrchestrator(persistence_dir=str(engine.directory), supervises=False, scans=False)
    await other.start()
    kept: list[str] = []
    lost: list[str] = []
    for n in range(max(living, dead)):
        for many, names, holder in ((living, kept, engine), (dead, lost, other)):
            if n < many:
                names.append(await engine.create_direct_workflow("a question", "erp"))
                assert await holder.acquire_workflow_lock(names[-1], "svc", timeout=100 + n)
    await other.cleanup()
    seen: list[str] = []
    after: str | None = None
    while True:
        page = await observer.locks(Query(limit=limit, after=after, is_reversed=is_reversed))
        ids = [view.lock.workflow_id for view in page.rows]
        assert ids or not kept + lost
        seen = [*ids, *seen] if is_reversed else [*seen, *ids]
        back, after = (page.next, page.start) if is_reversed else (page.start, page.next)
        if len(seen) > len(ids):
            assert back is not None
            turned = await observer.locks(Query(limit=limit, after=back, is_reversed=not is_reversed))
            assert len(turned.rows) == min(limit, len(seen) - len(ids))
            assert not {view.lock.workflow_id for view in turned.rows} & set(ids)
        if after is None:
            break
    assert seen == [*lost, *kept]


async def test_health_counts_by_state_and_phase_and_names_the_supervisor(
    engine: ProductionWorkflowOrchestrator, observer: Observer
) -> None:
    await failed_flow(engine)
    await engine.create_intelligent_workflow("another")
    async for _ in observer.changes(0):
        break
    health = await observer.health()
    assert health.place == str(engine.directory)
    assert health.mode == "live"
    assert health.flows["initialized"] == 1
    assert (health.flows["open"], health.flows["failed"], health.flows["done"]) == (1, 1, 0)
    assert health.events["recorded"] == 5
    assert [view.liveness for view in health.engines] == [Liveness.ALIVE]
    assert health.engines[0].name.startswith("svc:")


async def test_all_seven_error_types_are_counted_those_that_never_happened_too(
    engine: ProductionWorkflowOrchestrator, observer: Observer
) -> None:
    await failed_flow(engine)
    counts = {count.error_type: count for count in await observer.errors()}
    assert len(counts) == 7
    assert (counts["timeout"].total, counts["timeout"].last_hour) == (1, 1)
    assert sum(counts["timeout"].minutes) == 1
    assert len(counts["timeout"].minutes) == 60
    assert counts["resource_error"].total == 0


async def test_the_newest_log_lines_of_all_engines_come_last_and_what_is_no_line_is_left_out(
    engine: ProductionWorkflowOrchestrator, observer: Observer, tmp_path: Path
) -> None:
    await failed_flow(engine)
    logs = tmp_path / "logs"
    line = {"timestamp": "2020-01-01T00:00:00Z", "level": "INFO", "event": "old", "message": "an old line"}
    with (logs / "workflow_orchestrator_20200101.jsonl").open("w") as file:
        file.write(json.dumps(line) + "\nnot json\n[]\n{}\n\n" + json.dumps({**line, "event": "torn"})[:-9])
    while not any(each.event == "state_transition" for each in await observer.log(50)):
        await engine.clock.sleep(0.01)
    lines = await observer.log(50)
    assert lines[0].event == "old"
    assert [each.timestamp for each in lines] == sorted(each.timestamp for each in lines)
    assert not any(each.event == "torn" for each in lines)
    assert len(await observer.log(1)) == 1


async def test_a_log_without_end_is_read_from_its_end_only(observer: Observer, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir(exist_ok=True)
    with (tmp_path / "logs" / "workflow_orchestrator_20990101.jsonl").open("w") as file:
        for n in range(30_000):
            file.write(f'{{"timestamp": "2099-01-01T00:00:00Z", "event": "e{n}", "message": "{"x" * 40}"}}\n')
    lines = await observer.log(100_000)
    newest = [line.event for line in lines if line.event.startswith("e")]
    assert newest[-1] == "e29999"
    assert 1_000 < len(newest) < 10_000


async def test_pages_and_counts_go_by_the_filter(engine: ProductionWorkflowOrchestrator, observer: Observer) -> None:
    flow = await failed_flow(engine)
    await engine.create_direct_workflow("another", "erp")
    chosen = Query(filter=Filter(states=("failed",)))
    assert [row.workflow_id for row in (await observer.flows(chosen)).rows] == [flow]
    assert await observer.count(chosen) == 1
    assert await observer.count(Query()) == 2
    assert (await observer.audit(Query())).rows == ()
