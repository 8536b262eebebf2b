"""Lines drawn by a function of the room there is: header, verdict, tabs, strip, timeline, plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from console.text import SafeText
from console.theme import GroundName
from console.view.lines import CellLine, cut_line
from console.widgets.line_view import Line, LineView, padded

Draw = Callable[[int, int], Sequence[CellLine]]
"""Returns the lines for a number of cells and of lines."""

_BLANK = SafeText(" ")


class Drawn(LineView):
    """Shows what its function draws for the size it has, also after a resize."""

    DEFAULT_CSS = "Drawn { height: 1; width: 1fr; }"

    def __init__(
        self,
        *,
        ground: GroundName = "ground",
        id: str | None = None,  # noqa: A002  Textual's name
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._ground: GroundName = ground
        self._draw: Draw = _nothing
        self._drawn: Sequence[CellLine] = ()

    def show(self, draw: Draw) -> None:
        """Show what ``draw`` returns for the present size, and for every later one."""
        self._draw = draw
        self.repaint()

    def build_line(self, y: int) -> Line:
        """Return one line of what was drawn."""
        if y == 0:
            self._drawn = self._draw(self.size.width, self.size.height)
        cells = cut_line(self._drawn[y], self.size.width) if y < len(self._drawn) else ()
        spans = [self.span(cell.text, cell.style, self._ground) for cell in cells]
        return padded(spans, self.size.width, self.span(_BLANK, "text", self._ground))


def _nothing(cells: int, lines: int) -> Sequence[CellLine]:
    del cells, lines
    return ()
