"""The one change of a workflow: prepared outside the transaction, compared and written inside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import apsw
from pydantic_core import from_json

from engine.errors import LockMovedOnError, RefusedError, RequestReusedError, WorkflowExistsError
from engine.model.change import Change, LockPolicy
from engine.model.entry import Entry
from engine.model.lock import Lock
from engine.model.names import EntryKind, Origin
from engine.rules.document_size import too_large
from engine.rules.locks import may_write
from engine.store.feed import NoticeKind
from engine.store.outcomes import Committed, Conflict, EventId, Fenced, Outcome, Refused
from engine.stores.rows import StepColumns, WorkflowColumns, changed_steps, encode_body, search_text, workflow_columns
from engine.stores.sqlite import counters, entries, outbox, sql
from engine.stores.sqlite.reading import WORKFLOW_COLUMNS, read_lock, read_workflow
from engine.stores.sqlite.transaction import Transaction

_OWN: Final = ("owed_revision", "entry_no", "head_hash", "position", "search_text")
"""The columns of a workflow that are the store's own."""

_FIXED: Final = ("id", "type", "created_at")
"""Columns that only another program's document can change: left out of the usual update with their indexes."""

_CHANGING: Final = tuple(name for name in WorkflowColumns._fields if name not in _FIXED)

_STORED: Final = f"SELECT row_id, entry_no, head_hash, owed_revision, {WORKFLOW_COLUMNS} FROM workflow WHERE id = ?"
_INSERT: Final = (
    f"INSERT INTO workflow ({WORKFLOW_COLUMNS}, {sql.columns(_OWN)}) "
    f"VALUES {sql.marks((*WorkflowColumns._fields, *_OWN))}"
)
_UPDATE: Final = (
    f"UPDATE workflow SET ({sql.columns((*_CHANGING, *_OWN))}) = {sql.marks((*_CHANGING, *_OWN))} WHERE row_id = ?"
)
_UPDATE_FIXED: Final = "UPDATE workflow SET type = ?, created_at = ? WHERE row_id = ?"
_UPDATE_CHAIN: Final = "UPDATE workflow SET entry_no = ?, head_hash = ?, position = ? WHERE row_id = ?"
_PUT_BODY: Final = "INSERT OR REPLACE INTO workflow_body (row_id, body) VALUES (?, ?)"
_PUT_STEP: Final = (
    f"INSERT OR REPLACE INTO step (workflow_id, {sql.columns(StepColumns._fields)}) "
    f"VALUES {sql.marks(('workflow_id', *StepColumns._fields))}"
)

_NOT_OWED: Final = frozenset((EntryKind.ADOPTED, EntryKind.EXTERNAL, EntryKind.FLAGGED))
"""Changes of external workflows that their document on disk caused, and so shows already."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A change with everything encoded that does not depend on what the store holds.

    Attributes:
        refusal: why it cannot be made at all; the first outcome of a repeated request still comes before it.
    """

    change: Change
    columns: WorkflowColumns
    body: bytes
    search_text: str
    steps: tuple[StepColumns, ...]
    dropped_steps: tuple[int, ...]
    is_new_revision: bool
    refusal: RefusedError | None


class _Stored(NamedTuple):
    """The workflow's row as the transaction finds it."""

    row_id: int
    entry_no: int
    head_hash: str
    owed_revision: int
    columns: WorkflowColumns


@dataclass(frozen=True, slots=True)
class Written:
    """What a commit wrote; ``event_bodies`` are still encoded."""

    change: Change
    entry: Entry
    event_ids: tuple[EventId, ...]
    event_bodies: tuple[bytes, ...] = field(default=())

    def outcome(self) -> Committed:
        """Return it as its caller sees it; bodies decoded anew share nothing with the workflow."""
        bodies = tuple(from_json(body) for body in self.event_bodies)
        return Committed(self.change.after, self.entry, self.event_ids, event_bodies=bodies)


def prepare(change: Change) -> Prepared:
    """Encode a change and look at its own consistency.

    Raises:
        ValueError: some part of it has no JSON shape, or its revisions do not follow each other.
    """
    before, after = change.before, change.after
    is_new_revision = before is None or after.revision != before.revision
    if after.revision != (before.revision if before is not None else 0) + is_new_revision:
        message = f"revision {after.revision} does not follow the one the change was computed from"
        raise ValueError(message)
    steps, dropped = changed_steps(before.steps if before is not None else (), after.steps)
    body = encode_body(after) if is_new_revision else b""
    return Prepared(
        change=change,
        columns=workflow_columns(after),
        body=body,
        search_text=search_text(after) if is_new_revision else "",
        steps=steps,
        dropped_steps=dropped,
        is_new_revision=is_new_revision,
        refusal=too_large(change, len(body) + sum(len(step.body) for step in steps)),
    )


def apply(transaction: Transaction, prepared: Prepared) -> Outcome | Written:
    """Compare, in the protocol's order, then write all of it."""
    change = prepared.change
    entry = entries.committed(transaction.connection, change.workflow_id, change.request_id)
    if entry is not None:
        if entry.payload_hash != change.payload_hash:
            return Refused(RequestReusedError(change.workflow_id, change.request_id))
        return _replay(transaction.connection, entry)
    if prepared.refusal is not None:
        return Refused(prepared.refusal)
    stored = _read_stored(transaction, change.workflow_id)
    against = _compare_revision(change, stored) or _compare_lock(transaction, change, stored)
    if against is not None:
        return against
    return _write(transaction, prepared, stored)


