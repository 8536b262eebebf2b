"""A pane's title inside a rule: heavy and in the accent while the pane has the focus, thin otherwise. No boxes."""

from __future__ import annotations

from collections.abc import Sequence

from console.cells import Cell, StyleName
from console.glyphs import glyphs
from console.text import SafeText, width
from console.widgets.line_view import Line, LineView, padded

_BLANK = SafeText(" ")


class RuleTitle(LineView):
    """One line: ``━ 1 Flows 412 ━━━━━━━━━ changed 3x ━``; the extra text goes where both do not fit."""

    DEFAULT_CSS = "RuleTitle { height: 1; width: 1fr; }"

    def __init__(
        self,
        title: Sequence[Cell] = (),
        extra: Sequence[Cell] = (),
        *,
        id: str | None = None,  # noqa: A002  Textual's name
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._title, self._extra = tuple(title), tuple(extra)
        self._is_active = False

    def show(self, title: Sequence[Cell], extra: Sequence[Cell] = ()) -> None:
        """Show ``title`` at the left and ``extra`` at the right; the cells of each are set apart by one space."""
        self._title, self._extra = tuple(title), tuple(extra)
        self.repaint()

    def set_active(self, is_active: bool) -> None:
        """Draw the rule as that of the pane that has the focus, or not."""
        self._is_active = is_active
        self.repaint()

    @property
    def is_active(self) -> bool:
        """Whether the rule is drawn as that of the pane that has the focus."""
        return self._is_active

    def build_line(self, y: int) -> Line:
        """Return the rule with its texts."""
        del y
        table = glyphs()
        glyph = table.rule_heavy if self._is_active else table.rule
        style: StyleName = "accent" if self._is_active else "dim"
        blank = self.span(_BLANK)
        left = _spaced(self._title)
        right = _spaced(self._extra)
        used = _cells(left) + 3
        has_right = bool(right) and used + _cells(right) + 4 <= self.size.width
        spans = [self.span(glyph, style), blank, *(self.span(cell.text, cell.style) for cell in left), blank]
        if not left:
            spans, used = [], 0
        fill = max(0, self.size.width - used - (_cells(right) + 3 if has_right else 0))
        spans.append(self.span(SafeText(glyph * fill), style))
        if has_right:
            spans += [blank, *(self.span(cell.text, cell.style) for cell in right), blank, self.span(glyph, style)]
        return padded(spans, self.size.width, blank)


def _spaced(cells: Sequence[Cell]) -> list[Cell]:
    spaced: list[Cell] = []
    for cell in cells:
        if cell.text:
            if spaced:
                spaced.append(Cell(_BLANK))
            spaced.append(cell)
    return spaced


def _cells(cells: Sequence[Cell]) -> int:
    return sum(width(cell.text) for cell in cells)
