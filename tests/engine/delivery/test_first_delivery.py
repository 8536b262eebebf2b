from __future__ import annotations

import asyncio
from typing import Any

import pytest
from delivery_engine import ListBus, MakeEngine, idle, until

from engine.model.names import EventStatus
from engine.store.outcomes import Committed

RUN = ("module_execution", "response_generation", "completed")


class KeywordBus(ListBus):
    async def publish(  # type: ignore[override]  # noqa: PLR0913, PLR0917
        self,
        category: str,
        event_type: str,
        source: str,
        severity: str = "",
        payload: Any = None,
        correlation_id: str | None = None,
        parent_event_id: str | None = None,
        metadata: Any = None,
    ) -> None:
        assert (category, source, severity) == ("workflow", "workflow_orchestrator", "info")
        assert payload["workflow_id"] == correlation_id
        assert (parent_event_id, metadata) == (None, {})
        self.events.append((category, event_type))

    @property
    def types(self) -> list[str]:
        return [event[1].removeprefix("workflow.") for event in self.events]


class SyncBus(ListBus):
    def publish(self, event: Any) -> None:  # type: ignore[override]
        self.events.append(event)


class SyncKeywordBus(KeywordBus):
    def publish(self, **event: Any) -> None:  # type: ignore[override]
        self.events.append((None, event["event_type"]))


@pytest.mark.parametrize("bus_class", [ListBus, KeywordBus, SyncBus, SyncKeywordBus])
async def test_every_form_of_bus_has_the_exact_events_when_the_call_returns(
    engine_of: MakeEngine, bus_class: type[ListBus]
) -> None:
    bus = bus_class()
    engine = await engine_of(bus)
    await engine.create()
    assert bus.types == ["started"]
    for n, state in enumerate(RUN, start=2):
        assert isinstance(await engine.move(state), Committed)
        assert len(bus.types) == (n if state != "completed" else n + 1)
    assert bus.types == ["started", "state_changed", "state_changed", "state_changed", "completed"]
    assert await engine.status() == {"delivered": 5}


async def test_a_cancelled_workflow_ends_with_cancelled(engine_of: MakeEngine) -> None:
    bus = ListBus()
    engine = await engine_of(bus)
    await engine.create()
    await engine.cancel()
    assert bus.types == ["started", "state_changed", "cancelled"]


async def test_an_event_carries_what_the_contract_says(engine_of: MakeEngine) -> None:
    bus = ListBus()
    engine = await engine_of(bus)
    await engine.create()
    (event,) = bus.events
    assert event.event_id == "wf_1:1:1"
    assert (event.category, event.source, event.correlation_id) == ("workflow", "workflow_orchestrator", "wf_1")
    assert event.timestamp == "2026-01-01T00:00:00.000000Z"
    assert event.payload["user_input"] == "Grüße"


async def test_the_first_delivery_and_a_later_one_show_the_same_event(engine_of: MakeEngine) -> None:
    shown: list[Any] = []

    class Remembers(ListBus):
        async def publish(self, event: Any) -> None:
            shown.append(event)
            await super().publish(event)

    engine = await engine_of(Remembers(OSError("down")))
    await engine.create()
    await engine.clock.advance(5)
    engine.delivery.wake()
    await until(lambda: len(shown) == 2)
    assert shown[0] == shown[1]
    assert shown[0] is not shown[1]


async def test_a_success_is_recorded_a_little_later_together_with_others(engine_of: MakeEngine) -> None:
    engine = await engine_of(ListBus())
    await engine.create("wf_1")
    await engine.create("wf_2")
    assert (await engine.store.counters("events"))["events/pending"] == 2
    await engine.clock.advance(0.02)
    await idle()
    counters = await engine.store.counters("events")
    assert (counters.get("events/pending", 0), counters["events/delivered"]) == (0, 2)


