"""The order of one workflow's events, and what this process remembers of events that are done."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from engine.model.entry import NewEvent
from engine.model.event import event_body
from engine.model.plain import encode
from engine.store.outcomes import Committed, EventId

REMEMBERED: Final = 4_096


@dataclass(slots=True, kw_only=True)
class Work:
    """One event that this process is to deliver.

    Attributes:
        body: the event in the contract's shape, encoded.
        attempts: failed tries before this one.
        is_ready: its document is published; until then its place is kept, and followers wait.
        is_claimed: the store holds a claim of ours on it, to be given back if it is not tried.
        is_last: the last event of its entry.
    """

    id: EventId
    body: bytes
    attempts: int = 0
    is_ready: bool = False
    is_claimed: bool = False
    is_last: bool = False


@dataclass(slots=True)
class Order:
    """The events of one workflow that this process is to deliver next, oldest first."""

    workflow_id: str
    works: list[Work] = field(default_factory=list)
    is_running: bool = False

    def add(self, works: list[Work]) -> None:
        """Put ``works`` at their place: by entry, then by number in it."""
        self.works.extend(works)
        self.works.sort(key=lambda work: (work.id.entry_n, work.id.n))

    def find(self, event_id: EventId) -> Work | None:
        """Return the work on one event, None if it is not here."""
        return next((work for work in self.works if work.id == event_id), None)

    def release(self, entry_n: int) -> None:
        """Let the events of one entry go out."""
        for work in self.works:
            if work.id.entry_n == entry_n:
                work.is_ready = True

    def next(self, until: int | None) -> Work | None:
        """Return the event to deliver now, of entry ``until`` at most; None where it is not ready or there is none."""
        if not self.works or not self.works[0].is_ready:
            return None
        if until is not None and self.works[0].id.entry_n > until:
            return None
        return self.works[0]


class Memory:
    """What is known to be done, for the workflows and events touched last; forgetting costs a look at the store."""

    def __init__(self) -> None:
        self._done_up_to: OrderedDict[str, int] = OrderedDict()
        self._tried: OrderedDict[EventId, None] = OrderedDict()
        self._tried_in_claim: set[EventId] = set()

    def is_done_before(self, event_id: EventId) -> bool:
        """Return whether every event of earlier entries is known to be delivered or dead."""
        return self._done_up_to.get(event_id.workflow_id, 0) >= event_id.entry_n - 1

    def done_up_to(self, workflow_id: str, entry_n: int) -> None:
        """Remember that no event of this entry or an earlier one is pending."""
        if self._done_up_to.get(workflow_id, 0) < entry_n:
            self._done_up_to[workflow_id] = entry_n
            self._done_up_to.move_to_end(workflow_id)
            _trim(self._done_up_to)

    def tried(self, event_id: EventId) -> None:
        """Remember an attempt at an event, whatever came of it."""
        self._tried[event_id] = None
        self._tried.move_to_end(event_id)
        self._tried_in_claim.add(event_id)
        _trim(self._tried)

    def was_tried(self, event_id: EventId) -> bool:
        """Return whether this process lately attempted an event."""
        return event_id in self._tried

    def begin_claim(self, unrecorded: set[EventId]) -> set[EventId]:
        """Return the events a claim may show although they were tried; those tried while it runs are added."""
        self._tried_in_claim = unrecorded
        return self._tried_in_claim


def works_of(committed: Committed, events: tuple[NewEvent, ...]) -> list[Work]:
    """Return the work that a commit's events are, not ready yet; claimed where the commit claimed them."""
    entry, is_claimed = committed.entry, bool(committed.event_bodies)
    works = [
        Work(
            id=event_id,
            body=encode(event_body(str(event_id), entry.workflow_id, event, entry.at)),
            is_claimed=is_claimed,
        )
        for event_id, event in zip(committed.event_ids, events, strict=True)
    ]
    if works:
        works[-1].is_last = True
    return works


def _trim(memory: OrderedDict[EventId, None] | OrderedDict[str, int]) -> None:
    while len(memory) > REMEMBERED:
        memory.popitem(last=False)
