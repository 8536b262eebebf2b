"""The audit pane: who did what, and why; refused attempts too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from functools import partial
from typing import ClassVar

from console.view.journal import AUDIT_COLUMNS, audit_row, entry_key
from console.view.lazy import LazyRows
from console.widgets.list_pane import ListPane
from engine.model.entry import Entry


class AuditPane(ListPane[Entry]):
    """Audit entries, newest first."""

    pane_name: ClassVar[str] = "audit"
    number: ClassVar[str] = "7"
    title: ClassVar[str] = "Audit"
    columns: ClassVar = AUDIT_COLUMNS

    def show(
        self, entries: Sequence[Entry], now: datetime, zone: tzinfo | None, *, total: int | None, first: int
    ) -> None:
        """Show ``entries``."""
        rows = LazyRows(entries, entry_key, partial(audit_row, now=now, zone=zone))
        self.show_values(rows, total=total, first=first, empty="nobody has acted here yet")

    def workflow_id(self) -> str | None:
        """Return the workflow the entry is about."""
        return None if self.value is None or not self.value.workflow_id else self.value.workflow_id
