"""The feed: what changed after a position, merged."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

import apsw

from engine.errors import StoreError
from engine.store.feed import Changes, Notice, NoticeKind
from engine.stores.sqlite import sql
from engine.stores.sqlite.ledger import Ledger
from engine.stores.sqlite.waiting import Pace

LONGEST_BACKLOG: Final = 20_000
"""Notices that one answer merges at most; a reader further behind reads everything anew."""


class SqliteFeed(Ledger):
    """The feed's part of the store."""

    async def version(self) -> int:
        """Return the newest position; see the protocol."""
        return await self._read(_newest)

    def feed(self, after: int | None = None) -> AsyncGenerator[Changes]:
        """Yield what changed after a position; see the protocol. It ends when the store is closed."""
        return self._follow(after)

    async def _follow(self, after: int | None) -> AsyncGenerator[Changes]:
        listener = self._listeners.add()
        pace = Pace(self._clock)
        try:
            position = await self.version() if after is None else after
            data_version = -1
            while not self._is_closed:
                found, data_version = await self._look(position, data_version)
                if found is not None:
                    position = found.position
                    pace.saw_change()
                    yield found
                    continue
                await listener.wait(self._clock, None if self._path is None else pace.next_s())
        except StoreError:
            if not self._is_closed:
                raise
        finally:
            self._listeners.remove(listener)

    async def _look(self, position: int, data_version: int) -> tuple[Changes | None, int]:
        def look(connection: apsw.Connection) -> tuple[Changes | None, int]:
            # Asked before the notices are read: a change in between is then seen again, never missed.
            present = sql.value(connection, "PRAGMA data_version") if self._path is not None else -1
            if present == data_version != -1:
                return None, present
            return changes_after(connection, position), present

        return await self._read(look)


def changes_after(connection: apsw.Connection, position: int) -> Changes | None:
    """Return what changed after ``position``, or None where nothing did."""
    newest = _newest(connection)
    if newest == position:
        return None
    oldest = sql.value(connection, "SELECT min(position) FROM notice") or 0
    if position > newest or oldest > position + 1 or newest - position > LONGEST_BACKLOG:
        return Changes(newest, frozenset(), is_reset=True)
    found = sql.rows(connection, "SELECT DISTINCT kind, key FROM notice WHERE position > ?", position)
    return Changes(newest, frozenset(Notice(NoticeKind(kind), key) for kind, key in found))


def _newest(connection: apsw.Connection) -> int:
    return int(sql.value(connection, "SELECT max(position) FROM notice") or 0)
