"""Where panes stand: every size tried, nothing overlaps, nothing sticks out."""

from __future__ import annotations

from itertools import combinations

import pytest

from console.places import Layout, Place, frame_of, layout_of, places, with_panel
from console.screen.pane_set import PANES

_COLUMNS = (20, 59, 60, 80, 99, 100, 139, 140, 200, 320)
_SIZES = [(columns, rows) for columns in _COLUMNS for rows in (5, 15, 16, 24, 40, 90)]


def _overlap(one: Place, other: Place) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


@pytest.mark.parametrize("size", _SIZES)
@pytest.mark.parametrize("active", PANES)
@pytest.mark.parametrize("is_full", [False, True])
def test_panes_fit_the_body_and_do_not_overlap(size: tuple[int, int], active: str, is_full: bool) -> None:
    columns, rows = size
    layout = layout_of(columns, rows)
    frame = frame_of(layout, rows, is_full=is_full)
    height = max(1, rows - 3 - frame.has_tabs - frame.has_footer)
    standing = places(layout, active, columns, height, is_full=is_full)
    assert active in standing
    for place in standing.values():
        assert place.x >= 0
        assert place.y >= 0
        assert place.width > 0
        assert place.height > 0
        assert place.x + place.width <= columns
        assert place.y + place.height <= height
    for one, other in combinations(standing.values(), 2):
        assert not _overlap(one, other)


def test_the_layouts_change_where_the_design_says() -> None:
    assert layout_of(80, 24) is Layout.STRIP
    assert layout_of(100, 30) is Layout.SPLIT
    assert layout_of(140, 40) is Layout.BOARD
    assert layout_of(140, 24) is Layout.SPLIT
    assert layout_of(60, 20) is Layout.STRIP
    assert layout_of(59, 20) is Layout.SMALL
    assert layout_of(80, 15) is Layout.SMALL


def test_the_board_has_all_seven_panes_and_room_for_the_seven_error_types() -> None:
    standing = places(Layout.BOARD, "flows", 140, 36, is_full=False)
    assert set(standing) == set(PANES)
    assert standing["errors"].height == 9
    assert standing["timeline"].width >= 44


@pytest.mark.parametrize("wanted", [1, 8, 14, 50])
def test_a_panel_stands_at_the_foot_and_a_list_ends_where_it_begins(wanted: int) -> None:
    standing = places(Layout.STRIP, "flows", 80, 19, is_full=False)
    covered = with_panel(standing, "plan", 80, 19, wanted)
    plan = covered["plan"]
    assert plan.y + plan.height == 19
    assert plan.height == min(wanted, 19)
    if "flows" in covered:
        assert covered["flows"].y + covered["flows"].height <= plan.y
