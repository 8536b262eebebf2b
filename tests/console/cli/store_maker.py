"""Stores for command line tests: made by a real engine, closed before the command runs."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from console.cli.main import run
from engine.orchestrator import ProductionWorkflowOrchestrator

Work = Callable[[ProductionWorkflowOrchestrator], Awaitable[Any]]


class RefusingBus:
    def publish(self, event: Any) -> None:
        raise ConnectionError(f"no broker for {event.event_type}")


class Terminal(io.StringIO):
    """A standard input at which somebody sits."""

    def isatty(self) -> bool:
        return True


def _no_screen(_asked: object) -> int:
    raise AssertionError("a screen was opened")


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Deck:
    """A store directory and the command line on it."""

    place: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def work(self, work: Work, **engine: Any) -> Any:
        """Run ``work`` on a real engine of this store, and close it."""

        async def go() -> Any:
            made = ProductionWorkflowOrchestrator(
                persistence_dir=str(self.place), log_dir=self.place.parent / "logs", supervises=False, **engine
            )
            await made.start()
            try:
                return await work(made)
            finally:
                await made.cleanup()

        return asyncio.run(go())

    def flow(self, state: str = "module_execution", user_input: str = "a question") -> str:
        """Make a direct workflow that its caller drove to ``state``."""

        async def work(engine: ProductionWorkflowOrchestrator) -> str:
            flow: str = await engine.create_direct_workflow(user_input, "erp")
            path = {"initialized": (), "failed": ("module_execution", "failed")}.get(
                state, ("module_execution", "response_generation", "completed")
            )
            for each in path:
                error = "timed out" if each == "failed" else None
                assert await engine.transition_state(flow, each, error=error)
                if each == state:
                    break
            return flow

        made: str = self.work(work)
        return made

    def run(self, *words: str, typed: str | None = None) -> Ran:
        """Run a command line on this store; ``typed`` puts somebody at the terminal."""
        self.capsys.readouterr()
        self.monkeypatch.setenv("FLOWDECK_STORE", str(self.place))
        self.monkeypatch.setattr("sys.stdin", io.StringIO() if typed is None else Terminal(typed))
        code = run(words, paint=_no_screen, demonstrate=_no_screen)
        told = self.capsys.readouterr()
        return Ran(code, told.out, told.err)

    def states(self) -> dict[str, tuple[str, int]]:
        """Return state and revision of every workflow."""
        return {row["workflow_id"]: (row["state"], row["revision"]) for row in self.run("ls", "--json").records}
