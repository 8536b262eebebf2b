from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta

import pytest
from conftest import Commit
from ledger_values import CALLER, START, creation, flow, move

from engine.model.actor import Act
from engine.model.names import EventStatus, Flag
from engine.model.workflow import Workflow
from engine.store.outcomes import EventId
from engine.store.protocol import Store
from engine.store.query import Query
from engine.store.requests import Attempt, EventVerb, Verdict

STATES = ("initialized", "module_execution", "response_generation", "completed", "failed")


@pytest.mark.parametrize("seed", [3, 4, 5])
async def test_counters_add_up_after_random_changes(store: Store, seed: int) -> None:
    chance = random.Random(seed)
    flows: dict[str, Workflow] = {}
    moves: Counter[str] = Counter()
    events: list[EventId] = []
    for n in range(300):
        at = START + timedelta(seconds=n)
        act = chance.random()
        if act < 0.2 or not flows:
            outcome = await store.commit(creation(flow(f"wf_{n}", at), events=chance.randint(0, 2)))
        elif act < 0.6:
            before = flows[chance.choice(list(flows))]
            state = chance.choice(STATES)
            moves[f"transitions/direct/{before.state}/{state}"] += 1
            values = {"flag": chance.choice(list(Flag)), "error_type": "timeout" if state == "failed" else None}
            outcome = await store.commit(move(before, state, at=at, events=chance.randint(0, 2), values=values))
        else:
            await _do_with_an_event(store, chance, events, n)
            continue
        flows[outcome.workflow.workflow_id] = outcome.workflow
        events += outcome.event_ids
    await _assert_balanced(store, flows, moves, len(events))


async def _do_with_an_event(store: Store, chance: random.Random, events: list[EventId], n: int) -> None:
    if not events:
        return
    event, at = chance.choice(events), START + timedelta(seconds=n)
    if chance.random() < 0.5:
        await store.move_events([event], chance.choice(list(EventVerb)), at, Act(actor=CALLER))
    else:
        attempt = Attempt(id=event, verdict=chance.choice(list(Verdict)), at=at, next_attempt_at=at)
        await store.record_attempts([attempt])


async def _assert_balanced(store: Store, flows: dict[str, Workflow], moves: Counter[str], accepted: int) -> None:
    found = {name: number for name, number in (await store.counters("flows/")).items() if number}
    assert found == Counter(f"flows/direct/{known.state}" for known in flows.values())
    flags = {name: number for name, number in (await store.counters("flag/")).items() if number}
    assert flags == Counter(f"flag/{known.flag}" for known in flows.values() if known.flag)
    assert dict(await store.counters("transitions/")) == moves
    by_status = {name: number for name, number in (await store.counters("events/")).items() if number}
    assert by_status == await _events_found(store)
    assert (await store.counters("events_accepted"))["events_accepted"] == accepted == sum(by_status.values())
    failing = await store.page_events(("pending",), Query(limit=1000), failing_only=True)
    assert (await store.counters("events_failing")).get("events_failing", 0) == len(failing.rows)


async def _events_found(store: Store) -> dict[str, int]:
    page = await store.page_events(tuple(EventStatus), Query(limit=10_000))
    return dict(Counter(f"events/{row.status.value}" for row in page.rows))


async def test_every_oldest_pending_event_is_due_and_no_other(store: Store, commit: Commit) -> None:
    chance = random.Random(9)
    newest = {name: await commit(creation(flow(name), events=2)) for name in ("a", "b", "c")}
    events = [EventId(workflow_id=name, entry_n=1, n=n) for name in newest for n in (1, 2)]
    for n in range(200):
        if chance.random() < 0.3:
            name = chance.choice(list(newest))
            outcome = await store.commit(move(newest[name], "module_execution", events=2))
            newest[name] = outcome.workflow
            events += outcome.event_ids
        await _do_with_an_event(store, chance, events, n)
        pending = (await store.page_events(("pending",), Query(limit=10_000))).rows
        oldest = {}
        for row in pending:
            place = (row.id.entry_n, row.id.n)
            oldest[row.id.workflow_id] = min(place, oldest.get(row.id.workflow_id, place))
        for name, place in oldest.items():
            (head,) = [row for row in pending if (row.id.workflow_id, row.id.entry_n, row.id.n) == (name, *place)]
            assert head.next_attempt_at is not None
