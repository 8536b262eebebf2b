"""The scanner's role: one engine per store compares the directory with the ledger; the watcher only hints."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from engine.clock import Clock
from engine.documents.publisher import Publisher
from engine.documents.scanner import Scanner, ScanReport
from engine.documents.watcher import Watcher
from engine.errors import StoreError
from engine.model.lock import Liveness
from engine.orchestrator.settings import SERVICE
from engine.orchestrator.signals import end_tasks
from engine.store.protocol import Store
from engine.supervisor import Probe, Role

_HEAD_START_S: Final = 1.0
"""How long a console's first list goes before its first scan, where the ledger knows documents already."""

_ASK_OTHERS_EVERY_S: Final = 0.05
"""How often a caller's first list asks whether another engine has been through the directory."""

_ASK_EVERY_S: Final = 1.0
"""How often the role is asked for, or kept; its lease lasts far longer."""


class Scanning:
    """One engine's part in keeping the ledger true to the directory.

    Services come first: a console scans only where no living service does.

    Attributes:
        scanner: looks at the directory, by role or at one name on demand.
        role: whether this engine scans for all; None where it shows documents alone and scans for itself.
        on_first: told when this engine's first scan is through, so that the others learn of it.
    """

    def __init__(  # noqa: PLR0913  the scanner's collaborators and the role's
        self,
        store: Store,
        directory: Path,
        store_id: str,
        publisher: Publisher | None,
        clock: Clock,
        *,
        kind: str,
        role: Role | None,
        probe: Probe,
    ) -> None:
        self.scanner = Scanner(store, directory, store_id, publisher, clock)
        self.role = role
        self.on_first: Callable[[], Awaitable[None]] | None = None
        self._is_awaited = True
        self._first = asyncio.Event()
        self._watcher = Watcher(directory, self.scanner.hint, clock)
        self._watcher.on_restart = self.scan_soon
        self._next_at = 0.0
        self._store = store
        self._clock = clock
        self._kind = kind
        self._probe = probe
        if publisher is not None:
            publisher.on_foreign = self.scanner.hint

    @property
    def report(self) -> ScanReport | None:
        """What this engine's newest scan found."""
        return self.scanner.report

    @property
    def scanned_at(self) -> datetime | None:
        """When this engine last began a scan."""
        return None if self.scanner.report is None else self.scanner.report.at

    @property
    def watcher_state(self) -> str:
        """``ok``, ``restarting``, ``off`` or why not."""
        return self._watcher.state

    def scan_soon(self) -> None:
        """Have the next turn scan: changes may have been missed."""
        self._next_at = self._clock.monotonic()

    async def until_first(self, within_s: float) -> None:
        """Return once some engine has been through the directory; waits once, ``within_s`` seconds at most.

        Raises:
            StoreError: the store cannot be read.
        """
        if not self._is_awaited:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.report is None and not await self._is_scanned():
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_ASK_OTHERS_EVERY_S):
                            await self._first.wait()
        self._is_awaited = False

    async def run(self) -> None:
        """Scan while the role is this engine's, ask for it while it is not; ends by cancellation.

        Raises:
            StoreError: the store cannot be read or written.
        """
        while True:
            if await self._may_scan():
                await self._serve()
            await self._clock.sleep(_ASK_EVERY_S)

    async def stop(self) -> None:
        """End the watcher, the looks under way and the role; twice is fine."""
        await self._watcher.stop()
        await self.scanner.stop()
        if self.role is not None:
            with suppress(StoreError):
                await self.role.resign()

    async def _serve(self) -> None:
        """Watch and scan until the role is lost."""
        self._watcher.start()
        self._next_at = self._clock.monotonic() + await self._head_start_s()
        try:
            while await self._may_scan():
                if self._clock.monotonic() >= self._next_at:
                    report = await self._scan_under_the_role()
                    self._next_at = self._clock.monotonic() + report.period_s
                left_s = self._next_at - self._clock.monotonic()
                await self._clock.sleep(min(_ASK_EVERY_S, max(0.0, left_s)))
        finally:
            await self._watcher.stop()

    async def _head_start_s(self) -> float:
        """Return how long the first scan waits; a directory that nobody has scanned is read at once."""
        is_new = self.report is None and not await self._store.documents(limit=1)
        return 0.0 if is_new or self._kind == SERVICE else _HEAD_START_S

    async def _scan_under_the_role(self) -> ScanReport:
        """Scan, however long it takes, and keep the role meanwhile."""
        scan = asyncio.ensure_future(self.scanner.scan())
        holding = asyncio.ensure_future(self._hold_on())
        try:
            report = await scan
        finally:
            await end_tasks(scan, holding)
        if not self._first.is_set():
            self._first.set()
            if self.on_first is not None:
                await self.on_first()
        return report

    async def _hold_on(self) -> None:
        while self.role is not None:
            await self._clock.sleep(_ASK_EVERY_S)
            with suppress(StoreError):
                await self.role.hold()

    async def _may_scan(self) -> bool:
        """Return whether this engine is to scan now."""
        if self.role is None:
            return True
        if self._kind != SERVICE and await self._is_served():
            await self.role.resign()
            return False
        return await self.role.hold()

    async def _is_scanned(self) -> bool:
        """Return whether some engine has been through the directory."""
        return any("scanned_at" in row.facts for row in await self._store.engines())

    async def _is_served(self) -> bool:
        """Return whether a living service scans, or will as soon as the role is free."""
        for row in await self._store.engines():
            is_scanner = row.ended_at is None and row.engine.kind == SERVICE and row.facts.get("scans")
            if is_scanner and self._probe(row)[0] is Liveness.ALIVE:
                return True
        return False
