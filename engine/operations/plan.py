"""A plan as a value: what a verb would do to which workflows, and what must still be true when it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Verb(StrEnum):
    """What an operator can do. Values are the command line's verbs."""

    ROLLBACK = "rollback"
    RETRY = "retry"
    FORCE = "force"
    CANCEL = "cancel"
    UNLOCK = "unlock"
    RETRY_EVENT = "events retry"
    DROP_EVENT = "drop"


class Level(StrEnum):
    """How much a confirmation asks for (source: the apply ladder)."""

    ENTER = "L0"
    TOKEN = "L1"  # noqa: S105  a rung of the ladder
    COUNT = "L2"
    TAIL = "L3"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """What an operator asks for.

    Attributes:
        ids: workflow ids, or event ids (``workflow:entry:n``) for the two event verbs.
        to: target state of a rollback, state of a force.
        results: force only: state to the result supplied for it.
        is_steal: unlock only: take it from a live owner.
        if_revisions: revisions the operator saw, by id; another one found is a conflict.
    """

    verb: Verb
    ids: tuple[str, ...]
    to: str | None = None
    results: Mapping[str, Any] = field(default_factory=dict)
    is_steal: bool = False
    if_revisions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanItem:
    """One workflow (or event) of a plan.

    Attributes:
        revision: the revision that was read and must still stand.
        lock_fence: the fence of the lock that was seen, 0 for none.
        before: state now (event: status now).
        after: state then.
        skipped: why it cannot be done, "" if it can; a sentence part, as in ``completed; R does not reopen it``.
        skip_code: ``conflict``, ``locked``, ``refused`` or ``not_found`` where skipped.
        effects: short phrases in order of weight: what is superseded, kept, the lock, the deadline, events.
        missing: force only: states whose results later states need and that are not there.
    """

    id: str
    revision: int = 0
    lock_fence: int = 0
    before: str = ""
    after: str = ""
    skipped: str = ""
    skip_code: str = ""
    effects: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would happen; nothing is written yet.

    Attributes:
        title: such as ``roll back 3 workflows``.
        level: the rung of the ladder its confirmation needs.
        token: what must be typed: "" (enter alone), ``y``, the count, or the last 4 characters of the id.
        is_reason_required: from L2 on, and for force always.
        reason_at_least: characters a reason needs where one is required.
        checks: sentences about what was seen and will be checked again, warnings first.
        undo: what can be taken back and what cannot.
        command: the same as a ``flowdeck`` command line.
    """

    request: PlanRequest
    read_at: datetime
    title: str
    items: tuple[PlanItem, ...]
    level: Level
    token: str
    is_reason_required: bool
    reason_at_least: int
    checks: tuple[str, ...]
    undo: str
    command: str

    @property
    def doable(self) -> tuple[PlanItem, ...]:
        """The items that can be done."""
        return tuple(item for item in self.items if not item.skipped)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemOutcome:
    """What became of one item.

    Attributes:
        code: ``done``, ``conflict``, ``locked``, ``refused``, ``not_found``, ``skipped`` or ``unknown``.
        sentence: what happened, what was left unchanged, what to do.
        revision: the workflow's revision afterwards, where it is known.
    """

    id: str
    code: str
    sentence: str
    revision: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What became of a plan; totals add up to its items."""

    plan: Plan
    request_id: str
    outcomes: tuple[ItemOutcome, ...]

    @property
    def done(self) -> int:
        """How many items were done."""
        return sum(outcome.code == "done" for outcome in self.outcomes)
