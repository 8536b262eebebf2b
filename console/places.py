"""Where everything stands on a screen of a given size: a pure function, so that every size can be tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

BOARD_COLUMNS: Final = 140
BOARD_ROWS: Final = 32
SPLIT_COLUMNS: Final = 100
STRIP_COLUMNS: Final = 60
STRIP_ROWS: Final = 16
STRIP_HEIGHT: Final = 4
"""Its title, the line of states, and two lines of why."""

_WITHOUT_STRIP: Final = ("timeline", "errors")
"""Panes that say as much themselves, or are about no workflow."""

_TIMELINE_CELLS: Final = 44
_MIDDLE_HEIGHT: Final = 9
"""A title, the column titles, and the seven error types."""
_FOOT_HEIGHT: Final = 8
_GAP: Final = 1


class Place(NamedTuple):
    """A rectangle in cells; x and y from the top left of the body."""

    x: int
    y: int
    width: int
    height: int


class Layout(StrEnum):
    """The shapes the screen takes by its size."""

    SMALL = "small"
    STRIP = "strip"
    SPLIT = "split"
    BOARD = "board"


@dataclass(frozen=True, slots=True)
class Frame:
    """Which lines stand around the body."""

    has_tabs: bool
    has_footer: bool


def layout_of(columns: int, rows: int) -> Layout:
    """Return the layout for a screen of that size."""
    if columns < STRIP_COLUMNS or rows < STRIP_ROWS:
        return Layout.SMALL
    if columns < SPLIT_COLUMNS:
        return Layout.STRIP
    return Layout.BOARD if columns >= BOARD_COLUMNS and rows >= BOARD_ROWS else Layout.SPLIT


def frame_of(layout: Layout, rows: int, *, is_full: bool) -> Frame:
    """Return which lines stand around the body; the board needs no tabs, its titles carry the numbers."""
    return Frame(
        has_tabs=layout is not Layout.SMALL and (layout is not Layout.BOARD or is_full),
        has_footer=layout is not Layout.SMALL or rows >= STRIP_ROWS,
    )


def places(layout: Layout, active: str, width: int, height: int, *, is_full: bool) -> Mapping[str, Place]:
    """Return where each pane that shows stands in a body of ``width`` by ``height`` cells.

    Args:
        layout: the shape.
        active: the pane that has the keys.
        width: cells of the body.
        height: lines of the body.
        is_full: the active pane has the body for itself.
    """
    if is_full or layout is Layout.SMALL:
        return {active: Place(0, 0, width, height)}
    if layout is Layout.STRIP:
        if active in _WITHOUT_STRIP:
            return {active: Place(0, 0, width, height)}
        rest = max(1, height - STRIP_HEIGHT)
        return {active: Place(0, 0, width, rest), "strip": Place(0, rest, width, height - rest)}
    if layout is Layout.SPLIT:
        right = min(_TIMELINE_CELLS, width * 2 // 5)
        left = width - right - _GAP
        main = "flows" if active == "timeline" else active
        return {main: Place(0, 0, left, height), "timeline": Place(left + _GAP, 0, right, height)}
    return _board(width, height)


def with_panel(standing: Mapping[str, Place], name: str, width: int, height: int, wanted: int) -> dict[str, Place]:
    """Return ``standing`` with a panel of ``wanted`` lines over the foot of the body.

    What spans the whole width above it ends where the panel begins, so that a list keeps its cursor in sight; what
    the panel covers whole is not shown.
    """
    used = min(height, wanted)
    top = height - used
    places_above: dict[str, Place] = {}
    for one, place in standing.items():
        if place.width < width or place.y + place.height <= top:
            places_above[one] = place
        elif place.y < top:
            places_above[one] = place._replace(height=top - place.y)
    return {**places_above, name: Place(0, top, width, used)}


def _board(width: int, height: int) -> Mapping[str, Place]:
    foot = max(_FOOT_HEIGHT, (height - _MIDDLE_HEIGHT) // 4)
    top = height - _MIDDLE_HEIGHT - foot
    right = max(_TIMELINE_CELLS, width // 3)
    left = width - right - _GAP
    third = (width - 2 * _GAP) // 3
    errors = width - 2 * (third + _GAP)
    half = (width - _GAP) // 2
    return {
        "flows": Place(0, 0, left, top),
        "timeline": Place(left + _GAP, 0, right, top),
        "retry": Place(0, top, third, _MIDDLE_HEIGHT),
        "locks": Place(third + _GAP, top, third, _MIDDLE_HEIGHT),
        "errors": Place(2 * (third + _GAP), top, errors, _MIDDLE_HEIGHT),
        "log": Place(0, top + _MIDDLE_HEIGHT, half, foot),
        "audit": Place(half + _GAP, top + _MIDDLE_HEIGHT, width - half - _GAP, foot),
    }
