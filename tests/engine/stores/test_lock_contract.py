from __future__ import annotations

from conftest import Commit
from ledger_values import OPERATOR, claim_of, creation, engine, flow, given_up, moment, move, wanted_lock

from engine.clock import ManualClock
from engine.errors import LockHeldError
from engine.model.change import LockPolicy
from engine.model.names import EntryKind
from engine.store.outcomes import Committed, Fenced, Granted, Held, NoWorkflow
from engine.store.protocol import Store
from engine.store.query import Filter, Query

WF = "wf_direct_1"
OTHER = engine("01OTHER")


async def test_a_free_lock_is_granted_with_all_its_facts(store: Store, commit: Commit, clock: ManualClock) -> None:
    await commit(creation(flow()))
    granted = await store.grant(wanted_lock(clock, ttl_s=60.0))
    assert isinstance(granted, Granted)
    lock = granted.lock
    assert (lock.owner, lock.incarnation, lock.fence, lock.generation) == ("svc:41", "01ENGINE", 1, 1)
    assert (lock.expires_at - clock.now()).total_seconds() == 60.0
    assert lock.expires_mono == clock.monotonic() + 60.0
    assert await store.lock(WF) == lock
    entry = (await store.entries(WF))[-1]
    assert (entry.kind, entry.is_audit, entry.revision) == (EntryKind.LOCK_ACQUIRED, True, 1)
    assert (entry.body["owner"], entry.body["fence"]) == ("svc:41", 1)
    assert (await store.read(WF)).revision == 1


async def test_only_a_workflow_can_be_locked(store: Store, clock: ManualClock) -> None:
    assert await store.grant(wanted_lock(clock)) == NoWorkflow()
    assert await store.lock(WF) is None


async def test_a_held_lock_is_refused_to_others_and_to_its_own_holder(
    store: Store, commit: Commit, clock: ManualClock
) -> None:
    await commit(creation(flow()))
    lock = (await store.grant(wanted_lock(clock))).lock
    entries = len(await store.entries(WF))
    assert await store.grant(wanted_lock(clock, owner="svc:9", me=OTHER)) == Held(lock)
    assert await store.grant(wanted_lock(clock)) == Held(lock)
    assert len(await store.entries(WF)) == entries


async def test_an_expired_lock_blocks_nobody_before_it_is_swept(
    store: Store, commit: Commit, clock: ManualClock
) -> None:
    made = await commit(creation(flow()))
    await store.grant(wanted_lock(clock, owner="svc:9", me=OTHER, ttl_s=10.0))
    await clock.advance(9.9)
    assert isinstance((await store.commit(move(made, "module_execution"))).error, LockHeldError)
    await clock.advance(0.2)
    made = await commit(move(made, "module_execution"))
    assert isinstance(await store.grant(wanted_lock(clock)), Granted)


async def test_the_wall_clock_neither_expires_nor_revives_a_lock_of_this_boot(
    store: Store, commit: Commit, clock: ManualClock
) -> None:
    made = await commit(creation(flow()))
    await store.grant(wanted_lock(clock, owner="svc:9", me=OTHER, ttl_s=10.0))
    clock.step(3600)
    assert isinstance(await store.commit(move(made, "module_execution")), Fenced)
    clock.step(-7200)
    await clock.advance(10.0)
    assert isinstance(await store.commit(move(made, "module_execution")), Committed)


async def test_an_expired_holder_that_nobody_replaced_still_writes(
    store: Store, commit: Commit, clock: ManualClock
) -> None:
    made = await commit(creation(flow()))
    lock = (await store.grant(wanted_lock(clock, ttl_s=10.0))).lock
    await clock.advance(60)
    await commit(move(made, "module_execution", claim=claim_of(lock)))


async def test_the_fence_rises_with_each_grant_and_forced_release_and_is_never_reset(
    store: Store, commit: Commit, clock: ManualClock
) -> None:
    for name in ("a", "b"):
        await commit(creation(flow(name)))
    fences = []
    for name in ("a", "b", "a"):
        lock = (await store.grant(wanted_lock(clock, name))).lock
        fences.append(lock.fence)
        assert await store.release(given_up(clock, lock))
    assert fences == [1, 2, 3]
    lock = (await store.grant(wanted_lock(clock, "a"))).lock
    assert await store.release(given_up(clock, lock, is_forced=True))
    emptied = await store.lock("a")
    assert (emptied.owner, emptied.fence) == ("", lock.fence + 1)
    assert (await store.grant(wanted_lock(clock, "b"))).lock.fence == lock.fence + 2


async def test_a_forced_release_refuses_the_old_holders_late_write(
    store: Store, commit: Commit, clock: ManualClock
) -> None:
    made = await commit(creation(flow()))
    lock = (await store.grant(wanted_lock(clock))).lock
    assert await store.release(given_up(clock, lock, is_forced=True))
    assert isinstance(await store.commit(move(made, "failed", claim=claim_of(lock))), Fenced)
    entry = (await store.entries(WF))[-1]
    assert (entry.kind, entry.actor, entry.body["is_forced"]) == (EntryKind.UNLOCK, OPERATOR.name, True)


async def test_only_the_grant_that_is_meant_is_released(store: Store, commit: Commit, clock: ManualClock) -> None:
    await commit(creation(flow()))
    old = (await store.grant(wanted_lock(clock, ttl_s=1.0))).lock
    await clock.advance(2)
    new = (await store.grant(wanted_lock(clock, owner="svc:9", me=OTHER))).lock
    assert not await store.release(given_up(clock, old))
    assert not await store.release(given_up(clock, old, is_forced=True))
    assert await store.lock(WF) == new
    assert await store.release(given_up(clock, new))
    assert not await store.release(given_up(clock, new))


