"""A small app on the safe driver, run by the tests as a program of its own.

Usage: terminal_app.py NOTES [busy|hostile|plain]. It notes what it hears and measures, as JSON, in the file NOTES.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from textual import events
from textual.app import ComposeResult

from console.cells import Cell, Column, Row
from console.terminal.driver import SafeApp, SafeDriver
from console.text import safe
from console.theme import DARK, textual_theme
from console.widgets.row_list import RowList

HOSTILE = {
    "markup": "A[bold red]HOT[/bold red]Z",
    "unclosed": "A[/nope]Z",
    "click": "A[@click=app.quit]LNK[/]Z",
    "broken": "A[bold",
    "link": "A[link=file:///etc/passwd]L[/link]Z",
    "clear": "A\x1b[2JZ",
    "clipboard": "A\x1b]52;c;aGFjaw==\x07Z",
    "hyperlink": "A\x1b]8;;http://evil/\x1b\\L\x1b]8;;\x1b\\Z",
    "title": "A\x1b]0;PWNED\x07Z",
    "C1": "A\x9b2J\x9d0;X\x9cZ",
    "ends": "AAA\rB\nC\x85D\u2028E\u2029F\x0b\x0c",
    "backspace": "AB\b\bCZ\x7f\x00\x07\t",
    "shift out": "A\x0eZ\x0f\x1bN\x1b(0",
    "wide": "A漢字漢字Z",
    "joined": "A👩\u200d👩\u200d👧✅🇩🇪👍🏽Z",
    "marks": "\u0301\u0301Ae" + "\u0301" * 99 + "\u200b\u200dZ",
    "bidi": "A\u202eEVIL\u202c\u2066x\u2069\u061cZ",
    "tags": "A\U000e0041\U000e007f\ufeffZ",
    "surrogate": "A\udc80\ud800Z",
    "long": "\x1b" * 200_000,
}
COLUMNS = (Column("key", safe("KEY"), 10), Column("text", safe("TEXT"), 30, flex=1), Column("tail", safe("TAIL"), 4))


class TerminalApp(SafeApp):
    """Shows rows, counts, and does what single keys ask of it."""

    ENABLE_COMMAND_PALETTE = False

    def __init__(self, notes: Path, mode: str) -> None:
        super().__init__()
        self.register_theme(textual_theme(DARK))
        self.theme = DARK.name
        self._notes = notes
        self._mode = mode
        self._keys: list[str] = []
        self._pastes: list[str] = []
        self._count = 0
        self._beat_at = time.monotonic()
        self._longest_gap_s = 0.0
        self._is_measuring = False

    def compose(self) -> ComposeResult:
        yield RowList(COLUMNS, lead_width=0)

    def on_mount(self) -> None:
        self.query_one(RowList).focus()
        self._draw()
        self.set_interval(0.02, self._beat)

    def on_key(self, event: events.Key) -> None:
        self._keys.append(event.key)
        match event.key:
            case "m":
                self._is_measuring, self._longest_gap_s = True, 0.0
            case "f":
                self._mode = "plain"
            case "w":
                self._note()
            case "c":
                secret = "canary" + "-in-a-local"  # noqa: F841  a traceback must not show it
                raise ValueError("crashed on \x1b]0;PWNED\x07 data")
            case "b":
                time.sleep(30)  # noqa: TID251  the loop that does not move
            case "q":
                self.exit(return_code=7)

    def on_paste(self, event: events.Paste) -> None:
        self._pastes.append(event.text)

    def _beat(self) -> None:
        now = time.monotonic()
        if self._is_measuring:
            self._longest_gap_s = max(self._longest_gap_s, now - self._beat_at)
        self._beat_at = now
        if self._mode == "busy":
            self._count += 1
            self._draw()

    def _draw(self) -> None:
        texts = HOSTILE if self._mode == "hostile" else {f"row {n}": f"count {self._count} " * 5 for n in range(40)}
        rows = [Row(key, (Cell(safe(key)), Cell(safe(text)), Cell(safe("END")))) for key, text in texts.items()]
        self.query_one(RowList).show(rows)

    def _note(self) -> None:
        driver = self._driver
        assert isinstance(driver, SafeDriver)
        notes = {
            "keys": self._keys,
            "pastes": self._pastes,
            "longest_gap_s": self._longest_gap_s,
            "frames_dropped": self.frames_dropped,
            "bytes_written": self.bytes_written,
            "dropped": driver.input.guard.dropped,
            "parser_faults": driver.input.parser_faults,
            "count": self._count,
        }
        self._notes.with_suffix(".new").write_text(json.dumps(notes), encoding="utf-8")
        self._notes.with_suffix(".new").rename(self._notes)


if __name__ == "__main__":
    sys.exit(TerminalApp(Path(sys.argv[1]), sys.argv[2]).run_to_end())
