"""The locks pane: who holds which workflow, for how long, and whether the holder lives."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import ClassVar

from console.cells import Cell
from console.text import safe
from console.view.lazy import LazyRows
from console.view.locks import COLUMNS, lock_row
from console.view.words import count_text
from console.widgets.list_pane import ListPane
from engine.observation.views import LockView


class LocksPane(ListPane[LockView]):
    """Held locks, the soonest to expire first."""

    pane_name: ClassVar[str] = "locks"
    number: ClassVar[str] = "4"
    title: ClassVar[str] = "Locks"
    columns: ClassVar = COLUMNS

    def __init__(self) -> None:
        super().__init__()
        self._read_at: datetime | None = None

    def show(self, locks: Sequence[LockView], now: datetime, *, total: int | None, first: int) -> None:
        """Show ``locks`` as they were read ``now``."""
        self._read_at = now
        rows = LazyRows(locks, _key, partial(lock_row, now=now, read_at=now))
        self.show_values(rows, total=total, first=first, empty="no locks are held")

    def age(self, now: datetime) -> None:
        """Show the same locks some time later."""
        if self._read_at is not None:
            self.remake(partial(lock_row, now=now, read_at=self._read_at))

    def show_counts(self, held: int, dead: int) -> None:
        """Show how many are held, and how many by the dead."""
        self.show_title(
            Cell(safe(count_text(held)), "dim"), Cell(safe(f"{count_text(dead)} dead" if dead else ""), "bad")
        )

    def workflow_id(self) -> str | None:
        """Return the workflow whose lock is under the cursor."""
        return self.rows.cursor_key


def _key(view: LockView) -> str:
    return view.lock.workflow_id
