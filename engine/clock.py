"""The one source of time: wall clock, monotonic clock and waiting, so that tests can own all three."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """What the engine asks of time."""

    def now(self) -> datetime:
        """Return the wall time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never jump and that all processes of one boot share."""
        ...

    def boot_id(self) -> str:
        """Return a name of this boot of this machine; monotonic times compare only within one."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait ``seconds`` of this clock's time."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """Return the wall time, aware, in UTC."""
        return datetime.now(UTC)  # noqa: TID251  the one place that reads it

    def monotonic(self) -> float:
        """Return CLOCK_MONOTONIC in seconds."""
        return time.monotonic()

    def boot_id(self) -> str:
        """Return the kernel's boot id (Linux) or boot time (macOS)."""
        return _boot_id()

    async def sleep(self, seconds: float) -> None:
        """Wait on the running loop."""
        await asyncio.sleep(seconds)  # noqa: TID251  the one place that waits


class ManualClock:
    """A clock that moves only when told: for tests of code that embeds the engine."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC), boot_id: str = "boot-1") -> None:
        self._now = start
        self._monotonic = 1_000.0
        self._boot_id = boot_id
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = itertools.count()

    def now(self) -> datetime:
        """Return the wall time this clock was moved to."""
        return self._now

    def monotonic(self) -> float:
        """Return the monotonic seconds this clock was moved to."""
        return self._monotonic

    def boot_id(self) -> str:
        """Return the boot this clock pretends to run in."""
        return self._boot_id

    def step(self, seconds: float) -> None:
        """Change the wall time alone, as an administrator or NTP does."""
        self._now += timedelta(seconds=seconds)

    def reboot(self, boot_id: str) -> None:
        """Begin another boot: monotonic time starts again."""
        self._boot_id, self._monotonic = boot_id, 1.0

    async def sleep(self, seconds: float) -> None:
        """Wait until :meth:`advance` has moved this clock by ``seconds``."""
        if seconds <= 0:
            await asyncio.sleep(0)  # noqa: TID251  a turn of the loop, not a wait
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._count), waiter))
        await waiter

    async def advance(self, seconds: float, *, turns: int = 20) -> None:
        """Move both clocks and wake who is due, in order, giving the loop ``turns`` turns after each."""
        end = self._monotonic + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, waiter = heapq.heappop(self._sleepers)
            self._move(max(0.0, due - self._monotonic))
            if not waiter.done():
                waiter.set_result(None)
            for _ in range(turns):
                await asyncio.sleep(0)  # noqa: TID251  turns of the loop, not a wait
        self._move(end - self._monotonic)
        for _ in range(turns):
            await asyncio.sleep(0)  # noqa: TID251  turns of the loop, not a wait

    def _move(self, seconds: float) -> None:
        self._monotonic += seconds
        self._now += timedelta(seconds=seconds)


@cache
def _boot_id() -> str:
    linux = Path("/proc/sys/kernel/random/boot_id")
    if linux.exists():
        return linux.read_text(encoding="ascii").strip()
    if sys.platform == "darwin":
        asked = subprocess.run(["/usr/sbin/sysctl", "-n", "kern.boottime"], capture_output=True, text=True, check=False)
        return asked.stdout.strip() or "unknown"
    return "unknown"
