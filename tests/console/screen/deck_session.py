"""The console on a real engine, driven by keys and read as an operator reads it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path

from textual.pilot import Pilot

from console.app import ConsoleApp
from console.link import EngineLink, LinkState
from console.plans.panel import PlanPanel
from console.screen.deck_screen import DeckScreen

_PATIENCE = 1_000
"""Turns of 10 ms that a condition may take to come true."""


class TypingClock:
    """Monotonic seconds in which every key comes a while after the one before, however fast the test is."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.pace_s = 0.5

    def __call__(self) -> float:
        self.now_s += self.pace_s
        return self.now_s


class Session:
    """One console under test."""

    def __init__(self, app: ConsoleApp, pilot: Pilot[int], typing: TypingClock) -> None:
        self.app, self.pilot, self.typing = app, pilot, typing

    @property
    def screen(self) -> DeckScreen:
        return self.app.deck_screen

    @property
    def plan(self) -> PlanPanel:
        return self.screen.plan

    def lines(self) -> list[str]:
        strips = self.app.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip).rstrip() for strip in strips]

    def text(self) -> str:
        return "\n".join(self.lines())

    def line_with(self, part: str) -> str:
        return next((line for line in self.lines() if part in line), "")

    async def until(self, is_so: Callable[[], object], what: str) -> None:
        for _ in range(_PATIENCE):
            if is_so():
                return
            await self.pilot.pause(0.01)
        raise AssertionError(f"never came: {what}\n{self.text()}")

    async def until_shown(self, *parts: str) -> None:
        await self.until(lambda: all(part in self.text() for part in parts), " and ".join(parts))

    async def until_gone(self, part: str) -> None:
        await self.until(lambda: part not in self.text(), f"no {part}")

    async def until_settled(self) -> None:
        screen = self.screen
        await self.until(lambda: screen.following.pump.is_idle and screen.deck.health is not None, "all is read")
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        await self.press(*("space" if character == " " else character for character in text))

    async def move_to(self, workflow_id: str) -> None:
        """Put the cursor on a workflow and wait until its detail is read."""
        await self.until(lambda: self.screen.panes.flows.find(workflow_id) is not None, workflow_id)
        self.screen.heads.discard("flows")
        self.screen.panes.flows.rows.move_to(workflow_id)
        await self.until(
            lambda: self.screen.deck.detail is not None and self.screen.deck.detail.row.workflow_id == workflow_id,
            f"the detail of {workflow_id}",
        )


@asynccontextmanager
async def open_deck(
    place: Path,
    *,
    size: tuple[int, int] = (80, 24),
    is_read_only: bool = False,
    link: EngineLink | None = None,
    typing: TypingClock | None = None,
) -> AsyncIterator[Session]:
    link = link or EngineLink(str(place), is_read_only=is_read_only)
    typing = typing or TypingClock()
    app = ConsoleApp(link, zone=UTC, monotonic=typing)
    async with app.run_test(size=size) as pilot:
        session = Session(app, pilot, typing)
        await session.until(lambda: link.state is not LinkState.OPENING, "the link is open")
        if link.state is LinkState.OPEN:
            await session.until(lambda: session.screen.deck.health is not None, "the first reading")
        yield session
