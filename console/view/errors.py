"""Errors by type: the last hour as a line of bars, and the count since the store was made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from console.cells import Cell, Column, Row
from console.text import SafeText, is_drawing_ascii, safe
from console.view.words import count_text
from engine.observation.views import ErrorCount

COLUMNS: Final = (
    Column("type", safe("TYPE"), 10),
    Column("hour", safe("1H"), 4, "right"),
    Column("minutes", safe("LAST HOUR"), 12, min_width=6, flex=1, drop=2),
    Column("total", safe("EVER"), 5, "right", drop=1),
)
"""The columns of the error counts."""

_UNICODE_BARS: Final = "▁▂▃▄▅▆▇█"
_ASCII_BARS: Final = "_.:-=+*#"
SPARK_CELLS: Final = 60
_NAMES: Final = {
    "timeout": "timeout",
    "state_transition_error": "transition",
    "module_execution_error": "module",
    "event_publish_error": "publish",
    "validation_error": "validation",
    "resource_error": "resource",
    "unknown_error": "unknown",
}


def error_row(count: ErrorCount, cells: int) -> Row:
    """Return one error type as a row of :data:`COLUMNS`, its bars in ``cells`` cells."""
    is_quiet = not count.last_hour
    name = _NAMES.get(count.error_type, count.error_type)
    return Row(
        key=count.error_type,
        cells=(
            Cell(safe(name), "dim" if is_quiet else "text"),
            Cell(safe(count_text(count.last_hour)), "dim" if is_quiet else "bad"),
            Cell(sparkline(count.minutes, cells), "dim" if is_quiet else "warn"),
            Cell(safe(count_text(count.total)), "dim"),
        ),
    )


def sparkline(counts: Sequence[int], cells: int) -> SafeText:
    """Return ``counts`` as bars in ``cells`` cells, oldest at the left; neighbours are added up to fit.

    Nothing at all is the lowest bar, so that one of anything is seen.
    """
    cells = max(1, min(cells, len(counts) or 1))
    sums = [sum(counts[index * len(counts) // cells : (index + 1) * len(counts) // cells]) for index in range(cells)]
    bars = _ASCII_BARS if is_drawing_ascii() else _UNICODE_BARS
    most = max(sums, default=0)
    top = len(bars) - 1
    return safe("".join(bars[0] if not value else bars[max(1, round(value * top / most))] for value in sums))
