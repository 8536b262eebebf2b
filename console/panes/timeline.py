"""The timeline pane: one workflow as a picture."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult

from console.view.lines import cell
from console.widgets.drawn import Draw, Drawn
from console.widgets.list_pane import Pane


class TimelinePane(Pane):
    """A bar per visit on a time axis, the deadline, and why the workflow is where it is."""

    DEFAULT_CSS = "TimelinePane Drawn { height: 1fr; margin: 0 1; }"

    pane_name: ClassVar[str] = "timeline"
    number: ClassVar[str] = "2"
    title: ClassVar[str] = "Timeline"

    def __init__(self) -> None:
        super().__init__()
        self.picture = Drawn()

    def compose(self) -> ComposeResult:
        """Put the picture under the title."""
        yield self.rule
        yield self.picture

    def show(self, draw: Draw) -> None:
        """Show what ``draw`` draws."""
        self.picture.show(draw)

    def show_nothing(self) -> None:
        """Say that no workflow is selected."""
        self.picture.show(lambda _cells, _lines: ((cell("no workflow is selected", "dim"),),))
