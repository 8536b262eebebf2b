"""An engine as consoles and scripts embed it: its life, and what it is made of once it was started."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from engine.clock import Clock
from engine.commit import Committer
from engine.documents.scanner import ScanReport
from engine.model.line import Line
from engine.model.lock import Incarnation, Instant, Liveness
from engine.orchestrator.lifecycle import Lifecycle
from engine.orchestrator.settings import Settings
from engine.rules.lines import find_line
from engine.store.protocol import Store
from engine.store.query import EngineRow
from engine.store.requests import StoreFacts


class EmbeddedEngine:
    """One engine's life and parts. All but :attr:`clock` and :meth:`find_line` need a start first."""

    def __init__(self, settings: Settings) -> None:
        self._life = Lifecycle(settings)

    async def start(self) -> None:
        """Open the store and begin the background work; every other awaited method does it where needed.

        Raises:
            StoreUnsafeError: the place cannot serve as a store.
            StoreError: it cannot be read or written.
        """
        await self._life.ready()

    async def cleanup(self) -> None:
        """End every background task and close the store; twice is fine. A later call opens it again."""
        await self._life.close()

    @property
    def store(self) -> Store:
        """The open store."""
        return self._life.rooms.running.store

    @property
    def clock(self) -> Clock:
        """The engine's time."""
        return self._life.settings.clock

    @property
    def committer(self) -> Committer:
        """The one way of a change."""
        return self._life.rooms.running.committer

    @property
    def me(self) -> Incarnation:
        """This start of this engine."""
        return self._life.rooms.running.me

    @property
    def facts(self) -> StoreFacts:
        """What opening the store told."""
        return self._life.rooms.running.opened.facts

    @property
    def directory(self) -> Path | None:
        """Where the documents lie; None without persistence."""
        return self._life.rooms.running.opened.directory

    @property
    def mode(self) -> str:
        """``live``, ``read-only`` or ``documents only``."""
        return self._life.rooms.running.opened.mode

    @property
    def mode_reason(self) -> str:
        """Why the mode is not ``live``; "" where it is."""
        return self._life.rooms.running.opened.reason

    @property
    def scan_report(self) -> ScanReport | None:
        """What this engine's newest scan found; None where another engine scans, or before the first."""
        scanning = self._life.rooms.running.scanning
        return None if scanning is None else scanning.report

    @property
    def watcher_state(self) -> str:
        """``ok``, ``restarting: `` and why, or ``off`` where another engine watches or nothing is watched."""
        scanning = self._life.rooms.running.scanning
        return "off" if scanning is None else scanning.watcher_state

    def instant(self) -> Instant:
        """Return this moment on both clocks."""
        return self._life.rooms.running.instant()

    def find_line(self, workflow_type: str) -> Line | None:
        """Return the line of a workflow type, None where it is not known here."""
        return find_line(workflow_type)

    def engine_liveness(self, engine: EngineRow | str) -> tuple[Liveness, str]:
        """Return what is known of an engine's life and the evidence; of a mere incarnation only its lock tells."""
        return self._life.rooms.running.life(engine)

    async def rescan(self) -> ScanReport | None:
        """Compare the directory with the ledger now; None where there is no directory or nothing may be written."""
        rooms = await self._life.ready()
        scanning = rooms.running.scanning
        return None if scanning is None else await scanning.scanner.scan()

    async def look(self, workflow_ids: Collection[str]) -> None:
        """Take in documents that the ledger does not know yet; what lies there under none of these ids stays.

        Raises:
            StoreError: the store cannot be opened.
        """
        rooms = await self._life.ready()
        await rooms.running.look(workflow_ids)

    @property
    def is_closed(self) -> bool:
        """Whether it was cleaned up and not used since."""
        return self._life.is_closed

    def fill(self, given: Mapping[str, object | None]) -> list[str]:
        """Fill what was unset with what is given now; returns the names of those that were set otherwise.

        Args:
            given: ``event_bus rag_service expert_router module_executor observability_system`` or some of them.
        """
        settings = self._life.settings
        ignored: list[str] = []
        for name, value in given.items():
            if value is None:
                continue
            is_adapter = name in settings.adapters
            present = settings.adapters[name] if is_adapter else getattr(settings, name)
            if present is not None:
                ignored += [] if present is value else [name]
            elif is_adapter:
                settings.adapters[name] = value
            else:
                setattr(settings, name, value)
                if name == "event_bus":
                    self._life.outdate()
        return ignored
