"""Maintained counters: their names, and what a change adds to them."""

from __future__ import annotations

from typing import Final

import apsw

from engine.errors import WorkflowErrorType
from engine.model.entry import Entry
from engine.model.names import EntryKind, EventStatus, Phase
from engine.model.times import to_micros
from engine.stores.rows import WorkflowColumns
from engine.stores.sqlite import sql
from engine.stores.sqlite.transaction import Transaction

ACCEPTED: Final = "events_accepted"
FAILING: Final = "events_failing"
"""Pending events that were tried at least once."""

DOCUMENT_PROBLEMS: Final = "documents/problem"
MINUTES_KEPT: Final = 120

_MINUTE: Final = 60_000_000
_MOVES: Final = frozenset(
    (
        EntryKind.TRANSITION,
        EntryKind.ROLLBACK,
        EntryKind.RETRY,
        EntryKind.FORCE,
        EntryKind.CANCEL,
        EntryKind.TIMEOUT,
        EntryKind.EXTERNAL,
    )
)


def flows(workflow_type: str, state: str) -> str:
    """Return the name of the counter of workflows of a type in a state."""
    return f"flows/{part(workflow_type)}/{part(state)}"


def events(status: EventStatus | str) -> str:
    """Return the name of the counter of events with a status."""
    return f"events/{status}"


def read(connection: apsw.Connection, prefix: str) -> dict[str, int]:
    """Return the counters whose names start with ``prefix``."""
    # The next name after all that start with the prefix: an index range, where LIKE would be a scan.
    end = prefix[:-1] + chr(ord(prefix[-1]) + 1) if prefix else "\U0010ffff"
    return dict(sql.rows(connection, "SELECT name, value FROM counter WHERE name >= ? AND name < ?", prefix, end))


def add_change(transaction: Transaction, before: WorkflowColumns | None, after: WorkflowColumns, entry: Entry) -> None:
    """Count what a commit did to one workflow."""
    if before is None or (before.type, before.state) != (after.type, after.state):
        transaction.add(flows(after.type, after.state))
        if before is not None:
            transaction.add(flows(before.type, before.state), -1)
    if before is None or before.flag != after.flag:
        if after.flag:
            transaction.add(f"flag/{after.flag}")
        if before is not None and before.flag:
            transaction.add(f"flag/{before.flag}", -1)
    if entry.kind in _MOVES and entry.from_state is not None and entry.to_state is not None:
        parts = (part(after.type), part(entry.from_state), part(entry.to_state))
        transaction.add("transitions/" + "/".join(parts))
    _add_failure(transaction, before, after, entry)


def add_error(transaction: Transaction, error_type: str, at_micros: int) -> None:
    """Count an error, in total and in its minute."""
    transaction.add(f"errors/{error_type}")
    transaction.add(f"errors/{error_type}/{at_micros // _MINUTE}")


def drop_old_minutes(transaction: Transaction) -> None:
    """Remove the error counts of minutes longer ago than two hours."""
    oldest = to_micros(transaction.instant.at) // _MINUTE - MINUTES_KEPT
    for (name,) in transaction.rows("SELECT name FROM counter WHERE name >= 'errors/' AND name < 'errors0'"):
        minute = name.rpartition("/")[2]
        if minute.isdecimal() and int(minute) < oldest:
            transaction.run("DELETE FROM counter WHERE name = ?", name)


def _add_failure(
    transaction: Transaction, before: WorkflowColumns | None, after: WorkflowColumns, entry: Entry
) -> None:
    """Count the error of a workflow that fails now; one adopted as failed, failed some other time."""
    if before is None:
        return
    at = to_micros(entry.at)
    if after.phase == Phase.FAILED.value and before.phase != Phase.FAILED.value:
        add_error(transaction, after.error_type or WorkflowErrorType.UNKNOWN_ERROR.value, at)
    elif entry.kind is EntryKind.TIMEOUT:
        add_error(transaction, WorkflowErrorType.TIMEOUT.value, at)


def part(text: str) -> str:
    """Return a type or state as it stands in a counter's name; one from a document may hold a slash."""
    return text.replace("/", "%2F")
