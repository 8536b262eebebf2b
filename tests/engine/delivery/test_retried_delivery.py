from __future__ import annotations

import asyncio
import itertools
import random
from pathlib import Path
from typing import Any

import pytest
from delivery_engine import ACTOR, Engine, ListBus, MakeEngine, idle, until

from engine.clock import ManualClock
from engine.errors import WorkflowErrorType
from engine.model.actor import Act
from engine.model.names import EventStatus
from engine.store.outcomes import Committed, EventId
from engine.store.query import Query
from engine.store.requests import EventVerb

RUN = ("module_execution", "response_generation", "completed")


async def _pass(engine: Engine, seconds: float, step_s: float = 0.25) -> None:
    """Let time go by in steps, with whatever it sets going done after each."""
    for _ in range(round(seconds / step_s)):
        await engine.clock.advance(step_s)
        await idle()


async def test_a_failed_event_waits_in_the_retry_queue_and_the_change_stands(engine_of: MakeEngine) -> None:
    bus = ListBus(ValueError("no such topic\x1b[31m"))
    engine = await engine_of(bus)
    assert isinstance(await engine.create(), Committed)
    queue = engine.delivery.event_retry_queue
    assert (len(queue), queue.maxlen) == (1, 1_000)
    (waiting,) = queue
    assert waiting.event.event_id == "wf_1:1:1"
    assert (waiting.attempts, waiting.error) == (1, "ValueError: no such topic\x1b[31m")
    assert (waiting.next_attempt_at - engine.clock.now()).total_seconds() == 5.0
    row = await engine.store.event(waiting.id)
    assert row is not None
    assert (row.status, row.attempts, row.error) == (EventStatus.PENDING, 1, waiting.error)
    assert row.error_type == WorkflowErrorType.EVENT_PUBLISH_ERROR
    assert row.next_attempt_at == waiting.next_attempt_at


async def test_retries_come_after_5_20_and_80_seconds_and_followers_keep_their_place(engine_of: MakeEngine) -> None:
    bus = ListBus(*[RuntimeError("down")] * 3)
    engine = await engine_of(bus)
    await engine.create()
    await engine.move("module_execution")
    assert bus.tries == ["wf_1:1:1"]
    for tries, nearly_s in enumerate((4.5, 19, 79), start=1):
        await _pass(engine, nearly_s, step_s=0.5)
        assert len(bus.tries) == tries
        await _pass(engine, 1, step_s=0.5)
        await until(lambda: len(bus.tries) > tries)  # noqa: B023
    await until(lambda: len(bus.events) == 2)
    assert bus.tries == ["wf_1:1:1"] * 4 + ["wf_1:2:1"]
    assert bus.types == ["started", "state_changed"]
    assert len(engine.delivery.event_retry_queue) == 0
    assert await engine.status() == {"delivered": 2}
    assert engine.told == [("workflow.started", EventStatus.PENDING)] * 3 + [
        ("workflow.started", EventStatus.DELIVERED),
        ("workflow.state_changed", EventStatus.DELIVERED),
    ]
    assert engine.errors == []


async def test_after_the_last_retry_an_event_is_dead_counted_once_and_its_followers_go(engine_of: MakeEngine) -> None:
    bus = ListBus(*[RuntimeError("poison")] * 3)
    engine = await engine_of(bus, max_retries=2)
    await engine.create()
    await engine.move("module_execution")
    await _pass(engine, 26, step_s=0.5)
    await until(lambda: bus.events)
    assert bus.tries == ["wf_1:1:1"] * 3 + ["wf_1:2:1"]
    assert engine.dead == [("wf_1:1:1", "retries_exhausted")]
    assert engine.errors == [WorkflowErrorType.EVENT_PUBLISH_ERROR]
    assert await engine.status() == {"dead": 1, "delivered": 1}
    assert len(engine.delivery.event_retry_queue) == 0


async def test_without_retries_an_event_is_dead_at_once_and_the_call_delivers_the_next(engine_of: MakeEngine) -> None:
    bus = ListBus(RuntimeError("poison"), RuntimeError("poison"))
    engine = await engine_of(bus, max_retries=0)
    await engine.create()
    for state in RUN:
        await engine.move(state)
    assert bus.types == ["state_changed", "state_changed", "completed"]
    assert await engine.status() == {"dead": 2, "delivered": 3}


async def test_a_dead_letter_lets_the_next_event_of_its_own_change_go_in_the_same_call(engine_of: MakeEngine) -> None:
    bus = ListBus()
    engine = await engine_of(bus, max_retries=0)
    await engine.create()
    bus.fails = [RuntimeError("poison")]
    await engine.cancel()
    assert bus.types == ["started", "cancelled"]


