"""Connections to the ledger: pragmas, the schema and its version."""

from __future__ import annotations

import ctypes
import secrets
from importlib.resources import files
from pathlib import Path
from typing import Final
from urllib.parse import quote

import apsw

from engine.errors import SchemaNewerError, StoreUnsafeError
from engine.stores.sqlite import sql
from engine.stores.sqlite.filters import register_functions

SCHEMA: Final = 1
"""The version of the tables in ``schema.sql``."""

APPLICATION_ID: Final = 0x464C4F57
"""``FLOW`` in the file's header: tells a ledger from another program's database."""

BUSY_TIMEOUT_MS: Final = 10_000
_LOG_LIMIT_BYTES: Final = 64 * 1024 * 1024
_CACHE_KIB: Final = 8 * 1024
_STATEMENTS: Final = 256
_WAL_TRIES: Final = 20


def open_writer(ledger: Path | None) -> apsw.Connection:
    """Open the one writing connection; None is a new ledger in memory.

    Raises:
        StoreUnsafeError: the file belongs to another program.
        SchemaNewerError: a newer Flowdeck wrote it; nothing was changed.
        apsw.Error: SQLite cannot open or write it.
    """
    if ledger is None:
        connection = _connect(":memory:", apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
        _make_tables(connection)
        return connection
    connection = _connect(_uri(ledger, "rw"), apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI)
    try:
        _refuse_write_protected(connection)
        # Asked first: switching to WAL writes the file's header, even a newer schema's.
        _refuse_other_programs(connection, str(ledger))
        check_schema(connection)
        _use_log(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def fill(ledger: Path) -> None:
    """Make the tables in an empty file that nobody else knows yet; on return they are durable, without a log.

    Raises:
        apsw.Error: SQLite cannot write it.
    """
    connection = _connect(_uri(ledger, "rw"), apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        _make_tables(connection)
    finally:
        connection.close()


def open_reader(ledger: Path) -> apsw.Connection:
    """Open a connection that only reads. A newer schema is no obstacle: what is still there can be read.

    Raises:
        StoreUnsafeError: the file belongs to another program.
        apsw.Error: SQLite cannot open it.
    """
    connection = _connect(_uri(ledger, "ro"), apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        _refuse_other_programs(connection, str(ledger))
    except BaseException:
        connection.close()
        raise
    return connection


def open_source(ledger: Path) -> apsw.Connection:
    """Open a connection for a copy of the ledger."""
    return _connect(_uri(ledger, "ro"), apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)


def schema_version(connection: apsw.Connection) -> int:
    """Return the version of the tables that the ledger has."""
    version: int = sql.value(connection, "PRAGMA user_version")
    return version


def check_schema(connection: apsw.Connection) -> None:
    """Refuse a ledger of a newer Flowdeck.

    Raises:
        SchemaNewerError: it has a schema that is not known here.
    """
    found = schema_version(connection)
    if found > SCHEMA:
        raise SchemaNewerError(found, SCHEMA)


def _connect(place: str, flags: int) -> apsw.Connection:
    connection = apsw.Connection(place, flags=flags, statementcachesize=_STATEMENTS)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    # The WAL lock is then asked for every millisecond; the busy handler alone would back off to 100 ms, and a
    # process with a steady load would starve the others.
    connection.setlk_timeout(BUSY_TIMEOUT_MS, 0)
    for pragma in ("synchronous = FULL", "fullfsync = ON", "checkpoint_fullfsync = ON", "temp_store = MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute("PRAGMA trusted_schema = OFF")
    register_functions(connection)
    return connection


def _uri(ledger: Path, mode: str) -> str:
    return f"file:{quote(str(ledger.absolute()))}?mode={mode}"


def _use_log(connection: apsw.Connection) -> None:
    """Switch to the write-ahead log; where the file system cannot, to a journal that is deleted.

    The log's files stay after the last close, so that the ledger can be read from a read-only directory.
    """
    for attempt in range(_WAL_TRIES):
        try:
            mode = sql.value(connection, "PRAGMA journal_mode = WAL")
        except apsw.BusyError:
            # The busy handler does not cover the switch itself; an exclusive transaction waits in it.
            if attempt == _WAL_TRIES - 1:
                raise
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("ROLLBACK")
            continue
        break
    else:
        mode = ""
    if mode != "wal":
        connection.execute("PRAGMA journal_mode = DELETE")
        return
    stays = ctypes.c_int(1)
    connection.file_control("main", apsw.SQLITE_FCNTL_PERSIST_WAL, ctypes.addressof(stays))
    connection.execute(f"PRAGMA journal_size_limit = {_LOG_LIMIT_BYTES}")


def _make_tables(connection: apsw.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        schema = files("engine.stores.sqlite").joinpath("schema.sql").read_text(encoding="utf-8")
        connection.execute(schema)
        meta = (("store_id", secrets.token_hex(16)), ("fence", 0), ("bus_seen", 0), ("failed_commits", 0))
        connection.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", meta)
        chain = (("chain_no", 0), ("chain_hash", ""))
        connection.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", chain)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _refuse_write_protected(connection: apsw.Connection) -> None:
    """SQLite itself opens a write-protected file for reading without a word."""
    if connection.readonly("main"):
        raise apsw.ReadOnlyError("the file is write-protected")


def _refuse_other_programs(connection: apsw.Connection, place: str) -> None:
    if sql.value(connection, "PRAGMA application_id") != APPLICATION_ID:
        raise StoreUnsafeError(
            f"{place} is a database of another program. Nothing was changed; move it away, or name another place."
        )
