"""The ground all our widgets stand on: lines of styled spans, of which only the spans that changed are repainted."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from console.cells import StyleName
from console.text import SafeText, fit
from console.theme import GroundName, style

_NEAR = 8
"""Unchanged cells between two changed spans that cost no more to paint than to jump over."""

Line = tuple[Segment, ...]
"""The spans of one line from left to right, together as wide as the widget."""


class LineView(Widget):
    """A widget that is a number of lines.

    A subclass says what each line is now (:meth:`build_line`) and calls :meth:`repaint` when that may have changed.
    What is on the terminal is what the last ``repaint`` built: a line is never read anew in between, so that a span
    that changed without being announced cannot be lost.
    """

    DEFAULT_CSS = "LineView { background: $ground; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002  Textual's name
        super().__init__(id=id, classes=classes)
        self._lines: list[Line] = []
        self._built_for: tuple[int, int, str] | None = None

    @abstractmethod
    def build_line(self, y: int) -> Line:
        """Return the spans of line ``y`` (0 is the top one), together exactly as wide as the widget."""

    def repaint(self) -> None:
        """Build every line and repaint the spans that differ from what is on the screen."""
        if not self.is_mounted or self._built_for != self._geometry:
            self._built_for = None
            self.refresh()
            return
        before, self._lines = self._lines, [self.build_line(y) for y in range(self.size.height)]
        regions = [
            Region(x, y, width, 1)
            for y, (old, new) in enumerate(zip(before, self._lines, strict=True))
            for x, width in changed_spans(old, new)
        ]
        if regions:
            self.refresh(*regions)

    def render_line(self, y: int) -> Strip:
        """Return what line ``y`` shows; called by Textual for the lines it has to draw."""
        if self._built_for != self._geometry:
            self._built_for = self._geometry
            self._lines = [self.build_line(row) for row in range(self.size.height)]
        if y >= len(self._lines):
            return Strip.blank(self.size.width, style(self.app.theme, "text"))
        return Strip(_merged(self._lines[y]), self.size.width)

    def span(self, text: SafeText, name: StyleName = "text", ground: GroundName = "ground") -> Segment:
        """Return ``text`` as a span."""
        return Segment(text, style(self.app.theme, name, ground))

    def on_resize(self, _event: events.Resize) -> None:
        """Build anew: a change of height can move every line."""
        self._built_for = None
        self.refresh()

    def notify_style_update(self) -> None:
        """Build anew where the theme changed."""
        super().notify_style_update()
        if self._built_for is not None and self._built_for != self._geometry:
            self._built_for = None
            self.refresh()

    @property
    def _geometry(self) -> tuple[int, int, str]:
        return (self.size.width, self.size.height, self.app.theme)


def changed_spans(before: Line, after: Line) -> Iterator[tuple[int, int]]:
    """Yield start and width, in cells, of the spans in which ``after`` differs; those close together are one."""
    widths = [cell_len(segment.text) for segment in after]
    if [cell_len(segment.text) for segment in before] != widths:
        yield from _outer_span(before, after)
        return
    x = 0
    start: int | None = None
    end = 0
    for old, new, width in zip(before, after, widths, strict=True):
        if old != new:
            if start is not None and x - end > _NEAR:
                yield start, end - start
                start = None
            start = x if start is None else start
            end = x + width
        x += width
    if start is not None:
        yield start, end - start


def padded(spans: list[Segment], width: int, blank: Segment) -> Line:
    """Return ``spans`` cut or filled with ``blank`` (one space in its style) to exactly ``width`` cells."""
    line: list[Segment] = []
    room = width
    for segment in spans:
        size = cell_len(segment.text)
        if size > room:
            line.append(Segment(fit(SafeText(segment.text), room), segment.style))
            return tuple(line)
        line.append(segment)
        room -= size
    if room:
        line.append(Segment(" " * room, blank.style))
    return tuple(line)


def _outer_span(before: Line, after: Line) -> Iterator[tuple[int, int]]:
    """Yield the one span between the equal spans at the left and at the right."""
    total = sum(cell_len(segment.text) for segment in after)
    if sum(cell_len(segment.text) for segment in before) != total:
        yield 0, total
        return
    left = 0
    for old, new in zip(before, after, strict=False):
        if old != new:
            break
        left += cell_len(new.text)
    right = 0
    for old, new in zip(reversed(before), reversed(after), strict=False):
        if old != new:
            break
        right += cell_len(new.text)
    if left + right < total:
        yield left, total - left - right


def _merged(line: Line) -> list[Segment]:
    """Return ``line`` with neighbours that look alike joined: a style costs 40 bytes to the terminal, a space one.

    A blank takes the style of its neighbour where the ground is the same, for only the ground of it shows.
    """
    merged: list[Segment] = []
    for segment in line:
        if not segment.text:
            continue
        if not merged:
            merged.append(segment)
            continue
        last = merged[-1]
        if last.style == segment.style or _is_blank_beside(segment, last):
            merged[-1] = Segment(last.text + segment.text, last.style)
        elif _is_blank_beside(last, segment):
            merged[-1] = Segment(last.text + segment.text, segment.style)
        else:
            merged.append(segment)
    return merged


def _is_blank_beside(blank: Segment, other: Segment) -> bool:
    if not blank.text.isspace() or blank.style is None or other.style is None:
        return False
    return blank.style.bgcolor == other.style.bgcolor and not other.style.underline
