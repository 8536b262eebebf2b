"""The outbox and the dead letter."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import apsw

from engine.model.actor import Act
from engine.model.times import to_micros
from engine.store.outcomes import EventId
from engine.store.query import EventRow, Page, Query
from engine.store.requests import Attempt, Claimed, EventVerb
from engine.stores.rows import optional_time
from engine.stores.sqlite import delivering, moving, sql
from engine.stores.sqlite.ledger import Ledger
from engine.stores.sqlite.listing import EVENT_COLUMNS, event_of, page_of_events
from engine.stores.sqlite.transaction import Transaction


class SqliteEvents(Ledger):
    """The events' part of the store."""

    async def claim(self, now: datetime, limit: int) -> Sequence[Claimed]:
        """Take due events; see the protocol. An engine without a bus gets none."""
        me, at = self._me, to_micros(now)
        if not me.has_bus or not await self._read(lambda found: delivering.has_claimable(found, me.incarnation, at)):
            return ()
        return await self._write(lambda transaction: delivering.claim(transaction, at, limit))

    async def adopt_events(self, dead: Sequence[str]) -> int:
        """Hand over the pending events of dead engines; see the protocol."""
        if not dead:
            return 0
        return await self._write(lambda transaction: delivering.adopt(transaction, dead))

    async def record_attempts(self, attempts: Sequence[Attempt]) -> None:
        """Record delivery outcomes; see the protocol."""
        if attempts:
            await self._write(lambda transaction: delivering.record_attempts(transaction, attempts))

    async def has_earlier_pending(self, event_id: EventId) -> bool:
        """Return whether an older event of the workflow is pending; see the protocol."""

        def work(connection: apsw.Connection) -> bool:
            found = sql.row(
                connection,
                "SELECT 1 FROM event WHERE workflow_id = ? AND status = 'pending' AND (entry_n, n) < (?, ?) LIMIT 1",
                event_id.workflow_id,
                event_id.entry_n,
                event_id.n,
            )
            return found is not None

        return await self._read(work)

    async def next_due(self, now: datetime) -> datetime | None:  # noqa: ARG002  the ledger's times are absolute
        """Return when the next event can be claimed; see the protocol."""
        me = self._me
        if not me.has_bus:
            return None
        return optional_time(await self._read(lambda connection: delivering.next_due(connection, me.incarnation)))

    async def move_events(self, ids: Sequence[EventId], verb: EventVerb, now: datetime, act: Act) -> Sequence[str]:
        """Do an operator's verb on events; see the protocol."""

        def run(transaction: Transaction) -> tuple[str, ...]:
            return tuple(moving.move(transaction, event_id, verb, now, act) for event_id in ids)

        return await self._write(run)

    async def page_events(self, statuses: Sequence[str], query: Query, *, failing_only: bool = False) -> Page[EventRow]:
        """Return a page of events; see the protocol."""
        return await self._scan(lambda found: page_of_events(found, statuses, query, failing_only=failing_only))

    async def event(self, event_id: EventId) -> EventRow | None:
        """Return one event; see the protocol."""

        def work(connection: apsw.Connection) -> EventRow | None:
            found = sql.row(
                connection,
                f"SELECT {EVENT_COLUMNS} FROM event WHERE workflow_id = ? AND entry_n = ? AND n = ?",
                event_id.workflow_id,
                event_id.entry_n,
                event_id.n,
            )
            return None if found is None else event_of(found)

        return await self._read(work)
