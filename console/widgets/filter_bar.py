"""The line a filter is typed into; what is wrong with it is said while it is typed."""

from __future__ import annotations

from textual import events
from textual.message import Message

from console.cells import Cell
from console.edit_line import EditLine
from console.filters import FilterError, parse_filter
from console.text import safe
from console.view.lines import CellLine, cell, cut_line, line_width
from console.widgets.drawn import Drawn

_HINT = "state: err: type: owner: flag: is:problem age>5m text !text /re/"


class FilterBar(Drawn, can_focus=True):
    """One line of typed text. It takes every key until it is left."""

    class Changed(Message):
        """The line can be meant; what is listed may follow it."""

        def __init__(self, line: str) -> None:
            super().__init__()
            self.line = line

    class Done(Message):
        """The line is finished, or given up."""

        def __init__(self, line: str, *, is_kept: bool) -> None:
            super().__init__()
            self.line, self.is_kept = line, is_kept

    def __init__(self) -> None:
        super().__init__(ground="bar", id="filter")
        self._edit = EditLine()
        self._wrong = ""

    def begin(self, line: str) -> None:
        """Start from the present filter."""
        self._edit = EditLine(line, len(line))
        self._check()

    def on_key(self, event: events.Key) -> None:
        """Take a key; none passes on to the screen below."""
        event.stop()
        event.prevent_default()
        if event.key in ("escape", "ctrl+g"):
            self.post_message(self.Done(self._edit.text, is_kept=False))
        elif event.key == "enter":
            if not self._wrong:
                self.post_message(self.Done(self._edit.text.strip(), is_kept=True))
        else:
            edited = self._edit.press(event.key)
            if edited is None and event.character is not None and event.is_printable:
                edited = self._edit.insert(event.character)
            if edited is not None:
                self._take(edited)

    def on_paste(self, event: events.Paste) -> None:
        """Take pasted text."""
        event.stop()
        self._take(self._edit.insert(event.text))

    def _take(self, edited: EditLine) -> None:
        is_changed = edited.text != self._edit.text
        self._edit = edited
        self._check()
        if is_changed and not self._wrong:
            self.post_message(self.Changed(edited.text.strip()))

    def _check(self) -> None:
        try:
            parse_filter(self._edit.text)
        except FilterError as error:
            self._wrong = f"{error.word}: {error.why}"
        else:
            self._wrong = ""
        self.show(self._write)

    def _write(self, cells: int, _lines: int) -> tuple[CellLine, ...]:
        line = self._edit
        under = line.after[:1] or " "
        typed: CellLine = (
            cell(" / ", "accent"),
            cell(line.before[-max(8, cells // 2) :]),
            Cell(safe(under), "badge_accent"),
            cell(line.after[1:]),
        )
        room = cells - line_width(typed) - 2
        note = cell(self._wrong, "bad") if self._wrong else cell("" if line.text else _HINT, "dim")
        return ((*typed, cell("  "), *cut_line((note,), max(0, room))),)
