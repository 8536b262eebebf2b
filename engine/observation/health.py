"""How fresh and how safe what is shown is: one reading of counters, engines, leases and locks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from engine.model.lock import Liveness
from engine.model.names import EventStatus, Flag, Phase
from engine.model.times import parse_time
from engine.observation.embedding import Engine
from engine.observation.lives import age_s, engine_view, lock_views
from engine.observation.places import place_of
from engine.observation.roles import supervisor_of
from engine.observation.views import EngineView, Health
from engine.store.query import Query

_COUNTED_AT_MOST: Final = 1_000
"""Rows read to count what has no maintained counter; the header shows no more digits than that."""


async def read_health(engine: Engine) -> Health:
    """Return the health of ``engine`` and its store."""
    now = engine.clock.now()
    engines = tuple(engine_view(engine, row) for row in await engine.store.engines() if row.ended_at is None)
    return Health(
        at=now,
        place=place_of(engine),
        mode=engine.mode,
        mode_reason=engine.mode_reason,
        engines=engines,
        supervisor=supervisor_of(await engine.store.leases(), engines, now),
        scan_age_s=_scan_age_s(engine, engines, now),
        watcher=engine.watcher_state,
        flows=await _flow_counts(engine),
        overdue=len(await engine.store.overdue(now, _COUNTED_AT_MOST)),
        events=await _event_counts(engine),
        locks=await _lock_counts(engine),
    )


def _scan_age_s(engine: Engine, engines: tuple[EngineView, ...], now: datetime) -> float | None:
    """Return seconds since any engine last scanned the directory; engines say so in their heartbeats."""
    scans = [age_s(now, at) for view in engines if (at := _time_of(view.row.facts.get("scanned_at"))) is not None]
    own = getattr(engine.scan_report, "at", None)
    if isinstance(own, datetime):
        scans.append(age_s(now, own))
    return min(scans, default=None)


def _time_of(text: object) -> datetime | None:
    try:
        return parse_time(text) if isinstance(text, str) else None
    except ValueError:
        return None


async def _flow_counts(engine: Engine) -> Mapping[str, int]:
    """Return workflows by state, by phase (``open failed done``) and by flag (``damaged conflict`` ...)."""
    counts: Counter[str] = Counter({"open": 0, "failed": 0, "done": 0, "damaged": 0, "conflict": 0})
    phases: Counter[str] = Counter()
    for name, value in (await engine.store.counters("flows/")).items():
        workflow_type, state = flow_counter(name)
        line = engine.find_line(workflow_type)
        counts[state] += value
        phases[(line.phase(state) if line is not None else Phase.OPEN).value] += value
    for name, value in (await engine.store.counters("flag/")).items():
        counts[name.split("/", 1)[1]] += value
    counts.update({phase: phases[phase] for phase in ("open", "done")})
    # The state "failed" and the phase "failed" are one word; lines may name their failed state otherwise.
    counts["failed"] = phases["failed"]
    counts[Flag.DAMAGED.value] += (await engine.store.counters("documents/")).get("documents/problem", 0)
    return dict(counts)


def flow_counter(name: str) -> tuple[str, str]:
    """Return the workflow type and state that the counter ``flows/<type>/<state>`` counts."""
    _, workflow_type, state = name.split("/", 2)
    return workflow_type.replace("%2F", "/"), state.replace("%2F", "/")


async def _event_counts(engine: Engine) -> Mapping[str, int]:
    """Return events by status, and ``failing``: pending ones tried at least once."""
    counters = await engine.store.counters("events")
    counts = {status.value: counters.get(f"events/{status.value}", 0) for status in EventStatus}
    return {**counts, "failing": counters.get("events_failing", 0)}


async def _lock_counts(engine: Engine) -> Mapping[str, int]:
    """Return held locks, and ``dead``: those whose holder is proved dead."""
    views = await lock_views(engine, (await engine.store.page_locks(Query(limit=_COUNTED_AT_MOST))).rows)
    return {"held": len(views), "dead": sum(view.liveness is Liveness.DEAD for view in views)}
