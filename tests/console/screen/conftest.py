"""A service beside the console: another engine on the same store, as another process would be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine import ProductionWorkflowOrchestrator


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "workflows"


@pytest.fixture
async def service(place: Path, tmp_path: Path) -> AsyncIterator[ProductionWorkflowOrchestrator]:
    engine = ProductionWorkflowOrchestrator(persistence_dir=place, log_dir=tmp_path / "log")
    await engine.start()
    yield engine
    await engine.cleanup()