async def test_an_attempt_that_takes_ten_seconds_has_failed(engine_of: MakeEngine) -> None:
    cancelled = []

    class Hangs(ListBus):
        async def publish(self, event: Any) -> None:
            self.tries.append(event.event_id)
            if len(self.tries) == 1:
                try:
                    await asyncio.Event().wait()
                finally:
                    cancelled.append(event.event_id)
            self.events.append(event)

    bus = Hangs()
    engine = await engine_of(bus)
    creating = asyncio.ensure_future(engine.create())
    await until(lambda: bus.tries)
    await _pass(engine, 9.75)
    assert not creating.done()
    await _pass(engine, 0.5)
    assert isinstance(await asyncio.wait_for(creating, 5), Committed)
    (waiting,) = engine.delivery.event_retry_queue
    assert waiting.error == "TimeoutError: the bus did not answer within 10 s"
    assert cancelled == ["wf_1:1:1"]
    await _pass(engine, 6)
    await until(lambda: bus.events)
    assert bus.ids == ["wf_1:1:1"]


async def test_five_failures_leave_the_bus_alone_for_thirty_seconds_and_count_no_attempt(engine_of: MakeEngine) -> None:
    bus = ListBus()
    bus.is_down = True
    engine = await engine_of(bus)
    for n in range(8):
        await engine.create(f"wf_{n}")
    assert len(bus.tries) == 5
    assert engine.delivery.breaker_open_s == 30.0
    await _pass(engine, 29.5, step_s=0.5)
    assert len(bus.tries) == 5
    page = await engine.store.page_events(["pending"], Query())
    assert sorted(row.attempts for row in page.rows) == [0, 0, 0, 1, 1, 1, 1, 1]
    bus.is_down = False
    limits, claim = [], engine.store.claim

    async def noting(now: Any, limit: int) -> Any:
        limits.append(limit)
        return await claim(now, limit)

    engine.store.claim = noting  # type: ignore[method-assign]
    await _pass(engine, 1, step_s=0.5)
    await until(lambda: len(bus.events) == 8)
    assert limits[0] == 1, "one event finds out whether the bus came back"
    assert await engine.status() == {"delivered": 8}
    assert engine.delivery.breaker_open_s == 0.0


async def test_a_failed_probe_keeps_the_breaker_open(engine_of: MakeEngine) -> None:
    bus = ListBus()
    bus.is_down = True
    engine = await engine_of(bus)
    for n in range(8):
        await engine.create(f"wf_{n}")
    await _pass(engine, 45, step_s=0.5)
    assert len(bus.tries) == 6


async def test_a_probe_broken_off_by_a_stop_lets_the_next_start_probe_again(engine_of: MakeEngine) -> None:
    class Hangs(ListBus):
        async def publish(self, event: Any) -> None:
            if len(self.tries) == 5:
                self.tries.append(event.event_id)
                await asyncio.Event().wait()
            await super().publish(event)

    bus = Hangs()
    bus.is_down = True
    engine = await engine_of(bus, stop_grace_s=0.01)
    for n in range(5):
        await engine.create(f"wf_{n}")
    await _pass(engine, 31, step_s=1)
    assert len(bus.tries) == 6
    await engine.delivery.stop()
    bus.is_down = False
    engine.delivery.start()
    await until(lambda: len(bus.events) == 5)


async def test_one_event_more_than_the_retry_queue_holds_is_dead_and_the_older_ones_stay(engine_of: MakeEngine) -> None:
    bus = ListBus(RuntimeError("no"), RuntimeError("no"))
    engine = await engine_of(bus)
    window = engine.delivery.event_retry_queue
    await engine.create("wf_a")
    (waiting,) = window
    for n in range(999):
        window._waiting[EventId(workflow_id="wf", entry_n=n, n=0)] = waiting
    await engine.create("wf_b")
    assert engine.dead == [("wf_b:1:1", "retry_queue_full")]
    assert waiting.id in window


async def test_an_event_another_engine_owes_comes_before_ours(engine_of: MakeEngine, tmp_path: Path) -> None:
    clock = ManualClock()
    theirs, ours = ListBus(RuntimeError("down")), ListBus()
    one = await engine_of(theirs, clock=clock, place=tmp_path)
    two = await engine_of(ours, clock=clock, place=tmp_path)
    await one.create()
    await two.move("module_execution")
    await _pass(two, 3)
    assert ours.events == []
    await _pass(two, 5)
    await until(lambda: ours.events and theirs.events)
    assert (theirs.types, ours.types) == (["started"], ["state_changed"])


async def test_the_next_start_delivers_what_an_ended_engine_still_owed(engine_of: MakeEngine, tmp_path: Path) -> None:
    broken, bus, clock = ListBus(), ListBus(), ManualClock()
    broken.is_down = True
    one = await engine_of(broken, clock=clock, place=tmp_path)
    await one.create("wf_1")
    await one.move("module_execution", "wf_1")
    await one.create("wf_2")
    await one.stop()
    two = await engine_of(bus, clock=clock, place=tmp_path)
    await _pass(two, 6)
    await until(lambda: len(bus.events) == 3)
    assert [each for each in bus.ids if each.startswith("wf_1")] == ["wf_1:1:1", "wf_1:2:1"]
    assert await two.status() == {"delivered": 3}


