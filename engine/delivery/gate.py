"""One attempt at the bus: its time limit, its breaker, and what kind of failure it was."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from engine.bus import Bus
from engine.clock import Clock
from engine.delivery.windows import read_body
from engine.errors import WorkflowErrorType
from engine.rules.classify import classify
from engine.rules.publishing import Breaker


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed: the bus's own words, and their kind."""

    error: str
    error_type: WorkflowErrorType


class Gate:
    """The way to one bus, closed for a while where the bus fails again and again."""

    def __init__(self, bus: Bus, clock: Clock, timeout_s: float) -> None:
        self.bus = bus
        self._clock = clock
        self._timeout_s = timeout_s
        self._breaker = Breaker()

    @property
    def is_open(self) -> bool:
        """Whether the breaker is open: nothing is to be tried now."""
        return self._breaker.is_open(self._clock.monotonic())

    @property
    def is_probing(self) -> bool:
        """Whether the breaker was open: the next attempt alone finds out whether the bus came back."""
        return self._breaker.opened_s is not None

    @property
    def opens_for_s(self) -> float:
        """Seconds until a probe may be sent; 0 where the breaker is closed or a probe is under way."""
        return self._breaker.retry_s(self._clock.monotonic())

    def admit(self) -> bool:
        """Return whether an attempt may be made now; if so, it must be."""
        self._breaker, is_admitted = self._breaker.admit(self._clock.monotonic())
        return is_admitted

    async def attempt(self, body: bytes) -> Failure | None:
        """Publish one event that was admitted; None if the bus took it."""
        try:
            failure = await self._publish(body)
        except asyncio.CancelledError:
            self._breaker = self._breaker.returned()
            raise
        if failure is None:
            self._breaker = self._breaker.succeeded()
        else:
            self._breaker = self._breaker.failed(self._clock.monotonic())
        return failure

    async def _publish(self, body: bytes) -> Failure | None:
        publishing = asyncio.get_running_loop().create_task(self.bus.publish(read_body(body)))
        publishing.add_done_callback(_look_at)
        try:
            await self._clock.sleep(0)  # most buses are done within this turn and need no timer
            if not publishing.done():
                await self._wait(publishing)
            if not publishing.done():
                return _failure(TimeoutError(f"the bus did not answer within {self._timeout_s:g} s"))
            if publishing.cancelled():
                return _failure(RuntimeError("the bus cancelled its own publication"))
            error = publishing.exception()
            return None if error is None else _failure(error)
        finally:
            publishing.cancel()

    async def _wait(self, publishing: asyncio.Task[None]) -> None:
        timer = asyncio.get_running_loop().create_task(self._clock.sleep(self._timeout_s))
        try:
            await asyncio.wait((publishing, timer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()


def _failure(error: BaseException) -> Failure:
    words = str(error)
    name = type(error).__name__
    return Failure(f"{name}: {words}" if words else name, classify(error, phase="publish"))


def _look_at(publishing: asyncio.Task[None]) -> None:
    """Take note of the end of a publication that was given up, so that the loop does not complain of it."""
    if not publishing.cancelled():
        publishing.exception()
