"""Lines of cells one below the other: descriptions, explanations, a plan, a timeline."""

from __future__ import annotations

from collections.abc import Sequence

from console.cells import Cell
from console.text import SafeText
from console.theme import GroundName
from console.widgets.line_view import Line, LineView, padded

_BLANK = SafeText(" ")


class TextLines(LineView):
    """Draws the lines it is given from the top; more than fit are reached by :meth:`scroll_lines`.

    Cells stand side by side as they are: who makes the lines sets their spaces and fits them to :attr:`line_width`.
    """

    DEFAULT_CSS = "TextLines { height: 1fr; width: 1fr; }"

    def __init__(
        self,
        *,
        ground: GroundName = "ground",
        id: str | None = None,  # noqa: A002  Textual's name
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._ground: GroundName = ground
        self._texts: Sequence[Sequence[Cell]] = ()
        self._top = 0

    @property
    def line_width(self) -> int:
        """The cells of one line."""
        return self.size.width

    @property
    def top(self) -> int:
        """The number of lines above the first one on the screen."""
        return self._top

    def show(self, lines: Sequence[Sequence[Cell]]) -> None:
        """Show ``lines``, keeping the place where the same number of lines stands above."""
        self._texts = lines
        self.scroll_lines(0)

    def scroll_lines(self, lines: int) -> None:
        """Move on by ``lines``, or back by a negative number; the last line never leaves the foot."""
        self._top = max(0, min(self._top + lines, len(self._texts) - self.size.height))
        self.repaint()

    def build_line(self, y: int) -> Line:
        """Return the cells of one line."""
        index = self._top + y
        cells = self._texts[index] if index < len(self._texts) else ()
        spans = [self.span(cell.text, cell.style, self._ground) for cell in cells]
        return padded(spans, self.size.width, self.span(_BLANK, "text", self._ground))
