"""The apply ladder: how much a confirmation asks for, and how a plan is titled and taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from engine.model.names import EventStatus, Phase
from engine.observation.embedding import Engine
from engine.operations.plan import Level, PlanItem, PlanRequest, Verb
from engine.operations.seen import Seen
from engine.operations.unlocking import needs_steal
from engine.operations.verbs import FORCE_REASON_AT_LEAST, REASON_AT_LEAST, WORDS
from engine.operations.words import counted
from engine.rules.lines import BUILT_IN

_TAIL: Final = 4
"""Characters of an id that the highest rung asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What must be typed, and whether a reason is needed; fields as in :class:`Plan`."""

    level: Level
    token: str
    is_reason_required: bool
    reason_at_least: int


def confirmation(
    engine: Engine,
    request: PlanRequest,
    doable: Sequence[PlanItem],
    seen: Mapping[str, Seen],
) -> Confirmation:
    """Return what applying needs.

    Args:
        engine: whose own locks do not count as another's.
        request: what is planned.
        doable: the items that can be done.
        seen: what was read, by workflow id.
    """
    level = _level(engine, request, doable, seen)
    is_required = level in (Level.COUNT, Level.TAIL) or request.verb in (Verb.FORCE, Verb.DROP_EVENT)
    return Confirmation(
        level=level,
        token=_token(level, doable),
        is_reason_required=is_required,
        reason_at_least=FORCE_REASON_AT_LEAST if request.verb is Verb.FORCE else REASON_AT_LEAST,
    )


def _level(engine: Engine, request: PlanRequest, doable: Sequence[PlanItem], seen: Mapping[str, Seen]) -> Level:
    has_live_owner = any(needs_steal(engine, seen[item.id].view) for item in doable if item.id in seen)
    is_purge = any(item.after == EventStatus.PURGED for item in doable)
    if request.verb is Verb.FORCE and request.to is not None and _is_terminal(engine, request.to):
        return Level.TAIL
    if (request.verb is Verb.UNLOCK and has_live_owner) or is_purge:
        return Level.TAIL
    return Level.COUNT if len(doable) > 1 or has_live_owner else Level.TOKEN


def _is_terminal(engine: Engine, state: str) -> bool:
    """Return whether any line here ends, fails or is cancelled in ``state``."""
    lines = (engine.find_line(name) for name in BUILT_IN)
    return any(line.phase(state) is not Phase.OPEN for line in lines if line is not None)


def _token(level: Level, doable: Sequence[PlanItem]) -> str:
    if level is Level.TOKEN or not doable:
        return "y"
    return str(len(doable)) if level is Level.COUNT else doable[0].id[-_TAIL:]


def title_of(request: PlanRequest, items: Sequence[PlanItem]) -> str:
    """Return ``roll back 3 workflows``, ``force 1 workflow to completed``, ``purge 2 events`` ..."""
    words = WORDS[request.verb]
    what = counted(len(items), words.noun)
    if request.verb is Verb.RETRY_EVENT:
        return f"deliver {what} now"
    if request.verb is Verb.DROP_EVENT and items and all(item.before == EventStatus.DEAD for item in items):
        return f"purge {what}"
    if request.verb is Verb.UNLOCK and request.is_steal:
        return f"steal the lock of {what}"
    return f"{words.title} {what} to {request.to}" if request.to else f"{words.title} {what}"


_EVENTS_STAY: Final = "delivered events cannot be taken back"
_UNDO: Final[Mapping[Verb, str]] = {
    Verb.ROLLBACK: f"F forces it back, superseded results are kept; {_EVENTS_STAY}",
    Verb.RETRY: f"F forces it back to failed; {_EVENTS_STAY}",
    Verb.FORCE: f"F again, to the state it left; it stays marked as forced; {_EVENTS_STAY}",
    Verb.CANCEL: f"only F leaves cancelled again; {_EVENTS_STAY}",
    Verb.UNLOCK: "none: the holder has to acquire it again",
    Verb.RETRY_EVENT: "D drops it while it waits; what was delivered cannot be taken back",
    Verb.DROP_EVENT: "T takes it from the dead letter again",
}


def undo_of(request: PlanRequest, doable: Sequence[PlanItem]) -> str:
    """Return what can be taken back afterwards, and what cannot."""
    if any(item.after == EventStatus.PURGED for item in doable):
        return "none for purged events; the workflow's entries stay"
    return _UNDO[request.verb]
