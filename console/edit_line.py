"""One line of typed text, as a value: what is in it, where the cursor is, and what a key makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

MAX_LENGTH: Final = 1_000
"""Characters a line takes; more is refused silently at the keyboard and cut from a paste."""


@dataclass(frozen=True, slots=True)
class EditLine:
    """A line under edit. ``at`` is the number of characters before the cursor."""

    text: str = ""
    at: int = 0

    def insert(self, typed: str) -> EditLine:
        """Return the line with ``typed`` put in at the cursor; what is not printable is left out."""
        kept = "".join(character for character in typed if character.isprintable())
        kept = kept[: max(0, MAX_LENGTH - len(self.text))]
        return EditLine(self.text[: self.at] + kept + self.text[self.at :], self.at + len(kept))

    def press(self, key: str) -> EditLine | None:
        """Return the line after an editing key, or None where the key edits nothing."""
        edit = _EDITS.get(key)
        return None if edit is None else edit(self)

    @property
    def before(self) -> str:
        """The text left of the cursor."""
        return self.text[: self.at]

    @property
    def after(self) -> str:
        """The text from the cursor on."""
        return self.text[self.at :]


def _left(line: EditLine) -> EditLine:
    return replace(line, at=max(0, line.at - 1))


def _right(line: EditLine) -> EditLine:
    return replace(line, at=min(len(line.text), line.at + 1))


def _home(line: EditLine) -> EditLine:
    return replace(line, at=0)


def _end(line: EditLine) -> EditLine:
    return replace(line, at=len(line.text))


def _backspace(line: EditLine) -> EditLine:
    return EditLine(line.text[: max(0, line.at - 1)] + line.after, max(0, line.at - 1))


def _delete(line: EditLine) -> EditLine:
    return EditLine(line.before + line.text[line.at + 1 :], line.at)


def _delete_word(line: EditLine) -> EditLine:
    kept = line.before.rstrip()
    kept = kept[: kept.rfind(" ") + 1]
    return EditLine(kept + line.after, len(kept))


def _delete_before(line: EditLine) -> EditLine:
    return EditLine(line.after, 0)


_EDITS: Final[Mapping[str, Callable[[EditLine], EditLine]]] = {
    "left": _left,
    "right": _right,
    "home": _home,
    "end": _end,
    "backspace": _backspace,
    "ctrl+h": _backspace,
    "delete": _delete,
    "ctrl+w": _delete_word,
    "ctrl+u": _delete_before,
}
