from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from delivery_engine import Engine, MakeEngine, inline

from engine.clock import ManualClock
from engine.commit import Committer
from engine.delivery import Delivery
from engine.errors import WorkflowErrorType
from engine.model.lock import Incarnation
from engine.model.names import EventStatus
from engine.stores.sqlite import SqliteStore


@pytest.fixture
async def engine_of() -> AsyncIterator[MakeEngine]:
    made: list[Engine] = []

    async def make(
        bus: object | None, *, clock: ManualClock | None = None, place: Path | None = None, **options: Any
    ) -> Engine:
        clock = clock or ManualClock()
        store = SqliteStore(place and place / ".flowdeck" / "ledger.db", clock=clock, run_blocking=inline)
        me = Incarnation(
            incarnation=f"engine-{len(made) + 1}",
            kind="service",
            host="here",
            boot_id=clock.boot_id(),
            pid=1,
            process_start="1",
            has_bus=bus is not None,
        )
        await store.open(me)
        told: list[tuple[str, EventStatus]] = []
        dead: list[tuple[str, str | None]] = []
        errors: list[WorkflowErrorType] = []
        delivery = Delivery(
            store,
            bus,
            clock,
            on_published=lambda event, status: told.append((event["event_type"], status)),
            on_dead=lambda event, attempt: dead.append((event["event_id"], attempt.cause)),
            count_error=errors.append,
            random=lambda: 1.0,
            **options,
        )
        delivery.start()
        committer = Committer(store, clock=clock, delivery=delivery)
        made.append(Engine(store, me, clock, delivery, committer, told, dead, errors))
        return made[-1]

    yield make
    for engine in made:
        await engine.stop()
