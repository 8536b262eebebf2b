"""Engines, store-wide roles and deadlines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import apsw
from pydantic_core import from_json

from engine.model.lock import Incarnation
from engine.model.plain import encode
from engine.model.times import from_micros, to_micros
from engine.store.feed import NoticeKind
from engine.store.query import EngineRow, LeaseRow
from engine.store.requests import Lease
from engine.stores.rows import optional_time
from engine.stores.sqlite import sql
from engine.stores.sqlite.ledger import Ledger
from engine.stores.sqlite.reading import json_list
from engine.stores.sqlite.transaction import Transaction

_COLUMNS: Final = (
    "incarnation",
    "kind",
    "host",
    "boot_id",
    "pid",
    "process_start",
    "has_bus",
    "log_dir",
    "heartbeat_at",
    "ended_at",
    "facts",
)
_PUT: Final = f"INSERT OR REPLACE INTO engine ({sql.columns(_COLUMNS)}) VALUES {sql.marks(_COLUMNS)}"
_RUNNING: Final = "phase = 'open' AND deadline_at IS NOT NULL AND paused_at IS NULL"


class SqliteEngines(Ledger):
    """The engines' part of the store."""

    async def heartbeat(self, facts: Mapping[str, Any]) -> None:
        """Say that this engine lives; see the protocol. A true ``has_bus`` among the facts is taken over."""
        if facts.get("has_bus") and not self._me.has_bus:
            self._become(replace(self._me, has_bus=True))
        me, body = self._me, encode(dict(facts))
        await self._write(lambda transaction: register(transaction, me, body))

    async def end_engine(self, incarnation: str) -> None:
        """Mark an engine as ended; see the protocol."""
        await self._write(lambda transaction: end(transaction, incarnation))

    async def engines(self) -> Sequence[EngineRow]:
        """Return engines; see the protocol."""
        return await self._read(_engines)

    async def lead(self, name: str, ttl_s: float, now: datetime, *, dead: Sequence[str] = ()) -> Lease | None:
        """Take or keep a role; see the protocol."""
        return await self._write(lambda transaction: _lead(transaction, name, ttl_s, now, dead))

    async def resign(self, name: str) -> None:
        """Give a role up; see the protocol."""

        def run(transaction: Transaction) -> None:
            me = transaction.me.incarnation
            if transaction.run("UPDATE lease SET incarnation = '' WHERE name = ? AND incarnation = ?", name, me):
                transaction.notice(NoticeKind.ENGINE, me)

        await self._write(run)

    async def leases(self) -> Sequence[LeaseRow]:
        """Return who holds which role; see the protocol."""

        def work(connection: apsw.Connection) -> tuple[LeaseRow, ...]:
            found = sql.rows(
                connection,
                "SELECT name, incarnation, fence, expires_at FROM lease WHERE incarnation <> '' ORDER BY name",
            )
            return tuple(
                LeaseRow(name=name, incarnation=holder, fence=fence, expires_at=from_micros(expires_at))
                for name, holder, fence, expires_at in found
            )

        return await self._read(work)

    async def overdue(self, at: datetime, limit: int) -> Sequence[str]:
        """Return ids of workflows past their deadline; see the protocol."""

        def work(connection: apsw.Connection) -> tuple[str, ...]:
            found = sql.rows(
                connection,
                f"SELECT id FROM workflow INDEXED BY workflow_deadline WHERE {_RUNNING} AND deadline_at <= ? "
                "ORDER BY deadline_at LIMIT ?",
                to_micros(at),
                limit,
            )
            return tuple(workflow_id for (workflow_id,) in found)

        return await self._read(work)

    async def next_deadline(self) -> datetime | None:
        """Return the earliest deadline; see the protocol."""

        def work(connection: apsw.Connection) -> datetime | None:
            statement = f"SELECT min(deadline_at) FROM workflow INDEXED BY workflow_deadline WHERE {_RUNNING}"
            return optional_time(sql.value(connection, statement))

        return await self._read(work)


def register(transaction: Transaction, me: Incarnation, facts: bytes) -> None:
    """Write this engine's row. One that was marked as ended by mistake lives again."""
    before = transaction.row("SELECT facts, ended_at FROM engine WHERE incarnation = ?", me.incarnation)
    transaction.run(
        _PUT,
        me.incarnation,
        me.kind,
        me.host,
        me.boot_id,
        me.pid,
        me.process_start,
        int(me.has_bus),
        me.log_dir,
        to_micros(transaction.instant.at),
        None,
        facts,
    )
    if me.has_bus and not transaction.has_seen_bus():
        transaction.run("UPDATE meta SET value = 1 WHERE key = 'bus_seen'")
    if before != (facts, None):
        transaction.notice(NoticeKind.ENGINE, me.incarnation)


def end(transaction: Transaction, incarnation: str) -> None:
    """Mark an engine as ended, once, and free its roles."""
    at = to_micros(transaction.instant.at)
    if transaction.run("UPDATE engine SET ended_at = ? WHERE incarnation = ? AND ended_at IS NULL", at, incarnation):
        transaction.run("UPDATE lease SET incarnation = '' WHERE incarnation = ?", incarnation)
        transaction.notice(NoticeKind.ENGINE, incarnation)


def _engines(connection: apsw.Connection) -> tuple[EngineRow, ...]:
    found = sql.rows(
        connection,
        f"SELECT {sql.columns(_COLUMNS)} FROM engine ORDER BY ended_at IS NOT NULL, heartbeat_at DESC",
    )
    return tuple(_engine(values) for values in found)


def _engine(values: tuple[Any, ...]) -> EngineRow:
    return EngineRow(
        engine=Incarnation(
            incarnation=values[0],
            kind=values[1],
            host=values[2],
            boot_id=values[3],
            pid=values[4],
            process_start=values[5],
            has_bus=bool(values[6]),
            log_dir=values[7],
        ),
        heartbeat_at=from_micros(values[8]),
        ended_at=optional_time(values[9]),
        facts=from_json(values[10]),
    )


def _lead(transaction: Transaction, name: str, ttl_s: float, now: datetime, dead: Sequence[str]) -> Lease | None:
    me = transaction.me.incarnation
    at, expires_at = to_micros(now), now + timedelta(seconds=ttl_s)
    row = transaction.row("SELECT incarnation, fence FROM lease WHERE name = ?", name)
    if row is not None and row[0] == me:
        transaction.run("UPDATE lease SET expires_at = ? WHERE name = ?", to_micros(expires_at), name)
        return Lease(name=name, incarnation=me, fence=row[1], expires_at=expires_at)
    is_free = row is None or transaction.value(
        "SELECT incarnation = '' OR expires_at <= ? OR incarnation IN (SELECT value FROM json_each(?)) "
        "FROM lease WHERE name = ?",
        at,
        json_list(dead),
        name,
    )
    if not is_free:
        return None
    fence = transaction.next_fence()
    transaction.run(
        "INSERT OR REPLACE INTO lease (name, incarnation, fence, expires_at) VALUES (?, ?, ?, ?)",
        name,
        me,
        fence,
        to_micros(expires_at),
    )
    transaction.notice(NoticeKind.ENGINE, me)
    return Lease(name=name, incarnation=me, fence=fence, expires_at=expires_at)
