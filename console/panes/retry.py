"""The retry pane: events that wait for their next try, and the dead letter."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import ClassVar

from console.cells import Cell
from console.text import safe
from console.view.events import COLUMNS, event_row, oldest_text
from console.view.lazy import LazyRows
from console.view.words import count_text, prefixless
from console.widgets.list_pane import ListPane
from engine.store.query import EventRow


class RetryPane(ListPane[EventRow]):
    """Failing events by their next try, then dead ones; or all events of one workflow."""

    pane_name: ClassVar[str] = "retry"
    number: ClassVar[str] = "3"
    title: ClassVar[str] = "Retry"
    columns: ClassVar = COLUMNS
    has_marks: ClassVar[bool] = True

    def show(self, events: Sequence[EventRow], now: datetime, *, total: int | None, first: int, empty: str) -> None:
        """Show ``events``; ``total``, ``first`` and ``empty`` as in :meth:`show_values`."""
        rows = LazyRows(events, _key, partial(event_row, now=now))
        self.show_values(rows, total=total, first=first, empty=empty)

    def age(self, now: datetime) -> None:
        """Show the same events some time later."""
        self.remake(partial(event_row, now=now))

    def show_counts(self, failing: int, dead: int, now: datetime, *, only: str | None) -> None:
        """Show how many wait and how many are dead, or whose events these are."""
        if only is not None:
            self.show_title(Cell(safe("of"), "dim"), Cell(prefixless(only), "accent"))
            return
        oldest = oldest_text(tuple(self.values), now)
        self.show_title(
            Cell(safe(count_text(failing)), "warn" if failing else "dim"),
            Cell(safe(f"oldest {oldest}" if oldest else ""), "dim"),
            Cell(safe(f"{count_text(dead)} dead" if dead else ""), "bad"),
        )

    def workflow_id(self) -> str | None:
        """Return the workflow whose event is under the cursor."""
        return None if self.value is None else self.value.id.workflow_id


def _key(event: EventRow) -> str:
    return str(event.id)
