"""A short list to choose from before a plan can be made: the state to force to, whether to steal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

SETTLE_S: Final = 0.4


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to choose.

    Attributes:
        value: what it means.
        label: what is shown.
        note: what speaks against it, or for it.
        is_warned: the note speaks against it.
    """

    value: str
    label: str
    note: str = ""
    is_warned: bool = False


class Chosen(Enum):
    """What a key did to the list."""

    LEFT = auto()
    TAKEN = auto()


@dataclass(slots=True)
class Choosing:
    """The list and where its cursor stands."""

    title: str
    choices: Sequence[Choice]
    opened_at: float
    at: int = 0

    @property
    def current(self) -> Choice:
        """The choice under the cursor."""
        return self.choices[self.at]

    def press(self, key: str, at: float) -> Chosen | None:
        """Take one key; return whether the list was left or a choice taken."""
        if key in ("escape", "ctrl+g", "q"):
            return Chosen.LEFT
        if key in ("j", "down"):
            self.at = min(len(self.choices) - 1, self.at + 1)
        elif key in ("k", "up"):
            self.at = max(0, self.at - 1)
        elif key in ("g", "home"):
            self.at = 0
        elif key in ("G", "end"):
            self.at = len(self.choices) - 1
        elif key.isdigit() and 0 < int(key) <= len(self.choices):
            self.at = int(key) - 1
        elif key == "enter" and at - self.opened_at >= SETTLE_S:
            return Chosen.TAKEN
        return None