def settle(connection: apsw.Connection, workflow_id: str, request_id: str) -> Committed | None:
    """Return the committed outcome of a request, or None if it never happened."""
    entry = entries.committed(connection, workflow_id, request_id)
    return None if entry is None else _replay(connection, entry)


def _replay(connection: apsw.Connection, entry: Entry) -> Committed:
    workflow = read_workflow(connection, entry.workflow_id)
    if workflow is None:
        message = f"{entry.workflow_id} has an entry and no row"
        raise apsw.CorruptError(message)
    numbers = sql.rows(
        connection,
        "SELECT n FROM event WHERE workflow_id = ? AND entry_n = ? ORDER BY n",
        entry.workflow_id,
        entry.n,
    )
    ids = tuple(EventId(workflow_id=entry.workflow_id, entry_n=entry.n, n=n) for (n,) in numbers)
    return Committed(workflow, entry, ids, is_replay=True)


def _read_stored(transaction: Transaction, workflow_id: str) -> _Stored | None:
    found = transaction.row(_STORED, workflow_id)
    if found is None:
        return None
    row_id, entry_no, head_hash, owed_revision, *columns = found
    return _Stored(row_id, entry_no, head_hash, owed_revision, WorkflowColumns(*columns))


def _compare_revision(change: Change, stored: _Stored | None) -> Conflict | Refused | None:
    if change.before is None:
        return None if stored is None else Refused(WorkflowExistsError(change.workflow_id))
    found = 0 if stored is None else stored.columns.revision
    return None if found == change.before.revision else Conflict(change.before.revision, found)


def _compare_lock(transaction: Transaction, change: Change, stored: _Stored | None) -> Fenced | None:
    if change.lock_policy is LockPolicy.PASS and change.lock_fence is None:
        return None
    lock = read_lock(transaction.connection, change.workflow_id)
    if change.lock_fence is not None and change.lock_fence != _held_fence(lock):
        return Fenced(LockMovedOnError(change.workflow_id), lock)
    if change.lock_policy is LockPolicy.PASS:
        return None
    generation = stored.columns.generation if stored is not None else change.after.generation
    error = may_write(lock, change.claim, generation=generation, now=transaction.instant)
    return None if error is None else Fenced(error, lock)


def _held_fence(lock: Lock | None) -> int:
    """Return the fence a plan sees: 0 where nobody holds the lock."""
    return lock.fence if lock is not None and lock.owner else 0


def _write(transaction: Transaction, prepared: Prepared, stored: _Stored | None) -> Written:
    change = prepared.change
    end = (0, "") if stored is None else (stored.entry_no, stored.head_hash)
    place = entries.Place(change.workflow_id, *end, change.after.revision, change.after.generation)
    entry = entries.append(
        transaction, place, change.entry, request_id=change.request_id, payload_hash=change.payload_hash
    )
    position = transaction.notice(NoticeKind.WORKFLOW, change.workflow_id)
    if stored is not None and not prepared.is_new_revision:
        transaction.run(_UPDATE_CHAIN, entry.n, entry.hash, position, stored.row_id)
    else:
        _write_workflow(transaction, prepared, stored, entry, position)
        counters.add_change(transaction, stored.columns if stored is not None else None, prepared.columns, entry)
    if change.before is not None and change.after.generation > change.before.generation:
        _refresh_grant(transaction, change)
    ids, bodies = outbox.insert(transaction, entry, change.entry.events)
    return Written(change, entry, ids, bodies)


def _write_workflow(
    transaction: Transaction, prepared: Prepared, stored: _Stored | None, entry: Entry, position: int
) -> None:
    columns, workflow_id = prepared.columns, prepared.change.workflow_id
    is_owed = columns.origin == Origin.OWN.value or entry.kind not in _NOT_OWED
    owed = columns.revision if is_owed else (stored.owed_revision if stored is not None else 0)
    own: tuple[Any, ...] = (owed, entry.n, entry.hash, position, prepared.search_text)
    if stored is None:
        transaction.run(_INSERT, *columns, *own)
        row_id = transaction.connection.last_insert_rowid()
    else:
        row_id = stored.row_id
        transaction.run(_UPDATE, *(getattr(columns, name) for name in _CHANGING), *own, row_id)
        if (stored.columns.type, stored.columns.created_at) != (columns.type, columns.created_at):
            transaction.run(_UPDATE_FIXED, columns.type, columns.created_at, row_id)
    transaction.run(_PUT_BODY, row_id, prepared.body)
    for n in prepared.dropped_steps:
        transaction.run("DELETE FROM step WHERE workflow_id = ? AND n = ?", workflow_id, n)
    for step in prepared.steps:
        transaction.run(_PUT_STEP, workflow_id, *step)


def _refresh_grant(transaction: Transaction, change: Change) -> None:
    """Let a holder's own rollback keep its grant: it takes the generation the rollback made."""
    claim = change.claim
    if claim is None or change.before is None or claim.generation != change.before.generation:
        return
    transaction.run(
        "UPDATE lock SET generation = ? WHERE workflow_id = ? AND fence = ? AND owner = ? AND incarnation = ?",
        change.after.generation,
        change.workflow_id,
        claim.fence,
        claim.owner,
        claim.incarnation,
    )
