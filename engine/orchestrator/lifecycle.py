"""The life of an embedded engine: opened with the first awaited call, moved to a new loop, closed once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from engine.errors import EngineError
from engine.metrics import Metrics
from engine.orchestrator.commands import Commands
from engine.orchestrator.driving import Driving
from engine.orchestrator.holding import Holding
from engine.orchestrator.locking import Locking
from engine.orchestrator.opening import Opened, open_store
from engine.orchestrator.queries import Queries
from engine.orchestrator.running import Running
from engine.orchestrator.settings import SERVICE, Settings
from engine.orchestrator.views import Views
from engine.structured_log import DEFAULT_LOG_DIR, StructuredLog, log_dir_from_environment


class LoopError(EngineError):
    """The engine was called on one event loop while another one runs it."""

    def __init__(self) -> None:
        super().__init__(
            "This engine runs on another event loop, which is still running. Nothing was changed. "
            "Await its methods there, or give this loop an engine of its own."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What a running engine answers with."""

    running: Running
    commands: Commands
    queries: Queries
    locking: Locking
    driving: Driving


class Lifecycle:
    """One engine's store and loops.

    The store outlives a loop: work that is begun on a new one after the old one ended goes on with the same
    incarnation, its locks and its views. Made outside any loop, and in any thread.

    Attributes:
        settings: what the engine was constructed with.
        views: what it answers without asking its store; there before it starts.
        is_closed: whether it was cleaned up and not used since.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.log_dir = _log_dir(settings)
        self.views = Views(Metrics(), StructuredLog(self.log_dir, settings.clock))
        self.is_closed = False
        self._opened: Opened | None = None
        self._holding: Holding | None = None
        self._rooms: Rooms | None = None
        self._starting: tuple[asyncio.AbstractEventLoop, asyncio.Task[Rooms]] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._is_outdated = False

    @property
    def rooms(self) -> Rooms:
        """The running engine's rooms.

        Raises:
            EngineError: it was not started yet, or is closed.
        """
        if self._rooms is None:
            raise EngineError("This engine has not been started. Await start() first.")
        return self._rooms

    async def ready(self) -> Rooms:
        """Return the rooms on the running loop, started if they are not.

        Raises:
            LoopError: it runs on another loop.
            StoreError: the store cannot be opened.
        """
        loop = asyncio.get_running_loop()
        if self._rooms is not None and self._rooms.running.loop is loop and not self._is_outdated:
            return self._rooms
        self._demand_free(loop)
        if self._starting is None or self._starting[0] is not loop or self._starting[1].done():
            self._starting = (loop, loop.create_task(self._start(), name="flowdeck-start"))
        return await asyncio.shield(self._starting[1])

    def outdate(self) -> None:
        """Have the next call start anew: the bus came later than the start."""
        self._is_outdated = self._rooms is not None

    async def close(self) -> None:
        """End every background task and close the store; twice is fine, also while the first is under way.

        It is done to the end even where its caller stops waiting.

        Raises:
            LoopError: it runs on another loop.
        """
        loop = asyncio.get_running_loop()
        self._demand_free(loop)
        self._closing = loop.create_task(self._close(self._closing), name="flowdeck-cleanup")
        await asyncio.shield(self._closing)

    async def _close(self, before: asyncio.Task[None] | None) -> None:
        """Close what is open once ``before`` closed what was; each step is taken also where this is cancelled.

        A loop that ends cancels everything on it, and what was left open would outlive it.
        """
        loop = asyncio.get_running_loop()
        try:
            starting = self._starting[1] if self._starting is not None and self._starting[0] is loop else None
            ahead = {task for task in (before, starting) if task is not None and task.get_loop() is loop}
            if ahead:
                await asyncio.wait(ahead)
        finally:
            self.is_closed = True
            rooms, self._rooms = self._rooms, None
            opened, self._opened = self._opened, None
            try:
                if rooms is not None:
                    await _parted(rooms.running, loop)
            finally:
                if opened is not None:
                    await opened.close()
        await asyncio.to_thread(self.views.log.close)

    async def _start(self) -> Rooms:
        if self._rooms is not None:
            await _parted(self._rooms.running, asyncio.get_running_loop())
        self._is_outdated = False
        if self._opened is None:
            self._opened = await open_store(
                self.settings, has_bus=self.settings.event_bus is not None, log_dir=self.log_dir
            )
            self._holding = Holding(self._opened.me.incarnation)
        assert self._holding is not None  # noqa: S101  made with the store
        running = Running(self.settings, self._opened, self.views, self._holding)
        try:
            await running.start()
        except BaseException:
            await running.stop()
            raise
        commands = Commands(running)
        locking = Locking(running, commands)
        self._rooms = Rooms(
            running=running,
            commands=commands,
            queries=Queries(running),
            locking=locking,
            driving=Driving(running, commands, locking),
        )
        self.is_closed = False
        return self._rooms

    def _demand_free(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the running loop take the engine over, unless another one is still at it.

        Raises:
            LoopError: another loop runs it.
        """
        busy = self._rooms.running.loop if self._rooms is not None else None
        if busy is not None and busy is not loop and busy.is_running():
            raise LoopError


async def _parted(running: Running, loop: asyncio.AbstractEventLoop) -> None:
    """Stop what runs on ``loop``; what began on one that rests or ended is left there."""
    if running.loop is loop:
        await running.stop()
    else:
        running.leave()


def _log_dir(settings: Settings) -> Path | None:
    """Return where this engine logs: only services that persist do, unless somebody names a place."""
    named = settings.log_dir or log_dir_from_environment()
    if named is not None:
        return named.absolute()
    is_logging = settings.kind == SERVICE and settings.is_persistent and not settings.is_read_only
    return DEFAULT_LOG_DIR.absolute() if is_logging else None
