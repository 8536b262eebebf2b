"""The errors pane: the seven types, the last hour of each, and the counts since the store was made."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from textual import events

from console.cells import Cell
from console.text import safe
from console.view.errors import COLUMNS, SPARK_CELLS, error_row
from console.view.lazy import LazyRows
from console.view.words import count_text
from console.widgets.list_pane import ListPane
from engine.observation.views import ErrorCount

_OTHER_COLUMNS = 28
"""Cells of a row that are not bars."""


class ErrorsPane(ListPane[ErrorCount]):
    """Error types in a fixed order, quiet ones calm."""

    pane_name: ClassVar[str] = "errors"
    number: ClassVar[str] = "5"
    title: ClassVar[str] = "Errors"
    columns: ClassVar = COLUMNS
    lead_width: ClassVar[int] = 0

    def show(self, counts: Sequence[ErrorCount]) -> None:
        """Show all types."""
        self.show_values(LazyRows(counts, _key, self._make()), total=len(counts))
        hour = sum(count.last_hour for count in counts)
        self.show_title(Cell(safe(f"{count_text(hour)} in the last hour"), "dim"))

    def on_resize(self, _event: events.Resize) -> None:
        """Fit the bars."""
        self.remake(self._make())

    def workflow_id(self) -> str | None:
        """Return None: a type is no workflow."""
        return None

    def _make(self) -> partial:  # type: ignore[type-arg]
        return partial(error_row, cells=max(6, min(SPARK_CELLS, self.size.width - _OTHER_COLUMNS)))


def _key(count: ErrorCount) -> str:
    return count.error_type
