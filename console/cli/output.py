"""What a command prints: calm tables or one JSON object a line on stdout, narration on stderr."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from console.text import SafeText, cut, safe, width

_GAP: Final = "  "
_LONG: Final = 400
"""Characters of one cell or fact in a human listing."""


@dataclass(slots=True)
class Printer:
    """Where one command's output goes.

    Attributes:
        is_json: machine output: stdout holds nothing but JSON lines.
        is_utc: times are shown in UTC, else in local time.
    """

    is_json: bool = False
    is_utc: bool = False
    out: TextIO | None = None
    err: TextIO | None = None

    def record(self, value: Mapping[str, Any]) -> None:
        """Print one JSON object on a line of its own; ASCII only, so that no text in it can act on a terminal."""
        self._stdout.write(json.dumps(value, ensure_ascii=True, default=_plain) + "\n")

    def line(self, text: str = "") -> None:
        """Print a line for people; in JSON mode it is narration."""
        (self._stderr if self.is_json else self._stdout).write(safe(text, limit=_LONG * 10) + "\n")

    def say(self, text: str) -> None:
        """Narrate on stderr."""
        self._stderr.write(safe(text, limit=_LONG * 10) + "\n")

    def facts(self, facts: Sequence[tuple[str, object]]) -> None:
        """Print names and values in two columns."""
        shown = [(safe(name), safe(value, limit=_LONG)) for name, value in facts if value not in (None, "")]
        most = max((width(name) for name, _ in shown), default=0)
        for name, value in shown:
            self._stdout.write(f"{name}{' ' * (most - width(name))}{_GAP}{value}\n")

    def table(self, titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print rows in columns as wide as their widest cell; on a terminal the last column is cut to fit."""
        cells = [[safe(cell, limit=_LONG) for cell in row] for row in (titles, *rows)]
        widths = [max(width(row[at]) for row in cells) for at in range(len(titles))]
        room = self._columns - sum(widths[:-1]) - len(_GAP) * (len(titles) - 1)
        for row in cells:
            padded = [f"{cell}{' ' * (widths[at] - width(cell))}" for at, cell in enumerate(row[:-1])]
            last = row[-1] if self._columns == 0 else cut(SafeText(row[-1]), max(room, 10))
            self._stdout.write(_GAP.join([*padded, last]).rstrip() + "\n")

    def time(self, at: datetime | None) -> str:
        """Return a time as people read it here; ``-`` for None."""
        if at is None:
            return "-"
        if self.is_utc:
            return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        return at.astimezone().strftime("%Y-%m-%d %H:%M:%S")

    @property
    def _stdout(self) -> TextIO:
        return self.out or sys.stdout

    @property
    def _stderr(self) -> TextIO:
        return self.err or sys.stderr

    @property
    def _columns(self) -> int:
        """Cells of the terminal, 0 where the output goes elsewhere: a pipe gets everything."""
        return shutil.get_terminal_size().columns if self._stdout.isatty() else 0


def _plain(value: object) -> object:
    """Return what JSON has no shape for, as text."""
    if isinstance(value, datetime):
        from engine.model.times import format_time  # noqa: PLC0415  loaded with the first time that is printed

        return format_time(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)
