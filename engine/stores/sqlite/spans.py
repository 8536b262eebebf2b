"""Lists as chains of indexed ranges, walked by key in either direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import apsw

from engine.errors import InvalidValueError
from engine.stores.sqlite import sql
from engine.stores.sqlite.cursors import Cursor, Key, parse_cursor

SEARCHED_AT_MOST: Final = 20_000
"""Rows that one page of a bounded search looks at."""

COUNTED_AT_MOST: Final = 1_000_000
"""Where counting the rows that were looked at stops."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A part of a WHERE clause with its values."""

    sql: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """One range of a list.

    Attributes:
        source: the table, with the index that gives the order where one does.
        key: sort columns; the last ones tell rows apart.
        where: which rows.
        search: what is too dear to ask of every row; rows are then looked at in bounded numbers.
        is_gathered: its rows are few, found by another way and sorted: they are searched all at once.
    """

    source: str
    key: tuple[str, ...]
    is_descending: bool = False
    where: tuple[Condition, ...] = ()
    search: tuple[Condition, ...] = ()
    is_gathered: bool = False

    def keys(  # noqa: PLR0913  the parts of one statement
        self,
        connection: apsw.Connection,
        limits: Sequence[Condition],
        *,
        is_reversed: bool,
        limit: int,
        offset: int = 0,
        is_searched: bool = True,
    ) -> list[Key]:
        """Return keys in the direction of reading."""
        conditions = (*self.where, *limits, *(self.search if is_searched else ()))
        direction = "DESC" if self.is_descending != is_reversed else "ASC"
        order = ", ".join(f"{name} {direction}" for name in self.key)
        return sql.rows(
            connection,
            f"SELECT {sql.columns(self.key)} FROM {self.source}{_where(conditions)} ORDER BY {order} LIMIT ? OFFSET ?",
            *_values(conditions),
            limit,
            offset,
        )

    def count(self, connection: apsw.Connection, limits: Sequence[Condition], cap: int) -> int:
        """Return how many rows are looked at within ``limits``; counting stops at ``cap``."""
        conditions = (*self.where, *limits)
        counted: int = sql.value(
            connection,
            f"SELECT count(*) FROM (SELECT 1 FROM {self.source}{_where(conditions)} LIMIT ?)",
            *_values(conditions),
            cap,
        )
        return counted

    def beyond(self, key: Key, *, is_reversed: bool, is_inclusive: bool) -> Condition:
        """Return the condition for rows after ``key`` in the direction of reading."""
        comparison = "<" if self.is_descending != is_reversed else ">"
        return self._compare(key, comparison + ("=" if is_inclusive else ""))

    def up_to(self, key: Key, *, is_reversed: bool) -> Condition:
        """Return the condition for rows up to and with ``key`` in the direction of reading."""
        return self._compare(key, ">=" if self.is_descending != is_reversed else "<=")

    def _compare(self, key: Key, comparison: str) -> Condition:
        if len(key) != len(self.key):
            raise InvalidValueError("after", "this is no cursor of this list")
        return Condition(f"({sql.columns(self.key)}) {comparison} {sql.marks(key)}", key)


@dataclass(slots=True)
class Walked:
    """What a walk found, in the list's order.

    Attributes:
        hits: number of the span and key of each row.
        next: where the following page begins.
        start: where the preceding page ends.
    """

    hits: list[tuple[int, Key]] = field(default_factory=list)
    next: str | None = None
    start: str | None = None
    searched: int | None = None