async def test_a_run_of_changes_asks_the_outbox_nothing_and_is_recorded_at_once(engine_of: MakeEngine) -> None:
    engine = await engine_of(ListBus())
    recorded, asked = [], []
    record, ask = engine.store.record_attempts, engine.store.has_earlier_pending

    async def counting_record(attempts: Any) -> None:
        recorded.append(len(attempts))
        await record(attempts)

    async def counting_ask(event_id: Any) -> bool:
        asked.append(event_id)
        return await ask(event_id)

    engine.store.record_attempts = counting_record  # type: ignore[method-assign]
    engine.store.has_earlier_pending = counting_ask  # type: ignore[method-assign]
    await engine.create()
    for state in RUN:
        await engine.move(state)
    await engine.clock.advance(0.02)
    await idle()
    assert (recorded, asked) == ([5], [])


async def test_an_entry_without_events_leaves_nothing_to_ask(engine_of: MakeEngine) -> None:
    bus = ListBus()
    engine = await engine_of(bus)

    async def must_not_ask(event_id: Any) -> bool:
        raise AssertionError(event_id)

    engine.store.has_earlier_pending = must_not_ask  # type: ignore[method-assign]
    await engine.create()
    await engine.note()
    await engine.move("module_execution")
    assert bus.types == ["started", "state_changed"]


async def test_after_a_lock_was_granted_the_next_event_still_goes_with_its_call(engine_of: MakeEngine) -> None:
    bus = ListBus()
    engine = await engine_of(bus)
    await engine.create()
    await engine.lock()
    await engine.move("module_execution")
    assert bus.types == ["started", "state_changed"], "what was delivered and not yet recorded is no obstacle"


async def test_an_event_claimed_before_its_commit_came_back_is_delivered_once(engine_of: MakeEngine) -> None:
    bus = ListBus()
    engine = await engine_of(bus)
    await engine.create()
    commit = engine.store.commit

    async def overtaken(change: Any) -> Any:
        committed = await commit(change)
        await engine.delivery.flush()
        engine.delivery.wake()
        await until(lambda: len(bus.events) == 2)
        return committed

    engine.store.commit = overtaken  # type: ignore[method-assign]
    await engine.move("module_execution")
    await engine.clock.advance(5)
    await idle()
    assert bus.types == ["started", "state_changed"]


async def test_an_event_delivered_while_a_claim_of_it_is_under_way_is_not_delivered_again(
    engine_of: MakeEngine,
) -> None:
    release = {"wf_1:1:1": asyncio.Event(), "wf_1:2:1": asyncio.Event()}
    claimed, answer = asyncio.Event(), asyncio.Event()

    class Slow(ListBus):
        async def publish(self, event: Any) -> None:
            self.tries.append(event.event_id)
            await release[event.event_id].wait()
            self.events.append(event)

    bus = Slow()
    engine = await engine_of(bus)
    claim = engine.store.claim

    async def slow_claim(now: Any, limit: int) -> Any:
        found = await claim(now, limit)
        if found:
            claimed.set()
            await answer.wait()
        return found

    engine.store.claim = slow_claim  # type: ignore[method-assign]
    creating = asyncio.ensure_future(engine.create())
    await until(lambda: bus.tries)
    await engine.move("module_execution")
    release["wf_1:1:1"].set()
    await creating
    await until(lambda: len(bus.tries) == 2)
    await engine.delivery.flush()
    engine.delivery.wake()
    await asyncio.wait_for(claimed.wait(), 5)
    release["wf_1:2:1"].set()
    await until(lambda: len(bus.events) == 2)
    answer.set()
    await engine.clock.advance(5)
    await idle()
    assert bus.tries == ["wf_1:1:1", "wf_1:2:1"]
    assert await engine.status() == {"delivered": 2}


async def test_without_a_bus_events_are_recorded_and_only_shown(engine_of: MakeEngine) -> None:
    engine = await engine_of(None)
    await engine.create()
    await engine.move("module_execution")
    assert await engine.status() == {"recorded": 2}
    assert [event.event_type for event in engine.delivery.event_queue] == ["workflow.started", "workflow.state_changed"]
    assert engine.told == [
        ("workflow.started", EventStatus.RECORDED),
        ("workflow.state_changed", EventStatus.RECORDED),
    ]


async def test_a_subscriber_may_change_the_workflow_its_event_is_about(engine_of: MakeEngine) -> None:
    class Subscriber(ListBus):
        async def publish(self, event: Any) -> None:
            await super().publish(event)
            if event.event_type == "workflow.started":
                assert isinstance(await engine.move("module_execution"), Committed)
                assert self.types == ["started"], "the event of the inner change waits for its turn"

    bus = Subscriber()
    engine = await engine_of(bus)
    await asyncio.wait_for(engine.create(), 5)
    await until(lambda: len(bus.events) == 2)
    assert bus.types == ["started", "state_changed"]
    assert await engine.status() == {"delivered": 2}


