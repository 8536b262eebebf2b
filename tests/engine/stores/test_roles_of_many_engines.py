from __future__ import annotations

from datetime import timedelta

from conftest import OpenStore
from ledger_values import START, creation, engine, flow

from engine.clock import ManualClock
from engine.store.requests import Retention

SECOND = timedelta(seconds=1)


async def test_a_held_role_is_refused_until_it_expires(open_ledger: OpenStore) -> None:
    one, two = await open_ledger(engine("01ONE")), await open_ledger(engine("01TWO"))
    first = await one.lead("supervisor", 15.0, START)
    assert await two.lead("supervisor", 15.0, START + 14 * SECOND) is None
    taken = await two.lead("supervisor", 15.0, START + 15 * SECOND)
    assert taken.fence > first.fence
    assert await one.lead("supervisor", 15.0, START + 16 * SECOND) is None


async def test_a_dead_or_ended_holder_is_passed_over_at_once(open_ledger: OpenStore) -> None:
    one, two = await open_ledger(engine("01ONE")), await open_ledger(engine("01TWO"))
    three = await open_ledger(engine("01THREE"))
    await one.lead("supervisor", 15.0, START)
    assert await two.lead("supervisor", 15.0, START, dead=["01ONE"]) is not None
    await two.close()
    assert await three.lead("supervisor", 15.0, START) is not None


async def test_the_living_come_first_and_the_long_ended_are_pruned_unless_owed_to(
    open_ledger: OpenStore, clock: ManualClock
) -> None:
    for name in ("01GONE", "01OWES"):
        ended = await open_ledger(engine(name))
        if name == "01OWES":
            await ended.commit(creation(flow()))
        await ended.close()
    living = await open_ledger(engine("01HERE"))
    assert (await living.engines())[0].engine.incarnation == "01HERE"
    await clock.advance(8 * 24 * 3600)
    await living.prune(Retention())
    assert {row.engine.incarnation for row in await living.engines()} == {"01HERE", "01OWES"}
