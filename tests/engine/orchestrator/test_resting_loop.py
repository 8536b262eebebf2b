from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine import ProductionWorkflowOrchestrator


def others() -> set[str]:
    """Return the names of the tasks of this loop besides the running one."""
    return {task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()}


def lock_files(place: Path) -> list[str]:
    return [path.name for path in (place / ".flowdeck" / "engines").iterdir()]


@pytest.mark.parametrize("is_used_between", [False, True])
def test_a_loop_that_rested_while_another_one_took_the_engine_ends_its_share(
    tmp_path: Path, *, is_used_between: bool
) -> None:
    engine = ProductionWorkflowOrchestrator(persistence_dir=tmp_path / "store", log_dir=tmp_path / "log")
    loop = asyncio.new_event_loop()
    try:
        workflow_id = loop.run_until_complete(engine.create_direct_workflow("q", "erp"))

        async def elsewhere() -> None:
            if is_used_between:
                assert await engine.transition_state(workflow_id, "module_execution")
            await engine.cleanup()

        asyncio.run(elsewhere())
        errors = engine.get_error_stats()

        async def until_quiet() -> None:
            async with asyncio.timeout(5):
                while others():
                    await engine.clock.sleep(0)

        loop.run_until_complete(until_quiet())
        assert engine.get_error_stats() == errors
        assert engine.is_closed
    finally:
        loop.close()


def test_a_loop_that_rested_takes_the_engine_back(tmp_path: Path) -> None:
    engine = ProductionWorkflowOrchestrator(persistence_dir=tmp_path / "store", log_dir=tmp_path / "log")
    loop = asyncio.new_event_loop()
    try:
        workflow_id = loop.run_until_complete(engine.create_direct_workflow("q", "erp"))
        assert asyncio.run(engine.transition_state(workflow_id, "module_execution"))
        assert loop.run_until_complete(engine.transition_state(workflow_id, "response_generation"))

        async def ended() -> None:
            await engine.cleanup()
            async with asyncio.timeout(5):
                while others():
                    await engine.clock.sleep(0)

        loop.run_until_complete(ended())
        assert not lock_files(tmp_path / "store")
    finally:
        loop.close()
