"""What a list shows: columns, rows and cells as plain values, made without a screen.

A pane turns values of the engine into these; the widgets draw them and know nothing of workflows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from console.text import Align, SafeText

StyleName = Literal[
    "text",
    "strong",
    "dim",
    "accent",
    "ok",
    "warn",
    "bad",
    "mark",
    "cursor",
    "header",
    "badge_accent",
    "badge_warn",
    "badge_bad",
]
"""What a cell means. ``strong`` is bold text, ``cursor`` and ``mark`` are the list's own signs, ``header`` a column's
title, a badge is a word on a filled ground (the environment, the verdict)."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One text with one meaning."""

    text: SafeText
    style: StyleName = "text"
    short: SafeText | None = None
    """Shown instead where ``text`` does not fit: a whole word, where the ellipsis would leave half of one."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a list. Widths are cells without the blank one after it."""

    key: str
    title: SafeText
    width: int
    """The width that shows its usual contents whole."""
    align: Align = "left"
    min_width: int | None = None
    """The least useful width; None means ``width``."""
    flex: int = 0
    """Its share of the width that is left once every column has its own."""
    drop: int = 0
    """Above 0: may go where the list is narrow, the greatest first. 0 always stays."""

    @property
    def least(self) -> int:
        """The cells below which the column is of no use."""
        return self.width if self.min_width is None else self.min_width


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a list."""

    key: str
    """What the cursor and the marks follow: unique in the list, never drawn."""
    cells: tuple[Cell, ...]
    """One for each column given to the list, in that order."""
    lead: tuple[Cell, ...] = ()
    """Glyphs of one cell each before the first column, the state's for example."""
    is_dim: bool = False
    """Calm: finished work, which keeps only the colours of what is wrong."""


@runtime_checkable
class KeyedRows(Protocol):
    """Rows that know where a key is, so that the list need not search them. A lazy sequence offers this."""

    def index_of(self, key: str) -> int | None:
        """Return the position of the row with ``key``, or None."""
        ...
