"""The ledger's directory and file: made with the rights of the directory they serve, never wider."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkstemp

from engine.errors import StoreUnsafeError


def prepare(ledger: Path, fill: Callable[[Path], None]) -> None:
    """Make the ledger's directory and its file where there is none; ``fill`` makes the tables in an empty file.

    The ledger appears whole, so that an empty one is always damage. SQLite gives its ``-wal`` and ``-shm`` files
    the rights of the ledger.

    Raises:
        StoreUnsafeError: the place is something else than a directory with a regular file that holds something.
        OSError: the place cannot be written.
    """
    directory = ledger.parent
    if not directory.parent.is_dir():
        raise StoreUnsafeError(f"There is no directory {directory.parent}. Nothing was made; create it first.")
    if not os.path.lexists(directory):
        _make_directory(directory)
    _refuse_what_is_no_ledger(ledger)
    if not ledger.exists():
        _make_file(ledger, fill)


def check_readable(ledger: Path) -> None:
    """Refuse a ledger that is not there, or is no regular file; nothing is made.

    Raises:
        StoreUnsafeError: there is nothing to read.
    """
    _refuse_what_is_no_ledger(ledger)
    if not ledger.exists():
        raise StoreUnsafeError(f"There is no ledger at {ledger}, and nothing can be made here in read-only mode.")


def why_not_writable(ledger: Path) -> str:
    """Return why the ledger cannot be written by this process, "" if it can."""
    directory = ledger.parent
    written = (directory, ledger) if directory.exists() else (directory.parent,)
    for path in written:
        if path.exists() and not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            return f"{path} is not writable"
    return ""


def _refuse_what_is_no_ledger(ledger: Path) -> None:
    directory = ledger.parent
    if os.path.lexists(directory) and (directory.is_symlink() or not directory.is_dir()):
        raise StoreUnsafeError(
            f"{directory} is not a directory of its own. Nothing was changed; move it away, or name another place "
            "with ledger_dir."
        )
    if not os.path.lexists(ledger):
        return
    found = ledger.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise StoreUnsafeError(f"{ledger} is not a regular file. Nothing was changed; move it away.")
    if not found.st_size:
        raise StoreUnsafeError(
            f"The ledger {ledger} is empty: it lost all that it held. The file was left as it is; restore a backup, or "
            "move it away to build a new ledger from the documents."
        )


def _make_directory(directory: Path) -> None:
    served = directory.parent.stat()
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
        _give(directory, served)
        directory.chmod(stat.S_IMODE(served.st_mode) & 0o777)


def _make_file(ledger: Path, fill: Callable[[Path], None]) -> None:
    """Make the file under another name and link it: closing a descriptor of the ledger would drop SQLite's locks."""
    served = ledger.parent.stat()
    with _alone(ledger.parent):
        if ledger.exists():
            return
        # SQLite would play a log that another ledger left here into the new one.
        _remove_beside(ledger)
        descriptor, name = mkstemp(prefix=".new-", dir=ledger.parent)
        made = Path(name)
        try:
            os.close(descriptor)
            _give(made, served)
            made.chmod(0o660 if served.st_mode & stat.S_IWGRP else 0o600)
            fill(made)
            with contextlib.suppress(FileExistsError):
                os.link(made, ledger)
        finally:
            made.unlink()
            _remove_beside(made)


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Keep other processes from making a ledger here; where the file system has no locks nobody can be kept."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove_beside(ledger: Path) -> None:
    for end in ("-wal", "-shm"):
        ledger.with_name(ledger.name + end).unlink(missing_ok=True)


def _give(path: Path, served: os.stat_result) -> None:
    """Give ``path`` the group of the directory it serves, and from root its owner too."""
    owner = served.st_uid if os.geteuid() == 0 else -1
    with contextlib.suppress(PermissionError):
        os.chown(path, owner, served.st_gid)
