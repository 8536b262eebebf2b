"""The body of the screen: panes where a pure function puts them, and panels over their foot."""

from __future__ import annotations

from collections.abc import Mapping

from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.widget import Widget

from console.places import Place


class PlacedLayout(Layout):
    """Puts every child where its parent says it stands; children without a place are not shown."""

    name = "placed"

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:
        """Return the placements."""
        del size, greedy
        places = parent.places if isinstance(parent, Body) else {}
        placements: list[WidgetPlacement] = []
        for child in children:
            place = places.get(child.id or "")
            if place is not None:
                placements.append(WidgetPlacement(Region(*place), NULL_OFFSET, NULL_SPACING, child))
        return placements


class Body(Widget):
    """Children stand where :meth:`place` put them last."""

    DEFAULT_CSS = """
    Body { height: 1fr; width: 1fr; layers: panes panels; background: $ground; }
    Body > .panel { layer: panels; }
    """

    def __init__(self) -> None:
        super().__init__(id="body")
        self.places: Mapping[str, Place] = {}
        self._placed = PlacedLayout()

    @property
    def layout(self) -> Layout:
        """The one layout a body has."""
        return self._placed

    def place(self, places: Mapping[str, Place]) -> None:
        """Put children, by id, where ``places`` say; all others are hidden."""
        if dict(places) == dict(self.places):
            return
        self.places = dict(places)
        for child in self.children:
            child.display = child.id in self.places
        self.refresh(layout=True)
