from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from making import MakeEngine

from engine import ManualClock, ProductionWorkflowOrchestrator
from engine.model.lock import Liveness
from engine.supervisor import Supervisor


async def stuck(engine: ProductionWorkflowOrchestrator) -> str:
    workflow_id = await engine.create_intelligent_workflow("q")
    for each in ("rag_retrieval_1", "expert_routing"):
        assert await engine.transition_state(workflow_id, each)
    return workflow_id


async def state_of(engine: ProductionWorkflowOrchestrator, workflow_id: str) -> str:
    found = await engine.get_workflow(workflow_id)
    assert found is not None
    return str(found["state"])


async def kinds_of(engine: ProductionWorkflowOrchestrator, workflow_id: str) -> list[str]:
    return [entry.kind.value for entry in await engine.store.entries(workflow_id)]


async def watch_of(engine: ProductionWorkflowOrchestrator) -> Supervisor:
    """Return a supervisor whose turns the test takes itself."""
    await engine.start()
    supervisor = engine._life.rooms.running.make_supervisor()
    await supervisor.turn()
    return supervisor


async def until(is_so: Callable[[], Awaitable[bool]], clock: ManualClock) -> None:
    async with asyncio.timeout(10):
        while not await is_so():
            await clock.advance(0.5)


async def test_a_stuck_state_is_rolled_back_at_its_first_timeout_and_fails_at_the_second(
    make_engine: MakeEngine,
) -> None:
    clock = ManualClock()
    engine = make_engine(clock=clock, enable_persistence=False, state_timeout=10, supervises=False)
    watch = await watch_of(engine)
    workflow_id = await stuck(engine)
    await clock.advance(9.9)
    await watch.turn()
    assert await state_of(engine, workflow_id) == "expert_routing"
    await clock.advance(0.1)
    await watch.turn()
    assert await state_of(engine, workflow_id) == "rag_retrieval_1"
    await watch.turn()
    assert await state_of(engine, workflow_id) == "rag_retrieval_1"
    await clock.advance(10)
    await watch.turn()
    assert await state_of(engine, workflow_id) == "failed"
    history = engine.get_state_history(workflow_id)
    assert [(entry["from_state"], entry["to_state"]) for entry in history[2:]] == [
        ("expert_routing", "rag_retrieval_1"),
        ("rag_retrieval_1", "failed"),
    ]
    assert engine.get_error_stats() == {"timeout": 2}
    assert (await engine.error_stats_of_store())["timeout"] == 2


async def test_a_supervising_engine_fires_deadlines_by_itself_and_sleeps_no_longer_than_to_the_next_one(
    make_engine: MakeEngine,
) -> None:
    clock = ManualClock()
    engine = make_engine(clock=clock, enable_persistence=False, state_timeout=2, check_interval=3600)
    workflow_id = await stuck(engine)

    async def is_back() -> bool:
        return await state_of(engine, workflow_id) != "expert_routing"

    began = clock.now()
    await until(is_back, clock)
    assert (clock.now() - began).total_seconds() < 3600


async def test_neither_completed_nor_unstarted_workflows_ever_time_out(make_engine: MakeEngine) -> None:
    clock = ManualClock()
    engine = make_engine(clock=clock, enable_persistence=False, state_timeout=1, supervises=False)
    watch = await watch_of(engine)
    unstarted = await engine.create_direct_workflow("q", "erp")
    done = await engine.create_direct_workflow("q", "erp")
    for state in ("module_execution", "response_generation", "completed"):
        assert await engine.transition_state(done, state)
    await clock.advance(3600)
    await watch.turn()
    assert (await state_of(engine, unstarted), await state_of(engine, done)) == ("initialized", "completed")
    assert engine.get_error_stats() == {}


async def test_a_lock_does_not_keep_a_stuck_state_from_timing_out_and_is_void_afterwards(
    make_engine: MakeEngine,
) -> None:
    clock = ManualClock()
    engine = make_engine(clock=clock, enable_persistence=False, state_timeout=5, supervises=False)
    watch = await watch_of(engine)
    workflow_id = await stuck(engine)
    assert await engine.acquire_workflow_lock(workflow_id, "alice", timeout=600)
    await clock.advance(5)
    await watch.turn()
    assert await state_of(engine, workflow_id) == "rag_retrieval_1"
    assert not await engine.transition_state(workflow_id, "expert_routing")
    assert await engine.acquire_workflow_lock(workflow_id, "alice", timeout=600)
    assert await engine.transition_state(workflow_id, "expert_routing")


async def test_a_stuck_state_times_out_once_although_two_supervisors_sweep_at_once(make_engine: MakeEngine) -> None:
    clock = ManualClock()
    engines = [make_engine(clock=clock, state_timeout=5, supervises=False) for _ in range(2)]
    watches = [await watch_of(each) for each in engines]
    workflow_id = await stuck(engines[0])
    for watch in watches:
        # Both act, whoever holds the role: what keeps an act single is the commit alone.
        watch.role.hold = _always  # type: ignore[method-assign]
        watch._owes_grace = False
    await clock.advance(6)
    await asyncio.gather(*(watch.turn() for watch in watches))
    assert (await kinds_of(engines[0], workflow_id)).count("timeout") == 1
    assert await state_of(engines[1], workflow_id) == "rag_retrieval_1"
    assert sum(each.get_error_stats().get("timeout", 0) for each in engines) == 1


async def _always() -> bool:
    return True


