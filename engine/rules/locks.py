"""Leases: who may take one, who may write under or beside one, and whether a holder lives."""

from __future__ import annotations

from datetime import UTC
from typing import Final

from engine.errors import LockHeldError, RefusedError, StaleLockError
from engine.model.lock import Claim, Instant, Liveness, Lock
from engine.model.names import SYSTEM_OWNER
from engine.rules.ages import age_text

HEARTBEAT_EVERY_S: Final = 5.0
"""How often an engine says that it lives, seconds."""

SILENT_AFTER: Final = 3
"""So many missed heartbeats make an engine silent."""


def left_s(lock: Lock, now: Instant) -> float:
    """Return the seconds until ``lock`` expires, negative once it has.

    On the boot that granted it the monotonic clock decides, so that no change of the wall time can expire
    a lock or revive one; on any other boot only wall time is left to compare.
    """
    if lock.boot_id == now.boot_id:
        return lock.expires_mono - now.monotonic
    return (lock.expires_at - now.at).total_seconds()


def is_expired(lock: Lock, now: Instant) -> bool:
    """Return whether the lease ran out; it blocks nobody from then on, swept or not."""
    return left_s(lock, now) <= 0


def is_held(lock: Lock | None, now: Instant) -> bool:
    """Return whether someone holds the lock: neither released nor expired. A void grant still counts."""
    return lock is not None and lock.owner != "" and not is_expired(lock, now)


def may_grant(  # noqa: PLR0913  facts, named at the call
    row: Lock | None,
    request_owner: str,
    incarnation: str,
    *,
    seen_fence: int | None,
    dead_fence: int | None,
    generation: int,
    now: Instant,
) -> bool:
    """Return whether a lease may be granted.

    A free or expired lock goes to whoever asks. A held one goes to an explicit steal of exactly the grant it
    saw, to whoever proved its holder dead, and to its own holder where the workflow's generation moved on.
    A valid lease is not re-entrant.

    Args:
        row: the lock as the store holds it, None if there never was one.
        request_owner: who asks, by name.
        incarnation: the engine that asks.
        seen_fence: a steal: the fence it saw, 0 for none; any other found now means that the lock moved on.
        dead_fence: fence of the grant whose holder was proved dead.
        generation: the workflow's present generation.
        now: the moment of the grant.
    """
    if seen_fence is not None:
        return seen_fence == (row.fence if row is not None else 0)
    if row is None or not is_held(row, now):
        return True
    if dead_fence is not None and row.fence == dead_fence:
        return True
    is_own = (row.owner, row.incarnation) == (request_owner, incarnation)
    return is_own and row.generation != generation


def may_write(row: Lock | None, claim: Claim | None, *, generation: int, now: Instant) -> RefusedError | None:
    """Return why a write is refused by the workflow's lock, or None.

    A claim is judged by its fence, never by the clock: it holds after its expiry until someone else was
    granted the lock or an operator raised the fence. Without a claim every held lock refuses, except one of
    the default owner, which only keeps other acquirers out (source: contract, acquire_workflow_lock).

    Args:
        row: the lock as the store holds it, held, emptied or None.
        claim: the grant the writer says it holds.
        generation: the workflow's generation before the write.
        now: the moment of the write.
    """
    if claim is not None:
        why = _why_stale(row, claim, generation)
        return None if why is None else StaleLockError(claim.workflow_id, why)
    if row is None or row.owner == SYSTEM_OWNER or not is_held(row, now):
        return None
    until = row.expires_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return LockHeldError(row.workflow_id, row.owner, until)


def _why_stale(row: Lock | None, claim: Claim, generation: int) -> str | None:
    if row is None:
        return "it was never granted here"
    if row.fence != claim.fence:
        taker = f"granted to {row.owner}" if row.owner else "taken away"
        return f"it was {taker} since (fence {claim.fence}, now {row.fence})"
    if row.owner and (row.owner, row.incarnation) != (claim.owner, claim.incarnation):
        return f"it belongs to {row.owner}, not to {claim.owner}"
    if claim.generation != generation:
        return f"a rollback, retry or force moved the workflow on (generation {claim.generation}, now {generation})"
    return None


def liveness(  # noqa: PLR0913  facts, named at the call
    *,
    same_host: bool,
    boot_is_same: bool,
    kernel_lock_is_free: bool | None,
    pid_is_alive: bool | None,
    start_matches: bool | None,
    heartbeat_age_s: float | None,
    heartbeat_every_s: float = HEARTBEAT_EVERY_S,
) -> tuple[Liveness, str]:
    """Return what is known of a holder's life and the evidence, the first fact that decides.

    Args:
        same_host: it runs, or ran, on this host name.
        boot_is_same: it was started in the boot this machine is in now; true too for containers of one kernel.
        kernel_lock_is_free: whether the file lock its process holds for life is free; None: not to be seen.
        pid_is_alive: whether a process has its pid; None: not to be seen.
        start_matches: whether that process was started when ours was; None: not to be seen.
        heartbeat_age_s: seconds since its last sign of life in the store; None: it never gave one.
        heartbeat_every_s: how often it promised one.

    Returns:
        The verdict and a part of a sentence that follows "its holder is ...: ".
    """
    dead = _proof_of_death(
        same_host=same_host,
        boot_is_same=boot_is_same,
        kernel_lock_is_free=kernel_lock_is_free,
        pid_is_alive=pid_is_alive,
        start_matches=start_matches,
    )
    if dead is not None:
        return Liveness.DEAD, dead
    is_running = boot_is_same and (
        kernel_lock_is_free is False or (same_host and bool(pid_is_alive) and bool(start_matches))
    )
    if heartbeat_age_s is not None:
        age = age_text(heartbeat_age_s)
        if heartbeat_age_s <= SILENT_AFTER * heartbeat_every_s:
            return Liveness.ALIVE, f"heartbeat {age} ago"
        runs = "its process runs, but " if is_running else ""
        return Liveness.SILENT, f"{runs}no heartbeat for {age}"
    if is_running:
        return Liveness.ALIVE, "its process runs"
    return Liveness.UNKNOWN, "no sign of life or death; only the expiry decides"


def _proof_of_death(
    *,
    same_host: bool,
    boot_is_same: bool,
    kernel_lock_is_free: bool | None,
    pid_is_alive: bool | None,
    start_matches: bool | None,
) -> str | None:
    if same_host and not boot_is_same:
        return "the machine was started again since"
    if boot_is_same and kernel_lock_is_free:
        return "its process ended"
    # Host names tell pid namespaces apart: the same number in another container is another process.
    if same_host and pid_is_alive is False:
        return "its process is gone"
    if same_host and start_matches is False:
        return "its pid belongs to another process now"
    return None
