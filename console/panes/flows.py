"""The flows pane: every workflow, what needs a look first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

from console.cells import Cell
from console.text import safe
from console.view.flows import COLUMNS, FlowFacts, flow_row
from console.view.lazy import LazyRows
from console.view.words import count_text
from console.widgets.list_pane import ListPane
from engine.store.query import FlowRow


class FlowsPane(ListPane[FlowRow]):
    """Workflows in the order and under the filter the screen reads them."""

    pane_name: ClassVar[str] = "flows"
    number: ClassVar[str] = "1"
    title: ClassVar[str] = "Flows"
    columns: ClassVar = COLUMNS
    has_marks: ClassVar[bool] = True
    has_resting_cursor: ClassVar[bool] = True

    def show(self, flows: Sequence[FlowRow], facts: FlowFacts, *, total: int | None, first: int, empty: str) -> None:
        """Show ``flows``; ``total``, ``first`` and ``empty`` as in :meth:`show_values`."""
        rows = LazyRows(flows, _key, partial(flow_row, facts=facts))
        self.show_values(rows, total=total, first=first, empty=empty)

    def age(self, facts: FlowFacts) -> None:
        """Show the same workflows some time later."""
        self.remake(partial(flow_row, facts=facts))

    def show_count(self, count: int | None, *, is_capped: bool) -> None:
        """Show how many workflows the filter selects."""
        note = "" if count is None else count_text(count, is_capped=is_capped)
        self.show_title(Cell(safe(note), "dim"))

    def workflow_id(self) -> str | None:
        """Return the workflow under the cursor."""
        return self.rows.cursor_key

    def next_where(self, wanted: Callable[[FlowRow], bool]) -> FlowRow | None:
        """Return the next loaded workflow after the cursor that is ``wanted``, going round at the end."""
        start = self.rows.cursor_index + 1
        around = [*self.values[start:], *self.values[:start]]
        return next((flow for flow in around if wanted(flow)), None)


def _key(flow: FlowRow) -> str:
    return flow.workflow_id
