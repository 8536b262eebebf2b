"""SQLite's errors as the store's own, each a sentence that says what was left unchanged and what to do."""

from __future__ import annotations

from typing import Final

import apsw

from engine.errors import StoreError, StoreReadOnlyError, StoreUnsafeError

_SENTENCES: Final[tuple[tuple[type[apsw.Error], type[StoreError], str], ...]] = (
    (
        apsw.NotADBError,
        StoreUnsafeError,
        (
            "{place} is not a ledger: SQLite cannot read it ({error}). The file was left as it is; move it away or "
            "restore a backup."
        ),
    ),
    (
        apsw.CorruptError,
        StoreUnsafeError,
        (
            "The ledger {place} is damaged ({error}). The file was left as it is; restore a backup, or move it away to "
            "build a new ledger from the documents."
        ),
    ),
    (
        apsw.CantOpenError,
        StoreUnsafeError,
        "{place} cannot be opened ({error}). Nothing was changed; check the path and its rights.",
    ),
    (
        apsw.FullError,
        StoreError,
        "The disk of {place} is full. Nothing was changed; free some space and try again.",
    ),
    (apsw.BusyError, StoreError, "Another process keeps {place} busy. Nothing was changed; try again."),
    (apsw.LockedError, StoreError, "Another process keeps {place} busy. Nothing was changed; try again."),
    (apsw.ReadOnlyError, StoreReadOnlyError, "{place} cannot be written ({error})"),
    (apsw.PermissionsError, StoreReadOnlyError, "{place} cannot be written ({error})"),
)


def store_error(error: apsw.Error, place: str) -> StoreError:
    """Return what an operator is told of ``error``, raised before anything was committed."""
    for kind, told, sentence in _SENTENCES:
        if isinstance(error, kind):
            return told(sentence.format(place=place, error=error))
    return StoreError(f"SQLite failed on {place} ({type(error).__name__}: {error}). Nothing was changed.")
