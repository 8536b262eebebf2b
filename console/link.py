"""The engine on its own thread and loop: awaitable calls for the screen, and what changed, merged.

The screen's loop never runs a query, and nothing of the engine runs on it. A slow terminal can neither hold the
engine up nor grow a backlog: what changed waits in one merged set, with at most one wake-up under way.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from engine.clock import Clock, SystemClock
from engine.errors import EngineError, StoreError
from engine.model.entry import Entry
from engine.model.line import Line
from engine.observation.views import Detail, ErrorCount, Health, LockView, LogLine
from engine.operations.plan import Applied, Plan, PlanRequest
from engine.rules.stuck import Why
from engine.store.feed import Changes, NoticeKind
from engine.store.query import EventRow, FlowRow, Page, Query

T = TypeVar("T")

RETRY_S = 1.0
"""Seconds between looks at a store that could not be read."""

REOPEN_AFTER = 3
"""Looks that fail in a row before the engine is closed and opened anew."""

_KEYS_KEPT = 5_000
"""More changed things than this between two turns of the screen are told as "everything"."""


class Watching(Protocol):
    """What the screen reads; an ``Observer`` of the engine."""

    async def flows(self, query: Query) -> Page[FlowRow]:
        """Return one page of workflows."""
        ...

    async def count(self, query: Query, cap: int = 10_000) -> int:
        """Return how many workflows the filter selects, up to ``cap``."""
        ...

    async def locks(self, query: Query) -> Page[LockView]:
        """Return held locks."""
        ...

    async def events(self, statuses: Sequence[str], query: Query, *, failing_only: bool = False) -> Page[EventRow]:
        """Return events of the outbox."""
        ...

    async def audit(self, query: Query) -> Page[Entry]:
        """Return audit entries, newest first."""
        ...

    async def errors(self) -> tuple[ErrorCount, ...]:
        """Return all seven error counts."""
        ...

    async def log(self, limit: int) -> tuple[LogLine, ...]:
        """Return the newest log lines, newest last."""
        ...

    async def describe(self, workflow_id: str) -> Detail | None:
        """Return everything about one workflow."""
        ...

    async def why(self, workflow_id: str) -> Why | None:
        """Return why a workflow is where it is."""
        ...

    async def health(self) -> Health:
        """Return how fresh and how safe what is shown is."""
        ...

    async def raw(self, workflow_id: str) -> bytes | None:
        """Return the document's bytes as they are on disk."""
        ...

    def changes(self) -> AsyncIterator[Changes]:
        """Yield what changed, merged; waits while nothing did."""
        ...


class Acting(Protocol):
    """What the screen does; the ``Operations`` of the engine."""

    async def plan(self, request: PlanRequest) -> Plan:
        """Return what a verb would do."""
        ...

    async def apply(self, plan: Plan, *, reason: str | None = None, request_id: str | None = None) -> Applied:
        """Do what the plan says, where its revisions and fences still stand."""
        ...


@dataclass(frozen=True, slots=True)
class Side:
    """The engine's side of the link; touched on the engine's loop only."""

    watch: Watching
    act: Acting
    rescan: Callable[[], Awaitable[object]]
    find_line: Callable[[str], Line | None]
    close: Callable[[], Awaitable[None]]


Opener = Callable[[Clock], Awaitable[Side]]
"""Opens an engine on the running loop."""


class LinkState(StrEnum):
    """Where the link stands."""

    OPENING = "opening"
    OPEN = "open"
    LOST = "lost"
    REFUSED = "refused"
    CLOSED = "closed"


class LinkDownError(EngineError):
    """A call was made while no engine is open."""


@dataclass(frozen=True, slots=True)
class Dirty:
    """What changed since the last turn.

    Attributes:
        kinds: kinds of things that changed; every kind where ``is_reset``.
        ids: ids of changed workflows; not complete where ``is_reset``.
        is_reset: read everything anew.
        is_state_changed: the link itself opened, was lost or came back.
    """

    kinds: frozenset[NoticeKind] = frozenset()
    ids: frozenset[str] = frozenset()
    is_reset: bool = False
    is_state_changed: bool = False


