"""Locks and engines with what is known of their lives."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from engine.model.lock import Liveness, Lock
from engine.observation.embedding import Engine
from engine.observation.views import EngineView, LockView
from engine.store.query import EngineRow, Filter, Query


async def lock_views(engine: Engine, locks: Sequence[Lock]) -> tuple[LockView, ...]:
    """Return held locks with what is known of their holders, in the same order."""
    if not locks:
        return ()
    ids = tuple(lock.workflow_id for lock in locks)
    query = Query(filter=Filter(ids=ids), limit=len(ids), at=engine.clock.now())
    generations = {row.workflow_id: row.generation for row in (await engine.store.page_flows(query)).rows}
    engines = {row.engine.incarnation: row for row in await engine.store.engines()}
    # One engine may hold hundreds; each look at its life asks the kernel.
    lives = {
        incarnation: engine.engine_liveness(engines.get(incarnation, incarnation))
        for incarnation in {lock.incarnation for lock in locks}
    }
    return tuple(
        _lock_view(
            engine,
            lock,
            lives[lock.incarnation],
            engines.get(lock.incarnation),
            generations.get(lock.workflow_id),
        )
        for lock in locks
    )


def _lock_view(
    engine: Engine, lock: Lock, life: tuple[Liveness, str], holder: EngineRow | None, generation: int | None
) -> LockView:
    """Return a lock with what is known of its holder.

    Args:
        engine: whose clocks judge it.
        lock: a held lock.
        life: what is known of its holder's life, and the evidence.
        holder: the engine that holds it, None where the store does not know it any more.
        generation: the workflow's, None where the workflow is unknown.
    """
    now = engine.instant()
    liveness, evidence = life
    is_same_boot = lock.boot_id == now.boot_id
    return LockView(
        lock=lock,
        liveness=liveness,
        evidence=evidence,
        held_s=max(0.0, (now.at - lock.acquired_at).total_seconds()),
        left_s=lock.expires_mono - now.monotonic if is_same_boot else (lock.expires_at - now.at).total_seconds(),
        heartbeat_age_s=None if holder is None else age_s(now.at, holder.heartbeat_at),
        is_void=generation is not None and lock.generation != generation,
    )


def engine_view(engine: Engine, row: EngineRow) -> EngineView:
    """Return an engine of the store with what is known of its life."""
    liveness, evidence = engine.engine_liveness(row)
    return EngineView(
        row=row,
        liveness=liveness,
        evidence=evidence,
        heartbeat_age_s=age_s(engine.clock.now(), row.heartbeat_at),
    )


def age_s(now: datetime, then: datetime) -> float:
    """Return the seconds from ``then`` to ``now``, never below 0."""
    return max(0.0, (now - then).total_seconds())
