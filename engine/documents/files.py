"""Files of the store directory: one atomic write, one safe read; no path ever leaves the directory."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

import aiofiles

from engine.documents.codec import MAX_BYTES
from engine.errors import DamagedDocumentError, InvalidIdError
from engine.model.names import is_plain_id

SUFFIX: Final = ".json"

_TEMPORARY: Final = re.compile(r"\.[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\.json\.[0-9a-f]{16}\.tmp")
_STALE_AFTER_S: Final = 600.0
_READ_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_WRITE_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OURS_TO_REPORT: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Shortages of this process or machine: they say nothing about the file."""

_KINDS: Final = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class Signature(NamedTuple):
    """What tells one version of a file from the next without reading it. ``size`` in bytes."""

    size: int
    mtime_ns: int
    inode: int


def signature_of(status: os.stat_result) -> Signature:
    """Return the signature in a file's status."""
    return Signature(status.st_size, status.st_mtime_ns, status.st_ino)


def document_name(workflow_id: str) -> str:
    """Return the file name of a workflow's document.

    Raises:
        InvalidIdError: the id is not a plain name, so it could lead out of the directory.
    """
    if not is_plain_id(workflow_id):
        raise InvalidIdError(workflow_id)
    return workflow_id + SUFFIX


def printable(name: str) -> str:
    """Return a file name with what is not printable, or not UTF-8, escaped; an escaped name stays as it is."""
    if name.isascii() and name.isprintable():
        return name
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


@contextmanager
def open_directory(directory: Path) -> Iterator[int]:
    """Hold the directory open: every name used with the descriptor stays inside it.

    Raises:
        OSError: it is missing, not a directory, or closed to this user.
    """
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def status_of(dir_fd: int, name: str) -> os.stat_result | None:
    """Return the status of what bears ``name``, links not followed, or None where nothing does."""
    try:
        return os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return None


