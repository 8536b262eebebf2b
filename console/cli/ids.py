"""Ids as people type them: whole, or the part that the console shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from console.cli.exits import UsageError
from console.cli.session import Session
from engine.errors import InvalidIdError
from engine.model.names import is_plain_id
from engine.model.plain import is_text
from engine.observation.health import flow_counter
from engine.operations.plan import PlanRequest
from engine.operations.verbs import EVENT_VERBS
from engine.rules.lines import BUILT_IN

_NAME_AT_MOST: Final = 255
"""Bytes of a file name."""


def known_id(text: str) -> str:
    """Return ``text`` where it can name a workflow or a damaged document.

    Raises:
        InvalidIdError: it can name neither.
    """
    is_file_name = 0 < len(text) <= _NAME_AT_MOST and "/" not in text and "\0" not in text and text not in (".", "..")
    if not is_plain_id(text) and not (is_file_name and is_text(text)):
        raise InvalidIdError(text)
    return text


async def full_id(session: Session, text: str) -> str:
    """Return the id that ``text`` means: itself, or the one it ends behind ``wf_<type>_``.

    What is not in the store is returned as it is; whoever asks for it says so.

    Raises:
        UsageError: several workflows are meant.
    """
    store = session.engine.store
    if not is_plain_id(text) or await store.row(text) is not None:
        return text
    counted = [flow_counter(name)[0] for name in await store.counters("flows/")]
    types = dict.fromkeys((*BUILT_IN, *counted))
    longer = [f"wf_{workflow_type}_{text}" for workflow_type in types]
    found = [known.workflow_id for known in await store.read_many([each for each in longer if is_plain_id(each)])]
    if len(found) > 1:
        raise UsageError(f"{text} could be {' or '.join(sorted(found))}. Nothing was done; give the whole id")
    return found[0] if found else text


async def with_full_ids(session: Session, request: PlanRequest) -> PlanRequest:
    """Return ``request`` with whole ids; of an event id the workflow's part may be short.

    Raises:
        UsageError: several workflows are meant by one of them.
    """
    ids = tuple([await _full(session, each, request) for each in request.ids])
    return replace(request, ids=ids, if_revisions=_renamed(request, ids))


async def _full(session: Session, text: str, request: PlanRequest) -> str:
    if request.verb not in EVENT_VERBS:
        return await full_id(session, text)
    workflow_id, colon, rest = text.partition(":")
    return await full_id(session, workflow_id) + colon + rest


def _renamed(request: PlanRequest, ids: Sequence[str]) -> dict[str, int]:
    names = dict(zip(request.ids, ids, strict=True))
    return {names.get(known, known): revision for known, revision in request.if_revisions.items()}
