from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from ledger_values import engine

from engine.clock import ManualClock
from engine.model.change import Change
from engine.model.lock import Incarnation
from engine.model.workflow import Workflow
from engine.store.outcomes import Committed
from engine.store.protocol import Store
from engine.stores.sqlite import SqliteStore

OpenStore = Callable[..., Awaitable[Store]]
Commit = Callable[[Change], Awaitable[Workflow]]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["memory", "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """Where the store of a contract test lives; each kind of store runs the whole suite."""
    return None if request.param == "memory" else tmp_path / ".flowdeck" / "ledger.db"


@pytest.fixture
async def store(place: Path | None, clock: ManualClock) -> AsyncIterator[Store]:
    """An open store whose engine has a bus."""
    opened: Store = SqliteStore(place, clock=clock)
    await opened.open(engine())
    yield opened
    await opened.close()


@pytest.fixture
async def open_ledger(tmp_path: Path, clock: ManualClock) -> AsyncIterator[OpenStore]:
    """Opens stores on one ledger file, each as another engine would."""
    opened: list[SqliteStore] = []

    async def open_one(me: Incarnation | None = None, **options: Any) -> SqliteStore:
        another = SqliteStore(tmp_path / ".flowdeck" / "ledger.db", clock=options.pop("clock", clock))
        opened.append(another)
        await another.open(me or engine(), **options)
        return another

    yield open_one
    for another in opened:
        await another.close()


@pytest.fixture
def commit(store: Store) -> Commit:
    """Commits a change that must succeed and returns the workflow it made."""

    async def run(change: Change) -> Workflow:
        outcome = await store.commit(change)
        assert isinstance(outcome, Committed), outcome
        return outcome.workflow

    return run
