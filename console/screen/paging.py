"""A stretch of a long list: what is loaded around the cursor, and how to read the same stretch again.

A list of any length is held as a few pages. Reading on at one end lets go of the other, so that what is held stays
bounded; a change re-reads the held stretch from where it is anchored, so that rows keep their place.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from engine.store.query import Page

RowT = TypeVar("RowT")

ReadPage = Callable[[str | None, bool, int], Awaitable[Page[RowT]]]
"""Reads one page: cursor, whether backwards, and how many rows."""

PAGES_HELD: Final = 4


@dataclass(frozen=True, slots=True)
class Stretch(Generic[RowT]):
    """The loaded part of a list; every way on returns a new one.

    Attributes:
        anchor: cursor it is read again from; None for the list's first row (its last, ``is_from_end``).
        is_from_end: anchored at its end and read backwards.
        offset: how many rows precede it; an estimate once the list was entered at its end.
    """

    pages: tuple[Page[RowT], ...] = ()
    anchor: str | None = None
    is_from_end: bool = False
    offset: int = 0

    @property
    def rows(self) -> tuple[RowT, ...]:
        """The loaded rows in order."""
        return tuple(row for page in self.pages for row in page.rows)

    @property
    def has_more(self) -> bool:
        """Whether rows follow the loaded ones."""
        return bool(self.pages) and self.pages[-1].next is not None

    @property
    def has_earlier(self) -> bool:
        """Whether rows precede the loaded ones."""
        return bool(self.pages) and self.pages[0].start is not None

    @property
    def is_at_first(self) -> bool:
        """Whether it begins with the list's first row, whatever that is."""
        return self.anchor is None and not self.is_from_end

    @property
    def searched(self) -> int | None:
        """How many rows a bounded search looked at, None without one."""
        return next((page.searched for page in self.pages if page.searched is not None), None)

    def total(self, counted: int | None) -> int | None:
        """Return how many rows the list has: known where its end is loaded, else as ``counted``."""
        loaded = self.offset + sum(len(page.rows) for page in self.pages)
        if not self.has_more:
            return loaded
        return None if counted is None else max(counted, loaded + 1)


async def first_stretch(read: ReadPage[RowT], limit: int) -> Stretch[RowT]:
    """Return the first rows."""
    return Stretch((await read(None, False, limit),))


async def last_stretch(read: ReadPage[RowT], limit: int, total: int | None) -> Stretch[RowT]:
    """Return the last rows, without reading those before them; ``total`` tells how many those are."""
    page = await read(None, True, limit)
    if page.start is None:
        return Stretch((page,))
    return Stretch((page,), is_from_end=True, offset=max(1, (total or 0) - len(page.rows)))


async def read_again(stretch: Stretch[RowT], read: ReadPage[RowT], limit: int) -> Stretch[RowT]:
    """Return the same stretch as it is now; rows that moved are found where they are now."""
    pages: list[Page[RowT]] = []
    cursor = stretch.anchor
    while len(pages) < max(1, len(stretch.pages)):
        page = await read(cursor, stretch.is_from_end, limit)
        if not page.rows and pages:
            break
        pages.append(page)
        cursor = page.start if stretch.is_from_end else page.next
        if cursor is None:
            break
    if not pages[0].rows and not stretch.is_at_first:
        # What the stretch hung on is gone: begin anew at the top rather than show nothing.
        return await first_stretch(read, limit)
    if stretch.is_from_end:
        pages.reverse()
        if pages[0].start is None:
            return Stretch(tuple(pages))
    return replace(stretch, pages=tuple(pages))


async def read_more(stretch: Stretch[RowT], read: ReadPage[RowT], limit: int) -> Stretch[RowT]:
    """Return the stretch with the rows that follow; the same one where there are none."""
    if not stretch.has_more:
        return stretch
    page = await read(stretch.pages[-1].next, False, limit)
    if not page.rows:
        last = replace(stretch.pages[-1], next=None)
        return replace(stretch, pages=(*stretch.pages[:-1], last))
    pages = (*stretch.pages, page)
    if not stretch.is_from_end and len(pages) <= PAGES_HELD:
        return replace(stretch, pages=pages)
    dropped = pages[0]
    return Stretch(pages[1:], dropped.next, is_from_end=False, offset=stretch.offset + len(dropped.rows))


async def read_earlier(stretch: Stretch[RowT], read: ReadPage[RowT], limit: int) -> Stretch[RowT]:
    """Return the stretch with the rows that precede; the same one where there are none."""
    if not stretch.has_earlier:
        return stretch
    page = await read(stretch.pages[0].start, True, limit)
    if not page.rows:
        return replace(stretch, pages=(replace(stretch.pages[0], start=None), *stretch.pages[1:]), offset=0)
    pages = (page, *stretch.pages)
    if page.start is None:
        return Stretch(pages[:PAGES_HELD])
    offset = max(1, stretch.offset - len(page.rows))
    if stretch.is_from_end and len(pages) <= PAGES_HELD:
        return replace(stretch, pages=pages, offset=offset)
    return Stretch(pages[:-1], pages[-1].start, is_from_end=True, offset=offset)


def chained(parts: Sequence[ReadPage[RowT]]) -> ReadPage[RowT]:
    """Return what reads several lists as one: the rows of the first part, then those of the next."""

    async def read(after: str | None, is_reversed: bool, limit: int) -> Page[RowT]:
        step = -1 if is_reversed else 1
        at, cursor = _split(after) if after is not None else (len(parts) - 1 if is_reversed else 0, None)
        pages: list[tuple[int, Page[RowT]]] = []
        room = limit
        while 0 <= at < len(parts) and room > 0:
            page = await parts[at](cursor, is_reversed, room)
            pages.append((at, page))
            room -= len(page.rows)
            if (page.start if is_reversed else page.next) is not None:
                break
            at, cursor = at + step, None
        if is_reversed:
            pages.reverse()
        rows = tuple(row for _, page in pages for row in page.rows)
        return Page(rows, _following(pages, len(parts)), _preceding(pages))

    return read


def _split(cursor: str) -> tuple[int, str | None]:
    at, _, rest = cursor.partition(":")
    return int(at), rest or None


def _following(pages: Sequence[tuple[int, Page[RowT]]], count: int) -> str | None:
    at, page = pages[-1]
    if page.next is not None:
        return f"{at}:{page.next}"
    return f"{at + 1}:" if at + 1 < count else None


def _preceding(pages: Sequence[tuple[int, Page[RowT]]]) -> str | None:
    at, page = pages[0]
    if page.start is not None:
        return f"{at}:{page.start}"
    return f"{at - 1}:" if at > 0 else None
