"""The facts that explain where a workflow stands, gathered for the rule that weighs them."""

from __future__ import annotations

from typing import Final

from engine.model.lock import Liveness
from engine.model.names import Flag
from engine.model.workflow import Workflow
from engine.observation.embedding import Engine
from engine.observation.lives import engine_view
from engine.observation.roles import supervisor_of
from engine.observation.views import EngineView, LockView
from engine.rules.stuck import FailingEvent, StuckFacts, Why, why
from engine.store.query import DocumentRow, Filter, FlowRow, Query

_DRIVING: Final = "service"
"""The kind of engine that drives workflows; consoles and command lines only look and act."""


async def explain(engine: Engine, row: FlowRow, workflow: Workflow | None, lock: LockView | None) -> Why:
    """Return why a workflow is where it is.

    Args:
        engine: whose store holds the facts.
        row: its list row, or that of a damaged document.
        workflow: the workflow, None for a damaged document.
        lock: its held lock, expired ones included.
    """
    engines = tuple(engine_view(engine, each) for each in await engine.store.engines() if each.ended_at is None)
    now = engine.instant()
    return why(
        StuckFacts(
            workflow_id=row.workflow_id,
            workflow=workflow,
            problem=await _problem(engine, row),
            lock=None if lock is None else lock.lock,
            liveness=Liveness.UNKNOWN if lock is None else lock.liveness,
            evidence="" if lock is None else lock.evidence,
            failing=await _failing(engine, row),
            is_breaker_open=_is_breaker_open(engines),
            has_supervisor=supervisor_of(await engine.store.leases(), engines, now.at) is not None,
            engines_alive=sum(_drives(view) for view in engines),
            now=now,
        )
    )


async def document_of(engine: Engine, workflow_id: str) -> DocumentRow | None:
    """Return what the ledger knows of a workflow's file, or of the damaged file of that name."""
    store = engine.store
    return await store.document(f"{workflow_id}.json") or await store.document(workflow_id)


async def _problem(engine: Engine, row: FlowRow) -> str:
    if row.flag is Flag.DAMAGED and not row.state:
        return row.error or "it cannot be read"
    document = await document_of(engine, row.workflow_id)
    return "" if document is None else document.problem


async def _failing(engine: Engine, row: FlowRow) -> FailingEvent | None:
    """Return the event that waits first, where it failed at least once."""
    if not row.events_failing:
        return None
    chosen = Query(filter=Filter(ids=(row.workflow_id,)), limit=50)
    waiting = (await engine.store.page_events(("pending",), chosen, failing_only=True)).rows
    if not waiting:
        return None
    first = min(waiting, key=lambda event: (event.id.entry_n, event.id.n))
    return FailingEvent(
        type=first.type, attempts=first.attempts, error=first.error, next_attempt_at=first.next_attempt_at
    )


def _is_breaker_open(engines: tuple[EngineView, ...]) -> bool:
    """Return whether a living engine leaves its bus alone for a while; it says so in its heartbeat."""
    open_s = (view.row.facts.get("breaker_open_s") for view in engines if _lives(view))
    return any(isinstance(left, int | float) and left > 0 for left in open_s)


def _drives(view: EngineView) -> bool:
    return view.row.engine.kind == _DRIVING and _lives(view)


def _lives(view: EngineView) -> bool:
    return view.liveness is not Liveness.DEAD
