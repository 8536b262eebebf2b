"""What a console or a script is shown; plain values with what needs a second look already decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.model.lock import Liveness, Lock
from engine.model.workflow import Workflow
from engine.rules.stuck import Why
from engine.rules.visits import Visit
from engine.store.query import DocumentRow, EngineRow, EventRow, FlowRow


@dataclass(frozen=True, slots=True, kw_only=True)
class LockView:
    """A held lock with what is known of its holder. Durations are seconds; ``left_s`` is negative once expired."""

    lock: Lock
    liveness: Liveness
    evidence: str
    held_s: float
    left_s: float
    heartbeat_age_s: float | None
    is_void: bool
    """The workflow's generation moved on: the holder's writes are refused, others are kept out until expiry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineView:
    """An engine with what is known of its life."""

    row: EngineRow
    liveness: Liveness
    evidence: str
    heartbeat_age_s: float

    @property
    def name(self) -> str:
        """Short and shown: ``svc:4121``, ``console:812``."""
        short = {"service": "svc", "console": "con"}.get(self.row.engine.kind, self.row.engine.kind)
        return f"{short}:{self.row.engine.pid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorCount:
    """One of the seven error types. ``minutes``: counts of the last 60 minutes, oldest first."""

    error_type: str
    total: int
    last_hour: int
    minutes: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line of an engine's structured log."""

    timestamp: datetime
    level: str
    event: str
    workflow_id: str | None
    message: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How fresh and how safe what is shown is.

    Attributes:
        mode: ``live``, ``read-only`` or ``documents only``.
        mode_reason: why, where it is not live.
        engines: those not ended; dead ones included until they are swept.
        supervisor: who fires deadlines, None if nobody does.
        scan_age_s: seconds since the directory was last scanned by anyone, None if never or not applicable.
        watcher: ``ok``, ``restarting``, ``off`` or why not.
        flows: workflows by state, then ``open failed done damaged conflict``.
        overdue: open workflows past their deadline.
        events: events by status, and ``failing``: pending ones tried at least once.
        locks: held locks; ``dead``: those whose holder is dead.
    """

    at: datetime
    place: str
    mode: str
    mode_reason: str
    engines: tuple[EngineView, ...]
    supervisor: EngineView | None
    scan_age_s: float | None
    watcher: str
    flows: Mapping[str, int]
    overdue: int
    events: Mapping[str, int]
    locks: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """Everything about one workflow, or about one damaged document (``workflow`` is then None)."""

    row: FlowRow
    workflow: Workflow | None
    history: tuple[Mapping[str, Any], ...]
    visits: tuple[Visit, ...]
    lock: LockView | None
    events: tuple[EventRow, ...]
    document: DocumentRow | None
    why: Why
