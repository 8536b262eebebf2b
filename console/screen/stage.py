"""What the parts of the screen's behaviour need of it; the screen is one."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from datetime import datetime, tzinfo
from typing import Any, Protocol

from console.actions import ActionContext
from console.cells import Cell, StyleName
from console.screen.deck import Deck
from console.screen.reading import Reading, Turn
from console.widgets.reader import Write


class Stage(Protocol):
    """The screen, as those see it who act on it."""

    deck: Deck
    reading: Reading
    zone: tzinfo | None

    def now(self) -> datetime:
        """Return the engine's time."""
        ...

    def say(self, sentence: str, style: StyleName = "text") -> None:
        """Show a sentence above the footer until the next key."""
        ...

    def want(self, *names: str, turn: Turn = Turn.AGAIN) -> None:
        """Have something read now."""
        ...

    def context(self) -> ActionContext:
        """Return what stands under the cursor."""
        ...

    def current_id(self) -> str | None:
        """Return the workflow the cursor is on, in whichever pane."""
        ...

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that waits for the engine, without holding up keys."""
        ...

    def open_reader(self, name: str, title: Sequence[Cell], write: Write, *, shows: str | None = None) -> None:
        """Show a text over the panes; ``name`` tells which, ``shows`` the workflow it is about."""
        ...

    def open_plan(self) -> None:
        """Show the plan's panel and give it the keys."""
        ...

    def close_plan(self) -> None:
        """Hide the plan's panel and give the keys back."""
        ...

    def copy(self, text: str) -> None:
        """Put a text into the terminal's clipboard."""
        ...
