"""A text over the panes: one workflow in full, a document, help."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import events
from textual.app import ComposeResult
from textual.widget import Widget

from console.cells import Cell
from console.text import safe
from console.view.lines import CellLine
from console.widgets.rule_title import RuleTitle
from console.widgets.text_lines import TextLines

Write = Callable[[int], Sequence[CellLine]]
"""Returns the lines for a number of cells."""


class Reader(Widget):
    """Shows lines from a place in them."""

    DEFAULT_CSS = """
    Reader { layout: vertical; height: 1fr; width: 1fr; background: $ground; }
    Reader TextLines { margin: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__(id="reader")
        self._rule = RuleTitle()
        self._page = TextLines()
        self._title: Sequence[Cell] = ()
        self._write: Write = _nothing
        self._count = 0

    def compose(self) -> ComposeResult:
        """Put the text under its title."""
        yield self._rule
        yield self._page

    def on_mount(self) -> None:
        """Draw the title as that of what has the keys."""
        self._rule.set_active(True)

    def open(self, title: Sequence[Cell], write: Write) -> None:
        """Show another text from its beginning."""
        self._title, self._write = title, write
        self._page.show(())
        self._update()

    def update_text(self, write: Write) -> None:
        """Show the same text as it is now, where it was."""
        self._write = write
        self._update()

    def scroll_by(self, lines: int) -> None:
        """Go on by ``lines``, back where negative."""
        self._page.scroll_lines(lines)
        self._show_place()

    @property
    def page_height(self) -> int:
        """The lines that fit."""
        return max(1, self._page.size.height)

    def on_resize(self, _event: events.Resize) -> None:
        """Write anew for the new width, once the page has it."""
        self.call_after_refresh(self._update)

    def _update(self) -> None:
        cells = self._page.line_width
        if not cells:
            return
        lines = self._write(cells)
        self._count = len(lines)
        self._page.show(lines)
        self._show_place()

    def _show_place(self) -> None:
        height = self._page.size.height
        top = self._page.top
        is_long = self._count > height
        place = f"{top + 1} to {min(self._count, top + height)} of {self._count}" if is_long else ""
        self._rule.show(self._title, (Cell(safe(place), "dim"), Cell(safe("esc back"), "dim")))


def _nothing(_cells: int) -> Sequence[CellLine]:
    return ()