class EngineLink:
    """The one way from the screen to the engine.

    Attributes:
        state: where it stands.
        sentence: what is wrong, or going on, while it is not open.
        refusal: why the store could not be opened at all, "" if it could.

    Args:
        place: a store directory, or a ``postgresql://`` URL.
        is_read_only: open for looking only.
        supervise: let this engine fire deadlines and sweep locks.
        clock: the engine's time.
        opener: what opens the engine; by default the product's own.
    """

    def __init__(
        self,
        place: str,
        *,
        is_read_only: bool = False,
        supervise: bool = False,
        clock: Clock | None = None,
        opener: Opener | None = None,
    ) -> None:
        self.place = place
        self.is_read_only = is_read_only
        self.state = LinkState.OPENING
        self.sentence = "opening the store"
        self.refusal = ""
        self._clock = clock or SystemClock()
        self._opener = opener or _product_opener(place, is_read_only=is_read_only, supervise=supervise)
        self._side: Side | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopping: asyncio.Event | None = None
        self._guard = threading.Lock()
        self._kinds: set[NoticeKind] = set()
        self._ids: set[str] = set()
        self._is_reset = False
        self._is_state_changed = False
        self._is_wake_pending = False
        self._crash: BaseException | None = None
        self._ui_loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None

    # ---- the screen's side -------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the engine's thread; call once, on the screen's loop."""
        self._ui_loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="flowdeck-engine", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 1.5) -> bool:
        """Close the engine and end its thread; blocks up to ``timeout_s``, returns whether it ended in time."""
        thread, loop, stopping = self._thread, self._loop, self._stopping
        if thread is None:
            return True
        if loop is not None and stopping is not None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(stopping.set)
        thread.join(timeout_s)
        return not thread.is_alive()

    async def call(self, ask: Callable[[Side], Awaitable[T]]) -> T:
        """Run ``ask`` on the engine's loop and return its answer here.

        Raises:
            LinkDownError: no engine is open; its text is the sentence the banner shows.
            EngineError: what ``ask`` raised.
        """
        side, loop = self._side, self._loop
        if side is None or loop is None:
            raise LinkDownError(self.sentence)

        async def run() -> T:
            return await ask(side)

        running = run()
        try:
            future = asyncio.run_coroutine_threadsafe(running, loop)
        except RuntimeError:
            running.close()
            raise LinkDownError(self.sentence) from None
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise LinkDownError(self.sentence) from None

    async def dirty(self) -> Dirty:
        """Return what changed since the last call, merged; wait while nothing did.

        Raises:
            BaseException: a programming error of the engine's side, which ends the screen as one of its own would.
        """
        if self._wake is None:
            raise LinkDownError(self.sentence)
        await self._wake.wait()
        if self._crash is not None:
            raise self._crash
        with self._guard:
            self._wake.clear()
            self._is_wake_pending = False
            told = Dirty(
                kinds=frozenset(NoticeKind) if self._is_reset else frozenset(self._kinds),
                ids=frozenset(self._ids),
                is_reset=self._is_reset,
                is_state_changed=self._is_state_changed,
            )
            self._kinds.clear()
            self._ids.clear()
            self._is_reset = self._is_state_changed = False
        return told

    # ---- the engine's side -------------------------------------------------------------------------------

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            runner.run(self._live())
        self._side = None
        self._set_state(LinkState.CLOSED, "the engine is closed")

    async def _live(self) -> None:
        """Open, follow the feed, and open again where the store was lost; until told to stop."""
        self._stopping = asyncio.Event()
        stopping = asyncio.ensure_future(self._stopping.wait())
        living = asyncio.ensure_future(self._open_and_follow())
        await asyncio.wait({stopping, living}, return_when=asyncio.FIRST_COMPLETED)
        living.cancel()
        await asyncio.wait({living})
        if not living.cancelled() and (crash := living.exception()) is not None:
            self._crash = crash
            self._wake_screen()
        await stopping
        await self._close()

    async def _open_and_follow(self) -> None:
        has_opened = False
        while True:
            try:
                side = await self._opener(self._clock)
            except EngineError as error:
                if not has_opened:
                    self.refusal = str(error)
                    self._set_state(LinkState.REFUSED, str(error))
                    return
                self._set_state(LinkState.LOST, str(error))
                await self._clock.sleep(RETRY_S)
                continue
            has_opened = True
            self._side = side
            self._set_state(LinkState.OPEN, "")
            await self._follow(side)
            await self._close()

    async def _follow(self, side: Side) -> None:
        """Merge the feed of ``side``; return once the store has to be opened anew."""
        failures = 0
        while failures < REOPEN_AFTER:
            try:
                if failures:
                    await side.watch.health()
                    self._set_state(LinkState.OPEN, "")
                async for changes in side.watch.changes():
                    failures = 0
                    self._merge(changes)
            except StoreError as error:
                failures += 1
                self._set_state(LinkState.LOST, str(error))
                await self._clock.sleep(RETRY_S)
            else:
                return

    async def _close(self) -> None:
        side, self._side = self._side, None
        if side is not None:
            with suppress(EngineError):
                await side.close()

    def _merge(self, changes: Changes) -> None:
        with self._guard:
            if changes.is_reset or len(self._ids) > _KEYS_KEPT:
                self._is_reset = True
                self._ids.clear()
            else:
                for notice in changes.notices:
                    self._kinds.add(notice.kind)
                    self._ids.add(notice.key)
        self._wake_screen()

    def _set_state(self, state: LinkState, sentence: str) -> None:
        if (state, sentence) == (self.state, self.sentence):
            return
        with self._guard:
            self.state, self.sentence = state, sentence
            self._is_state_changed = True
        self._wake_screen()

    def _wake_screen(self) -> None:
        with self._guard:
            if self._is_wake_pending or self._ui_loop is None or self._wake is None:
                return
            self._is_wake_pending = True
        try:
            self._ui_loop.call_soon_threadsafe(self._wake.set)
        except RuntimeError:
            self._ui_loop = None


def _product_opener(place: str, *, is_read_only: bool, supervise: bool) -> Opener:
    """Return what opens the product's engine; its modules are imported on the engine's thread."""

    async def open_engine(clock: Clock) -> Side:
        from engine.observation.observer import Observer  # noqa: PLC0415  after the first frame
        from engine.operations.actor import terminal_actor  # noqa: PLC0415
        from engine.operations.operations import Operations  # noqa: PLC0415
        from engine.orchestrator import ProductionWorkflowOrchestrator  # noqa: PLC0415

        engine = ProductionWorkflowOrchestrator(
            store=place, clock=clock, kind="console", is_read_only=is_read_only, supervises=supervise
        )
        await engine.start()
        return Side(
            watch=Observer(engine),
            act=Operations(engine, terminal_actor()),
            rescan=engine.rescan,
            find_line=engine.find_line,
            close=engine.cleanup,
        )

    return open_engine
