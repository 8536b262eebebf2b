"""The machine around a store directory: file system, permissions, inotify limits, disk space, clock."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

Looked = tuple[str, str, str, str]
"""Severity, code, sentence, remedy."""

LEDGER_DIRECTORY: Final = ".flowdeck"

_NETWORK: Final = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph", "glusterfs", "virtiofs")
_FREE_WARNING: Final = 500 * 1024 * 1024
_FREE_ERROR: Final = 50 * 1024 * 1024
_WATCHES_AT_LEAST: Final = 64
_INSTANCES_AT_LEAST: Final = 16
_FILES_LOOKED_AT: Final = 20_000
_CLOCK_AHEAD_S: Final = 300.0
_TOO_EARLY_S: Final = 1_700_000_000
"""November 2023: no clock that works shows less."""


def look_around(directory: Path, now_s: float) -> list[Looked]:
    """Return what is worth saying of a store directory and its machine; reads only.

    Args:
        directory: the store directory.
        now_s: seconds since 1970, of the engine's clock.
    """
    found: list[Looked] = []
    try:
        status = directory.stat()
    except OSError as error:
        return [("error", "directory", f"{directory} cannot be read: {error.strerror}.", "Check path and mode.")]
    found += _file_system(directory)
    found += _permissions(directory, status.st_mode)
    found += _disk(directory)
    found += _inotify()
    found += _clock(directory, now_s)
    return found


def _file_system(directory: Path) -> Iterator[Looked]:
    kind = file_system_of(directory.resolve())
    if kind in _NETWORK:
        yield (
            "warning",
            "file_system",
            f"{directory} is on a network file system ({kind}), whose locks and caches are not to be relied on.",
            "Move the ledger to a local disk with ledger_dir=, or use a PostgreSQL store.",
        )
    else:
        yield ("ok", "file_system", f"{directory} is on {kind or 'an unnamed file system'}.", "")


def file_system_of(path: Path, mounts: Path = Path("/proc/mounts")) -> str:
    """Return the kind of file system that holds ``path``, "" where that is not told (macOS)."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    best, kind = -1, ""
    for line in lines:
        words = line.split(" ")
        if len(words) < 3:  # noqa: PLR2004  device, mount point, kind
            continue
        point = words[1].replace("\\040", " ")
        if path.is_relative_to(point) and len(point) >= best:
            best, kind = len(point), words[2]
    return kind


def _permissions(directory: Path, mode: int) -> Iterator[Looked]:
    """Yield files that more people may read or write than may enter the directory."""
    wider: list[str] = []
    seen = 0
    for folder in (directory, directory / LEDGER_DIRECTORY):
        for entry in _entries(folder):
            seen += 1
            if seen > _FILES_LOOKED_AT:
                break
            extra = stat.S_IMODE(_mode(entry)) & ~stat.S_IMODE(mode) & 0o066
            if extra:
                wider.append(entry.name)
    if wider:
        yield (
            "warning",
            "permissions",
            f"{len(wider)} files may be read or written by more people than the directory, such as {wider[0]!a}.",
            f"chmod go-rwx, or give the directory the mode that is meant (it is {stat.S_IMODE(mode):o}).",
        )
    elif mode & stat.S_IWOTH:
        yield ("warning", "permissions", f"{directory} may be written by everyone.", "chmod o-w the directory.")
    else:
        yield ("ok", "permissions", f"No file is open to more people than the directory ({stat.S_IMODE(mode):o}).", "")


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError:
        return


def _mode(entry: os.DirEntry[str]) -> int:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return 0
    return status.st_mode if stat.S_ISREG(status.st_mode) else 0


def _disk(directory: Path) -> Iterator[Looked]:
    try:
        free = os.statvfs(directory)
    except OSError as error:
        yield ("warning", "disk_free", f"The disk of {directory} cannot be asked: {error.strerror}.", "")
        return
    left = free.f_bavail * free.f_frsize
    said = f"{left / 1024**2:,.0f} MiB are free on the disk of {directory}."
    if left < _FREE_ERROR:
        yield ("error", "disk_free", said, "Make room: commits are refused when the disk is full.")
    elif left < _FREE_WARNING:
        yield ("warning", "disk_free", said, "Make room soon.")
    else:
        yield ("ok", "disk_free", said, "")
    if free.f_files and free.f_favail < _FILES_LOOKED_AT:
        yield ("warning", "inodes", f"{free.f_favail} inodes are left on the disk of {directory}.", "Remove files.")


def _inotify() -> Iterator[Looked]:
    for name, at_least in (("max_user_watches", _WATCHES_AT_LEAST), ("max_user_instances", _INSTANCES_AT_LEAST)):
        try:
            limit = int(Path("/proc/sys/fs/inotify", name).read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
        if limit < at_least:
            yield (
                "warning",
                "inotify",
                f"fs.inotify.{name} is {limit}: the watcher may not start, changes are then seen by scans only.",
                f"sysctl fs.inotify.{name}={at_least * 8}",
            )
        else:
            yield ("ok", "inotify", f"fs.inotify.{name} is {limit}.", "")


def _clock(directory: Path, now_s: float) -> Iterator[Looked]:
    if now_s < _TOO_EARLY_S:
        yield ("error", "clock", "This machine's clock is years behind.", "Set it by NTP before anything else.")
        return
    ahead = 0
    for seen, entry in enumerate(_entries(directory)):
        if seen > _FILES_LOOKED_AT:
            break
        try:
            ahead += entry.stat(follow_symlinks=False).st_mtime > now_s + _CLOCK_AHEAD_S
        except OSError:
            continue
    if ahead:
        yield ("warning", "clock", f"{ahead} files are from the future by this machine's clock.", "Check NTP.")
    else:
        yield ("ok", "clock", "The clock agrees with the files.", "")
