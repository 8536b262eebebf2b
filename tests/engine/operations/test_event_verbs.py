from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from operator_desk import ACTOR, REASON, Desk, ask

from engine.operations.event_items import read_event_id
from engine.operations.operations import Operations
from engine.operations.plan import Level, Verb
from engine.orchestrator import ProductionWorkflowOrchestrator
from engine.store.query import EventRow, Query


class RefusingBus:
    def publish(self, event: Any) -> None:
        raise ConnectionError(f"no broker for {event.event_type}")


@pytest.fixture
async def flaky(tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk whose engine's bus refuses every event: the first try fails, the second is days away."""
    place = tmp_path / "store"
    engine = ProductionWorkflowOrchestrator(
        event_bus=RefusingBus(),
        persistence_dir=str(place),
        supervises=False,
        scans=False,
        log_dir=tmp_path / "logs",
        retry_interval=900.0,
    )
    await engine.start()
    yield Desk(engine, Operations(engine, ACTOR), place)
    await engine.cleanup()


async def the_event(desk: Desk, status: str) -> EventRow:
    page = await desk.engine.store.page_events((status,), Query())
    return page.rows[0]


async def test_a_waiting_event_goes_to_the_dead_letter_back_and_out_again(flaky: Desk) -> None:
    await flaky.engine.create_direct_workflow("a question", "erp")
    event = str((await the_event(flaky, "pending")).id)
    drop = await flaky.operations.plan(ask(Verb.DROP_EVENT, event))
    assert (drop.title, drop.items[0].before, drop.items[0].after) == ("drop 1 event", "pending", "dead")
    assert (drop.level, drop.is_reason_required) == (Level.TOKEN, True)
    assert (await flaky.operations.apply(drop, reason=REASON)).done == 1
    assert str((await the_event(flaky, "dead")).id) == event

    purge = await flaky.operations.plan(ask(Verb.DROP_EVENT, event))
    assert (purge.title, purge.items[0].after, purge.level) == ("purge 1 event", "purged", Level.TAIL)
    retry = await flaky.operations.plan(ask(Verb.RETRY_EVENT, event))
    assert (retry.title, retry.items[0].after) == ("deliver 1 event now", "pending")
    assert (await flaky.operations.apply(retry)).done == 1

    (stale,) = (await flaky.operations.apply(purge, reason=REASON)).outcomes
    assert stale.code == "refused"
    assert "you saw it dead" in stale.sentence

    await flaky.operations.apply(await flaky.operations.plan(ask(Verb.DROP_EVENT, event)), reason=REASON)
    again = await flaky.operations.plan(ask(Verb.DROP_EVENT, event))
    (done,) = (await flaky.operations.apply(again, reason=REASON)).outcomes
    assert done.sentence == f"{event} is purged."
    gone = await flaky.operations.plan(ask(Verb.RETRY_EVENT, event))
    assert gone.items[0].skipped == "it is purged already; nothing is owed"


async def test_the_same_drop_again_does_nothing_twice(flaky: Desk) -> None:
    flow = await flaky.engine.create_direct_workflow("a question", "erp")
    plan = await flaky.operations.plan(ask(Verb.DROP_EVENT, str((await the_event(flaky, "pending")).id)))
    await flaky.operations.apply(plan, reason=REASON)
    (again,) = (await flaky.operations.apply(plan, reason=REASON)).outcomes
    assert "nothing happened twice" in again.sentence
    assert [kind for kind, _ in await flaky.audit_of(flow)] == ["event.dropped"]


async def test_two_events_of_one_workflow_are_two_acts(flaky: Desk) -> None:
    flow = await flaky.engine.create_direct_workflow("a question", "erp")
    assert await flaky.engine.transition_state(flow, "module_execution")
    page = await flaky.engine.store.page_events(("pending",), Query())
    plan = await flaky.operations.plan(ask(Verb.DROP_EVENT, *(str(event.id) for event in page.rows)))
    assert (plan.level, plan.token) == (Level.COUNT, "2")
    assert (await flaky.operations.apply(plan, reason=REASON)).done == 2


@pytest.mark.parametrize(
    "text",
    ["", "wf", "wf:1", "wf:1:2:3", "../x:1:1", "wf:a:1", "wf:1:-1", "wf:1:1e3", "wf:\u0661:1", "wf:1:" + "9" * 13],
)
async def test_what_is_no_event_id_is_skipped_with_an_example(desk: Desk, text: str) -> None:
    assert read_event_id(text) is None
    plan = await desk.operations.plan(ask(Verb.DROP_EVENT, text))
    assert "not an event id" in plan.items[0].skipped


async def test_an_event_that_is_not_there_is_not_found(desk: Desk) -> None:
    plan = await desk.operations.plan(ask(Verb.DROP_EVENT, "wf_direct_1:9:9"))
    assert plan.items[0].skip_code == "not_found"


async def test_one_request_id_covers_each_event_of_a_workflow_by_itself(flaky: Desk) -> None:
    flow = await flaky.engine.create_direct_workflow("a question", "erp")
    assert await flaky.engine.transition_state(flow, "module_execution")
    first, second = (str(event.id) for event in (await flaky.engine.store.page_events(("pending",), Query())).rows)
    one = await flaky.operations.plan(ask(Verb.DROP_EVENT, first))
    both = await flaky.operations.plan(ask(Verb.DROP_EVENT, first, second))
    await flaky.operations.apply(one, reason=REASON, request_id="INC-204")
    applied = await flaky.operations.apply(both, reason=REASON, request_id="INC-204")
    assert ["nothing happened twice" in outcome.sentence for outcome in applied.outcomes] == [True, False]
    dead = await flaky.engine.store.page_events(("dead",), Query())
    assert {str(event.id) for event in dead.rows} == {first, second}
