from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from making import MakeEngine

from engine import ProductionWorkflowOrchestrator


def others() -> set[str]:
    """Return the names of the tasks of this loop besides the running one."""
    return {task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()}


def lock_files(place: Path) -> list[str]:
    return [path.name for path in (place / ".flowdeck" / "engines").iterdir()]


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8])
async def test_a_cleanup_whose_caller_stops_waiting_ends_everything_all_the_same(
    make_engine: MakeEngine, tmp_path: Path, turns: int
) -> None:
    threads = set(threading.enumerate())
    engine = make_engine()
    workflow_id = await engine.create_direct_workflow("q", "erp")
    mine = engine.me.incarnation
    cleanup = asyncio.create_task(engine.cleanup())
    for _ in range(turns):
        await engine.clock.sleep(0)
    cleanup.cancel()
    await asyncio.wait((cleanup,))
    await engine.cleanup()
    assert engine.is_closed
    assert not others()
    assert not lock_files(tmp_path / "store")
    left = set(threading.enumerate()) - threads
    assert not [thread.name for thread in left if not thread.name.startswith(("asyncio_", "AnyIO"))]
    assert await engine.get_workflow(workflow_id)
    assert [row.ended_at is not None for row in await engine.store.engines() if row.engine.incarnation == mine] == [
        True
    ]


def test_a_cleanup_cut_short_by_the_end_of_its_loop_closes_the_store(tmp_path: Path) -> None:
    engine = ProductionWorkflowOrchestrator(persistence_dir=tmp_path / "store", log_dir=tmp_path / "log")

    async def leave_in_the_middle() -> None:
        await engine.create_direct_workflow("q", "erp")
        cleanup = asyncio.ensure_future(engine.cleanup())
        await engine.clock.sleep(0)
        await engine.clock.sleep(0)
        cleanup.cancel()

    asyncio.run(leave_in_the_middle())
    assert not lock_files(tmp_path / "store")
    asyncio.run(engine.cleanup())


async def test_cleanups_at_once_and_after_a_restart_are_all_complete(make_engine: MakeEngine, tmp_path: Path) -> None:
    engine = make_engine()
    for _ in range(2):
        await engine.create_direct_workflow("q", "erp")
        await asyncio.gather(engine.cleanup(), engine.cleanup())
        assert not others()
        assert not lock_files(tmp_path / "store")
