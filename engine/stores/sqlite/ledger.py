"""The open ledger: its connections, the threads that use them, and how a call reaches one.

One thread writes. One answers short reads, another long ones (pages, counts, scans), so that a search delays nobody.
A ledger in memory has a single connection and does everything on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import apsw

from engine.clock import Clock
from engine.errors import StoreError, StoreReadOnlyError, StoreUnsafeError
from engine.model.lock import Incarnation
from engine.store.requests import StoreFacts
from engine.stores.sqlite import connection as connections
from engine.stores.sqlite import files, sql
from engine.stores.sqlite.faults import store_error
from engine.stores.sqlite.presence import Presence
from engine.stores.sqlite.spans import SEARCHED_AT_MOST
from engine.stores.sqlite.transaction import Transaction
from engine.stores.sqlite.waiting import Listeners
from engine.stores.sqlite.worker import Call, Execute, InlineWorker, RunBlocking, ThreadWorker, Worker
from engine.stores.sqlite.writer import GroupWriter, Write, do_read

ResultT = TypeVar("ResultT")
Read = Callable[[apsw.Connection], ResultT]


class Ledger:
    """Opens, closes, and hands reads and writes to their threads; the readers' parts of the store build on it.

    Args:
        path: the ledger's file, None for one in memory.
        clock: judges leases, and waits for the feed.
        run_blocking: does blocking calls in place of the store's own threads.
        searched_at_most: rows that one page of a text search over workflows looks at.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        clock: Clock,
        run_blocking: RunBlocking | None = None,
        searched_at_most: int = SEARCHED_AT_MOST,
    ) -> None:
        self._path = path
        self._clock = clock
        self._run_blocking = run_blocking
        self._searched_at_most = searched_at_most
        self._place = "memory" if path is None else str(path)
        self._facts: StoreFacts | None = None
        self._registered: Incarnation | None = None
        self._group: GroupWriter | None = None
        self._writer: Worker | None = None
        self._reader: Worker | None = None
        self._scanner: Worker | None = None
        self._closing: list[tuple[Worker, apsw.Connection]] = []
        self._listeners = Listeners()
        self._is_closed = False

    @property
    def transactions(self) -> int:
        """How many transactions this store has committed since it was opened; less than its writes under load."""
        return self._group.transactions if self._group is not None else 0

    @property
    def _me(self) -> Incarnation:
        """The engine that opened the store."""
        if self._registered is None:
            raise StoreError(f"The store {self._place} is not open yet. Nothing was changed.")
        return self._registered

    def _become(self, me: Incarnation) -> None:
        """Let writes from now on be this engine's."""
        self._registered = me
        if self._group is not None:
            self._group.me = me

    async def _open(self, me: Incarnation, *, is_read_only: bool) -> StoreFacts:
        """Open the connections, for reading only where nothing else is possible."""
        blocking = self._run_blocking or asyncio.to_thread
        facts: StoreFacts = await blocking(self._connect, me, is_read_only)
        self._facts = facts
        self._become(me)
        return facts

    async def _close(self) -> None:
        """Finish what is queued and close every connection."""
        self._is_closed = True
        self._listeners.close()
        # The writer last: only it can put the log back into the ledger.
        for worker, opened in reversed(self._closing):
            await worker.stop(opened.close)
        self._closing.clear()

    async def _write(
        self,
        run: Callable[[Transaction], ResultT],
        *,
        settle: Callable[[apsw.Connection], ResultT | None] | None = None,
        unknown: Callable[[str], ResultT] | None = None,
    ) -> ResultT:
        """Return what a write comes to, once it is durable.

        Raises:
            StoreReadOnlyError: the ledger is open for reading only.
            StoreError: the write failed; nothing was changed.
        """
        self._require_open()
        if self._writer is None:
            raise StoreReadOnlyError(self._facts.read_only_reason if self._facts is not None else "")
        result: ResultT = await self._writer.run(Write(run, settle, unknown))
        return result

    async def _read(self, work: Read[ResultT]) -> ResultT:
        """Return what a short read finds, all of it in one snapshot."""
        self._require_open()
        result: ResultT = await self._worker(self._reader).run(work)
        return result

    async def _scan(self, work: Read[ResultT]) -> ResultT:
        """Return what a longer read finds, all of it in one snapshot."""
        self._require_open()
        result: ResultT = await self._worker(self._scanner).run(work)
        return result

    def _require_open(self) -> None:
        if self._is_closed:
            raise StoreError(f"The store {self._place} is closed. Nothing was changed.")
        if self._facts is None:
            raise StoreError(f"The store {self._place} is not open yet. Nothing was changed.")

    def _worker(self, worker: Worker | None) -> Worker:
        if worker is None:
            raise StoreError(f"The store {self._place} is closed. Nothing was changed.")
        return worker

    def _connect(self, me: Incarnation, is_read_only: bool) -> StoreFacts:
        reason = "it was opened for reading only" if is_read_only else ""
        if self._path is not None:
            reason = reason or files.why_not_writable(self._path)
        try:
            if not reason:
                reason = self._connect_writer(me)
            return self._connect_readers(reason)
        except apsw.Error as error:
            self._let_go()
            raise store_error(error, self._place) from error
        except StoreError:
            self._let_go()
            raise

    def _connect_writer(self, me: Incarnation) -> str:
        """Open the writing connection; returns why it cannot be, "" where it is."""
        try:
            if self._path is not None:
                files.prepare(self._path, connections.fill)
            presence = Presence(self._path)
            opened = connections.open_writer(self._path)
            presence.note_beside()
        except OSError as error:
            return f"{self._place} cannot be written ({error.strerror})"
        except (apsw.ReadOnlyError, apsw.PermissionsError, apsw.CantOpenError) as error:
            return f"{self._place} cannot be written ({error})"
        self._group = GroupWriter(
            opened, place=self._place, presence=presence, clock=self._clock, me=me, on_notices=self._listeners.wake
        )
        self._writer = self._start("ledger-writer", self._group.execute, opened)
        return ""

    def _connect_readers(self, reason: str) -> StoreFacts:
        if self._path is None:
            if self._writer is None:
                message = "A ledger in memory cannot be opened for reading only. Nothing was changed."
                raise StoreUnsafeError(message)
            self._reader = self._scanner = self._writer
            opened = self._closing[0][1]
        else:
            if reason:
                files.check_readable(self._path)
            presence = Presence(self._path)
            opened = connections.open_reader(self._path)
            self._reader = self._start("ledger-reader", self._reading(opened, presence), opened)
            other = connections.open_reader(self._path)
            self._scanner = self._start("ledger-scanner", self._reading(other, presence), other)
            presence.note_beside()
        return StoreFacts(
            store_id=sql.value(opened, "SELECT value FROM meta WHERE key = 'store_id'"),
            schema=connections.schema_version(opened),
            read_only_reason=reason,
            place=self._place,
            engine_version=_engine_version(),
        )

    def _reading(self, opened: apsw.Connection, presence: Presence) -> Execute:
        return partial(_read_each, connection=opened, place=self._place, presence=presence)

    def _start(self, name: str, execute: Execute, opened: apsw.Connection) -> Worker:
        worker: Worker
        if self._run_blocking is None:
            worker = ThreadWorker(name, execute)
        else:
            worker = InlineWorker(self._run_blocking, execute)
        self._closing.append((worker, opened))
        return worker

    def _let_go(self) -> None:
        """Drop what a failed opening has left."""
        for _, opened in self._closing:
            opened.close()
        self._closing.clear()
        self._writer = self._reader = self._scanner = None


def _read_each(calls: Sequence[Call[Any]], *, connection: apsw.Connection, place: str, presence: Presence) -> None:
    for call in calls:
        do_read(call, connection, place, presence)


def _engine_version() -> str:
    try:
        return version("flowdeck")
    except PackageNotFoundError:
        return "unknown"
