"""What the ledger knows of the published and foreign files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import apsw

from engine.model.times import from_micros, to_micros
from engine.store.feed import NoticeKind
from engine.store.query import DocumentRow
from engine.stores.sqlite import counters, sql
from engine.stores.sqlite.ledger import Ledger
from engine.stores.sqlite.transaction import Transaction

_COLUMNS: Final = (
    "name",
    "workflow_id",
    "published_revision",
    "digest",
    "size",
    "mtime_ns",
    "inode",
    "problem",
    "looked_at",
)
_ROWS: Final = f"SELECT {sql.columns(_COLUMNS)}"
_PAGE: Final = f"{_ROWS} FROM document WHERE name > ? ORDER BY name LIMIT ?"
_ALL: Final = (*_COLUMNS, "foreign_body")
_PUT: Final = f"INSERT OR REPLACE INTO document ({sql.columns(_ALL)}) VALUES {sql.marks(_ALL)}"
_UNPUBLISHED: Final = """
SELECT w.id FROM workflow w LEFT JOIN document d ON d.name = w.id || '.json'
WHERE w.owed_revision > coalesce(d.published_revision, 0) AND w.flag NOT IN ('conflict', 'damaged') LIMIT ?
"""


class SqliteDocuments(Ledger):
    """The documents' part of the store."""

    async def documents(self, after: str = "", limit: int | None = None) -> Mapping[str, DocumentRow]:
        """Return known documents in name order; see the protocol."""

        def work(connection: apsw.Connection) -> dict[str, DocumentRow]:
            found = sql.rows(connection, _PAGE, after, -1 if limit is None else limit)
            return {values[0]: _document(values, None) for values in found}

        return await self._scan(work)

    async def document(self, name: str) -> DocumentRow | None:
        """Return one document; see the protocol."""

        def work(connection: apsw.Connection) -> DocumentRow | None:
            found = sql.row(connection, f"{_ROWS}, foreign_body FROM document WHERE name = ?", name)
            return None if found is None else _document(found[:-1], found[-1])

        return await self._read(work)

    async def record_documents(self, rows: Sequence[DocumentRow]) -> None:
        """Write what was published or seen; see the protocol."""
        if rows:
            await self._write(lambda transaction: _record(transaction, rows))

    async def forget_documents(self, names: Sequence[str]) -> None:
        """Remove documents; see the protocol."""

        def run(transaction: Transaction) -> None:
            for name in names:
                problem = transaction.value("SELECT problem FROM document WHERE name = ?", name)
                if transaction.run("DELETE FROM document WHERE name = ?", name):
                    transaction.notice(NoticeKind.DOCUMENT, name)
                if problem:
                    transaction.add(counters.DOCUMENT_PROBLEMS, -1)

        if names:
            await self._write(run)

    async def unpublished(self, limit: int) -> Sequence[str]:
        """Return ids whose newest revision is not on disk; see the protocol.

        A revision that an external workflow's own document caused is on disk already and not owed.
        """

        def work(connection: apsw.Connection) -> tuple[str, ...]:
            return tuple(workflow_id for (workflow_id,) in sql.rows(connection, _UNPUBLISHED, limit))

        return await self._scan(work)


def _record(transaction: Transaction, rows: Sequence[DocumentRow]) -> None:
    for row in rows:
        before = transaction.row(
            "SELECT problem, published_revision, looked_at, foreign_body IS NULL FROM document WHERE name = ?",
            row.name,
        )
        if before is not None and before[1] > row.published_revision and before[2] > to_micros(row.looked_at):
            continue  # an older look arrives late: another process has published since
        transaction.run(_PUT, *_values(row))
        was_problem = before is not None and bool(before[0])
        transaction.add(counters.DOCUMENT_PROBLEMS, int(bool(row.problem)) - int(was_problem))
        # A publication comes with its workflow's notice; only what lists show of the file itself has its own.
        shown = (row.problem, row.foreign_body is None)
        if shown != (("", True) if before is None else (before[0], bool(before[3]))):
            transaction.notice(NoticeKind.DOCUMENT, row.name)


def _values(row: DocumentRow) -> tuple[Any, ...]:
    return (
        row.name,
        row.workflow_id,
        row.published_revision,
        row.digest,
        row.size,
        row.mtime_ns,
        row.inode,
        row.problem,
        to_micros(row.looked_at),
        row.foreign_body,
    )


def _document(values: tuple[Any, ...], foreign_body: bytes | None) -> DocumentRow:
    return DocumentRow(
        name=values[0],
        workflow_id=values[1],
        published_revision=values[2],
        digest=values[3],
        size=values[4],
        mtime_ns=values[5],
        inode=values[6],
        problem=values[7],
        looked_at=from_micros(values[8]),
        foreign_body=foreign_body,
    )
