"""One line of short facts, header, verdict, tabs or footer: on a narrow screen facts turn short, then go, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.segment import Segment

from console.cells import Cell
from console.text import SafeText, width
from console.theme import GroundName
from console.widgets.line_view import Line, LineView, padded

_BLANK = SafeText(" ")


@dataclass(frozen=True, slots=True)
class Part:
    """One fact of a strip: cells set side by side, a shorter form, and when it may go."""

    cells: tuple[Cell, ...]
    short: tuple[Cell, ...] | None = None
    """Shown where ``cells`` do not fit."""
    drop: int = 0
    """Above 0: may turn short and then go where the strip is narrow, the greatest first. 0 turns short but stays."""
    gap: int = 2
    """Blank cells before the part."""

    @property
    def width(self) -> int:
        """The cells it takes with its gap."""
        return self.gap + sum(width(cell.text) for cell in self.cells)


class StripLine(LineView):
    """One line on a ground of its own; parts at the left, parts at the right end."""

    DEFAULT_CSS = "StripLine { height: 1; width: 1fr; }"

    def __init__(
        self,
        *,
        ground: GroundName = "ground",
        id: str | None = None,  # noqa: A002  Textual's name
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._ground: GroundName = ground
        self._left: tuple[Part, ...] = ()
        self._right: tuple[Part, ...] = ()

    def show(self, left: Sequence[Part], right: Sequence[Part] = ()) -> None:
        """Show ``left`` from the left edge and ``right`` up to the right edge."""
        self._left, self._right = tuple(left), tuple(right)
        self.repaint()

    def build_line(self, y: int) -> Line:
        """Return the strip."""
        del y
        left, right = fit_parts(self._left, self._right, self.size.width)
        blank = self.span(_BLANK, "text", self._ground)
        start, end = self._spans(left), self._spans(right)
        room = self.size.width - sum(part.width for part in left) - sum(part.width for part in right)
        return padded([*start, self._space(max(0, room)), *end], self.size.width, blank)

    def _spans(self, parts: Sequence[Part]) -> list[Segment]:
        spans: list[Segment] = []
        for part in parts:
            spans.append(self._space(part.gap))
            spans += [self.span(cell.text, cell.style, self._ground) for cell in part.cells]
        return spans

    def _space(self, cells: int) -> Segment:
        return self.span(SafeText(" " * cells), "text", self._ground)


def fit_parts(left: Sequence[Part], right: Sequence[Part], cells: int) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """Return the parts that fit ``cells`` cells, each in its longest form that does.

    By falling ``drop``, and of equals from the right, parts first turn short; only when all have are parts left out
    in that order. Parts whose ``drop`` is 0 turn short last and are never left out.
    """
    parts: list[Part | None] = [*left, *right]
    order = sorted(range(len(parts)), key=lambda i: (-[*left, *right][i].drop, -i))

    def excess() -> int:
        return sum(part.width for part in parts if part is not None) - cells

    for index in order:
        part = parts[index]
        if excess() > 0 and part is not None and part.short is not None:
            parts[index] = replace(part, cells=part.short, short=None)
    for index in order:
        part = parts[index]
        if excess() > 0 and part is not None and part.drop > 0:
            parts[index] = None
    return (
        tuple(part for part in parts[: len(left)] if part is not None),
        tuple(part for part in parts[len(left) :] if part is not None),
    )
