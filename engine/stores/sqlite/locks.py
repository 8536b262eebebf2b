"""Leases on workflows: granted, renewed, released, swept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import apsw

from engine.model.actor import Actor
from engine.model.entry import NewEntry
from engine.model.lock import Lock
from engine.model.names import EntryKind
from engine.model.times import format_time, to_micros
from engine.rules.locks import is_expired, is_held, may_grant
from engine.store.feed import NoticeKind
from engine.store.outcomes import Granted, GrantOutcome, Held, NoWorkflow
from engine.store.query import Page, Query
from engine.store.requests import LockRelease, LockRequest
from engine.stores.rows import LockColumns, decode_lock, lock_columns
from engine.stores.sqlite import entries, sql
from engine.stores.sqlite.ledger import Ledger
from engine.stores.sqlite.listing import page_of_locks
from engine.stores.sqlite.reading import LOCK_COLUMNS, read_lock
from engine.stores.sqlite.transaction import Transaction

_PUT: Final = f"INSERT OR REPLACE INTO lock ({LOCK_COLUMNS}) VALUES {sql.marks(LockColumns._fields)}"


class SqliteLocks(Ledger):
    """The locks' part of the store."""

    async def grant(self, request: LockRequest) -> GrantOutcome:
        """Grant a lease; see the protocol."""
        return await self._write(lambda transaction: _grant(transaction, request))

    async def release(self, release: LockRelease) -> bool:
        """Empty a lock's row; see the protocol. The holder's own release of an expired grant answers False."""
        return await self._write(lambda transaction: _release(transaction, release))

    async def renew(
        self, workflow_id: str, fence: int, ttl_s: float, expires_at: datetime, expires_mono: float
    ) -> bool:
        """Extend a grant; see the protocol. A void one is not extended: it would keep others out for ever."""

        def run(transaction: Transaction) -> bool:
            renewed = transaction.run(
                "UPDATE lock SET ttl_s = ?, expires_at = ?, expires_mono = ? "
                "WHERE workflow_id = ? AND fence = ? AND owner <> '' "
                "AND generation = (SELECT generation FROM workflow WHERE id = lock.workflow_id)",
                ttl_s,
                to_micros(expires_at),
                expires_mono,
                workflow_id,
                fence,
            )
            if renewed:
                transaction.notice(NoticeKind.LOCK, workflow_id)
            return bool(renewed)

        return await self._write(run)

    async def lock(self, workflow_id: str) -> Lock | None:
        """Return the lock row; see the protocol."""
        return await self._read(lambda connection: read_lock(connection, workflow_id))

    async def page_locks(self, query: Query) -> Page[Lock]:
        """Return held locks; see the protocol."""
        return await self._scan(lambda connection: page_of_locks(connection, query))

    async def expired_locks(self, boot_id: str, monotonic: float, at: datetime, limit: int) -> Sequence[Lock]:
        """Return held locks that expired; see the protocol."""

        def work(connection: apsw.Connection) -> tuple[Lock, ...]:
            found = sql.rows(
                connection,
                f"SELECT {LOCK_COLUMNS} FROM lock INDEXED BY lock_held WHERE owner <> '' "
                "AND CASE boot_id WHEN ? THEN expires_mono <= ? ELSE expires_at <= ? END ORDER BY expires_at LIMIT ?",
                boot_id,
                monotonic,
                to_micros(at),
                limit,
            )
            return tuple(decode_lock(LockColumns(*values)) for values in found)

        return await self._read(work)


def _grant(transaction: Transaction, request: LockRequest) -> GrantOutcome:
    workflow_id = request.workflow_id
    generation = transaction.value("SELECT generation FROM workflow WHERE id = ?", workflow_id)
    if generation is None:
        return NoWorkflow()
    row = read_lock(transaction.connection, workflow_id)
    is_free = may_grant(
        row,
        request.owner,
        request.me.incarnation,
        seen_fence=request.seen_fence,
        dead_fence=request.dead_fence,
        generation=generation,
        now=request.now,
    )
    if not is_free:
        return Held(row)
    lock = Lock(
        workflow_id=workflow_id,
        owner=request.owner,
        incarnation=request.me.incarnation,
        fence=transaction.next_fence(),
        generation=generation,
        acquired_at=request.now.at,
        ttl_s=request.ttl_s,
        expires_at=request.now.at + timedelta(seconds=request.ttl_s),
        boot_id=request.now.boot_id,
        expires_mono=request.now.monotonic + request.ttl_s,
    )
    transaction.run(_PUT, *lock_columns(lock))
    transaction.notice(NoticeKind.LOCK, workflow_id)
    entries.record(transaction, workflow_id, _grant_entry(request, row, lock), request_id=request.act.request_id)
    return Granted(lock)


def _grant_entry(request: LockRequest, row: Lock | None, lock: Lock) -> NewEntry:
    """Return the audit entry of a grant; it is a theft where another's valid lease ends by it."""
    body: dict[str, Any] = {
        "owner": lock.owner,
        "incarnation": lock.incarnation,
        "fence": lock.fence,
        "ttl_s": lock.ttl_s,
        "expires_at": format_time(lock.expires_at),
    }
    is_stolen = False
    if row is not None and is_held(row, request.now):
        is_stolen = (row.owner, row.incarnation) != (lock.owner, lock.incarnation)
        body["taken_from"] = {"owner": row.owner, "incarnation": row.incarnation, "fence": row.fence}
        body["was_dead"] = request.dead_fence == row.fence
    kind = EntryKind.LOCK_STOLEN if is_stolen else EntryKind.LOCK_ACQUIRED
    return _entry(kind, request.now.at, request.act.actor, request.act.reason, body)


def _release(transaction: Transaction, release: LockRelease) -> bool:
    row = read_lock(transaction.connection, release.workflow_id)
    if row is None or not row.owner or row.fence != release.fence:
        return False
    # A sweep must find it expired still (it may have been renewed), the holder's own release must not.
    if not release.is_forced and is_expired(row, release.now) != release.is_expiry:
        return False
    fence = transaction.next_fence() if release.is_forced else row.fence
    transaction.run(_PUT, *lock_columns(replace(row, owner="", incarnation="", fence=fence)))
    transaction.notice(NoticeKind.LOCK, release.workflow_id)
    body = {
        "owner": row.owner,
        "incarnation": row.incarnation,
        "fence": row.fence,
        "is_forced": release.is_forced,
    }
    new = _entry(_kind_of(release), release.now.at, release.act.actor, release.act.reason, body)
    entries.record(transaction, release.workflow_id, new, request_id=release.act.request_id)
    return True


def _kind_of(release: LockRelease) -> EntryKind:
    if release.is_steal:
        return EntryKind.LOCK_STOLEN
    if release.is_forced:
        return EntryKind.UNLOCK
    return EntryKind.LOCK_EXPIRED if release.is_expiry else EntryKind.LOCK_RELEASED


def _entry(kind: EntryKind, at: datetime, actor: Actor, reason: str | None, body: dict[str, Any]) -> NewEntry:
    return NewEntry(kind=kind, at=at, actor=actor, reason=reason, is_audit=True, body=body)
