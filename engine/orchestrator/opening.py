"""Opening a store: which ledger serves a place, how far it may be written, and the sentence where it cannot be."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.errors import StoreError, StoreUnsafeError
from engine.liveness import LifeLock, this_process
from engine.model.lock import Incarnation
from engine.orchestrator.settings import Settings
from engine.store.protocol import Store
from engine.store.requests import StoreFacts

LIVE: Final = "live"
READ_ONLY: Final = "read-only"
DOCUMENTS_ONLY: Final = "documents only"

LEDGER_DIRECTORY: Final = ".flowdeck"
LEDGER_NAME: Final = "ledger.db"
_ENGINES: Final = "engines"

_POSTGRES: Final = ("postgresql://", "postgres://")


@dataclass(kw_only=True)
class Opened:
    """An open store and how this engine stands in it.

    Attributes:
        directory: of the documents, None without persistence.
        engines: the directory of the engines' lock files, None where there is none.
        mode: ``live``, ``read-only`` or ``documents only``.
        reason: why it is not live, "" where it is.
        life: this engine's kernel lock, None where none can be held.
    """

    store: Store
    facts: StoreFacts
    me: Incarnation
    directory: Path | None
    engines: Path | None = None
    mode: str = LIVE
    reason: str = ""
    life: LifeLock | None = None

    async def close(self) -> None:
        """Close the store, then let go of the proof of life.

        Raises:
            StoreError: the store could not finish; the proof of life is gone all the same.
        """
        try:
            await self.store.close()
        finally:
            if self.life is not None:
                self.life.release()


def directory_of(place: str | Path) -> Path:
    """Return the absolute directory that ``place`` names.

    Raises:
        StoreUnsafeError: it is a URL of a store there is none for.
    """
    text = str(place)
    if text.startswith(_POSTGRES):
        raise StoreUnsafeError(
            f"{without_credentials(text)}: this Flowdeck has no PostgreSQL store yet. Nothing was changed. "
            "Give a directory instead."
        )
    if "://" in text:
        raise StoreUnsafeError(f"{without_credentials(text)} is no store this Flowdeck knows. Give a directory.")
    return Path(place).expanduser().absolute()


def without_credentials(url: str) -> str:
    """Return a URL without the user and password in it."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"


async def open_store(settings: Settings, *, has_bus: bool, log_dir: Path | None) -> Opened:
    """Open the store that ``settings`` name, as far as it can be opened.

    Raises:
        StoreUnsafeError: the place cannot serve as a store.
        SchemaNewerError: a newer Flowdeck wrote it.
        StoreError: it cannot be read.
    """
    me = this_process(settings.clock, kind=settings.kind, has_bus=has_bus, log_dir=log_dir)
    if settings.store is not None:
        return await _open(settings.store, me, settings.directory, is_read_only=settings.is_read_only)
    if settings.directory is None:
        return await _open(_memory(settings), me, None)
    ledger = (settings.ledger_dir or settings.directory / LEDGER_DIRECTORY) / LEDGER_NAME
    reason = await asyncio.to_thread(_prepared, settings.directory, settings)
    if reason:
        return await _open_without_writing(settings, ledger, me, reason)
    opened = await _open(_sqlite(settings, ledger), me, settings.directory)
    opened.engines = ledger.parent / _ENGINES
    if opened.mode == LIVE:
        life = LifeLock(opened.engines, me.incarnation)
        with suppress(OSError):
            # A file system without locks still serves: the process table and the heartbeat then tell of life.
            await asyncio.to_thread(life.take)
            opened.life = life
    return opened


async def _open_without_writing(settings: Settings, ledger: Path, me: Incarnation, reason: str) -> Opened:
    """Open the ledger for reading where there is one that can be read, else show the documents alone."""
    engines = ledger.parent / _ENGINES
    if await asyncio.to_thread(ledger.is_file):
        try:
            opened = await _open(_sqlite(settings, ledger), me, settings.directory, is_read_only=True)
        except StoreError as error:
            reason = f"{reason}, and its ledger cannot be read ({error})"
        else:
            opened.engines, opened.mode, opened.reason = engines, READ_ONLY, reason
            return opened
    else:
        reason = f"{reason}, and it has no ledger yet"
    opened = await _open(_memory(settings), me, settings.directory)
    opened.mode, opened.reason = DOCUMENTS_ONLY, reason
    return opened


async def _open(store: Store, me: Incarnation, directory: Path | None, *, is_read_only: bool = False) -> Opened:
    facts = await store.open(me, is_read_only=is_read_only)
    opened = Opened(store=store, facts=facts, me=me, directory=directory)
    if facts.read_only_reason:
        opened.mode, opened.reason = READ_ONLY, facts.read_only_reason
    return opened


def _prepared(directory: Path, settings: Settings) -> str:
    """See that the directory is there; return why it is not to be written, "" if it may be.

    Raises:
        StoreUnsafeError: it cannot serve as a store.
    """
    if not directory.exists():
        _make(directory, settings)
    elif not directory.is_dir():
        raise StoreUnsafeError(
            f"{directory} is a file, not a directory. Nothing was changed. "
            "Give the directory that holds the workflow documents."
        )
    if not _may(directory, os.R_OK | os.X_OK):
        raise StoreUnsafeError(
            f"{directory} cannot be read: permission denied. Nothing was changed. "
            "Ask for read and search permission, or run as its owner."
        )
    if settings.is_read_only:
        return "it was opened with --read-only" if settings.kind != "service" else "it was opened for reading only"
    if not _may(directory, os.W_OK):
        return "the directory is not writable"
    return ""


def _may(directory: Path, what: int) -> bool:
    """Return whether this process may do ``what``, judged by the rights it acts with."""
    return os.access(directory, what, effective_ids=os.access in os.supports_effective_ids)


def _make(directory: Path, settings: Settings) -> None:
    if directory.is_symlink():
        raise StoreUnsafeError(f"{directory} is a link to nothing. Nothing was changed. Repair the link.")
    if settings.is_read_only or not settings.creates:
        raise StoreUnsafeError(
            f"There is no directory {directory}. Nothing was created. "
            "Check the spelling; a service makes its directory when it starts."
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnsafeError(
            f"{directory} cannot be made: {error.strerror or error}. Nothing was changed. "
            "Make its parent directory, or choose another place."
        ) from error


def _sqlite(settings: Settings, ledger: Path) -> Store:
    from engine.stores.sqlite import SqliteStore  # noqa: PLC0415  loads the database

    return SqliteStore(ledger, clock=settings.clock)


def _memory(settings: Settings) -> Store:
    from engine.stores.sqlite import SqliteStore  # noqa: PLC0415  loads the database

    return SqliteStore(None, clock=settings.clock)
