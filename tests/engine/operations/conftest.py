from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from operator_desk import ACTOR, Desk

from engine.operations.operations import Operations
from engine.orchestrator import ProductionWorkflowOrchestrator


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    place = tmp_path / "store"
    place.mkdir(mode=0o700)
    engine = ProductionWorkflowOrchestrator(
        persistence_dir=str(place), supervises=False, scans=False, log_dir=tmp_path / "logs"
    )
    await engine.start()
    yield Desk(engine, Operations(engine, ACTOR), place)
    await engine.cleanup()
