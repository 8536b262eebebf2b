"""What a commit, a grant or a move of an event can come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.errors import RefusedError
from engine.model.entry import Entry
from engine.model.lock import Lock
from engine.model.workflow import Workflow


@dataclass(frozen=True, slots=True, kw_only=True)
class EventId:
    """An event's place: its text form ``{workflow}:{entry}:{n}`` is what buses and operators see."""

    workflow_id: str
    entry_n: int
    n: int

    def __str__(self) -> str:
        return f"{self.workflow_id}:{self.entry_n}:{self.n}"


@dataclass(frozen=True, slots=True)
class Committed:
    """It is durable."""

    workflow: Workflow
    entry: Entry
    event_ids: tuple[EventId, ...] = ()
    is_replay: bool = field(default=False)
    """The same request had been committed before; nothing happened twice. ``workflow`` is then the newest."""
    event_bodies: tuple[Mapping[str, Any], ...] = field(default=())
    """The whole events, where this engine makes the first attempt now: they are claimed for it for 60 s. Empty where
    an earlier event of the workflow is still pending, this engine has no bus, or the commit is a replay."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """The workflow is at another revision than the change was computed from (0: it does not exist)."""

    expected: int
    found: int


@dataclass(frozen=True, slots=True)
class Fenced:
    """A lock stands in the way, or the claim no longer counts. Which of the two, and the sentence, is the error."""

    error: RefusedError
    lock: Lock | None


@dataclass(frozen=True, slots=True)
class Refused:
    """Refused for good: the request id was used for another payload, the id exists, the event is elsewhere."""

    error: RefusedError


@dataclass(frozen=True, slots=True)
class Unknown:
    """The commit failed so that it may have happened; settle it by the request id."""

    cause: str


Outcome = Committed | Conflict | Fenced | Refused | Unknown


@dataclass(frozen=True, slots=True)
class Granted:
    """The lease is held."""

    lock: Lock


@dataclass(frozen=True, slots=True)
class Held:
    """Another holder, or another fence than the request saw, stands in the way."""

    lock: Lock | None


@dataclass(frozen=True, slots=True)
class NoWorkflow:
    """There is no such workflow to lock."""


GrantOutcome = Granted | Held | NoWorkflow
