"""A pane: its title in a rule, and a list below it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.widget import Widget

from console.cells import Cell, Column, Row
from console.text import safe
from console.view.lazy import LazyRows
from console.widgets.row_list import RowList
from console.widgets.rule_title import RuleTitle

ValueT = TypeVar("ValueT")


class Pane(Widget):
    """What every pane has: a name, a number, a title, and whether it has the keys."""

    DEFAULT_CSS = "Pane { layout: vertical; height: 1fr; width: 1fr; }"

    pane_name: ClassVar[str] = ""
    number: ClassVar[str] = ""
    title: ClassVar[str] = ""

    def __init__(self) -> None:
        super().__init__(id=self.pane_name)
        self.rule = RuleTitle()
        self._has_title = False

    def on_mount(self) -> None:
        """Show the bare title."""
        if not self._has_title:
            self.show_title()

    def show_title(self, *notes: Cell, extra: Sequence[Cell] = ()) -> None:
        """Show the title with short ``notes`` beside it and ``extra`` at the far end."""
        self._has_title = True
        self.rule.show((Cell(safe(self.number), "dim"), Cell(safe(self.title), "strong"), *notes), extra)

    def show_rule(self, is_shown: bool) -> None:
        """Draw the title, or leave its line to the list where tabs say the same."""
        self.rule.display = is_shown

    def set_active(self, is_active: bool) -> None:
        """Draw the pane as the one that has the keys, or not."""
        self.rule.set_active(is_active)


class ListPane(Pane, Generic[ValueT]):
    """A pane whose content is one list of values, made into rows as they are drawn."""

    columns: ClassVar[Sequence[Column]] = ()
    lead_width: ClassVar[int] = 1
    has_marks: ClassVar[bool] = False
    has_resting_cursor: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.rows = RowList(
            self.columns,
            lead_width=self.lead_width,
            has_marks=self.has_marks,
            has_resting_cursor=self.has_resting_cursor,
        )
        self._shown: LazyRows[ValueT] | None = None

    def compose(self) -> ComposeResult:
        """Put the list under the title."""
        yield self.rule
        yield self.rows

    def show_values(
        self, shown: LazyRows[ValueT], *, total: int | None = None, first: int = 0, empty: str = ""
    ) -> None:
        """Show rows.

        Args:
            shown: the loaded values in order, with what makes rows of them.
            total: how many there are in all, None where nobody counted.
            first: how many precede the loaded ones.
            empty: what is said where there are none.
        """
        self._shown = shown
        self.rows.show(shown, total=total, first=first, empty=safe(empty))

    def remake(self, make: Callable[[ValueT], Row]) -> None:
        """Make the same values into rows anew, some time later; only cells whose text differs are drawn."""
        if self._shown is not None:
            self._shown.make = make
            self.rows.repaint()

    @property
    def values(self) -> Sequence[ValueT]:
        """The loaded values in order."""
        return () if self._shown is None else self._shown.values

    @property
    def value(self) -> ValueT | None:
        """The value under the cursor."""
        key = self.rows.cursor_key
        return None if key is None or self._shown is None else self._shown.value_of(key)

    def find(self, key: str) -> ValueT | None:
        """Return the loaded value with that key."""
        return None if self._shown is None else self._shown.value_of(key)

    def workflow_id(self) -> str | None:
        """Return the workflow the row under the cursor is about."""
        raise NotImplementedError
