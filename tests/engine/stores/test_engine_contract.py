from __future__ import annotations

from datetime import timedelta

from conftest import Commit
from ledger_values import START, creation, engine, flow, move

from engine.clock import ManualClock
from engine.model.names import Phase
from engine.store.protocol import Store
from engine.store.requests import Retention

MINUTE = timedelta(seconds=60)


async def test_an_open_engine_is_listed_with_its_facts_and_heartbeat(store: Store, clock: ManualClock) -> None:
    await clock.advance(30)
    await store.heartbeat({"version": "1", "breaker": {"is_open": False}})
    (row,) = await store.engines()
    assert row.engine == engine()
    assert (row.heartbeat_at, row.ended_at) == (clock.now(), None)
    assert row.facts == {"version": "1", "breaker": {"is_open": False}}


async def test_an_engine_marked_as_ended_by_mistake_lives_again_with_its_heartbeat(store: Store) -> None:
    await store.end_engine("01ENGINE")
    assert (await store.engines())[0].ended_at is not None
    await store.heartbeat({})
    assert (await store.engines())[0].ended_at is None


async def test_a_role_is_taken_kept_and_given_up(store: Store) -> None:
    lease = await store.lead("supervisor", 15.0, START)
    assert (lease.name, lease.incarnation, lease.expires_at) == (
        "supervisor",
        "01ENGINE",
        START + timedelta(seconds=15),
    )
    kept = await store.lead("supervisor", 15.0, START + timedelta(seconds=10))
    assert kept.fence == lease.fence
    (row,) = await store.leases()
    assert (row.name, row.incarnation, row.expires_at) == ("supervisor", "01ENGINE", START + timedelta(seconds=25))
    await store.resign("supervisor")
    assert await store.leases() == ()
    assert (await store.lead("supervisor", 15.0, START)).fence > lease.fence


async def test_overdue_work_is_open_unpaused_and_past_its_deadline(store: Store, commit: Commit) -> None:
    past, future = START - MINUTE, START + MINUTE
    for name, facts in {
        "late": {"deadline_at": past},
        "later": {"deadline_at": past - MINUTE},
        "in_time": {"deadline_at": future},
        "paused": {"deadline_at": past, "paused_at": past},
        "failed": {"deadline_at": past, "phase": Phase.FAILED, "state": "failed"},
        "untimed": {},
    }.items():
        await commit(creation(flow(name, **facts)))
    assert await store.overdue(START, 10) == ("later", "late")
    assert await store.overdue(START, 1) == ("later",)
    assert await store.next_deadline() == past - MINUTE


async def test_there_may_be_no_deadline(store: Store) -> None:
    assert await store.next_deadline() is None


async def test_pruning_forgets_old_notices_engines_and_minutes_only(
    store: Store, commit: Commit, clock: ManualClock
) -> None:
    await store.count_error("timeout")
    newest = await commit(creation(flow()))
    for _ in range(10):
        newest = await commit(move(newest, "module_execution"))
    version = await store.version()
    await clock.advance(3 * 3600)
    await store.count_error("timeout")
    await store.prune(Retention(notices=3))
    errors = await store.counters("errors/")
    assert errors == {"errors/timeout": 2, f"errors/timeout/{int(clock.now().timestamp()) // 60}": 1}
    assert await store.version() == version
    assert await store.read("wf_direct_1") == newest
