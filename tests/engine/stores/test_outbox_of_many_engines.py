from __future__ import annotations

from datetime import timedelta

from conftest import OpenStore
from ledger_values import START, creation, engine, flow

LATER = START + timedelta(seconds=120)


async def test_a_living_engines_events_are_nobody_elses(open_ledger: OpenStore) -> None:
    one, two = await open_ledger(engine("01ONE")), await open_ledger(engine("01TWO"))
    await one.commit(creation(flow()))
    assert await two.claim(LATER, 10) == ()
    assert await two.next_due(LATER) is None
    assert len(await one.claim(LATER, 10)) == 1


async def test_an_engine_without_a_bus_claims_nothing_and_owes_to_whoever_has_one(open_ledger: OpenStore) -> None:
    service, console = await open_ledger(engine("01ONE")), await open_ledger(engine("01CON", has_bus=False))
    outcome = await console.commit(creation(flow()))
    assert outcome.event_bodies == ()
    assert await console.claim(LATER, 10) == ()
    assert [str(found.id) for found in await service.claim(START, 10)] == ["wf_direct_1:1:1"]


async def test_events_of_an_engine_that_ended_go_to_another(open_ledger: OpenStore) -> None:
    one, two = await open_ledger(engine("01ONE")), await open_ledger(engine("01TWO"))
    await one.commit(creation(flow()))
    await one.close()
    assert await two.next_due(START) == START + timedelta(seconds=60)
    assert len(await two.claim(LATER, 10)) == 1


async def test_events_of_an_engine_proved_dead_are_adopted_at_once(open_ledger: OpenStore) -> None:
    one, two = await open_ledger(engine("01ONE")), await open_ledger(engine("01TWO"))
    await one.commit(creation(flow()))
    assert await two.adopt_events(["01ONE"]) == 1
    assert len(await two.claim(START, 10)) == 1
    assert await one.claim(LATER - timedelta(seconds=70), 10) == ()


async def test_two_engines_never_claim_one_event(open_ledger: OpenStore) -> None:
    one, two = await open_ledger(engine("01ONE")), await open_ledger(engine("01TWO"))
    console = await open_ledger(engine("01CON", has_bus=False))
    for n in range(20):
        await console.commit(creation(flow(f"wf_{n}")))
    first, second = await one.claim(START, 12), await two.claim(START, 12)
    ids = [str(found.id) for found in (*first, *second)]
    assert len(ids) == len(set(ids)) == 20
