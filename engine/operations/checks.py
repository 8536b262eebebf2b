"""What a plan saw and will check again: warnings first, then the guard itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from engine.model.lock import Liveness
from engine.model.names import Flag, Origin
from engine.model.workflow import Workflow
from engine.observation.embedding import Engine
from engine.observation.views import LockView
from engine.operations.effects import LOCK_VOID
from engine.operations.plan import PlanItem, PlanRequest, Verb
from engine.operations.seen import Seen
from engine.operations.words import clock_time, few, short_id
from engine.rules.ages import age_text

_SHOWN: Final = 5
"""Sentences of one kind; what is beyond is counted."""


def checks_of(
    engine: Engine,
    request: PlanRequest,
    doable: Sequence[PlanItem],
    seen: Mapping[str, Seen],
    read_at: datetime,
) -> tuple[str, ...]:
    """Return the plan's checks.

    Args:
        engine: says whether anything can be written.
        request: what is planned.
        doable: the items that can be done.
        seen: what was read, by workflow id.
        read_at: when all this was read.
    """
    checks: list[str] = []
    flows = [flow for item in doable if item.id in seen and (flow := seen[item.id].workflow) is not None]
    views = [view for item in doable if item.id in seen and (view := seen[item.id].view) is not None]
    if engine.mode != "live":
        checks.append(f"nothing can be written here: {engine.mode_reason or engine.mode}; this cannot be applied")
    for kind in (
        _lock_checks(views),
        _missing_checks(doable),
        _overdue_checks(flows, read_at),
        _document_checks(flows),
    ):
        said = list(kind)
        checks += said[:_SHOWN]
        if len(said) > _SHOWN:
            checks.append(f"and {len(said) - _SHOWN} more like these")
    return (*checks, _guard(request, doable, read_at)) if doable else tuple(checks)


def _lock_checks(views: Sequence[LockView]) -> Iterator[str]:
    # What needs a decision comes first: only the first few are shown.
    for view in sorted(views, key=lambda view: (view.liveness is Liveness.DEAD, view.is_void)):
        word = view.liveness.value.upper()
        life = f"{view.lock.owner} is {word} ({view.evidence})" if view.evidence else f"{view.lock.owner} is {word}"
        left = "" if view.liveness is Liveness.DEAD else f", expires in {age_text(view.left_s)}"
        if view.is_void:
            yield f"{life}; on {short_id(view.lock.workflow_id)} it has a {LOCK_VOID}"
        else:
            yield f"{life} and holds {short_id(view.lock.workflow_id)}{left}"


def _missing_checks(doable: Sequence[PlanItem]) -> Iterator[str]:
    for item in doable:
        if item.missing:
            wanted = " ".join(f"--set result.{state}=@file.json" for state in item.missing)
            yield f"{short_id(item.id)} has no result of {few(list(item.missing))}; later states need it: {wanted}"


def _overdue_checks(flows: Sequence[Workflow], read_at: datetime) -> Iterator[str]:
    for flow in flows:
        if flow.is_open and flow.deadline_at is not None and flow.deadline_at < read_at:
            late = age_text((read_at - flow.deadline_at).total_seconds())
            yield f"{short_id(flow.workflow_id)} is overdue by {late}"


def _document_checks(flows: Sequence[Workflow]) -> Iterator[str]:
    for flow in flows:
        if flow.flag is Flag.CONFLICT:
            yield f"{short_id(flow.workflow_id)}: another hand changed its document; the file will not be written"
        elif flow.origin is Origin.EXTERNAL:
            yield f"{short_id(flow.workflow_id)} is written by another program, which may overwrite this"


def _guard(request: PlanRequest, doable: Sequence[PlanItem], read_at: datetime) -> str:
    read = f"read {clock_time(read_at)}, checked again when applied"
    if request.verb in (Verb.RETRY_EVENT, Verb.DROP_EVENT):
        return f"events {read}"
    revisions = few([str(item.revision) for item in doable], 6)
    return f"revision{'s' if len(doable) > 1 else ''} {revisions} {read}"
