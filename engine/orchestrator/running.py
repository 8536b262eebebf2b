"""An engine at work on one event loop: its store, what follows a commit, and the background tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final
from uuid import uuid4

from engine.commit import Committer
from engine.delivery import Delivery
from engine.documents.files import document_name
from engine.documents.publisher import Publisher
from engine.errors import EngineError, StoreError, WorkflowErrorType
from engine.liveness import forget, is_lock_free, life_of
from engine.model.actor import Actor
from engine.model.entry import NewEvent
from engine.model.lock import Instant, Liveness
from engine.model.names import EventStatus, WorkflowEventType, is_plain_id
from engine.model.times import format_time
from engine.model.workflow import Workflow
from engine.orchestrator.following import Following
from engine.orchestrator.holding import Holding
from engine.orchestrator.opening import DOCUMENTS_ONLY, LIVE, Opened
from engine.orchestrator.refusals import Refusals
from engine.orchestrator.scanning import Scanning
from engine.orchestrator.settings import SERVICE, Settings
from engine.orchestrator.signals import Signals
from engine.orchestrator.views import Views
from engine.rules.lines import find_line
from engine.rules.locks import HEARTBEAT_EVERY_S
from engine.store.outcomes import Committed
from engine.store.query import EngineRow
from engine.store.requests import Attempt
from engine.supervisor import SCANNER, Role, Supervisor, keep_running

_STOP_WITHIN_S: Final = 2.0
_CATCH_UP_WITHIN_S: Final = 2.0
_SHORT: Final = {"service": "svc", "console": "con"}

_KEPT_FROM_THE_BUS: Final = frozenset(
    {
        WorkflowEventType.FORCED,
        WorkflowEventType.RETRIED,
        WorkflowEventType.PAUSED,
        WorkflowEventType.RESUMED,
        WorkflowEventType.LOCK_ACQUIRED,
        WorkflowEventType.LOCK_RELEASED,
        WorkflowEventType.LOCK_STOLEN,
        WorkflowEventType.LOCK_EXPIRED,
    }
)
"""Told to the bus only with ``extra_events=True`` (source: contract, Events)."""


class Running:
    """One start of an engine. Made by the orchestrator, used on one loop only.

    Attributes:
        opened: the store and how this engine stands in it.
        holding: the locks of this engine's callers.
        refusals: refused attempts on their way into the audit.
        signals: who waits for which workflow.
        supervisor: the watch over deadlines, locks and engines; None where this engine does not supervise.
        caller: the hand that callers' changes show in the entries.
    """

    def __init__(self, settings: Settings, opened: Opened, views: Views, holding: Holding) -> None:
        self.settings = settings
        self.opened = opened
        self.views = views
        self.clock = settings.clock
        self.loop = asyncio.get_running_loop()
        self.store = opened.store
        self.me = opened.me
        self.caller = Actor(name=f"{_SHORT.get(settings.kind, settings.kind)}:{opened.me.pid}")
        self.holding = holding
        self.refusals = Refusals(self.store, self.boundary)
        self.signals = Signals(self.clock)
        self.delivery = Delivery(
            self.store,
            settings.event_bus,
            self.clock,
            max_retries=settings.max_retries,
            retry_base_s=settings.retry_interval_s,
            on_published=self._on_published,
            on_dead=self._on_dead,
            count_error=self._count_error,
        )
        self.delivery.event_queue = views.event_queue
        self.delivery.event_retry_queue = views.event_retry_queue
        self.publisher = self._make_publisher()
        self.committer = Committer(
            self.store,
            clock=self.clock,
            publish=None if self.publisher is None else self.publisher.publish,
            publishes_behind=settings.publishes_behind,
            delivery=self.delivery,
            on_committed=(self._on_committed,),
            count_error=self._count_error,
            is_told=self._is_told,
        )
        self.following = Following(
            self.store,
            committer=self.committer,
            delivery=self.delivery,
            views=views,
            signals=self.signals,
            takes_in_others=settings.kind == SERVICE,
        )
        self.scanning = self._make_scanning()
        self.supervisor: Supervisor | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._short_tasks: set[asyncio.Task[Any]] = set()

    @property
    def is_live(self) -> bool:
        """Whether this engine may write."""
        return self.opened.mode == LIVE

    async def start(self) -> None:
        """Publish what a crash left unpublished, and begin the background work.

        Raises:
            StoreError: the store cannot be read or written.
        """
        self._spawn("feed", self.following.run)
        if self.is_live:
            await self._heartbeat()
            self._spawn("heartbeat", self._heartbeats)
            if self.publisher is not None:
                await self.publisher.start()
                await self._catch_up(self.publisher)
            if self.settings.supervises:
                self.supervisor = self.make_supervisor()
                self._spawn("supervisor", self.supervisor.run)
        if self.scanning is not None and self.settings.scans:
            self._spawn("scanner", self.scanning.run)
        self.delivery.start()
        self.views.log.write(
            "engine_started",
            f"{self.caller.name} works on {self.opened.facts.place} ({self.opened.mode})",
            data={"incarnation": self.me.incarnation, "mode": self.opened.mode, "reason": self.opened.reason},
        )

    async def stop(self) -> None:
        """End the background work and finish what is under way; the store stays open. Twice is fine."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(self._short_tasks - {asyncio.current_task()}), return_exceptions=True)
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(_STOP_WITHIN_S):
                await self.refusals.flush()
                await self.committer.drain()
        await self.delivery.stop()
        if self.scanning is not None:
            await self.scanning.stop()
        if self.publisher is not None:
            await self.publisher.stop()
        if self.supervisor is not None:
            with suppress(StoreError):
                await self.supervisor.role.resign()
        self.views.log.write("engine_stopped", f"{self.caller.name} ended")

    def leave(self) -> None:
        """Have this start's work end as soon as its loop goes on, if it ever does; the engine is somebody else's now.

        For a loop that rests, called from another one.
        """
        with suppress(RuntimeError):  # the loop was closed, and its tasks with it
            self.loop.call_soon_threadsafe(self._end_here)

    def _end_here(self) -> None:
        if self.supervisor is not None:
            self.supervisor.role.let_go()
        if self.scanning is not None and self.scanning.role is not None:
            self.scanning.role.let_go()
        for task in self._tasks:
            task.cancel()
        self.spawn(self.stop())

    async def read(self, workflow_id: str) -> Workflow | None:
        """Return the newest revision, None where there is none.

        A document that the ledger does not know yet is looked at on the spot.

        Raises:
            StoreError: the store cannot be read.
        """
        found = await self.store.read(workflow_id)
        if found is None and self.scanning is not None:
            await self.look((workflow_id,))
            found = await self.store.read(workflow_id)
        return found

    async def look(self, workflow_ids: Collection[str]) -> None:
        """Take in documents that the ledger does not know yet."""
        if self.scanning is not None:
            await self.scanning.scanner.look([document_name(each) for each in workflow_ids if is_plain_id(each)])

    def instant(self) -> Instant:
        """Return this moment on both clocks."""
        return Instant(self.clock.now(), self.clock.monotonic(), self.clock.boot_id())

    def life(self, engine: EngineRow | str) -> tuple[Liveness, str]:
        """Return what is known of an engine's life and the evidence; of a mere incarnation only its lock tells."""
        if isinstance(engine, EngineRow):
            if engine.ended_at is not None:
                return Liveness.DEAD, "it ended"
            return life_of(
                engine.engine, engine.heartbeat_at, me=self.me, engines=self.opened.engines, now=self.clock.now()
            )
        if engine == self.me.incarnation:
            return Liveness.ALIVE, "it is this engine"
        is_free = None if self.opened.engines is None else is_lock_free(self.opened.engines, engine)
        if is_free is None:
            return Liveness.UNKNOWN, "no sign of life or death; only the expiry decides"
        return (Liveness.DEAD, "its process ended") if is_free else (Liveness.ALIVE, "its process runs")

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Have something short done that nobody waits for; what it cannot do is left undone."""
        task = self.loop.create_task(self._quietly(work))
        self._short_tasks.add(task)
        task.add_done_callback(self._short_tasks.discard)

    async def _quietly(self, work: Coroutine[Any, Any, Any]) -> None:
        try:
            await work
        except EngineError as error:
            self.boundary("background", error)

    def new_span_id(self) -> str | None:
        """Return a span for a new workflow, where somebody observes spans."""
        return None if self.settings.observability_system is None else str(uuid4())

    def boundary(self, where: str, error: Exception) -> None:
        """Count and log what went wrong in a background turn; the next turn tries again."""
        error_type = error.error_type if isinstance(error, EngineError) else WorkflowErrorType.UNKNOWN_ERROR
        self.views.metrics.error("", error_type.value)
        self.views.log.write(
            "background_error",
            f"{where}: {error}",
            level="ERROR",
            data={"where": where, "class": type(error).__name__, "error_type": error_type.value},
        )

    def _make_publisher(self) -> Publisher | None:
        if self.opened.directory is None or not self.is_live:
            return None
        publisher = Publisher(self.store, self.opened.directory, self.opened.facts.store_id, self.clock)
        publisher.on_failed = self._on_unpublished
        return publisher

    def _make_scanning(self) -> Scanning | None:
        if self.opened.directory is None or self.opened.mode not in (LIVE, DOCUMENTS_ONLY):
            return None
        role = Role(SCANNER, self.store, self.clock, self.me, self.life) if self.is_live else None
        scanning = Scanning(
            self.store,
            self.opened.directory,
            self.opened.facts.store_id,
            self.publisher,
            self.clock,
            kind=self.settings.kind,
            role=role,
            probe=self.life,
        )
        if self.is_live:
            scanning.on_first = self._heartbeat
        return scanning

    def make_supervisor(self) -> Supervisor:
        """Return the loop that watches deadlines, locks and engines; it works while it holds the role."""
        return Supervisor(
            self.store,
            self.committer,
            self.clock,
            self.me,
            find_line=find_line,
            probe=self.life,
            forget_engine=self._forget_engine,
            log=self.views.log,
            boundary=self.boundary,
            check_interval_s=self.settings.check_interval_s,
        )

    def _forget_engine(self, incarnation: str) -> None:
        if self.opened.engines is not None:
            with suppress(OSError):
                forget(self.opened.engines, incarnation)
        self.delivery.wake()

    def _spawn(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        run = keep_running(name, work, self.clock, self.boundary)
        self._tasks.append(self.loop.create_task(run, name=f"flowdeck-{name}"))

    async def _catch_up(self, publisher: Publisher) -> None:
        """Publish what is due; a long queue goes on behind, so that it does not keep the first caller waiting.

        An operator's engine lets its first list go before: looking for what is due can take long on a cold disk.
        """
        task = self.loop.create_task(self._caught_up(publisher), name="flowdeck-catch-up")
        self._tasks.append(task)
        await asyncio.wait((task,), timeout=_CATCH_UP_WITHIN_S if self.settings.kind == SERVICE else 0)

    async def _caught_up(self, publisher: Publisher) -> None:
        if self.settings.kind != SERVICE:
            await self.clock.sleep(_CATCH_UP_WITHIN_S)
        try:
            await publisher.catch_up()
        except StoreError as error:
            self.boundary("publication", error)

    async def _heartbeats(self) -> None:
        while True:
            await self.clock.sleep(HEARTBEAT_EVERY_S)
            await self._heartbeat()

    async def _heartbeat(self) -> None:
        facts: dict[str, Any] = {
            "engine_version": engine_version(),
            "has_bus": self.delivery.has_bus,
            "breaker_open_s": self.delivery.breaker_open_s,
            "watcher": "off" if self.scanning is None else self.scanning.watcher_state,
            "scans": self.scanning is not None and self.settings.scans,
            "supervises": self.supervisor is not None and self.supervisor.role.is_held,
            "publication_failing": 0 if self.publisher is None else len(self.publisher.failing),
            "log_lines_dropped": self.views.log.dropped,
        }
        if self.scanning is not None and self.scanning.scanned_at is not None:
            facts["scanned_at"] = format_time(self.scanning.scanned_at)
        if self.supervisor is not None and self.supervisor.jumped_at is not None:
            facts["clock_jumped_at"] = format_time(self.supervisor.jumped_at)
        await self.store.heartbeat(facts)

    def _is_told(self, event: NewEvent) -> bool:
        return self.settings.has_extra_events or event.type not in _KEPT_FROM_THE_BUS

    def _on_committed(self, before: Workflow | None, committed: Committed) -> None:
        self.views.committed(before, committed)
        self.signals.moved((committed.workflow.workflow_id,))

    def _on_published(self, event: dict[str, Any], status: EventStatus) -> None:
        word = {EventStatus.DELIVERED: "published", EventStatus.PENDING: "failed"}.get(status, status.value)
        self.views.metrics.event(str(event["payload"].get("workflow_type", "")), event["event_type"], word)

    def _on_dead(self, event: dict[str, Any], attempt: Attempt) -> None:
        self.views.log.write(
            "event_dead",
            f"{event['event_id']} went to the dead letter: {attempt.error}",
            level="ERROR",
            about=event["correlation_id"],
            data={"event_id": event["event_id"], "event_type": event["event_type"], "cause": attempt.cause},
        )

    def _on_unpublished(self, reasons: Mapping[str, str]) -> None:
        """Count and log documents that are not on disk yet; the publisher counted them in the store."""
        for workflow_id, why in reasons.items():
            self.views.metrics.error("", WorkflowErrorType.RESOURCE_ERROR.value)
            self.views.log.write(
                "document_unpublished", f"the document waits for another try: {why}", level="ERROR", about=workflow_id
            )

    def _count_error(self, error_type: WorkflowErrorType) -> None:
        self.views.metrics.error("", error_type.value)


def engine_version() -> str:
    """Return the version of this Flowdeck, "0" where it runs from a tree that is not installed."""
    try:
        return version("flowdeck")
    except PackageNotFoundError:
        return "0"
