"""Proof of life: every engine holds a kernel lock for as long as its process lives, and others can test it.

A kernel lock (``flock``) goes with the process, however it ends; that it is free proves death without any clock.
Where there is no such file (another machine, a ledger elsewhere) the process table and the heartbeat decide; the
weighing itself is ``engine.rules.locks.liveness``.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import stat
import subprocess
import sys
import weakref
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from engine.clock import Clock
from engine.model.lock import Incarnation, Liveness
from engine.rules.locks import liveness

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID_LENGTH: Final = 26
_RANDOM_BITS: Final = 80
_START_FIELD: Final = 19
"""``starttime`` is field 22 of ``/proc/<pid>/stat``: the 20th behind the command's closing bracket."""
_ENDED: Final = ("Z", "X")


def new_ulid(clock: Clock) -> str:
    """Return 26 characters that sort by time (milliseconds) and never repeat."""
    number = int(clock.now().timestamp() * 1000) << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
    return "".join(_CROCKFORD[number >> 5 * place & 31] for place in reversed(range(_ULID_LENGTH)))


def this_process(clock: Clock, *, kind: str, has_bus: bool, log_dir: Path | None) -> Incarnation:
    """Return the incarnation of an engine that starts now in this process."""
    pid = os.getpid()
    return Incarnation(
        incarnation=new_ulid(clock),
        kind=kind,
        host=socket.gethostname(),
        boot_id=clock.boot_id(),
        pid=pid,
        process_start=process_start(pid) or "",
        has_bus=has_bus,
        log_dir=None if log_dir is None else str(log_dir),
    )


def process_start(pid: int) -> str | None:
    """Return what tells this process from another of the same pid; None if no process has that pid.

    Kernel ticks since boot on Linux, the start time as ``ps`` words it elsewhere. One that ended and waits for
    its parent counts as gone.
    """
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        state, *fields = stat.rpartition(")")[2].split()
        return None if state in _ENDED else fields[_START_FIELD - 1]
    asked = subprocess.run(  # noqa: S603  a fixed program and a number
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() or None


def life_of(
    engine: Incarnation, heartbeat_at: datetime | None, *, me: Incarnation, engines: Path | None, now: datetime
) -> tuple[Liveness, str]:
    """Return what is known of an engine's life and the evidence (rule: ``engine.rules.locks.liveness``).

    Args:
        engine: whose life is asked.
        heartbeat_at: its last sign of life in the store.
        me: the engine that asks.
        engines: the directory of lock files; None where the store has none.
        now: wall time.
    """
    is_same_boot = engine.boot_id == me.boot_id
    is_same_host = engine.host == me.host
    is_running = matches = None
    if is_same_boot and is_same_host:
        start = process_start(engine.pid)
        is_running = start is not None
        if start is not None and engine.process_start:
            matches = start == engine.process_start
    return liveness(
        same_host=is_same_host,
        boot_is_same=is_same_boot,
        kernel_lock_is_free=None if engines is None else is_lock_free(engines, engine.incarnation),
        pid_is_alive=is_running,
        start_matches=matches,
        heartbeat_age_s=None if heartbeat_at is None else (now - heartbeat_at).total_seconds(),
    )


class LifeLock:
    """This engine's own kernel lock, held from :meth:`take` to :meth:`release` or the end of the process."""

    def __init__(self, engines: Path, incarnation: str) -> None:
        """Prepare the lock.

        Args:
            engines: the directory of all engines' lock files; made if it is missing.
            incarnation: whose life it proves.
        """
        self._path = _lock_path(engines, incarnation)
        self._descriptor: int | None = None

    def take(self) -> None:
        """Create the file and lock it.

        Raises:
            OSError: the directory or file cannot be made, or the file system has no locks.
        """
        if self._descriptor is not None:
            return
        _make_like_its_parent(self._path.parent)
        unnamed = self._path.with_suffix(".new")
        descriptor = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o660)
        try:
            # It gets its name only once it is locked: a free lock under that name means a dead engine.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unnamed.rename(self._path)
        except OSError:
            os.close(descriptor)
            unnamed.unlink(missing_ok=True)
            raise
        self._descriptor = descriptor
        _held.add(self)

    def release(self) -> None:
        """Remove the file and let the lock go; twice is fine."""
        if self._descriptor is None:
            return
        self._path.unlink(missing_ok=True)
        self.abandon()

    def abandon(self) -> None:
        """Close the descriptor only: what a forked child does, so that it does not outlive its parent's proof."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_lock_free(engines: Path, incarnation: str) -> bool | None:
    """Return whether the kernel lock of an engine is free, which proves it dead; None if there is no such file."""
    try:
        descriptor = os.open(_lock_path(engines, incarnation), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    else:
        return True
    finally:
        os.close(descriptor)


def forget(engines: Path, incarnation: str) -> None:
    """Remove the lock file of an engine that was proved dead."""
    _lock_path(engines, incarnation).unlink(missing_ok=True)


def _make_like_its_parent(directory: Path) -> None:
    if directory.is_dir():
        return
    above = directory.parent.stat()
    directory.mkdir(exist_ok=True)
    directory.chmod(stat.S_IMODE(above.st_mode) & 0o777)
    with suppress(PermissionError):
        os.chown(directory, above.st_uid if os.geteuid() == 0 else -1, above.st_gid)


def _lock_path(engines: Path, incarnation: str) -> Path:
    return engines / f"{Path(incarnation).name}.lock"


_held: weakref.WeakSet[LifeLock] = weakref.WeakSet()


def _abandon_in_child() -> None:
    for lock in list(_held):
        lock.abandon()


os.register_at_fork(after_in_child=_abandon_in_child)
