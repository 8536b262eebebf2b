"""The frame below the header: tabs, what the list shows, and the keys worth knowing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from console.actions import OperatorAction
from console.cells import Cell, StyleName
from console.text import safe, wrap
from console.view.lines import CellLine, cell, compose, line_width, part
from console.view.words import count_text


@dataclass(frozen=True, slots=True)
class Tab:
    """One pane in the tab bar.

    Attributes:
        note: a count or nothing.
        is_bad: adds the sign that something is wrong.
        bad: how many of them are what is wrong, with their sign: ``2†``; shown apart instead of ``is_bad``'s sign.
    """

    key: str
    title: str
    short: str
    note: str = ""
    is_bad: bool = False
    bad: str = ""


def tabs_line(tabs: Sequence[Tab], active: str, cells: int) -> CellLine:
    """Return the tab bar: names turn short, then counts go, the active pane's last."""
    for shape in range(3):
        line = tuple(one for tab in tabs for one in _tab(tab, shape, is_active=tab.key == active))
        if line_width(line) <= cells:
            return line
    return tuple(one for tab in tabs for one in _tab(tab, 3, is_active=tab.key == active))


def _tab(tab: Tab, shape: int, *, is_active: bool) -> CellLine:
    name = tab.title if shape == 0 else tab.short
    note, bad = tab.note + ("!" if tab.is_bad and tab.note and not tab.bad else ""), tab.bad
    if shape == 2 and not (is_active or tab.is_bad or bad):  # noqa: PLR2004  the third shape
        note = ""
    if shape > 2:  # noqa: PLR2004
        note = bad = ""
    words = f"{tab.key} {name}"
    if is_active:
        return (cell(f" {' '.join(filter(None, (words, note, bad)))} ", "badge_accent"),)
    noted = (cell(f" {note}", "bad" if tab.is_bad and not bad else "dim"),) if note else ()
    noted = (*noted, cell(f" {bad}", "bad")) if bad else noted
    return (cell(f" {tab.key} ", "dim"), cell(name, "text"), *noted, cell(" "))


NOTICE_LINES: Final = 3
"""Lines a sentence about the last key may take."""


@dataclass(frozen=True, slots=True)
class Status:
    """What the line above the footer says.

    Attributes:
        what: what a pane other than the flows lists, in words; "" for the flows.
        filter_line: as typed, "" for none.
        count: rows the filter selects, None before it is known.
        is_capped: counting stopped at ``count``.
        searched: rows a bounded search looked at, None without one; said only where it did not see all.
        total: all rows, for a bounded search.
        marked: marks, and how many of them the filter hides.
        sort: the order in words.
    """

    what: str = ""
    filter_line: str = ""
    count: int | None = None
    is_capped: bool = False
    searched: int | None = None
    total: int = 0
    marked: int = 0
    hidden: int = 0
    sort: str = ""


def notice_lines(sentence: str, style: StyleName, cells: int) -> tuple[CellLine, ...]:
    """Return the sentence about the last key, whole where a few lines hold it."""
    pieces = wrap(safe(sentence), max(8, cells - 2), max_lines=NOTICE_LINES)
    return tuple((cell(" "), Cell(piece, style)) for piece in pieces)


def status_line(status: Status, cells: int) -> CellLine:
    """Return filter, marks and order."""
    count = "" if status.count is None else count_text(status.count, is_capped=status.is_capped)
    if status.what:
        parts = [part(7, cell(status.what))]
    elif status.filter_line:
        parts = [
            part(
                8,
                (cell("filter ", "dim"), cell(status.filter_line, "accent"), cell(f"  {count}", "strong")),
                (cell("filter ", "dim"), cell(f"  {count}", "strong")),
            )
        ]
    else:
        parts = [part(7, (cell("no filter ", "dim"), cell(count, "strong")))]
    if status.searched is not None and status.searched < status.total:
        parts.append(part(4, cell(f"searched {count_text(status.searched)} of {count_text(status.total)}", "warn")))
    if status.marked:
        hidden = f" ({count_text(status.hidden)} hidden)"
        marks = f"{count_text(status.marked)} marked"
        parts.append(
            part(9, (cell(marks, "mark"), cell(hidden, "mark" if status.hidden else "dim")), cell(marks, "mark"))
        )
    if status.sort:
        parts.append(part(1, cell(status.sort, "dim")))
    return (cell(" "), *compose(parts, cells - 1, gap=3))


def footer_line(actions: Sequence[OperatorAction], keep: Sequence[str], cells: int) -> CellLine:
    """Return the keys worth knowing: all with words, else only those in ``keep`` with theirs, else keys alone."""
    words = [_key(action.key, action.short) for action in actions]
    for chosen in (words, [word for word, action in zip(words, actions, strict=True) if action.key in keep]):
        line = _spaced(chosen)
        if line_width(line) <= cells - 1:
            return (cell(" "), *line)
    return (cell(" "), *compose([part(0, *((cell(action.key, "accent"),))) for action in actions], cells - 1))


def _key(key: str, word: str) -> CellLine:
    return (cell(key, "accent"), cell(f" {word}", "text"))


def _spaced(words: Sequence[CellLine]) -> CellLine:
    return tuple(one for index, word in enumerate(words) for one in ((cell("  "), *word) if index else word))


SORT_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "problem": "problems first",
        "age": "longest in state first",
        "updated": "changed last first",
        "created": "newest first",
        "id": "by id",
    }
)
"""Every order in words."""
