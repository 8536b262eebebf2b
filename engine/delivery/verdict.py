"""What a failed attempt comes to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from engine.delivery.gate import Failure
from engine.delivery.order import Work
from engine.rules.publishing import retry_delay_s
from engine.store.requests import Attempt, Verdict

RETRIES_EXHAUSTED: Final = "retries_exhausted"
RETRY_QUEUE_FULL: Final = "retry_queue_full"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and when a failed event is tried again.

    Attributes:
        max_retries: tries after the first.
        base_s: see ``engine.rules.publishing.retry_delay_s``.
        draw: a number from [0, 1), new each time.
    """

    max_retries: int
    base_s: float
    draw: Callable[[], float]

    def judge(self, work: Work, failure: Failure, *, at: datetime, has_room: bool) -> Attempt:
        """Return the attempt to record: a retry with its time, or dead letter with its cause.

        Args:
            work: the event and its failures so far.
            failure: the newest one.
            at: when it failed.
            has_room: whether one more event may wait for a retry.
        """
        failures, cause, next_attempt_at = work.attempts + 1, None, None
        if failures > self.max_retries:
            cause = RETRIES_EXHAUSTED
        elif not has_room:
            cause = RETRY_QUEUE_FULL
        else:
            next_attempt_at = at + timedelta(seconds=retry_delay_s(failures, self.base_s, self.draw()))
        return Attempt(
            id=work.id,
            verdict=Verdict.RETRY if cause is None else Verdict.DEAD,
            at=at,
            next_attempt_at=next_attempt_at,
            error=failure.error,
            error_type=failure.error_type,
            cause=cause,
        )
