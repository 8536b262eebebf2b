"""Documents of other programs: taking one in, following its changes, and marking what is wrong with one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from engine.model.actor import Actor
from engine.model.change import Decision
from engine.model.entry import NewEntry
from engine.model.names import EntryKind, Flag, Origin, Phase
from engine.model.plain import encode
from engine.model.times import format_time
from engine.model.workflow import Step, Workflow
from engine.rules.classify import classify, fingerprint
from engine.rules.lines import find_line
from engine.rules.paths import active_path
from engine.rules.visiting import deadline_for

History = Sequence[Mapping[str, Any]]

_MENDED_BY_A_READABLE_DOCUMENT: Final = (Flag.DAMAGED, Flag.CONFLICT, Flag.GONE)


def adopt(document: Workflow, history: History, *, at: datetime, actor: Actor) -> Decision:
    """Return a foreign document as an external workflow, its history imported verbatim; nothing times it.

    Args:
        document: what the codec read.
        history: its ``state_history``.
        at: the moment of adoption.
        actor: the program that wrote it.
    """
    path = active_path(history, document.state, find_line(document.workflow_type))
    after = _with_failure(document.evolve(origin=Origin.EXTERNAL, deadline_at=None, timeout_s=None, active_path=path))
    entry = NewEntry(
        kind=EntryKind.ADOPTED,
        at=at,
        actor=actor,
        to_state=after.state,
        is_history=True,
        is_audit=True,
        body={"history": [dict(move) for move in history], "is_whole": True},
    )
    return Decision(after=after, entry=entry)


def adopt_change(  # noqa: PLR0913  what was known and what was found, named at the call
    before: Workflow, document: Workflow, history: History, known_history: History, *, at: datetime, actor: Actor
) -> Decision:
    """Return ``before`` as its document now says it is, with what is new in the document's history.

    A history that only grew adds its tail; one that was rewritten replaces what was imported before. Where the
    state changed and the history does not say so, the move is added in our words.

    Args:
        before: as the ledger holds it.
        document: what the codec read.
        history: the document's ``state_history``.
        known_history: the history as it was known before.
        at: the moment of adoption.
        actor: the program that wrote it.
    """
    news, is_whole = _news(known_history, history)
    if not news and not is_whole and document.state != before.state:
        news = [_move(before, document, at)]
    whole = [*news] if is_whole else [*known_history, *news]
    is_same_visit = document.state == before.state and not news
    line = find_line(document.workflow_type)
    after = document.evolve(
        line_version=before.line_version,
        revision=before.revision,
        generation=before.generation,
        origin=before.origin,
        flag=Flag.NONE if before.flag in _MENDED_BY_A_READABLE_DOCUMENT else before.flag,
        timeout_s=before.timeout_s,
        is_forced=before.is_forced or document.is_forced,
        caller_timeouts=before.caller_timeouts,
        attempt=before.attempt if is_same_visit else 0,
        entered_at=before.entered_at if is_same_visit else document.entered_at,
        paused_at=before.paused_at if is_same_visit else None,
        paused_left_s=before.paused_left_s if is_same_visit else None,
        deadline_at=None,
        steps=_marked(before.steps, document.steps),
        active_path=active_path(whole, document.state, line),
    )
    if after.origin is Origin.OWN and line is not None:
        fresh = deadline_for(line, after.state, after.timeout_s, at)
        after = after.evolve(deadline_at=before.deadline_at if is_same_visit else fresh)
    entry = NewEntry(
        kind=EntryKind.EXTERNAL,
        at=at,
        actor=actor,
        from_state=before.state,
        to_state=document.state,
        is_history=True,
        is_audit=True,
        body={"history": [dict(move) for move in news], "is_whole": is_whole},
    )
    return Decision(after=_with_failure(after), entry=entry)


def flag(workflow: Workflow, mark: Flag, why: str, *, at: datetime, actor: Actor) -> Decision:
    """Return ``workflow`` with ``mark`` on its document; ``Flag.NONE`` takes a mark away.

    Args:
        workflow: as it stands.
        mark: what is wrong now.
        why: the evidence, in words.
        at: the moment it was seen.
        actor: who saw it.
    """
    entry = NewEntry(
        kind=EntryKind.FLAGGED,
        at=at,
        actor=actor,
        reason=why,
        from_state=workflow.state,
        to_state=workflow.state,
        is_audit=True,
        body={"flag": mark.value, "was": workflow.flag.value},
    )
    return Decision(after=workflow.evolve(flag=mark), entry=entry)


def _news(known: History, found: History) -> tuple[list[Mapping[str, Any]], bool]:
    """Return what ``found`` adds to ``known``, and whether it replaces it instead.

    Compared as bytes, because NaN does not equal itself. A document may hold only the newest part of what is
    known; a document without any history says nothing about it.
    """
    if not found:
        return [], False
    old, new = [encode(move) for move in known], [encode(move) for move in found]
    for start, move in enumerate(old):
        overlap = old[start:]
        if move == new[0] and new[: len(overlap)] == overlap:
            return list(found[len(overlap) :]), False
    return list(found), bool(known)


def _move(before: Workflow, document: Workflow, at: datetime) -> dict[str, Any]:
    is_failure = document.phase is Phase.FAILED
    return {
        "from_state": before.state,
        "to_state": document.state,
        "timestamp": format_time(at),
        "duration": max(0.0, (at - before.entered_at).total_seconds()),
        "success": not is_failure,
        "error": document.error if is_failure else None,
        "metadata": {"reason": EntryKind.EXTERNAL.value},
    }


def _marked(known: tuple[Step, ...], found: tuple[Step, ...]) -> tuple[Step, ...]:
    """Return the document's steps with what only the ledger knows of them."""
    by_place = {(step.n, step.step_id, step.state): step for step in known}
    marked = []
    for step in found:
        ours = by_place.get((step.n, step.step_id, step.state))
        if ours is None:
            marked.append(step)
            continue
        is_superseded = ours.is_superseded or step.is_superseded
        marked.append(replace(step, generation=ours.generation, is_superseded=is_superseded))
    return tuple(marked)


def _with_failure(workflow: Workflow) -> Workflow:
    """Return ``workflow`` with its error's type where it failed and its document could not say it."""
    if workflow.phase is not Phase.FAILED:
        return workflow.evolve(error_type=None, fingerprint=None, failed_from=None)
    left = workflow.active_path[-1] if workflow.active_path else None
    kind = classify(workflow.error, state=left)
    return workflow.evolve(error_type=kind.value, fingerprint=fingerprint(kind, workflow.error), failed_from=left)
