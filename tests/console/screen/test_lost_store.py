"""A store that cannot be read becomes a banner, and the screen comes back with it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from deck_session import open_deck

from console.link import EngineLink, LinkState, Side
from engine import (
    Applied,
    Observer,
    Operations,
    Plan,
    PlanRequest,
    ProductionWorkflowOrchestrator,
    StoreError,
    terminal_actor,
)
from engine.clock import Clock, SystemClock
from engine.model.actor import Actor
from engine.store.feed import Changes


class Fault:
    """A switch: while it is on, the store cannot be read."""

    def __init__(self) -> None:
        self.is_on = False

    def check(self) -> None:
        if self.is_on:
            raise StoreError("The ledger cannot be read: the disk is gone.")


class FaultyWatch:
    """The engine's own observer, behind the switch."""

    def __init__(self, observer: Observer, fault: Fault) -> None:
        self._observer, self._fault = observer, fault

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        ask = getattr(self._observer, name)

        async def checked(*args: Any, **options: Any) -> Any:
            self._fault.check()
            return await ask(*args, **options)

        return checked

    async def changes(self) -> AsyncIterator[Changes]:
        async for changes in self._observer.changes():
            self._fault.check()
            yield changes


async def test_a_lost_store_is_said_and_everything_comes_back_with_it(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    fault = Fault()

    async def open_engine(clock: Clock) -> Side:
        fault.check()
        engine = ProductionWorkflowOrchestrator(store=place, clock=clock, kind="console", scans=False)
        await engine.start()
        watch: Any = FaultyWatch(Observer(engine), fault)
        actor: Actor = terminal_actor()
        act = Operations(engine, actor)
        return Side(watch=watch, act=act, rescan=engine.rescan, find_line=engine.find_line, close=engine.cleanup)

    workflow = await service.create_direct_workflow("sum", "billing")
    link = EngineLink(str(place), clock=_Hasty(), opener=open_engine)
    async with open_deck(place, link=link) as session:
        await session.until_shown(workflow[-12:])
        fault.is_on = True
        await service.create_direct_workflow("noticed", "billing")
        await session.until_shown("LOST", "NOTICE", "the disk is gone")
        await session.press("j", "R")
        await session.until_shown("is off")
        assert workflow[-12:] in session.text()
        fault.is_on = False
        await session.until(lambda: link.state is LinkState.OPEN, "the store is back")
        await session.until_gone("LOST")
        late = await service.create_direct_workflow("later", "billing")
        await session.until_shown(late[-12:], "LIVE")


class Gate:
    """The engine's own operations, of which none is applied before the gate opens."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self.is_open = threading.Event()

    async def plan(self, request: PlanRequest) -> Plan:
        return await self._operations.plan(request)

    async def apply(self, plan: Plan, *, reason: str | None = None, request_id: str | None = None) -> Applied:
        await asyncio.to_thread(self.is_open.wait, 5)
        return await self._operations.apply(plan, reason=reason, request_id=request_id)


async def test_what_became_of_a_plan_is_said_even_where_its_panel_was_left_before(
    place: Path, service: ProductionWorkflowOrchestrator
) -> None:
    gates: list[Gate] = []

    async def open_engine(clock: Clock) -> Side:
        engine = ProductionWorkflowOrchestrator(store=place, clock=clock, kind="console", scans=False)
        await engine.start()
        gates.append(Gate(Operations(engine, terminal_actor())))
        watch = Observer(engine)
        return Side(watch, gates[0], engine.rescan, engine.find_line, engine.cleanup)

    workflow = await service.create_direct_workflow("sum", "billing")
    await service.transition_state(workflow, "module_execution")
    async with open_deck(place, link=EngineLink(str(place), opener=open_engine)) as session:
        await session.move_to(workflow)
        await session.press("X")
        await session.until_shown("nothing written yet")
        await session.press("enter", "y", "enter")
        await session.until_shown("applying")
        await session.press("escape")
        await session.until(lambda: not session.screen.is_plan_open, "the panel is left")
        assert "nothing was changed" not in session.text()
        gates[0].is_open.set()
        await session.until_shown("cancel 1 workflow: 1 of 1 done")


class _Hasty(SystemClock):
    """Waits a tenth of what is asked, so that the store is looked for again soon."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / 10)