async def test_only_one_of_two_engines_supervises_and_the_other_follows_when_it_ends(
    make_engine: MakeEngine,
) -> None:
    clock = ManualClock()
    engines = [make_engine(clock=clock, supervises=False) for _ in range(2)]
    watches = [await watch_of(each) for each in engines]
    assert [watch.role.is_held for watch in watches] == [True, False]
    await clock.advance(30)
    for watch in watches:
        await watch.turn()
    assert [watch.role.is_held for watch in watches] == [True, False]
    await engines[0].cleanup()
    await watches[1].turn()
    assert watches[1].role.is_held


async def test_a_supervisor_that_stopped_renewing_is_followed_when_its_lease_ends(make_engine: MakeEngine) -> None:
    clock = ManualClock()
    engines = [make_engine(clock=clock, supervises=False) for _ in range(2)]
    watches = [await watch_of(each) for each in engines]
    await clock.advance(11)
    await watches[1].turn()
    assert watches[1].role.is_held
    await watches[0].turn()
    assert not watches[0].role.is_held


async def test_after_downtime_overdue_work_gets_a_recorded_grace_instead_of_failing(make_engine: MakeEngine) -> None:
    clock = ManualClock()
    first = make_engine(clock=clock, state_timeout=30, supervises=False)
    await watch_of(first)
    workflow_id = await stuck(first)
    await first.cleanup()
    await clock.advance(3600)
    second = make_engine(clock=clock, state_timeout=30, supervises=False)
    watch = await watch_of(second)
    assert await state_of(second, workflow_id) == "expert_routing"
    assert (await kinds_of(second, workflow_id)).count("extend") == 1
    await clock.advance(30)
    await watch.turn()
    assert await state_of(second, workflow_id) == "rag_retrieval_1"


async def test_a_clock_that_jumps_ahead_fails_nothing_at_once(make_engine: MakeEngine) -> None:
    clock = ManualClock()
    engine = make_engine(clock=clock, enable_persistence=False, state_timeout=60, supervises=False)
    watch = await watch_of(engine)
    workflow_id = await stuck(engine)
    clock.step(7200)
    await watch.turn()
    assert await state_of(engine, workflow_id) == "expert_routing"
    assert watch.jumped_at == clock.now()
    await clock.advance(1)
    await watch.turn()
    assert await state_of(engine, workflow_id) == "expert_routing"
    assert (await kinds_of(engine, workflow_id)).count("extend") == 1
    await clock.advance(60)
    await watch.turn()
    assert await state_of(engine, workflow_id) == "rag_retrieval_1"


async def test_expired_locks_are_swept_into_the_audit(make_engine: MakeEngine) -> None:
    clock = ManualClock()
    engine = make_engine(clock=clock, enable_persistence=False, supervises=False)
    watch = await watch_of(engine)
    workflow_id = await stuck(engine)
    await engine.acquire_workflow_lock(workflow_id, "alice", timeout=3)
    await watch.turn()
    assert "lock.expired" not in await kinds_of(engine, workflow_id)
    await clock.advance(3)
    await watch.turn()
    lock = await engine.store.lock(workflow_id)
    assert lock is not None
    assert lock.owner == ""
    assert "lock.expired" in await kinds_of(engine, workflow_id)


async def test_a_failing_store_does_not_end_the_watch(make_engine: MakeEngine) -> None:
    clock = ManualClock()
    engine = make_engine(clock=clock, enable_persistence=False, state_timeout=5)
    workflow_id = await stuck(engine)
    overdue, failures = engine.store.overdue, [OSError("the disk is away")] * 3

    async def failing(*arguments: object) -> object:
        if failures:
            raise failures.pop()
        return await overdue(*arguments)  # type: ignore[arg-type]

    engine.store.overdue = failing  # type: ignore[method-assign, assignment]

    async def is_back() -> bool:
        return await state_of(engine, workflow_id) != "expert_routing"

    await until(is_back, clock)
    assert failures == []


async def test_workflows_of_an_unknown_line_do_not_hold_up_the_others(make_engine: MakeEngine) -> None:
    clock = ManualClock()
    engine = make_engine(clock=clock, enable_persistence=False, state_timeout=5, supervises=False)
    watch = await watch_of(engine)
    find_line = watch._find_line
    watch._find_line = lambda workflow_type: None if workflow_type == "direct" else find_line(workflow_type)
    for _ in range(250):  # more than one batch, and all of them overdue first
        unknown = await engine.create_direct_workflow("q", "erp")
        assert await engine.transition_state(unknown, "module_execution")
    await clock.advance(1)
    known = await stuck(engine)
    await clock.advance(5)
    for _ in range(3):
        await watch.turn()
    assert await state_of(engine, known) == "rag_retrieval_1"
    assert await state_of(engine, unknown) == "module_execution"


async def test_an_engine_that_ended_counts_as_dead_and_this_one_as_alive(make_engine: MakeEngine) -> None:
    first, second = make_engine(), make_engine()
    await first.start()
    await second.start()
    ended = first.me.incarnation
    assert second.engine_liveness(ended) == (Liveness.ALIVE, "its process runs")
    await first.cleanup()
    rows = {row.engine.incarnation: row for row in await second.store.engines()}
    assert second.engine_liveness(rows[ended]) == (Liveness.DEAD, "it ended")
    assert second.engine_liveness(rows[second.me.incarnation])[0] is Liveness.ALIVE