async def test_a_sync_subscriber_on_its_thread_may_change_the_workflow_too(engine_of: MakeEngine) -> None:
    loop = asyncio.get_running_loop()

    class Subscriber(ListBus):
        def publish(self, event: Any) -> None:  # type: ignore[override]
            self.events.append(event)
            if event.event_type == "workflow.started":
                asyncio.run_coroutine_threadsafe(engine.move("module_execution"), loop).result(5)

    bus = Subscriber()
    engine = await engine_of(bus)
    await engine.create()
    await until(lambda: len(bus.events) == 2)
    assert bus.types == ["started", "state_changed"]


async def test_while_an_event_is_in_delivery_later_changes_return_and_keep_their_order(engine_of: MakeEngine) -> None:
    release = asyncio.Event()

    class Slow(ListBus):
        async def publish(self, event: Any) -> None:
            self.tries.append(event.event_id)
            await release.wait()
            self.events.append(event)

    bus = Slow()
    engine = await engine_of(bus)
    creating = asyncio.ensure_future(engine.create())
    await until(lambda: bus.tries)
    for state in RUN:
        await asyncio.wait_for(engine.move(state), 5)
    assert not creating.done()
    assert bus.tries == ["wf_1:1:1"]
    release.set()
    await creating
    await until(lambda: len(bus.events) == 5)
    assert bus.types == ["started", "state_changed", "state_changed", "state_changed", "completed"]
    assert len(bus.tries) == 5


async def test_a_slow_event_of_one_workflow_does_not_delay_another(engine_of: MakeEngine) -> None:
    class Slow(ListBus):
        async def publish(self, event: Any) -> None:
            if event.correlation_id == "wf_slow":
                await asyncio.Event().wait()
            await super().publish(event)

    bus = Slow()
    engine = await engine_of(bus)
    creating = asyncio.ensure_future(engine.create("wf_slow"))
    await asyncio.wait_for(engine.create("wf_fast"), 5)
    assert bus.ids == ["wf_fast:1:1"]
    await until(lambda: engine.clock._sleepers)
    await engine.clock.advance(10)
    await creating


async def test_what_a_subscriber_does_to_an_event_reaches_nobody_else(engine_of: MakeEngine) -> None:
    class Vandal(ListBus):
        async def publish(self, event: Any) -> None:
            event.payload["context"]["broken"] = True
            event.payload.clear()
            await super().publish(event)

    engine = await engine_of(Vandal())
    await engine.create()
    assert engine.delivery.event_queue[-1].payload["context"] == {}
    await engine.move("module_execution")
    workflow = await engine.store.read("wf_1")
    assert workflow is not None
    assert workflow.context == {}


async def test_the_event_queue_is_a_recent_window_in_order(engine_of: MakeEngine) -> None:
    engine = await engine_of(ListBus())
    await engine.create()
    await engine.move("module_execution")
    window = engine.delivery.event_queue
    assert window.maxlen == 10_000
    assert len(window) == 2
    assert [event.event_type for event in window] == ["workflow.started", "workflow.state_changed"]
    assert window[0].event_id == "wf_1:1:1"
    assert [event.event_id for event in window[1:]] == ["wf_1:2:1"]
    for n in range(10_050):
        window.append(b'{"event_id":"%d","event_type":"t","payload":{},"timestamp":"","correlation_id":""}' % n)
    assert len(window) == 10_000
    assert window[-1].event_id == "10049"


async def test_stopping_twice_is_fine_and_later_commits_leave_their_events_pending(engine_of: MakeEngine) -> None:
    bus = ListBus()
    engine = await engine_of(bus)
    await engine.create()
    await engine.delivery.stop()
    await engine.delivery.stop()
    await engine.move("module_execution")
    assert bus.types == ["started"]
    assert await engine.status() == {"delivered": 1, "pending": 1}
    engine.delivery.start()
    await until(lambda: len(bus.events) == 2)
