"""Statements: each runs to its end at once, so that no cursor keeps a snapshot open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw


def rows(connection: apsw.Connection, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Return every row that ``sql`` gives."""
    return connection.execute(sql, values).fetchall()


def row(connection: apsw.Connection, sql: str, *values: Any) -> tuple[Any, ...] | None:
    """Return the first row that ``sql`` gives, or None."""
    found = connection.execute(sql, values).fetchall()
    return found[0] if found else None


def value(connection: apsw.Connection, sql: str, *values: Any) -> Any:
    """Return the first column of the first row, or None."""
    found = connection.execute(sql, values).fetchall()
    return found[0][0] if found else None


def marks(values: Sequence[Any]) -> str:
    """Return ``(?, ?, …)``, one mark for each value."""
    return f"({', '.join('?' * len(values))})"


def columns(names: Sequence[str], alias: str = "") -> str:
    """Return a column list, each name with ``alias`` before it where one is given."""
    return ", ".join(f"{alias}.{name}" if alias else name for name in names)