@dataclass(slots=True)
class _Walk:
    """One page under way."""

    connection: apsw.Connection
    is_reversed: bool
    wanted: int
    budget: int
    looked: int = 0
    hits: list[tuple[int, Key]] = field(default_factory=list)
    stopped_at: tuple[int, Key] | None = None
    """The last row that a bounded search looked at before it gave up."""

    def take(self, number: int, span: Span, edge: Sequence[Condition]) -> None:
        """Take what is still wanted, and one row more, from a span."""
        room = self.wanted + 1 - len(self.hits)
        limits = list(edge)
        last = self._last_affordable(span, edge) if span.search and not span.is_gathered else None
        if last is not None:
            limits.append(span.up_to(last, is_reversed=self.is_reversed))
        keys = span.keys(self.connection, limits, is_reversed=self.is_reversed, limit=room)
        self.hits += [(number, key) for key in keys]
        if not span.search:
            return
        if len(keys) == room:
            limits.append(span.up_to(keys[-1], is_reversed=self.is_reversed))
        elif last is not None:
            self.stopped_at = (number, last)
        looked = span.count(self.connection, limits, COUNTED_AT_MOST)
        self.looked += looked
        if not span.is_gathered:
            self.budget -= looked

    def _last_affordable(self, span: Span, edge: Sequence[Condition]) -> Key | None:
        """Return the last row of a span that may be looked at, None where all may."""
        found = span.keys(
            self.connection,
            edge,
            is_reversed=self.is_reversed,
            limit=1,
            offset=self.budget - 1,
            is_searched=False,
        )
        return found[0] if found else None

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be read."""
        return len(self.hits) > self.wanted or self.stopped_at is not None


def walk(  # noqa: PLR0913  the parts of one question
    connection: apsw.Connection,
    spans: Sequence[Span],
    *,
    after: str | None,
    is_reversed: bool,
    limit: int,
    judged_at: int,
    searched_at_most: int = SEARCHED_AT_MOST,
) -> Walked:
    """Return the keys of one page.

    Raises:
        InvalidValueError: ``after`` is no cursor of this list, or ``limit`` is no positive number.
    """
    if limit < 1:
        raise InvalidValueError("limit", "it is at least 1")
    begin = parse_cursor(after) if after is not None else None
    if begin is not None and not 0 <= begin.span < len(spans):
        raise InvalidValueError("after", "this is no cursor of this list")
    going = _Walk(connection, is_reversed, limit, searched_at_most)
    for number in _numbers(len(spans), begin, is_reversed=is_reversed):
        span = spans[number]
        going.take(number, span, _edge(span, number, begin, is_reversed=is_reversed))
        if going.is_over:
            break
    finished = _finished(going, after, judged_at)
    if any(span.search for span in spans):
        finished.searched = going.looked
    return finished


def _numbers(count: int, begin: Cursor | None, *, is_reversed: bool) -> range:
    if is_reversed:
        return range(begin.span if begin is not None else count - 1, -1, -1)
    return range(begin.span if begin is not None else 0, count)


def _edge(span: Span, number: int, begin: Cursor | None, *, is_reversed: bool) -> tuple[Condition, ...]:
    """Return the condition that keeps a page on its side of the cursor."""
    if begin is None or begin.span != number:
        return ()
    return (span.beyond(begin.key, is_reversed=is_reversed, is_inclusive=begin.is_behind == is_reversed),)


def _finished(going: _Walk, after: str | None, judged_at: int) -> Walked:
    hits = going.hits[: going.wanted]
    ahead = None
    if len(going.hits) > going.wanted:
        ahead = _gap(hits[-1], judged_at, is_behind=not going.is_reversed)
    elif going.stopped_at is not None:
        ahead = _gap(going.stopped_at, judged_at, is_behind=not going.is_reversed)
    behind = None
    if after is not None:
        behind = _gap(hits[0], judged_at, is_behind=going.is_reversed) if hits else after
    if going.is_reversed:
        return Walked(hits[::-1], next=behind, start=ahead)
    return Walked(hits, next=ahead, start=behind)


def _gap(hit: tuple[int, Key], judged_at: int, *, is_behind: bool) -> str:
    return Cursor(hit[0], hit[1], is_behind, judged_at).text()


def _where(conditions: Sequence[Condition]) -> str:
    return f" WHERE {' AND '.join(f'({condition.sql})' for condition in conditions)}" if conditions else ""


def _values(conditions: Sequence[Condition]) -> tuple[Any, ...]:
    return tuple(value for condition in conditions for value in condition.values)