def write_document(
    dir_fd: int, workflow_id: str, data: bytes, *, only_if: Callable[[], bool] = lambda: True
) -> Signature | None:
    """Put ``data`` in the place of the workflow's document, all of it or none, and return its signature.

    The file takes the directory's group and at most its mode; where root writes, the owner stays who it was. A
    link in the document's place is replaced, never followed. Nothing is synced: the ledger is what is durable.
    ``only_if`` is asked last, right before the rename; None is returned where it declines.

    Raises:
        InvalidIdError: the id is not a plain name.
        OSError: the old document stands as it was, and no temporary is left.
    """
    name = document_name(workflow_id)
    temporary = f".{name}.{secrets.token_hex(8)}.tmp"
    fd = os.open(temporary, _WRITE_FLAGS, 0o600, dir_fd=dir_fd)
    try:
        try:
            _write_all(fd, data)
            _give(fd, dir_fd, name)
            written = signature_of(os.fstat(fd))
        finally:
            os.close(fd)
        if only_if():
            os.rename(temporary, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
            return written
    except BaseException:
        _remove(dir_fd, temporary)
        raise
    _remove(dir_fd, temporary)
    return None


def _remove(dir_fd: int, name: str) -> None:
    with suppress(OSError):
        os.unlink(name, dir_fd=dir_fd)


def _write_all(fd: int, data: bytes) -> None:
    """Write every byte: a full disk first answers with a short count, and only then with an error."""
    left = memoryview(data)
    while left:
        count = os.write(fd, left)
        if count == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left = left[count:]


def _give(fd: int, dir_fd: int, name: str) -> None:
    """Give a new file the group and mode of its directory, and under root the owner it had before."""
    directory, own = os.fstat(dir_fd), os.fstat(fd)
    mode = 0o660 if directory.st_mode & stat.S_IWGRP else 0o600
    if os.geteuid() == 0:
        before = status_of(dir_fd, name)
        is_kept = before is not None and stat.S_ISREG(before.st_mode)
        owner = before.st_uid if before is not None and is_kept else directory.st_uid
        if (owner, directory.st_gid) != (own.st_uid, own.st_gid):
            os.fchown(fd, owner, directory.st_gid)
    elif own.st_gid != directory.st_gid:
        try:
            os.fchown(fd, -1, directory.st_gid)
        except PermissionError:
            mode = 0o600
    if mode != stat.S_IMODE(own.st_mode):
        os.fchmod(fd, mode)


def read_now(dir_fd: int, name: str) -> tuple[bytes, Signature]:
    """Return a document's bytes, and its signature from before they were read; for worker threads.

    Raises:
        FileNotFoundError: nothing bears that name.
        DamagedDocumentError: it is not a regular file of at most 16 MiB that this user may read.
        OSError: this process or machine is short of something.
    """
    fd = open_regular(dir_fd, name)
    with os.fdopen(fd, "rb", buffering=0) as file:
        signature = signature_of(os.fstat(fd))
        try:
            data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise _unreadable(name, error) from error
    return _within_limit(name, data), signature


async def read_document(directory: Path, name: str) -> tuple[bytes, Signature]:
    """Return a document's bytes, and its signature from before they were read.

    Raises:
        FileNotFoundError: nothing bears that name, or the directory is gone.
        DamagedDocumentError: it is not a regular file of at most 16 MiB that this user may read.
        OSError: this process or machine is short of something.
    """
    _check_name(name)
    reading = asyncio.ensure_future(_read(directory, name))
    try:
        return await asyncio.shield(reading)
    except asyncio.CancelledError:
        # The thread that opens the file cannot be stopped: what it opens has to be closed.
        await asyncio.wait({reading})
        raise


async def _read(directory: Path, name: str) -> tuple[bytes, Signature]:
    def opener(_path: str, _flags: int) -> int:
        with open_directory(directory) as dir_fd:
            return open_regular(dir_fd, name)

    async with aiofiles.open(name, "rb", opener=opener) as file:
        signature = signature_of(os.fstat(file.fileno()))
        try:
            data = await file.read(MAX_BYTES + 1)
        except OSError as error:
            raise _unreadable(name, error) from error
    return _within_limit(name, data), signature


def open_regular(dir_fd: int, name: str) -> int:
    """Return a descriptor of a regular file; nothing else is opened, and nothing is waited for.

    Raises:
        FileNotFoundError: nothing bears that name.
        DamagedDocumentError: it is another kind of file, too large, or not readable.
        OSError: this process or machine is short of something.
    """
    _check_name(name)
    try:
        _check_kind(name, os.stat(name, dir_fd=dir_fd, follow_symlinks=False))
        fd = os.open(name, _READ_FLAGS, dir_fd=dir_fd)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(name, error) from error
    try:
        _check_kind(name, os.fstat(fd))
    except BaseException:
        os.close(fd)
        raise
    return fd


def kind_problem(status: os.stat_result) -> str:
    """Return why a file of this status is not read as a document, "" if it is."""
    for is_kind, kind in _KINDS:
        if is_kind(status.st_mode):
            return f"it is {kind}, not a file"
    if status.st_size > MAX_BYTES:
        return f"it is {status.st_size:,} bytes long; documents over {MAX_BYTES:,} bytes are not read"
    return ""


def _check_name(name: str) -> None:
    if "/" in name or "\0" in name:
        raise DamagedDocumentError(printable(name), "its name is not a file name")


def _check_kind(name: str, status: os.stat_result) -> None:
    why = kind_problem(status)
    if why:
        raise DamagedDocumentError(printable(name), why)


def _within_limit(name: str, data: bytes) -> bytes:
    if len(data) > MAX_BYTES:
        raise DamagedDocumentError(printable(name), f"documents over {MAX_BYTES:,} bytes are not read")
    return data


def _unreadable(name: str, error: OSError) -> Exception:
    if error.errno in _OURS_TO_REPORT:
        return error
    if error.errno == errno.ELOOP:
        return DamagedDocumentError(printable(name), "it is a symbolic link, not a file")
    return DamagedDocumentError(printable(name), f"it cannot be read ({error.strerror})")


def remove_stale_temporaries(dir_fd: int, now_s: float) -> int:
    """Remove our own temporaries that a dead process left over 10 minutes ago (``now_s``: seconds since 1970)."""
    removed = 0
    with os.scandir(dir_fd) as entries:
        names = [entry.name for entry in entries if _TEMPORARY.fullmatch(entry.name)]
    for name in names:
        status = status_of(dir_fd, name)
        if status is not None and stat.S_ISREG(status.st_mode) and now_s - status.st_mtime > _STALE_AFTER_S:
            with suppress(OSError):
                os.unlink(name, dir_fd=dir_fd)
                removed += 1
    return removed
