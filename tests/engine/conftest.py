"""Engines for tests: made where a test wants them, cleaned up after it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from making import MakeEngine

from engine import ProductionWorkflowOrchestrator


@pytest.fixture
async def make_engine(tmp_path: Path) -> AsyncIterator[MakeEngine]:
    made: list[ProductionWorkflowOrchestrator] = []

    def make(*parts: object, **options: Any) -> ProductionWorkflowOrchestrator:
        options.setdefault("persistence_dir", tmp_path / "store")
        options.setdefault("log_dir", tmp_path / "log")
        engine = ProductionWorkflowOrchestrator(*parts, **options)
        made.append(engine)
        return engine

    yield make
    for engine in reversed(made):
        await engine.cleanup()


@pytest.fixture
def engine(make_engine: MakeEngine) -> ProductionWorkflowOrchestrator:
    return make_engine()
