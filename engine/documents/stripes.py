"""Stripes: kernel locks that keep two processes from publishing the same document at once."""

from __future__ import annotations

import fcntl
import os
import stat
import threading
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from engine.clock import Clock

COUNT: Final = 64
"""How many lock files the ids share; every process must use the same number."""

_FIRST_WAIT_S: Final = 0.0005
_LONGEST_WAIT_S: Final = 0.004
_GIVE_UP_AFTER_S: Final = 5.0


class StripesBusyError(OSError):
    """Another process kept a stripe for longer than any publication takes."""

    def __init__(self) -> None:
        super().__init__("another process has been publishing the same documents for over 5 s")


class HeldStripes:
    """Stripes held for one batch, until it and every worker thread in it are done.

    A cancelled batch leaves its worker thread running: the thread counts as a user, so the stripes outlive it.
    """

    def __init__(self, descriptors: list[int]) -> None:
        self._descriptors = descriptors
        self._users = 1
        self._guard = threading.Lock()

    def enter(self) -> bool:
        """Count the calling thread as a user; False where the batch is over and nothing may be written."""
        with self._guard:
            if self._users == 0:
                return False
            self._users += 1
            return True

    def leave(self) -> None:
        """Uncount one user; the last one gives the stripes up."""
        with self._guard:
            self._users -= 1
            if self._users == 0:
                _close(self._descriptors)


class Stripes:
    """The lock files of one store directory.

    Acquiring polls instead of blocking: a thread that waits for a stopped process could neither be cancelled
    nor joined.
    """

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock

    def prepare(self) -> None:
        """Make the directory of the lock files, no wider than the store directory.

        Raises:
            OSError: it cannot be made.
        """
        above = self._directory.parent
        for directory in (above, self._directory):
            if not directory.is_dir():
                status = directory.parent.stat()
                with suppress(FileExistsError):
                    directory.mkdir(mode=0o700)
                with suppress(PermissionError):
                    os.chown(directory, -1, status.st_gid)
                    directory.chmod(0o770 if status.st_mode & stat.S_IWGRP else 0o700)

    async def acquire(self, workflow_ids: Iterable[str]) -> HeldStripes:
        """Hold the stripes of all ``workflow_ids``, all or none; ``leave`` gives them up.

        Raises:
            StripesBusyError: another process did not let go within 5 s.
            OSError: a lock file cannot be opened.
        """
        numbers = sorted({zlib.crc32(each.encode()) % COUNT for each in workflow_ids})
        give_up_at = self._clock.monotonic() + _GIVE_UP_AFTER_S
        wait_s = _FIRST_WAIT_S
        while True:
            held = self._try(numbers)
            if held is not None:
                return held
            if self._clock.monotonic() >= give_up_at:
                raise StripesBusyError
            await self._clock.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    def _try(self, numbers: Iterable[int]) -> HeldStripes | None:
        descriptors: list[int] = []
        try:
            for number in numbers:
                descriptors.append(self._open(number))
                fcntl.flock(descriptors[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _close(descriptors)
            return None
        except BaseException:
            _close(descriptors)
            raise
        return HeldStripes(descriptors)

    def _open(self, number: int) -> int:
        flags = os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(self._directory / f"{number:02d}", flags, 0o600)
        status = os.fstat(fd)
        if status.st_uid == os.geteuid():
            above = self._directory.stat()
            mode = 0o660 if above.st_mode & stat.S_IWGRP else 0o600
            if stat.S_IMODE(status.st_mode) != mode or status.st_gid != above.st_gid:
                with suppress(PermissionError):
                    os.fchown(fd, -1, above.st_gid)
                    os.fchmod(fd, mode)
        return fd


def _close(descriptors: list[int]) -> None:
    for fd in descriptors:
        os.close(fd)
    descriptors.clear()
