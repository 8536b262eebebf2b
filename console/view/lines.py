"""Lines outside lists: cells side by side, each piece in the longest form that fits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from console.cells import Cell, StyleName
from console.text import EMPTY, cut, safe, width

CellLine = tuple[Cell, ...]
"""One line of the screen, left to right, without gaps of its own."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a line in several lengths, longest first; the line shows the longest that fits, or none.

    Attributes:
        weight: what is worth keeping; the lightest piece gives way first.
    """

    forms: tuple[CellLine, ...]
    weight: int = 0


def cell(text: object, style: StyleName = "text") -> Cell:
    """Return ``text`` made safe, in ``style``."""
    return Cell(safe(text), style)


def part(weight: int, *forms: Cell | CellLine) -> Part:
    """Return a piece whose ``forms`` are single cells or lines of them."""
    return Part(tuple((form,) if isinstance(form, Cell) else form for form in forms), weight)


def line_width(line: Iterable[Cell]) -> int:
    """Return the cells of the terminal a line takes."""
    return sum(width(one.text) for one in line)


def cut_line(line: Sequence[Cell], cells: int) -> CellLine:
    """Return ``line`` in at most ``cells`` cells; what goes over ends in the ellipsis."""
    kept: list[Cell] = []
    room = cells
    for one in line:
        taken = width(one.text)
        if taken > room:
            if room > 0:
                kept.append(Cell(cut(one.text, room), one.style))
            break
        kept.append(one)
        room -= taken
    return tuple(kept)


def compose(parts: Sequence[Part], cells: int, *, gap: int = 2, right: Sequence[Part] = ()) -> CellLine:
    """Return ``parts`` side by side in ``cells`` cells, with ``right`` at the far end.

    Pieces give way by weight: the lightest takes its shorter forms, then goes, before a heavier one is touched.
    """
    both = [*parts, *right]
    shown = [0] * len(both)
    order = sorted(range(len(both)), key=lambda index: both[index].weight)
    while _taken(both, shown, gap) > cells:
        index = next((index for index in order if shown[index] < len(both[index].forms)), None)
        if index is None:
            break
        shown[index] += 1
    forms = [_form(one, form) for one, form in zip(both, shown, strict=True)]
    left_line = _joined(forms[: len(parts)], gap)
    right_line = _joined(forms[len(parts) :], gap)
    if right_line:
        room = cells - line_width(left_line) - line_width(right_line)
        left_line = (*left_line, cell(" " * max(0, room)))
    return cut_line((*left_line, *right_line), cells)


def _form(one: Part, index: int) -> CellLine:
    return one.forms[index] if index < len(one.forms) else ()


def _taken(parts: Sequence[Part], shown: Sequence[int], gap: int) -> int:
    lines = [line for one, form in zip(parts, shown, strict=True) if (line := _form(one, form))]
    return sum(line_width(line) for line in lines) + gap * max(0, len(lines) - 1)


def _joined(lines: Iterable[CellLine], gap: int) -> CellLine:
    joined: list[Cell] = []
    space = cell(" " * gap)
    for line in lines:
        if line:
            joined.extend((space, *line) if joined else line)
    return tuple(joined)


BLANK: CellLine = (Cell(EMPTY),)
"""An empty line."""


def plain(line: Iterable[Cell]) -> str:
    """Return a line's text alone."""
    return "".join(one.text for one in line)
