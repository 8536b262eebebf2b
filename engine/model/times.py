"""Times between their three shapes: aware UTC datetime, document text, integer microseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def format_time(at: datetime) -> str:
    """Return ``at`` in the document's format, ``YYYY-MM-DDTHH:MM:SS.ffffffZ``."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def format_optional(at: datetime | None) -> str | None:
    """Return :func:`format_time` of ``at``, or None."""
    return None if at is None else format_time(at)


def parse_time(text: str) -> datetime:
    """Return the aware UTC time that ``text`` names; without a zone it is read as UTC.

    Raises:
        ValueError: ``text`` is no ISO 8601 time.
    """
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def to_micros(at: datetime) -> int:
    """Return integer microseconds since 1970, UTC: the store's shape."""
    return (at - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the aware UTC time of integer microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=micros)
