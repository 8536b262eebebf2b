"""The list every pane is made of: rows of cells, a cursor that follows a key, marks, and pages as they are needed.

It holds a sequence of rows that may be lazy and looks only at those on the screen; it repaints only spans that differ.
It binds no key: the screen's registry of actions calls its ``action_`` methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip

from console.cells import Cell, Column, KeyedRows, Row, StyleName
from console.glyphs import glyphs
from console.text import EMPTY, SafeText, cut, fit, join, pick, width
from console.theme import GroundName
from console.widgets.column_layout import GAP, share
from console.widgets.line_view import Line, LineView, padded

_SEARCH_REACH = 1_000
"""How far from its old place a key is looked for in rows that cannot say where it is and are made as they are read."""

_WHEEL_LINES = 3
_BLANK = SafeText(" ")
_GAP = SafeText(" " * GAP)
_HEADER_HEIGHT = 1


class RowList(LineView, can_focus=True):
    """A header line and rows below it; one row has the cursor.

    Args:
        columns: may be set later by :meth:`set_columns`.
        lead_width: glyphs every row carries before its first column (``Row.lead``).
        has_marks: whether a column is kept for the sign of marked rows.
        has_resting_cursor: whether the cursor's row is told from others while the list has no focus.
    """

    DEFAULT_CSS = "RowList { height: 1fr; width: 1fr; }"
    BINDINGS: ClassVar = []

    class Highlighted(Message):
        """The cursor stands on another row; ``key`` is None where the list is empty."""

        def __init__(self, row_list: RowList, key: str | None, index: int) -> None:
            super().__init__()
            self.row_list, self.key, self.index = row_list, key, index

        @property
        def control(self) -> RowList:
            """The list it happened in."""
            return self.row_list

    class Lost(Message):
        """What was read anew took the row under the cursor out of sight; the cursor keeps its line.

        ``number`` is the row's place among all, from 1; None where it is not among those loaded.
        """

        def __init__(self, row_list: RowList, key: str, number: int | None) -> None:
            super().__init__()
            self.row_list, self.key, self.number = row_list, key, number

        @property
        def control(self) -> RowList:
            """The list it happened in."""
            return self.row_list

    class Opened(Message):
        """The operator asked to see what is in the row with ``key``."""

        def __init__(self, row_list: RowList, key: str) -> None:
            super().__init__()
            self.row_list, self.key = row_list, key

        @property
        def control(self) -> RowList:
            """The list it happened in."""
            return self.row_list

    class NearEnd(Message):
        """The last rows that were shown come into view and there are more: time to load the next page."""

        def __init__(self, row_list: RowList) -> None:
            super().__init__()
            self.row_list = row_list

        @property
        def control(self) -> RowList:
            """The list it happened in."""
            return self.row_list

    class NearStart(Message):
        """The first rows that were shown come into view and there are some before them."""

        def __init__(self, row_list: RowList) -> None:
            super().__init__()
            self.row_list = row_list

        @property
        def control(self) -> RowList:
            """The list it happened in."""
            return self.row_list

    def __init__(
        self,
        columns: Sequence[Column] = (),
        *,
        lead_width: int = 1,
        has_marks: bool = True,
        has_resting_cursor: bool = True,
        id: str | None = None,  # noqa: A002  Textual's name
    ) -> None:
        super().__init__(id=id)
        self._columns = tuple(columns)
        self._widths: tuple[int, ...] = ()
        self._widths_for = -1
        self._lead_width = lead_width
        self._has_marks = has_marks
        self._has_resting_cursor = has_resting_cursor
        self._rows: Sequence[Row] = ()
        self._first = 0
        self._total: int | None = None
        self._empty = EMPTY
        self._top = 0
        self._cursor = 0
        self._cursor_key: str | None = None
        self._marks: frozenset[str] = frozenset()
        self._has_asked_before = False
        self._has_asked_after = False
        self.holds_window = False
        """Nobody is at the keys: a row that leaves the window is not scrolled after."""
        self.tells_loss = False
        """Rows are read anew because something changed, not because the operator asked for others."""
        self._painted_key: str | None = None

    # What is shown

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Replace the columns; rows shown from now on carry a cell for each of them."""
        self._columns = tuple(columns)
        self._widths_for = -1
        self.repaint()

    def show(
        self,
        rows: Sequence[Row],
        *,
        total: int | None = None,
        first: int = 0,
        empty: SafeText = EMPTY,
    ) -> None:
        """Show ``rows``: the cursor stays with its row wherever that went, and only spans that differ are painted.

        Args:
            rows: read by index, and only where they are on the screen. A lazy sequence should offer
                :class:`console.cells.KeyedRows`.
            total: how many rows there are in all, these and those not loaded; None where nobody counted, in which
                case more may follow.
            first: how many of all rows precede ``rows``.
            empty: said in place of the rows where there are none.
        """
        was_at_head = self._first + self._top == 0
        line = self._cursor - self._top
        shift = self._first - first
        self._rows, self._first, self._total, self._empty = rows, first, total, empty
        self._has_asked_before = self._has_asked_after = False
        key = self._cursor_key
        found = None if key is None else self._find(key, self._cursor + shift)
        self._cursor = self._within(self._cursor + shift if found is None else found)
        if self.holds_window and key is not None:
            self._hold(key, found, line, 0 if was_at_head and first == 0 else self._top + shift)
        elif key is not None and found is None and self.tells_loss and rows:
            self._keep_line(line, shift)
            self.post_message(self.Lost(self, key, None))
        elif was_at_head and first == 0:
            self._top = 0
            self._bring_into_view()
        else:
            self._keep_line(line, shift)
        self._tell_cursor()
        self._update()

    def _keep_line(self, line: int, shift: int) -> None:
        in_window = 0 <= line < self.page_height
        self._top = self._top_within(self._cursor - line if in_window else self._top + shift)

    def _hold(self, key: str, found: int | None, line: int, top: int) -> None:
        """Leave the window where it is; the cursor goes with its row inside it, and keeps its line otherwise."""
        self._top = self._top_within(top)
        if found is not None and self._top <= found < self._top + self.page_height:
            return
        if not 0 <= line < self.page_height:
            return
        self._cursor = self._within(self._top + line)
        self.post_message(self.Lost(self, key, None if found is None else self._first + found + 1))

    def set_marks(self, keys: frozenset[str]) -> None:
        """Draw the mark beside the rows with ``keys``."""
        self._marks = keys
        self.repaint()

    @property
    def marks(self) -> frozenset[str]:
        """The keys whose rows are drawn with the mark, whether they are shown or not."""
        return self._marks

    @property
    def cursor_key(self) -> str | None:
        """The key of the row the cursor stands on; None where there is no row."""
        return self._cursor_key

    @property
    def painted_key(self) -> str | None:
        """The key of the row the cursor was drawn on last."""
        return self._painted_key

    @property
    def cursor_index(self) -> int:
        """The position of the cursor among the rows given to :meth:`show`."""
        return self._cursor

    @property
    def cursor_row(self) -> Row | None:
        """The row the cursor stands on."""
        return self._rows[self._cursor] if self._rows else None

    @property
    def page_height(self) -> int:
        """The number of rows that fit the screen."""
        return max(1, self.size.height - _HEADER_HEIGHT)

    @property
    def visible_range(self) -> range:
        """The positions, among the rows given to :meth:`show`, of those on the screen."""
        return range(self._top, min(len(self._rows), self._top + self.page_height))

    def visible_keys(self) -> tuple[str, ...]:
        """Return the keys of the rows on the screen."""
        return tuple(self._rows[index].key for index in self.visible_range)

    def keys_from(self, anchor: str) -> tuple[str, ...]:
        """Return the keys from the row with ``anchor`` to the cursor's, both included, in the order shown.

        Only the cursor's where ``anchor`` is not among the rows.
        """
        if not self._rows:
            return ()
        found = self._find(anchor, self._cursor)
        start = self._cursor if found is None else found
        low, high = min(start, self._cursor), max(start, self._cursor)
        return tuple(self._rows[index].key for index in range(low, high + 1))

    # Moving

    def move_to(self, key: str) -> bool:
        """Put the cursor on the row with ``key``; return whether there is one."""
        found = self._find(key, self._cursor)
        if found is None:
            return False
        self.move_to_index(found)
        return True

    def move_to_index(self, index: int) -> None:
        """Put the cursor on the row at ``index``, or on the nearest there is."""
        self._cursor = self._within(index)
        self._bring_into_view()
        self._tell_cursor()
        self._update()

    def scroll_lines(self, lines: int) -> None:
        """Move the rows under the screen, leaving the cursor with its row."""
        self._top = self._top_within(self._top + lines)
        self._update()

    def action_cursor_down(self) -> None:
        """Go to the next row."""
        self.move_to_index(self._cursor + 1)

    def action_cursor_up(self) -> None:
        """Go to the previous row."""
        self.move_to_index(self._cursor - 1)

    def action_first(self) -> None:
        """Go to the first row."""
        self.move_to_index(0)

    def action_last(self) -> None:
        """Go to the last row."""
        self.move_to_index(len(self._rows) - 1)

    def action_half_down(self) -> None:
        """Go down half a screen."""
        self._jump(max(1, self.page_height // 2))

    def action_half_up(self) -> None:
        """Go up half a screen."""
        self._jump(-max(1, self.page_height // 2))

    def action_page_down(self) -> None:
        """Go down a screen, keeping one row in sight."""
        self._jump(max(1, self.page_height - 1))

    def action_page_up(self) -> None:
        """Go up a screen, keeping one row in sight."""
        self._jump(-max(1, self.page_height - 1))

    def action_open(self) -> None:
        """Ask to see what is in the row under the cursor."""
        if self._cursor_key is not None:
            self.post_message(self.Opened(self, self._cursor_key))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Put the cursor on the row that was clicked; a click does nothing else."""
        index = self._top + event.y - _HEADER_HEIGHT
        if event.y >= _HEADER_HEIGHT and index < len(self._rows):
            self.move_to_index(index)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Move on by a few rows."""
        event.stop()
        self.scroll_lines(_WHEEL_LINES)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Move back by a few rows."""
        event.stop()
        self.scroll_lines(-_WHEEL_LINES)

    def watch_has_focus(self, has_focus: bool) -> None:
        """Show the cursor as the one that listens, or at rest."""
        super().watch_has_focus(has_focus)
        self.repaint()

    def on_resize(self, event: events.Resize) -> None:
        """Keep the cursor in sight where it was."""
        self._bring_into_view()
        super().on_resize(event)
        self._ask_for_pages()

    # Drawing

    def render_line(self, y: int) -> Strip:
        """Return what line ``y`` shows, and remember which row the terminal shows the cursor on."""
        self._painted_key = self._cursor_key
        return super().render_line(y)

    def build_line(self, y: int) -> Line:
        """Return the header (line 0), a row, or what is said where there are none."""
        if y == 0:
            return self._header_line()
        index = self._top + y - _HEADER_HEIGHT
        if index < len(self._rows):
            return self._row_line(index, y)
        spans = [self.span(self._empty, "dim")] if y == _HEADER_HEIGHT and not self._rows else []
        if spans:
            spans.insert(0, self.span(SafeText(" " * self._gutter)))
        return padded(spans, self.size.width, self.span(_BLANK))

    def _header_line(self) -> Line:
        spans = [self.span(SafeText(" " * self._gutter), "header")]
        for column, cells in zip(self._columns, self._column_widths(), strict=True):
            if cells:
                spans.append(self.span(join(_GAP, (fit(column.title, cells, column.align), EMPTY)), "header"))
        return padded(spans, self.size.width, self.span(_BLANK, "header"))

    def _row_line(self, index: int, y: int) -> Line:
        row = self._rows[index]
        is_cursor = index == self._cursor and (self.has_focus or self._has_resting_cursor)
        ground: GroundName = ("cursor" if self.has_focus else "cursor_idle") if is_cursor else "ground"
        table = glyphs()
        spans = [self.span(table.cursor if is_cursor else _BLANK, "cursor" if self.has_focus else "dim", ground)]
        if self._has_marks:
            spans.append(self.span(table.mark if row.key in self._marks else _BLANK, "mark", ground))
        for position in range(self._lead_width):
            lead = row.lead[position] if position < len(row.lead) else _NO_CELL
            spans.append(self.span(fit(lead.text, 1), _shade(lead.style, row, is_cursor=is_cursor), ground))
        spans.append(self.span(_BLANK, "text", ground))
        for cell, column, cells in zip(row.cells, self._columns, self._column_widths(), strict=True):
            if cells:
                text = join(_GAP, (fit(_form(cell, cells), cells, column.align), EMPTY))
                spans.append(self.span(text, _shade(cell.style, row, is_cursor=is_cursor), ground))
        if spans[-1].cell_length > GAP and sum(span.cell_length for span in spans) == self.size.width:
            # the gap after the last column is where the mark of the position stands
            spans[-1] = Segment(spans[-1].text[:-GAP], spans[-1].style)
        line = padded(spans, max(0, self.size.width - 1), self.span(_BLANK, "text", ground))
        return (*line, self._position_span(y, ground)) if self.size.width else line

    def _position_span(self, y: int, ground: GroundName) -> Segment:
        total = self._first + len(self._rows) if self._total is None else max(self._total, len(self._rows))
        height = self.page_height
        if total <= height:
            return self.span(_BLANK, "text", ground)
        size = max(1, height * height // total)
        start = (self._first + self._top) * (height - size) // max(1, total - height)
        is_thumb = start <= y - _HEADER_HEIGHT < start + size
        return self.span(glyphs().position if is_thumb else _BLANK, "dim", ground)

    @property
    def _gutter(self) -> int:
        return 1 + self._has_marks + self._lead_width + 1

    def _column_widths(self) -> tuple[int, ...]:
        if self._widths_for != self.size.width:
            self._widths_for = self.size.width
            self._widths = share(self._columns, max(0, self.size.width - self._gutter - GAP))
        return self._widths

    # Places

    def _jump(self, lines: int) -> None:
        """Move the cursor and the rows under it together, so that the cursor keeps its line."""
        self._top = self._top_within(self._top + lines)
        self.move_to_index(self._cursor + lines)

    def _find(self, key: str, near: int) -> int | None:
        rows = self._rows
        if isinstance(rows, KeyedRows):
            return rows.index_of(key)
        if 0 <= near < len(rows) and rows[near].key == key:
            return near
        low, high = 0, len(rows)
        if not isinstance(rows, list | tuple):
            low, high = max(0, near - _SEARCH_REACH), min(high, near + _SEARCH_REACH)
        return next((index for index in range(low, high) if rows[index].key == key), None)

    def _within(self, index: int) -> int:
        return max(0, min(index, len(self._rows) - 1))

    def _top_within(self, top: int) -> int:
        return max(0, min(top, len(self._rows) - self.page_height))

    def _bring_into_view(self) -> None:
        top = min(self._top, self._cursor)
        self._top = self._top_within(max(top, self._cursor - self.page_height + 1))

    def _tell_cursor(self) -> None:
        key = self._rows[self._cursor].key if self._rows else None
        if key != self._cursor_key:
            self._cursor_key = key
            self.post_message(self.Highlighted(self, key, self._cursor))

    def _update(self) -> None:
        self.repaint()
        self._ask_for_pages()

    def _ask_for_pages(self) -> None:
        """Ask for the page beyond either end once it is within a screen; once for each :meth:`show`."""
        if not self._rows or not self.is_mounted:
            return
        height = self.page_height
        has_more = self._total is None or self._first + len(self._rows) < self._total
        if has_more and not self._has_asked_after and self._top + 2 * height >= len(self._rows):
            self._has_asked_after = True
            self.post_message(self.NearEnd(self))
        if self._first > 0 and not self._has_asked_before and self._top < height:
            self._has_asked_before = True
            self.post_message(self.NearStart(self))


_NO_CELL = Cell(_BLANK)


def _form(cell: Cell, cells: int) -> SafeText:
    """Return the text of ``cell`` if it fits, its short form if that does, or the cut text."""
    if cell.short is None or width(cell.text) <= cells:
        return cell.text
    return pick(cells, cell.short) or cut(cell.text, cells)


def _shade(name: StyleName, row: Row, *, is_cursor: bool) -> StyleName:
    """Return the style in which a cell of ``row`` is drawn: finished work is calm, the cursor's row is strong."""
    if row.is_dim:
        return "dim" if name in {"text", "strong", "ok", "accent"} else name
    return "strong" if is_cursor and name == "text" else name
