"""What a decision would change, in short phrases in order of weight: read off the very values it made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from engine.model.change import Decision
from engine.model.entry import NewEvent
from engine.model.lock import Instant, Lock
from engine.model.workflow import Step, Workflow
from engine.operations.words import counted, few
from engine.rules.ages import age_text
from engine.rules.locks import is_held

RETRIES_OF_A_STATE: Final = 3
"""Tries a state has before recovery gives up (source: semantics, Errors and recovery)."""


LOCK_VOID: Final = "lock void: writes under it are refused; it still keeps others out until it expires"
"""What a grant of an earlier generation is: said in the same words wherever a plan speaks of it."""


def effects_of(
    before: Workflow, decision: Decision, lock: Lock | None, now: Instant, missing: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return what would change besides the state.

    Args:
        before: the workflow as read.
        decision: what the rule decided about it.
        lock: its lock row, held or not.
        now: the moment of planning.
        missing: states whose results would be missing (force).
    """
    after = decision.after
    phrases = [
        _superseded(before, after),
        _kept(before, after),
        f"without the results of {few(list(missing))}" if missing else "",
        "error cleared" if before.error is not None and after.error is None else "",
        _retries(before, after),
        _lock(after, lock, now),
        _deadline(before, after, now.at),
        "marked as forced" if after.is_forced and not before.is_forced else "",
        "becomes ours: its own writer is no longer followed" if after.origin != before.origin else "",
        events_phrase(decision.entry.events),
    ]
    return tuple(phrase for phrase in phrases if phrase)


def events_phrase(events: Sequence[NewEvent]) -> str:
    """Return ``sends rolled_back, state_changed``; "" where nothing is sent."""
    names = [event.type.value.removeprefix("workflow.") for event in events]
    return f"sends {', '.join(names)}" if names else ""


def _superseded(before: Workflow, after: Workflow) -> str:
    was = {step.n for step in before.steps if step.is_superseded}
    states = [step.state for step in after.steps if step.is_superseded and step.n not in was]
    if not states:
        return ""
    return f"{counted(len(states), 'step')} superseded ({few(list(dict.fromkeys(states)))})"


def _kept(before: Workflow, after: Workflow) -> str:
    """Return how many results stay good, where the verb goes back over some."""
    if after.generation == before.generation:
        return ""
    standing: list[Step] = [step for step in after.steps if not step.is_superseded]
    return f"{counted(len(standing), 'result')} kept" if standing else ""


def _retries(before: Workflow, after: Workflow) -> str:
    if before.attempt == after.attempt:
        return ""
    return f"retry {before.attempt}/{RETRIES_OF_A_STATE} > {after.attempt}/{RETRIES_OF_A_STATE}"


def _lock(after: Workflow, lock: Lock | None, now: Instant) -> str:
    """Return what becomes of the lock: a raised generation makes the grant void, it is not taken away."""
    if lock is None or not is_held(lock, now):
        return ""
    if lock.generation == after.generation:
        return f"lock of {lock.owner} stays"
    return LOCK_VOID


def _deadline(before: Workflow, after: Workflow, at: datetime) -> str:
    if after.deadline_at is not None and after.deadline_at != before.deadline_at:
        return f"fresh deadline {age_text((after.deadline_at - at).total_seconds())}"
    if before.deadline_at is not None and after.deadline_at is None:
        return "no deadline"
    return ""
