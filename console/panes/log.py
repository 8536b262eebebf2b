"""The log pane: the structured logs of every engine on this store, newest last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import ClassVar

from console.cells import Row
from console.view.journal import LOG_COLUMNS, log_row
from console.view.lazy import LazyRows
from console.widgets.list_pane import ListPane
from engine.observation.views import LogLine


class LogPane(ListPane[tuple[int, LogLine]]):
    """Log lines; stays at the newest while the cursor is there."""

    pane_name: ClassVar[str] = "log"
    number: ClassVar[str] = "6"
    title: ClassVar[str] = "Log"
    columns: ClassVar = LOG_COLUMNS
    lead_width: ClassVar[int] = 0

    def show(self, lines: Sequence[LogLine], now: datetime, zone: tzinfo | None) -> None:
        """Show ``lines``, oldest first."""

        def make(numbered: tuple[int, LogLine]) -> Row:
            return log_row(numbered[1], numbered[0], now, zone)

        is_at_end = self.rows.cursor_index >= len(self.values) - 1
        shown = LazyRows(_numbered(lines), _key, make)
        self.show_values(shown, total=len(lines), empty="no engine has logged anything here")
        if is_at_end:
            self.rows.action_last()

    def workflow_id(self) -> str | None:
        """Return the workflow the line is about."""
        return None if self.value is None else self.value[1].workflow_id


def _numbered(lines: Sequence[LogLine]) -> list[tuple[int, LogLine]]:
    """Return lines with a number that tells equal ones apart and stays theirs when older ones go."""
    counts: dict[tuple[object, ...], int] = {}
    numbered: list[tuple[int, LogLine]] = []
    for line in lines:
        same = (line.timestamp, line.event, line.workflow_id)
        counts[same] = counts.get(same, -1) + 1
        numbered.append((counts[same], line))
    return numbered


def _key(numbered: tuple[int, LogLine]) -> str:
    index, line = numbered
    return f"{line.timestamp.isoformat()} {line.event} {line.workflow_id} {index}"
