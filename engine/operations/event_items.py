"""Planning event verbs: due now, to the dead letter, or purged, by where each event is."""

from __future__ import annotations

import asyncio
from typing import Final

from engine.model.names import EventStatus, is_plain_id
from engine.observation.embedding import Engine
from engine.operations.plan import PlanItem, PlanRequest, Verb
from engine.store.outcomes import EventId
from engine.store.query import EventRow
from engine.store.requests import EventVerb

_PARTS: Final = 3
_AT_ONCE: Final = 200
_DIGITS_AT_MOST: Final = 12


def read_event_id(text: str) -> EventId | None:
    """Return the event id that ``workflow:entry:n`` names, None where it is none."""
    parts = text.split(":")
    if len(parts) != _PARTS or not is_plain_id(parts[0]):
        return None
    numbers = [part for part in parts[1:] if part.isascii() and part.isdigit() and len(part) <= _DIGITS_AT_MOST]
    if len(numbers) != _PARTS - 1:
        return None
    return EventId(workflow_id=parts[0], entry_n=int(numbers[0]), n=int(numbers[1]))


def store_verb(verb: Verb, status: str) -> EventVerb:
    """Return what the store is asked to do with an event that is ``status``."""
    if verb is Verb.RETRY_EVENT:
        return EventVerb.RETRY
    return EventVerb.PURGE if status == EventStatus.DEAD else EventVerb.DROP


async def event_items(engine: Engine, request: PlanRequest) -> tuple[PlanItem, ...]:
    """Return one item for each event of ``request``."""
    items: list[PlanItem] = []
    for start in range(0, len(request.ids), _AT_ONCE):
        part = request.ids[start : start + _AT_ONCE]
        items += await asyncio.gather(*(_item(engine, request.verb, text) for text in part))
    return tuple(items)


async def _item(engine: Engine, verb: Verb, text: str) -> PlanItem:
    event_id = read_event_id(text)
    if event_id is None:
        why = "this is not an event id; one looks like wf_direct_1a2b:3:1"
        return PlanItem(id=text, skipped=why, skip_code="refused")
    event = await engine.store.event(event_id)
    if event is None:
        return PlanItem(id=text, skipped="there is no such event in this store", skip_code="not_found")
    if event.status not in (EventStatus.PENDING, EventStatus.DEAD):
        why = f"it is {event.status.value} already; nothing is owed"
        return PlanItem(id=text, before=event.status.value, skipped=why, skip_code="refused")
    return PlanItem(id=text, before=event.status.value, after=_after(verb, event), effects=_effects(verb, event))


def _after(verb: Verb, event: EventRow) -> str:
    if verb is Verb.RETRY_EVENT:
        return EventStatus.PENDING.value
    return EventStatus.PURGED.value if event.status is EventStatus.DEAD else EventStatus.DEAD.value


def _effects(verb: Verb, event: EventRow) -> tuple[str, ...]:
    kind = event.type.removeprefix("workflow.")
    failure = f"last error: {event.error[:60]}" if event.error else ""
    if verb is Verb.RETRY_EVENT:
        again = "attempts counted anew" if event.status is EventStatus.DEAD else "due now"
        phrases = (kind, again, f"{event.attempts} attempts so far" if event.attempts else "", failure)
    elif event.status is EventStatus.DEAD:
        phrases = (kind, "gone for good; its workflow's entry stays", failure, "")
    else:
        phrases = (kind, "its followers are free to go", "can be retried from the dead letter", failure)
    return tuple(phrase for phrase in phrases if phrase)
