"""A console whose store directory is taken away says so, and shows the store that comes back."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from console.link import EngineLink, LinkState, Side
from engine import ProductionWorkflowOrchestrator
from engine.clock import SystemClock
from engine.store.query import Query

FEW_S = 0.05


class ImpatientClock(SystemClock):
    """Waits no longer than a moment, so that retries are quick."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(min(seconds, FEW_S))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture(params=[False, True])
async def link(request: pytest.FixtureRequest, directory: Path) -> AsyncIterator[EngineLink]:
    await _workflow_of_a_service(directory)
    link = EngineLink(str(directory), clock=ImpatientClock(), is_read_only=request.param)
    link.start()
    await _until(link, LinkState.OPEN)
    yield link
    assert link.stop(5)


async def _workflow_of_a_service(directory: Path) -> str:
    service = ProductionWorkflowOrchestrator(persistence_dir=directory)
    workflow_id: str = await service.create_direct_workflow("u", "m")
    await service.cleanup()
    return workflow_id


async def _until(link: EngineLink, state: LinkState) -> None:
    clock = SystemClock()
    async with asyncio.timeout(10):
        while link.state is not state:
            await clock.sleep(FEW_S)


async def _shown(side: Side) -> set[str]:
    return {row.workflow_id for row in (await side.watch.flows(Query())).rows}


async def test_a_new_store_in_the_place_of_a_removed_one_is_shown(link: EngineLink, directory: Path) -> None:
    shutil.rmtree(directory)
    await _until(link, LinkState.LOST)
    created = await _workflow_of_a_service(directory)
    await _until(link, LinkState.OPEN)
    assert await link.call(_shown) == {created}


async def test_a_directory_that_was_moved_away_for_a_while_is_shown_again(link: EngineLink, directory: Path) -> None:
    before = await link.call(_shown)
    away = directory.rename(directory.with_name("away"))
    await _until(link, LinkState.LOST)
    away.rename(directory)
    await _until(link, LinkState.OPEN)
    assert await link.call(_shown) == before
