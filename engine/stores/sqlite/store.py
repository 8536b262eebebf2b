"""The store on SQLite: one ledger file that several processes share, or one in memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import apsw

from engine.clock import Clock
from engine.errors import StoreError, StoreUnsafeError
from engine.model.lock import Incarnation
from engine.model.times import to_micros
from engine.store.requests import Retention, StoreFacts
from engine.stores.sqlite import connection as connections
from engine.stores.sqlite import counters, sql
from engine.stores.sqlite.documents import SqliteDocuments
from engine.stores.sqlite.engines import SqliteEngines, end, register
from engine.stores.sqlite.events import SqliteEvents
from engine.stores.sqlite.faults import store_error
from engine.stores.sqlite.feed import SqliteFeed
from engine.stores.sqlite.locks import SqliteLocks
from engine.stores.sqlite.spans import SEARCHED_AT_MOST
from engine.stores.sqlite.transaction import Transaction
from engine.stores.sqlite.worker import RunBlocking
from engine.stores.sqlite.workflows import SqliteWorkflows

_PROBLEMS_SHOWN = 100


class SqliteStore(SqliteWorkflows, SqliteEvents, SqliteLocks, SqliteEngines, SqliteDocuments, SqliteFeed):
    """Implements :class:`engine.store.protocol.Store`; the contract is written there.

    Args:
        path: the ledger's file, in a directory of its own; None or ``:memory:`` for one in memory.
        clock: judges leases, and waits for the feed.
        run_blocking: does blocking calls in place of the store's own threads, one at a time.
        searched_at_most: rows that one page of a text search over workflows looks at.
    """

    def __init__(
        self,
        path: Path | str | None,
        *,
        clock: Clock,
        run_blocking: RunBlocking | None = None,
        searched_at_most: int = SEARCHED_AT_MOST,
    ) -> None:
        place = None if path is None or str(path) == ":memory:" else Path(path)
        super().__init__(place, clock=clock, run_blocking=run_blocking, searched_at_most=searched_at_most)

    async def open(self, me: Incarnation, *, is_read_only: bool = False) -> StoreFacts:
        """Open or create the ledger; see the protocol.

        Where it cannot be written it is opened for reading, and the facts say why.
        """
        if self._facts is not None:
            return self._facts
        facts = await self._open(me, is_read_only=is_read_only)
        if self._writer is not None:
            try:
                await self._write(lambda transaction: register(transaction, me, b"{}"))
            except StoreError:
                await self._close()
                raise
        return facts

    async def close(self) -> None:
        """Finish writes under way and let go of everything; see the protocol."""
        if self._is_closed or self._facts is None:
            self._is_closed = True
            return
        try:
            if self._writer is not None:
                me = self._me.incarnation
                # Where it cannot be written any more, the engine's kernel lock and heartbeat tell that it ended.
                with contextlib.suppress(StoreError):
                    await self._write(lambda transaction: end(transaction, me))
        finally:
            await self._close()

    async def prune(self, policy: Retention) -> None:
        """Remove what retention allows; see the protocol. Engines that events are still owed to stay."""

        def run(transaction: Transaction) -> None:
            newest = transaction.value("SELECT max(position) FROM notice") or 0
            transaction.run("DELETE FROM notice WHERE position <= ?", newest - max(1, policy.notices))
            before = transaction.instant.at - policy.ended_engines_older_than
            transaction.run(
                "DELETE FROM engine WHERE ended_at < ? AND incarnation NOT IN "
                "(SELECT incarnation FROM event INDEXED BY event_pending WHERE status = 'pending')",
                to_micros(before),
            )
            counters.drop_old_minutes(transaction)

        await self._write(run)

    async def backup(self, target: Path) -> None:
        """Copy the whole ledger; see the protocol."""
        if self._path is None:
            await self._scan(lambda found: _copy(found, target))
            return
        self._require_open()
        path, blocking = self._path, self._run_blocking or asyncio.to_thread
        try:
            await blocking(_copy_from, path, target)
        except apsw.Error as error:
            raise store_error(error, str(target)) from error

    async def check(self) -> Sequence[str]:
        """Return what SQLite's own integrity check finds; see the protocol."""

        def work(connection: apsw.Connection) -> tuple[str, ...]:
            found = sql.rows(connection, f"PRAGMA integrity_check({_PROBLEMS_SHOWN})")
            return tuple(str(line) for (line,) in found if line != "ok")

        return await self._scan(work)


def _copy_from(ledger: Path, target: Path) -> None:
    """Copy from a connection of its own: a reader in a snapshot keeps no writer waiting."""
    source = connections.open_source(ledger)
    try:
        _copy(source, target)
    finally:
        source.close()


def _copy(source: apsw.Connection, target: Path) -> None:
    if os.path.lexists(target):
        raise StoreUnsafeError(f"{target} exists already. Nothing was copied; choose another name.")
    if not target.parent.is_dir():
        raise StoreUnsafeError(f"There is no directory {target.parent}. Nothing was copied.")
    copy = apsw.Connection(str(target))
    try:
        with copy.backup("main", source, "main") as backup:
            backup.step(-1)
        copy.execute("PRAGMA journal_mode = DELETE")
    finally:
        copy.close()
