"""Whether the files that SQLite has open are still those that others find: unlinked ones take writes without a word."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from engine.errors import StoreUnsafeError

_BESIDE: Final = ("-wal", "-shm")


class Presence:
    """The ledger's files as one process opened them.

    They are never opened here, only asked for: closing a descriptor of a file would drop SQLite's locks on it. An
    open file keeps its inode number, so a replacement always shows.

    Args:
        ledger: the ledger's file, noted before it is opened; None for one in memory, which cannot be lost.

    Raises:
        StoreUnsafeError: there is no such file.
    """

    def __init__(self, ledger: Path | None) -> None:
        self._ledger = ledger
        self._noted: dict[Path, tuple[int, int]] = {}
        if ledger is not None:
            try:
                self._note(ledger)
            except OSError as error:
                message = f"There is no ledger at {ledger} any more. Nothing was changed; open it again."
                raise StoreUnsafeError(message) from error

    def note_beside(self) -> None:
        """Note the log and its index where there are any: they stay as long as a connection is open."""
        if self._ledger is not None:
            for path in (self._ledger.with_name(self._ledger.name + end) for end in _BESIDE):
                if os.path.lexists(path):
                    self._note(path)

    def require(self) -> None:
        """Let pass what still has its files.

        Raises:
            StoreUnsafeError: a file was removed, replaced or emptied.
        """
        for path, noted in self._noted.items():
            try:
                found = path.stat()
            except OSError:
                break
            if (found.st_dev, found.st_ino) != noted or (path is self._ledger and not found.st_size):
                break
        else:
            return
        raise StoreUnsafeError(
            f"The ledger {self._ledger} was removed or replaced while it was open. Nothing was changed; see what "
            "happened to its directory, then restart the service."
        )

    def _note(self, path: Path) -> None:
        found = path.stat()
        self._noted[path] = (found.st_dev, found.st_ino)
