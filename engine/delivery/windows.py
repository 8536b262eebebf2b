"""What callers see of the outbox from this engine: the newest events, and those that wait for a retry."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, overload

from pydantic_core import from_json

from engine.bus import WorkflowEvent
from engine.store.outcomes import EventId

EVENT_CAPACITY: Final = 10_000
RETRY_CAPACITY: Final = 1_000


def read_body(body: bytes) -> dict[str, Any]:
    """Return the event that ``body`` encodes: a new dict each time, so that no bus can change another's."""
    event: dict[str, Any] = from_json(body)
    return event


class EventWindow(Sequence[WorkflowEvent]):
    """The newest published (or, without a bus, recorded) events, oldest first; the outbox itself has no bound.

    Events are kept encoded: ten thousand of them with their payloads are a tenth of the size that way.
    """

    maxlen = EVENT_CAPACITY

    def __init__(self) -> None:
        self._bodies: deque[bytes] = deque(maxlen=EVENT_CAPACITY)

    def append(self, body: bytes) -> None:
        """Add the newest event; the oldest makes room where the window is full."""
        self._bodies.append(body)

    def __len__(self) -> int:
        return len(self._bodies)

    def __iter__(self) -> Iterator[WorkflowEvent]:
        return (WorkflowEvent.from_body(read_body(body)) for body in tuple(self._bodies))

    @overload
    def __getitem__(self, index: int) -> WorkflowEvent: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[WorkflowEvent]: ...
    def __getitem__(self, index: int | slice) -> WorkflowEvent | Sequence[WorkflowEvent]:
        if isinstance(index, slice):
            return tuple(WorkflowEvent.from_body(read_body(body)) for body in tuple(self._bodies)[index])
        return WorkflowEvent.from_body(read_body(self._bodies[index]))


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingEvent:
    """An event whose delivery failed and will be tried again.

    Attributes:
        attempts: tries so far, all of them failed.
        error: what the bus raised at the last one, verbatim.
    """

    id: EventId
    body: bytes
    attempts: int
    next_attempt_at: datetime
    error: str

    @property
    def event(self) -> WorkflowEvent:
        """The event itself."""
        return WorkflowEvent.from_body(read_body(self.body))


class RetryWindow:
    """The events of this engine that wait for a retry, longest waiting first."""

    maxlen = RETRY_CAPACITY

    def __init__(self) -> None:
        self._waiting: dict[EventId, WaitingEvent] = {}

    @property
    def is_full(self) -> bool:
        """Whether one more failing event is one too many."""
        return len(self._waiting) >= RETRY_CAPACITY

    def put(self, waiting: WaitingEvent) -> None:
        """Add an event, or replace what is known of it."""
        self._waiting[waiting.id] = waiting

    def discard(self, event_id: EventId) -> None:
        """Remove an event that was delivered, given up or taken away; none is fine."""
        self._waiting.pop(event_id, None)

    def __contains__(self, event_id: object) -> bool:
        return event_id in self._waiting

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[WaitingEvent]:
        return iter(tuple(self._waiting.values()))
