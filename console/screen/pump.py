"""Wants and their pace: what has to be read anew is gathered, and read no more often than the link can bear."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from console.screen.reading import Turn

FAST_GAP_S: Final = 0.05
"""At most 20 readings a second."""

SSH_GAP_S: Final = 0.25
"""Over a link that has to carry every repaint."""

_REST: Final = 3
"""Rest for so many times as long as a batch took, so that keys and the engine's own work come through."""

Wants = Mapping[str, Turn]
"""What is to be read, and which part of it."""


class Pump:
    """Serves wants one batch at a time. What an operator asks for goes ahead of the pace.

    Args:
        serve: reads a batch.
        gap_s: least seconds between two batches that nobody asked for.
    """

    def __init__(self, serve: Callable[[Wants], Awaitable[None]], *, gap_s: float = FAST_GAP_S) -> None:
        self._serve = serve
        self._gap_s = gap_s
        self._wants: dict[str, Turn] = {}
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._is_serving = False
        self._took_s = 0.0

    def want(self, *names: str, turn: Turn = Turn.AGAIN, is_urgent: bool = False) -> None:
        """Have ``names`` read; a turn to another part of a list is not forgotten for a mere refresh."""
        for name in names:
            if turn is not Turn.AGAIN or name not in self._wants:
                self._wants[name] = turn
        self._wake.set()
        if is_urgent:
            self._hurry.set()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is wanted and nothing is being read."""
        return not self._wants and not self._is_serving

    async def run(self) -> None:
        """Serve for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._hurry.clear()
            wants, self._wants = self._wants, {}
            self._is_serving = True
            begun_at = loop.time()
            try:
                await self._serve(wants)
            finally:
                self._is_serving = False
            self._took_s = loop.time() - begun_at
            await self._rest()

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(max(self._gap_s, _REST * self._took_s)):
                await self._hurry.wait()
        except TimeoutError:
            return
