"""Planning the release of a lock: free for the asking where nobody can still need it, else a steal."""

from __future__ import annotations

from typing import Final

from engine.model.lock import Liveness, Lock
from engine.model.workflow import Workflow
from engine.observation.embedding import Engine
from engine.observation.views import LockView
from engine.operations.plan import PlanItem, PlanRequest
from engine.rules.ages import age_text
from engine.rules.locks import left_s

UNLOCKED: Final = "unlocked"


def unlock_item(
    engine: Engine, request: PlanRequest, workflow: Workflow, lock: Lock | None, view: LockView | None
) -> PlanItem:
    """Return what unlocking one workflow would do.

    Args:
        engine: whose own locks need no steal.
        request: says whether it is a steal.
        workflow: as read.
        lock: its lock row, held or emptied.
        view: the lock with its holder's life, where it is held and not expired.
    """
    if lock is None or not lock.owner:
        return _item(workflow, lock, before=UNLOCKED, skipped="not locked", skip_code="refused")
    before = f"locked by {lock.owner}"
    if view is None:
        age = age_text(-left_s(lock, engine.instant()))
        return _item(workflow, lock, before=before, effects=(f"expired {age} ago; it blocked nobody",))
    if not needs_steal(engine, view):
        whose = "our own lock" if _is_own(engine, view) else f"its holder is dead: {view.evidence}"
        return _item(workflow, lock, before=before, effects=(whose, "its late writes are refused"))
    if not request.is_steal:
        why = f"{lock.owner} is {view.liveness.value} ({view.evidence}) and holds it; only a steal takes it (--steal)"
        return _item(workflow, lock, before=before, skipped=why, skip_code="locked")
    taken = f"taken from {lock.owner}, which is {view.liveness.value} ({view.evidence})"
    return _item(workflow, lock, before=before, effects=(taken, "its writes are refused from then on"))


def needs_steal(engine: Engine, view: LockView | None) -> bool:
    """Return whether a held lock can only be stolen: another's, unexpired, and not proved dead."""
    return view is not None and view.liveness is not Liveness.DEAD and not _is_own(engine, view)


def _is_own(engine: Engine, view: LockView) -> bool:
    return view.lock.incarnation == engine.me.incarnation


def _item(  # noqa: PLR0913  the facts of an item, named at the call
    workflow: Workflow,
    lock: Lock | None,
    *,
    before: str,
    effects: tuple[str, ...] = (),
    skipped: str = "",
    skip_code: str = "",
) -> PlanItem:
    return PlanItem(
        id=workflow.workflow_id,
        revision=workflow.revision,
        lock_fence=0 if lock is None else lock.fence,
        before=before,
        after="" if skipped else UNLOCKED,
        effects=effects,
        skipped=skipped,
        skip_code=skip_code,
    )
