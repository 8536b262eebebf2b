"""A long list held as a few pages: on, back, to either end, and read again."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.screen.paging import (
    PAGES_HELD,
    ReadPage,
    Stretch,
    chained,
    first_stretch,
    last_stretch,
    read_again,
    read_earlier,
    read_more,
)
from engine.store.query import Page


def _pages_of(rows: list[int]) -> ReadPage[int]:
    """Read ``rows``, which are in order, by keyset as the store does: a cursor is the row it stands beside."""

    async def read(after: str | None, is_reversed: bool, limit: int) -> Page[int]:
        if is_reversed:
            before = [row for row in rows if after is None or row < int(after)]
            found = before[-limit:]
        else:
            found = [row for row in rows if after is None or row > int(after)][:limit]
        if not found:
            return Page(())
        has_next, has_start = found[-1] < rows[-1], found[0] > rows[0]
        return Page(tuple(found), str(found[-1]) if has_next else None, str(found[0]) if has_start else None)

    return read


async def test_reading_on_to_the_end_gives_every_row_once_and_holds_few() -> None:
    read = _pages_of(list(range(100)))
    stretch = await first_stretch(read, 7)
    seen = list(stretch.rows)
    while stretch.has_more:
        before = set(stretch.rows)
        stretch = await read_more(stretch, read, 7)
        seen += [row for row in stretch.rows if row not in before]
        assert len(stretch.rows) <= 7 * PAGES_HELD
        assert stretch.rows[0] == stretch.offset
    assert seen == list(range(100))
    assert stretch.total(None) == 100


async def test_reading_back_from_the_end_gives_every_row_once() -> None:
    read = _pages_of(list(range(100)))
    stretch = await last_stretch(read, 7, 100)
    assert stretch.rows[-1] == 99
    assert stretch.offset == 93
    seen = list(stretch.rows)
    while stretch.has_earlier:
        before = set(stretch.rows)
        stretch = await read_earlier(stretch, read, 7)
        seen = [row for row in stretch.rows if row not in before] + seen
    assert seen == list(range(100))
    assert stretch.offset == 0


async def test_a_stretch_that_is_read_again_shows_what_came_and_loses_what_went() -> None:
    rows = list(range(0, 100, 2))
    stretch = await first_stretch(_pages_of(rows), 10)
    stretch = await read_more(stretch, _pages_of(rows), 10)
    changed = sorted({*rows, 5, 7} - {6})
    again = await read_again(stretch, _pages_of(changed), 10)
    assert again.rows == tuple(changed[:20])


async def test_a_stretch_whose_rows_are_all_gone_begins_anew_at_the_top() -> None:
    read = _pages_of(list(range(100)))
    stretch = await first_stretch(read, 5)
    for _ in range(PAGES_HELD + 2):
        stretch = await read_more(stretch, read, 5)
    assert not stretch.is_at_first
    again = await read_again(stretch, _pages_of([1, 2]), 5)
    assert again.rows == (1, 2)
    assert again.is_at_first


@pytest.mark.parametrize("sizes", [(3, 4), (0, 4), (4, 0), (0, 0), (10, 10)])
async def test_two_lists_are_read_as_one_forwards_and_backwards(sizes: tuple[int, int]) -> None:
    parts = [list(range(sizes[0])), list(range(100, 100 + sizes[1]))]
    whole = [*parts[0], *parts[1]]
    read = chained([_pages_of(part) for part in parts])
    stretch = await first_stretch(read, 3)
    seen = list(stretch.rows)
    while stretch.has_more:
        before = set(stretch.rows)
        stretch = await read_more(stretch, read, 3)
        seen += [row for row in stretch.rows if row not in before]
    assert seen == whole
    stretch = await last_stretch(read, 3, None)
    back = list(stretch.rows)
    while stretch.has_earlier:
        before = set(stretch.rows)
        stretch = await read_earlier(stretch, read, 3)
        back = [row for row in stretch.rows if row not in before] + back
    assert back == whole


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["more", "earlier", "again", "first", "last"]), max_size=25), st.integers(0, 60))
async def test_whatever_way_is_taken_the_rows_are_a_gapless_part_of_the_list(ways: list[str], count: int) -> None:
    rows = list(range(count))
    read = _pages_of(rows)
    stretch: Stretch[int] = await first_stretch(read, 4)
    for way in ways:
        match way:
            case "more":
                stretch = await read_more(stretch, read, 4)
            case "earlier":
                stretch = await read_earlier(stretch, read, 4)
            case "again":
                stretch = await read_again(stretch, read, 4)
            case "first":
                stretch = await first_stretch(read, 4)
            case _:
                stretch = await last_stretch(read, 4, count)
        shown = stretch.rows
        assert list(shown) == rows[shown[0] : shown[-1] + 1] if shown else count == 0
        assert len(shown) <= 4 * PAGES_HELD
        if shown:
            assert stretch.has_more == (shown[-1] < count - 1)
            assert stretch.has_earlier == (shown[0] > 0)
            assert stretch.offset == shown[0]
