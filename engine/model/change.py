"""What a rule decides, and what the store is asked to make true in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from engine.model.actor import Act
from engine.model.entry import NewEntry
from engine.model.lock import Claim
from engine.model.workflow import Workflow


class LockPolicy(StrEnum):
    """How a change treats the workflow's lock; ``rules.locks.may_write`` decides by it."""

    OBEY = "obey"
    """Refused while another holds a valid lock, or where the claim no longer counts."""

    PASS = "pass"  # noqa: S105  a policy, not a password
    """An operator's verb: no lock stops it; the generation it raises makes grants void."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A rule's result: the new value and the entry that says why. Nothing is true yet.

    Attributes:
        after: the new value; equal to the old one where only an entry is written (a note).
            The rule leaves ``revision`` alone: :class:`Change` says what it becomes.
    """

    after: Workflow
    entry: NewEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One commit: computed from ``before``, true only if the store still holds that revision.

    Attributes:
        before: None for a creation or adoption.
        after: carries its new ``revision`` (``before.revision + 1``; unchanged if only an entry is written).
        claim: the caller's grant, where it holds one.
        lock_fence: a plan's guard: the fence of the lock it saw (0: none); None guards nothing.
        request_id: makes a repetition return the first outcome.
        payload_hash: hex SHA-256 of what was asked; another payload under the same id is refused.
    """

    before: Workflow | None
    after: Workflow
    entry: NewEntry
    act: Act
    request_id: str
    payload_hash: str
    lock_policy: LockPolicy = LockPolicy.OBEY
    claim: Claim | None = None
    lock_fence: int | None = None

    @property
    def workflow_id(self) -> str:
        """The workflow this change is about."""
        return self.after.workflow_id
