"""The append-only chain: numbering, hashing, reading."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, NamedTuple

import apsw

from engine.model.entry import Entry, NewEntry, chain_hash
from engine.store.feed import NoticeKind
from engine.stores.rows import EntryColumns, decode_entry, entry_columns
from engine.stores.sqlite import sql
from engine.stores.sqlite.transaction import Transaction

COMMITTED: Final = "committed"
REFUSED: Final = "refused"
STORE_WIDE: Final = ""
"""The chain of what concerns no workflow."""

ENTRY_COLUMNS: Final = sql.columns(EntryColumns._fields)
_INSERT: Final = f"INSERT INTO entry ({ENTRY_COLUMNS}) VALUES {sql.marks(EntryColumns._fields)}"


class Place(NamedTuple):
    """Where an entry goes: the end of a chain, and the workflow as the entry leaves it."""

    workflow_id: str
    entry_no: int
    head_hash: str
    revision: int
    generation: int


def append(  # noqa: PLR0913  the entry's own facts, named at the call
    transaction: Transaction,
    place: Place,
    new: NewEntry,
    *,
    request_id: str | None = None,
    payload_hash: str | None = None,
    outcome: str = COMMITTED,
) -> Entry:
    """Write ``new`` as the next entry; the caller writes the chain's new end.

    Raises:
        ValueError: some part of its body has no JSON shape.
    """
    entry = Entry(
        workflow_id=place.workflow_id,
        n=place.entry_no + 1,
        kind=new.kind,
        at=new.at,
        actor=new.actor.name,
        reason=new.reason,
        revision=place.revision,
        generation=place.generation,
        from_state=new.from_state,
        to_state=new.to_state,
        request_id=request_id,
        payload_hash=payload_hash,
        outcome=outcome,
        is_history=new.is_history,
        is_audit=new.is_audit,
        body={**new.body, "actor": {"kind": new.actor.kind.value, **new.actor.facts}},
        hash="",
    )
    entry = _sealed(entry, place.head_hash)
    transaction.run(_INSERT, *entry_columns(entry))
    return entry


def record(
    transaction: Transaction,
    workflow_id: str,
    new: NewEntry,
    *,
    request_id: str | None = None,
    outcome: str = COMMITTED,
) -> Entry:
    """Write an entry that changes no workflow; one about a workflow that is not there goes to the store-wide chain."""
    found = transaction.row(
        "SELECT id, entry_no, head_hash, revision, generation FROM workflow WHERE id = ?", workflow_id
    )
    if found is None:
        return _record_store_wide(transaction, new, request_id=request_id, outcome=outcome)
    entry = append(transaction, Place(*found), new, request_id=request_id, outcome=outcome)
    transaction.run(
        "UPDATE workflow SET entry_no = ?, head_hash = ?, position = ? WHERE id = ?",
        entry.n,
        entry.hash,
        transaction.notice(NoticeKind.WORKFLOW, workflow_id),
        workflow_id,
    )
    return entry


def read(
    connection: apsw.Connection, workflow_id: str, after: int, limit: int, *, history_only: bool
) -> tuple[Entry, ...]:
    """Return entries numbered above ``after``, in order."""
    history = "AND is_history" if history_only else ""
    found = sql.rows(
        connection,
        f"SELECT {ENTRY_COLUMNS} FROM entry WHERE workflow_id = ? AND n > ? {history} ORDER BY n LIMIT ?",
        workflow_id,
        after,
        limit,
    )
    return tuple(entry_of(values) for values in found)


def last_history(connection: apsw.Connection, workflow_id: str, limit: int) -> tuple[tuple[Entry, ...], int]:
    """Return the newest ``limit`` history entries in order, and how many older ones there are."""
    found = sql.rows(
        connection,
        f"SELECT {ENTRY_COLUMNS} FROM entry WHERE workflow_id = ? AND is_history ORDER BY n DESC LIMIT ?",
        workflow_id,
        limit,
    )
    entries = tuple(entry_of(values) for values in reversed(found))
    if len(entries) < limit:
        return entries, 0
    oldest = entries[0].n if entries else None
    older = sql.value(
        connection,
        "SELECT count(*) FROM entry WHERE workflow_id = ? AND is_history AND (?2 IS NULL OR n < ?2)",
        workflow_id,
        oldest,
    )
    return entries, older


def head(connection: apsw.Connection, workflow_id: str) -> tuple[int, str]:
    """Return number and hash of a chain's newest entry as kept outside the chain."""
    if workflow_id == STORE_WIDE:
        kept = dict(sql.rows(connection, "SELECT key, value FROM meta WHERE key IN ('chain_no', 'chain_hash')"))
        return kept["chain_no"], kept["chain_hash"]
    found = sql.row(connection, "SELECT entry_no, head_hash FROM workflow WHERE id = ?", workflow_id)
    return (0, "") if found is None else (found[0], found[1])


def committed(connection: apsw.Connection, workflow_id: str, request_id: str) -> Entry | None:
    """Return the entry that a commit of this request wrote, or None."""
    found = sql.row(
        connection,
        f"SELECT {ENTRY_COLUMNS} FROM entry WHERE workflow_id = ? AND request_id = ? AND payload_hash IS NOT NULL",
        workflow_id,
        request_id,
    )
    return None if found is None else entry_of(found)


def entry_of(values: tuple[Any, ...]) -> Entry:
    """Return the entry of a row of ``ENTRY_COLUMNS``."""
    return decode_entry(EntryColumns(*values))


def _record_store_wide(transaction: Transaction, new: NewEntry, *, request_id: str | None, outcome: str) -> Entry:
    head = dict(transaction.rows("SELECT key, value FROM meta WHERE key IN ('chain_no', 'chain_hash')"))
    place = Place(STORE_WIDE, head["chain_no"], head["chain_hash"], 0, 0)
    entry = append(transaction, place, new, request_id=request_id, outcome=outcome)
    transaction.run("UPDATE meta SET value = ? WHERE key = 'chain_no'", entry.n)
    transaction.run("UPDATE meta SET value = ? WHERE key = 'chain_hash'", entry.hash)
    transaction.notice(NoticeKind.WORKFLOW, STORE_WIDE)
    return entry


def _sealed(entry: Entry, previous: str) -> Entry:
    return replace(entry, hash=chain_hash(previous, entry))