async def test_an_expired_lock_is_released_by_the_sweep_and_not_by_its_holder(
    store: Store, commit: Commit, clock: ManualClock
) -> None:
    await commit(creation(flow()))
    lock = (await store.grant(wanted_lock(clock, ttl_s=10.0))).lock
    assert not await store.release(given_up(clock, lock, is_expiry=True))
    await clock.advance(11)
    assert not await store.release(given_up(clock, lock))
    assert await store.release(given_up(clock, lock, is_expiry=True))
    assert (await store.entries(WF))[-1].kind is EntryKind.LOCK_EXPIRED


async def test_a_steal_takes_exactly_the_lock_it_saw(store: Store, commit: Commit, clock: ManualClock) -> None:
    await commit(creation(flow()))
    lock = (await store.grant(wanted_lock(clock, owner="svc:9", me=OTHER))).lock
    assert isinstance(await store.grant(wanted_lock(clock, seen_fence=lock.fence + 5)), Held)
    stolen = await store.grant(wanted_lock(clock, seen_fence=lock.fence))
    assert isinstance(stolen, Granted)
    entry = (await store.entries(WF))[-1]
    assert entry.kind is EntryKind.LOCK_STOLEN
    assert entry.body["taken_from"] == {"owner": "svc:9", "incarnation": "01OTHER", "fence": lock.fence}


async def test_a_dead_holders_lock_is_taken_over_and_recorded(store: Store, commit: Commit, clock: ManualClock) -> None:
    await commit(creation(flow()))
    lock = (await store.grant(wanted_lock(clock, owner="svc:9", me=OTHER))).lock
    assert isinstance(await store.grant(wanted_lock(clock, dead_fence=lock.fence)), Granted)
    assert (await store.entries(WF))[-1].body["was_dead"] is True


async def test_a_renewal_lasts_while_the_grant_stands_and_writes_no_entry(
    store: Store, commit: Commit, clock: ManualClock
) -> None:
    made = await commit(creation(flow()))
    lock = (await store.grant(wanted_lock(clock, ttl_s=10.0))).lock
    entries = len(await store.entries(WF))
    now = moment(clock)
    assert await store.renew(WF, lock.fence, 90.0, now.at, now.monotonic + 90.0)
    assert (await store.lock(WF)).expires_mono == now.monotonic + 90.0
    assert not await store.renew(WF, lock.fence + 1, 90.0, now.at, now.monotonic)
    assert len(await store.entries(WF)) == entries
    voided = move(made, "initialized", values={"generation": 2}, lock_policy=LockPolicy.PASS)
    await commit(voided)
    assert not await store.renew(WF, lock.fence, 90.0, now.at, now.monotonic)


async def test_a_void_grant_keeps_others_out_and_its_own_holder_acquires_again(
    store: Store, commit: Commit, clock: ManualClock
) -> None:
    made = await commit(creation(flow()))
    lock = (await store.grant(wanted_lock(clock))).lock
    await commit(move(made, "initialized", values={"generation": 2}, lock_policy=LockPolicy.PASS))
    assert isinstance(await store.grant(wanted_lock(clock, owner="svc:9", me=OTHER)), Held)
    again = await store.grant(wanted_lock(clock))
    assert isinstance(again, Granted)
    assert (again.lock.generation, again.lock.fence > lock.fence) == (2, True)


async def test_expired_locks_are_told_by_each_boots_own_clock(store: Store, commit: Commit, clock: ManualClock) -> None:
    for name, ttl_s in (("short", 5.0), ("long", 500.0)):
        await commit(creation(flow(name)))
        await store.grant(wanted_lock(clock, name, ttl_s=ttl_s))

    async def expired() -> list[str]:
        now = moment(clock)
        found = await store.expired_locks(now.boot_id, now.monotonic, now.at, 10)
        return [lock.workflow_id for lock in found]

    assert await expired() == []
    clock.step(100)
    assert await expired() == []
    await clock.advance(6)
    assert await expired() == ["short"]
    clock.reboot("boot-2")
    assert await expired() == ["short"]
    clock.step(500)
    assert await expired() == ["short", "long"]


async def test_held_locks_are_listed_by_expiry_and_filtered(store: Store, commit: Commit, clock: ManualClock) -> None:
    for n, owner in enumerate(("svc:41", "svc:4", "ops", "svc:41", "batch")):
        await commit(creation(flow(f"wf_{n}")))
        await store.grant(wanted_lock(clock, f"wf_{n}", owner=owner, ttl_s=100.0 - n))
    released = await store.lock("wf_4")
    await store.release(given_up(clock, released))

    async def listed(query: Query) -> list[str]:
        return [lock.workflow_id for lock in (await store.page_locks(query)).rows]

    assert await listed(Query()) == ["wf_3", "wf_2", "wf_1", "wf_0"]
    assert await listed(Query(filter=Filter(owners=("svc",)))) == ["wf_3", "wf_1", "wf_0"]
    assert await listed(Query(filter=Filter(owners=("svc:4",)))) == ["wf_1"]
    assert await listed(Query(filter=Filter(text=("ops",)))) == ["wf_2"]
    assert await listed(Query(filter=Filter(ids=("wf_1", "wf_4")))) == ["wf_1"]
    first = await store.page_locks(Query(limit=3))
    assert await listed(Query(limit=3, after=first.next)) == ["wf_0"]


async def test_rows_show_the_lock_that_is_held(store: Store, commit: Commit, clock: ManualClock) -> None:
    await commit(creation(flow()))
    assert (await store.row(WF)).lock is None
    lock = (await store.grant(wanted_lock(clock))).lock
    assert (await store.row(WF)).lock == lock
    assert (await store.page_flows(Query())).rows[0].lock == lock
    await store.release(given_up(clock, lock))
    assert (await store.row(WF)).lock is None
