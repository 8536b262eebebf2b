"""One group of writes under way: what its writes share."""

from __future__ import annotations

from typing import Any, Final

import apsw

from engine.clock import Clock
from engine.model.lock import Incarnation, Instant
from engine.store.feed import NoticeKind
from engine.stores.sqlite import sql

_ADD: Final = (
    "INSERT INTO counter (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value"
)


class Transaction:
    """What a write is handed: statements, counters, notices and the moment.

    Counters are added up and written once a group; a thing that several writes of a group change has one notice.
    """

    def __init__(self, connection: apsw.Connection, clock: Clock, me: Incarnation) -> None:
        self.connection = connection
        self.me = me
        self._clock = clock
        self._instant: Instant | None = None
        self._added: dict[str, int] = {}
        self._positions: dict[tuple[NoticeKind, str], int] = {}
        self._has_bus_been_seen: bool | None = None

    @property
    def instant(self) -> Instant:
        """The moment by which this group judges leases."""
        if self._instant is None:
            self._instant = Instant(self._clock.now(), self._clock.monotonic(), self._clock.boot_id())
        return self._instant

    @property
    def has_notices(self) -> bool:
        """Whether readers of the feed have something to read."""
        return bool(self._positions)

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return every row that ``statement`` gives."""
        return self.connection.execute(statement, values).fetchall()

    def row(self, statement: str, *values: Any) -> tuple[Any, ...] | None:
        """Return the first row, or None."""
        return sql.row(self.connection, statement, *values)

    def value(self, statement: str, *values: Any) -> Any:
        """Return the first column of the first row, or None."""
        return sql.value(self.connection, statement, *values)

    def run(self, statement: str, *values: Any) -> int:
        """Do ``statement`` and return how many rows it changed."""
        self.connection.execute(statement, values)
        return self.connection.changes()

    def add(self, counter: str, by: int = 1) -> None:
        """Add to a maintained counter."""
        self._added[counter] = self._added.get(counter, 0) + by

    def counted(self, counter: str) -> int:
        """Return a counter as this group leaves it so far."""
        stored = self.value("SELECT value FROM counter WHERE name = ?", counter)
        return int(stored or 0) + self._added.get(counter, 0)

    def notice(self, kind: NoticeKind, key: str) -> int:
        """Tell the feed that something changed; returns the notice's position."""
        position = self._positions.get((kind, key))
        if position is None:
            self.connection.execute("INSERT INTO notice (kind, key) VALUES (?, ?)", (kind.value, key))
            position = self.connection.last_insert_rowid()
            self._positions[kind, key] = position
        return position

    def next_fence(self) -> int:
        """Raise the store's fence and return it; it is never reset."""
        fence: int = self.value("UPDATE meta SET value = value + 1 WHERE key = 'fence' RETURNING value")
        return fence

    def has_seen_bus(self) -> bool:
        """Return whether an engine with a bus was ever registered."""
        if self._has_bus_been_seen is None:
            self._has_bus_been_seen = bool(self.value("SELECT value FROM meta WHERE key = 'bus_seen'"))
        return self._has_bus_been_seen

    def finish(self) -> None:
        """Write what was added up; the last act before the commit."""
        added = [(name, by) for name, by in self._added.items() if by]
        if added:
            self.connection.executemany(_ADD, added)
