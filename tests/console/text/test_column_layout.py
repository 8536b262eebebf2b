from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from console.cells import Column
from console.text import safe
from console.widgets.column_layout import GAP, share

COLUMNS = (
    Column("id", safe("ID"), 12),
    Column("type", safe("TY"), 2, drop=2),
    Column("state", safe("STATE"), 19, min_width=6),
    Column("limit", safe("LIMIT"), 5, drop=3),
    Column("lock", safe("LOCK"), 10, min_width=4, flex=1),
)


def test_with_room_every_column_has_its_width_and_the_rest_goes_to_the_one_that_flexes() -> None:
    assert share(COLUMNS, 60) == (12, 2, 19, 5, 18)


def test_columns_narrow_to_their_least_before_one_is_dropped() -> None:
    assert share(COLUMNS, 33) == (12, 2, 6, 5, 4)


def test_columns_go_in_their_order_and_the_others_take_the_room() -> None:
    assert share(COLUMNS, 32) == (12, 2, 11, 0, 4)
    assert share(COLUMNS, 26) == (12, 0, 8, 0, 4)


def test_columns_that_stay_are_narrowed_from_the_right_at_last() -> None:
    assert share(COLUMNS, 22) == (12, 0, 6, 0, 2)
    assert share(COLUMNS, 10) == (10, 0, 0, 0, 0)


@given(
    st.lists(
        st.builds(
            Column,
            key=st.just("k"),
            title=st.just(safe("K")),
            width=st.integers(1, 30),
            min_width=st.none() | st.integers(1, 10),
            flex=st.integers(0, 3),
            drop=st.integers(0, 3),
        ),
        max_size=9,
    ),
    st.integers(0, 150),
)
def test_columns_never_take_more_than_there_is(columns: list[Column], width: int) -> None:
    widths = share(columns, width)
    shown = [cells for cells in widths if cells]
    assert all(cells >= 0 for cells in widths)
    assert sum(shown) + GAP * max(0, len(shown) - 1) <= width
