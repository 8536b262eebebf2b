"""How the columns of a list share its width: a pure function."""

from __future__ import annotations

from collections.abc import Sequence

from console.cells import Column

GAP = 1
"""Blank cells between two columns."""


def share(columns: Sequence[Column], width: int) -> tuple[int, ...]:
    """Return the width of each column within ``width`` cells; 0 for a column that does not show.

    Where the least widths do not fit, columns go by their ``drop``, the greatest first. What is left over brings the
    columns, in order, to their usual widths, and then goes to those that flex. If even the columns that always stay
    are too wide, the last of them are narrowed.
    """
    shown = [True] * len(columns)
    droppable = sorted((i for i, c in enumerate(columns) if c.drop > 0), key=lambda i: (-columns[i].drop, -i))
    for index in droppable:
        if _needed(columns, shown) <= width:
            break
        shown[index] = False
    widths = [column.least if is_shown else 0 for column, is_shown in zip(columns, shown, strict=True)]
    spare = width - _needed(columns, shown)
    if spare < 0:
        return _narrowed(widths, -spare)
    for index, column in enumerate(columns):
        if shown[index]:
            more = min(spare, max(0, column.width - widths[index]))
            widths[index] += more
            spare -= more
    flexible = [i for i, column in enumerate(columns) if shown[i] and column.flex > 0]
    shares = sum(columns[i].flex for i in flexible)
    for index in flexible:
        more = spare * columns[index].flex // shares
        widths[index] += more
        spare -= more
        shares -= columns[index].flex
    return tuple(widths)


def _needed(columns: Sequence[Column], shown: Sequence[bool]) -> int:
    least = [column.least for column, is_shown in zip(columns, shown, strict=True) if is_shown]
    return sum(least) + GAP * max(0, len(least) - 1)


def _narrowed(widths: list[int], excess: int) -> tuple[int, ...]:
    for index in reversed(range(len(widths))):
        if not widths[index]:
            continue
        less = min(excess, widths[index])
        widths[index] -= less
        excess -= less
        if not widths[index]:
            excess -= GAP
        if excess <= 0:
            break
    return tuple(widths)
