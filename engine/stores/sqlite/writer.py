"""Group commit: the writes that wait share one transaction, and each gets its own outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import apsw

from engine.clock import Clock
from engine.errors import StoreError
from engine.model.lock import Incarnation
from engine.stores.sqlite.connection import check_schema
from engine.stores.sqlite.faults import store_error
from engine.stores.sqlite.presence import Presence
from engine.stores.sqlite.transaction import Transaction
from engine.stores.sqlite.worker import Call

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Write(Generic[ResultT]):
    """A write for a group. It may run twice: a neighbour's exception rolls the group back.

    Attributes:
        run: does it; an exception means that it did nothing.
        settle: looks up, after a failed COMMIT, whether it happened all the same; None: it cannot be told.
        unknown: makes the outcome of a write that cannot be settled, from its cause.
    """

    run: Callable[[Transaction], ResultT]
    settle: Callable[[apsw.Connection], ResultT | None] | None = None
    unknown: Callable[[str], ResultT] | None = None


class _CommitFailedError(Exception):
    """COMMIT itself failed: what it was to make durable may or may not be."""

    def __init__(self, cause: apsw.Error) -> None:
        super().__init__(str(cause))
        self.cause = cause


class GroupWriter:
    """Runs batches of writes on the one writing connection; a call that is no :class:`Write` only reads.

    Attributes:
        transactions: how many were committed.
    """

    def __init__(  # noqa: PLR0913  what it works with, all keywords
        self,
        connection: apsw.Connection,
        *,
        place: str,
        presence: Presence,
        clock: Clock,
        me: Incarnation,
        on_notices: Callable[[], None],
    ) -> None:
        self.me = me
        self.transactions = 0
        self._connection = connection
        self._place = place
        self._presence = presence
        self._clock = clock
        self._on_notices = on_notices

    def execute(self, calls: Sequence[Call[Any]]) -> None:
        """Do a batch: the writes together, then the reads."""
        writes = [call for call in calls if isinstance(call.work, Write)]
        if writes:
            self._write(writes)
        for call in calls:
            if not isinstance(call.work, Write):
                do_read(call, self._connection, self._place, self._presence)

    def _write(self, calls: Sequence[Call[Any]]) -> None:
        try:
            self._begin()
        except (apsw.Error, StoreError) as error:
            for call in calls:
                call.fail(self._told(error))
            return
        try:
            self._transact(calls)
        except _CommitFailedError as failed:
            self._roll_back()
            self._settle(calls, failed.cause)
        except BaseException as error:  # noqa: BLE001  it is the caller's: a thread has nobody else to tell
            self._roll_back()
            if len(calls) == 1:
                calls[0].fail(self._told(error))
                return
            for call in calls:
                self._write((call,))

    def _begin(self) -> None:
        """Take the write lock; under it, look that the ledger is still the one others find, and at its schema.

        Raises:
            StoreUnsafeError: its files were removed or replaced.
            SchemaNewerError: another process has upgraded the ledger meanwhile.
        """
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._presence.require()
            check_schema(self._connection)
        except BaseException:
            self._roll_back()
            raise

    def _transact(self, calls: Sequence[Call[Any]]) -> None:
        transaction = Transaction(self._connection, self._clock, self.me)
        for call in calls:
            call.succeed(call.work.run(transaction))
        transaction.finish()
        try:
            self._connection.execute("COMMIT")
        except apsw.Error as error:
            raise _CommitFailedError(error) from error
        self.transactions += 1
        if transaction.has_notices:
            self._on_notices()

    def _settle(self, calls: Sequence[Call[Any]], cause: apsw.Error) -> None:
        """Find out what a failed COMMIT came to.

        Frames that a failed sync left in the log could come back after a power cut. A further transaction that
        is durable writes over them; only then has what cannot be found surely not happened.
        """
        is_certain = self._overwrite_log()
        for call in calls:
            write: Write[Any] = call.work
            found = self._look_up(write)
            if found is not None:
                call.succeed(found)
            elif is_certain or write.unknown is None:
                call.fail(self._told(cause))
            else:
                call.succeed(write.unknown(str(cause)))

    def _overwrite_log(self) -> bool:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'failed_commits'")
            self._connection.execute("COMMIT")
        except apsw.Error:
            self._roll_back()
            return False
        return True

    def _look_up(self, write: Write[Any]) -> Any:
        if write.settle is None:
            return None
        try:
            return write.settle(self._connection)
        except apsw.Error:
            return None

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _told(self, error: BaseException) -> BaseException:
        return store_error(error, self._place) if isinstance(error, apsw.Error) else error


def do_read(call: Call[Any], connection: apsw.Connection, place: str, presence: Presence) -> None:
    """Do one call that only reads, all of it in one snapshot."""
    try:
        presence.require()
        with connection:
            call.succeed(call.work(connection))
    except apsw.Error as error:
        call.fail(store_error(error, place))
    except BaseException as error:  # noqa: BLE001  it is the caller's: a thread has nobody else to tell
        call.fail(error)