async def test_events_of_an_engine_without_a_bus_are_delivered_by_one_that_has_one(
    engine_of: MakeEngine, tmp_path: Path
) -> None:
    clock, bus = ManualClock(), ListBus()
    service = await engine_of(bus, clock=clock, place=tmp_path)
    console = await engine_of(None, clock=clock, place=tmp_path)
    await service.create()
    await console.cancel()
    await _pass(service, 3)
    await until(lambda: len(bus.events) == 3)
    assert bus.types == ["started", "state_changed", "cancelled"]


async def test_an_operators_drop_frees_the_followers_and_leaves_the_window(engine_of: MakeEngine) -> None:
    bus = ListBus(RuntimeError("poison"))
    engine = await engine_of(bus)
    await engine.create()
    await engine.move("module_execution")
    event_id = EventId(workflow_id="wf_1", entry_n=1, n=1)
    await engine.store.move_events([event_id], EventVerb.DROP, engine.clock.now(), Act(actor=ACTOR, reason="poison"))
    await engine.delivery.look_again("wf_1")
    await until(lambda: bus.events)
    assert bus.types == ["state_changed"]
    assert len(engine.delivery.event_retry_queue) == 0


async def test_retry_now_needs_no_waiting(engine_of: MakeEngine) -> None:
    bus = ListBus(RuntimeError("down"))
    engine = await engine_of(bus)
    await engine.create()
    event_id = EventId(workflow_id="wf_1", entry_n=1, n=1)
    await engine.store.move_events([event_id], EventVerb.RETRY, engine.clock.now(), Act(actor=ACTOR))
    engine.delivery.wake()
    await until(lambda: bus.events)


async def test_stopping_does_not_wait_for_a_bus_that_hangs_and_loses_nothing(engine_of: MakeEngine) -> None:
    class Hangs(ListBus):
        async def publish(self, event: Any) -> None:
            await super().publish(event)
            await asyncio.Event().wait()

    bus = Hangs(RuntimeError("once"))
    engine = await engine_of(bus, stop_grace_s=0.01)
    await engine.create()
    await _pass(engine, 6)
    await until(lambda: len(bus.tries) == 2)
    await asyncio.wait_for(engine.delivery.stop(), 5)
    assert await engine.status() == {"pending": 1}
    row = await engine.store.event(EventId(workflow_id="wf_1", entry_n=1, n=1))
    assert row is not None
    assert row.attempts == 1, "an attempt that was broken off is not counted"
    assert [claimed.attempts for claimed in await engine.store.claim(engine.clock.now(), 10)] == [1]


class Flaky(ListBus):
    """Fails four times in ten, by a seeded draw."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance

    async def publish(self, event: Any) -> None:
        self.tries.append(event.event_id)
        if self.chance.random() < 0.4:
            raise OSError(self.chance.choice(["reset", "refused"]))
        self.events.append(event)


async def _drive(engines: list[Engine], chance: random.Random, left: dict[str, list[str]]) -> None:
    """Take every workflow to its end, each move by any engine, with time passing now and then."""
    for workflow_id in left:
        await chance.choice(engines).create(workflow_id)
    while any(left.values()):
        workflow_id = chance.choice([each for each, states in left.items() if states])
        moved = await chance.choice(engines).move(left[workflow_id].pop(0), workflow_id)
        assert isinstance(moved, Committed)
        if chance.random() < 0.2:
            await engines[0].clock.advance(chance.choice([0.02, 1, 6]))
    for engine in engines:
        await engine.delivery.flush()


@pytest.mark.parametrize("seed", range(4))
async def test_every_accepted_event_is_delivered_pending_dead_recorded_or_purged(
    engine_of: MakeEngine, tmp_path: Path, seed: int
) -> None:
    chance, clock = random.Random(seed), ManualClock()
    buses = [Flaky(chance), Flaky(chance)]
    engines = [await engine_of(bus, clock=clock, place=tmp_path, max_retries=1) for bus in (*buses, None)]
    left = {f"wf_{n}": list(RUN) for n in range(12)}
    await _drive(engines, chance, left)
    accepted = 12 * 5
    counters = await engines[0].store.counters("events")
    assert counters["events_accepted"] == accepted
    assert sum(n for name, n in counters.items() if name.startswith("events/")) == accepted
    for _ in range(400):
        if (await engines[0].status()).keys() <= {"delivered", "dead"}:
            break
        await _pass(engines[0], 2, step_s=2)
    status = await engines[0].status()
    assert status.keys() <= {"delivered", "dead"}
    assert sum(status.values()) == accepted
    delivered = [event_id for bus in buses for event_id in bus.ids]
    assert len(delivered) == len(set(delivered)) == status["delivered"]
    for bus, workflow_id in itertools.product(buses, left):
        own = [_place(each) for each in bus.ids if each.startswith(f"{workflow_id}:")]
        assert own == sorted(own), "order is kept per workflow"


def _place(event_id: str) -> tuple[int, int]:
    _, entry_n, n = event_id.split(":")
    return int(entry_n), int(n)
