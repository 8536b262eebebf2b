"""Delivery to a bus that may fail: when to try again, and when to leave it alone for a while."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LONGEST_DELAY_S: Final = 900.0
_GROWTH: Final = 4.0
_GROWS_UP_TO: Final = 32
FAILURES_TO_OPEN: Final = 5
OPEN_FOR_S: Final = 30.0


def retry_delay_s(failures: int, base_s: float, draw: float) -> float:
    """Return the seconds to wait after the ``failures``-th failure in a row.

    Half of ``v = min(900, base * 4^(failures-1))`` is certain, half is drawn, so that many events that failed
    together do not come back together (source: semantics, Outbox).

    Args:
        failures: how often it failed, from 1.
        base_s: seconds; the first delay at most.
        draw: a random number from 0 to 1.
    """
    grown = base_s * _GROWTH ** min(max(failures - 1, 0), _GROWS_UP_TO)
    half = min(LONGEST_DELAY_S, grown) / 2
    return half + min(max(draw, 0.0), 1.0) * half


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """What a bus's last deliveries say of it: 5 failures in a row open it for 30 s, then one probe decides.

    Attributes:
        failures: in a row, up to now.
        opened_s: monotonic seconds of the failure that opened it, None while it is closed.
        is_probing: the one delivery that decides is under way.
    """

    failures: int = 0
    opened_s: float | None = None
    is_probing: bool = False

    def is_open(self, now_s: float) -> bool:
        """Return whether a delivery that asks at ``now_s`` (monotonic seconds) is turned away."""
        return self.opened_s is not None and (self.is_probing or now_s < self.opened_s + OPEN_FOR_S)

    def retry_s(self, now_s: float) -> float:
        """Return the seconds until a probe may be sent; 0 where one may be sent now."""
        return 0.0 if self.opened_s is None else max(0.0, self.opened_s + OPEN_FOR_S - now_s)

    def admit(self, now_s: float) -> tuple[Breaker, bool]:
        """Return the breaker as it stands after a delivery asked, and whether the delivery may go."""
        if self.is_open(now_s):
            return self, False
        if self.opened_s is None:
            return self, True
        return Breaker(failures=self.failures, opened_s=self.opened_s, is_probing=True), True

    def succeeded(self) -> Breaker:
        """Return the breaker after a delivery arrived: closed."""
        return Breaker()

    def failed(self, now_s: float) -> Breaker:
        """Return the breaker after a delivery failed: open from ``now_s`` on, once it was one too many."""
        failures = self.failures + 1
        if failures < FAILURES_TO_OPEN:
            return Breaker(failures=failures)
        return Breaker(failures=failures, opened_s=now_s)

    def returned(self) -> Breaker:
        """Return the breaker after a delivery was given back untried: another probe may go."""
        return Breaker(failures=self.failures, opened_s=self.opened_s)
