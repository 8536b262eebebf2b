"""Leases on workflows: who holds which, by which grant, and what is known of the holder's life."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Incarnation:
    """One start of one engine; its id is a ULID and never returns.

    Attributes:
        kind: ``service``, ``console`` or ``cli``.
        process_start: kernel ticks or text that tells a reused pid from the one meant.
        has_bus: whether it can deliver events.
        log_dir: absolute directory of its structured log, or None.
    """

    incarnation: str
    kind: str
    host: str
    boot_id: str
    pid: int
    process_start: str
    has_bus: bool
    log_dir: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A lease as the store holds it, released or not.

    Attributes:
        owner: "" once released or swept.
        fence: +1 in the whole store on every grant and every forced release; never reset.
        generation: the workflow's generation the grant belongs to.
        ttl_s: seconds from grant to expiry.
        expires_mono: CLOCK_MONOTONIC seconds of the boot ``boot_id``.
    """

    workflow_id: str
    owner: str
    incarnation: str
    fence: int
    generation: int
    acquired_at: datetime
    ttl_s: float
    expires_at: datetime
    boot_id: str
    expires_mono: float


@dataclass(slots=True, kw_only=True)
class Claim:
    """What a holder says it holds. Mutable in one field: its own rollback refreshes ``generation``."""

    workflow_id: str
    owner: str
    incarnation: str
    fence: int
    generation: int


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment on both clocks, for rules about leases."""

    at: datetime
    monotonic: float
    boot_id: str


class Liveness(StrEnum):
    """What is known of a lock's holder or an engine."""

    ALIVE = "alive"
    DEAD = "dead"
    SILENT = "silent"
    UNKNOWN = "unknown"
