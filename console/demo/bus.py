"""The demo's event bus: it goes down for a while now and then, and one topic is poison."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class _Event(Protocol):
    correlation_id: str


class FlakyBus:
    """Publishes to nobody; refuses everything during outages, and some workflows' events always.

    Args:
        seconds: monotonic seconds, from the engine's clock.
        up_s: how long it works, after an outage.
        down_s: how long an outage lasts; the first begins ``first_outage_s`` after the start.
    """

    def __init__(
        self, seconds: Callable[[], float], *, up_s: float = 45.0, down_s: float = 12.0, first_outage_s: float = 1.5
    ) -> None:
        self._seconds = seconds
        self._up_s, self._down_s = up_s, down_s
        self._first = seconds() + first_outage_s
        self.poisoned: set[str] = set()

    async def publish(self, event: _Event) -> None:
        """Accept ``event``.

        Raises:
            ConnectionError: the bus is down.
            ValueError: this workflow's events are never accepted.
        """
        since = self._seconds() - self._first
        if since >= 0 and since % (self._up_s + self._down_s) < self._down_s:
            raise ConnectionError("bus 127.0.0.1:5672 refused the connection")
        if event.correlation_id in self.poisoned:
            raise ValueError("message rejected by schema 'workflow/4'")
