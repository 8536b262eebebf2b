"""The typing that applies a plan, as a value: reason, enter, token, enter; and what never counts as typing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from console.edit_line import EditLine
from engine.operations.plan import Level, Plan

SETTLE_S: Final = 0.4
"""After a plan opened nothing confirms for this long: a key meant for the screen before must not."""

BURST_S: Final = 0.03
"""Keys that follow one another faster were not typed: a paste without brackets, a reply of the terminal."""

REPEAT_S: Final = 0.12
"""The same key again within this is held down."""

DISARM_S: Final = 60.0
"""What was read this long ago is read again before it can be applied."""


class Move(Enum):
    """What a key asks of whoever holds the plan."""

    LEAVE = auto()
    APPLY = auto()
    COPY = auto()
    READ_AGAIN = auto()


@dataclass(slots=True)
class Confirming:
    """One plan on its way to being applied.

    Attributes:
        opened_at: monotonic seconds at which the plan came onto the screen.
        moved: revisions of objects that are not what the plan saw any more, by id.
        chosen_by: by what the objects were chosen, "" for the cursor.
        said: what the last key was answered with, "" for nothing.
    """

    plan: Plan
    opened_at: float
    chosen_by: str = ""
    moved: Mapping[str, int] = field(default_factory=dict)
    reason: EditLine = field(default_factory=EditLine)
    token: EditLine = field(default_factory=EditLine)
    is_reason_done: bool = False
    is_disarmed: bool = False
    said: str = ""
    _last_key: str = ""
    _last_at: float = -1.0
    _is_token_typed: bool = True

    def press(self, key: str, character: str | None, at: float, *, is_in_sight: bool = True) -> Move | None:
        """Take one key; return what it asks for, None where it only edits.

        Args:
            key: Textual's name of the key.
            character: what it types, None or a control character where it types nothing.
            at: monotonic seconds.
            is_in_sight: what is to be typed is on the terminal; nothing is taken blindly.
        """
        gap_s = at - self._last_at
        is_burst = gap_s < BURST_S
        is_repeat = key == self._last_key and gap_s < REPEAT_S
        self._last_key, self._last_at = key, at
        self.said = ""
        if key in ("escape", "ctrl+g"):
            return Move.LEAVE
        if key == "ctrl+y":
            return Move.COPY
        if not self.plan.doable or not is_in_sight:
            is_blind = bool(self.plan.doable)
            self.said = (
                "it was not in sight; nothing was written" if is_blind else "nothing can be done here; esc leaves"
            )
            return None
        if self.is_late(at):
            return self._when_disarmed(key, is_held=is_burst or is_repeat)
        if key == "enter":
            return self._enter(at, is_held=is_burst or is_repeat)
        self._edit(key, character, is_held=is_burst or is_repeat)
        return None

    def paste(self, text: str) -> None:
        """Take pasted text: into the reason, never into the token."""
        if self.is_disarmed or not self.plan.doable:
            return
        if self.is_reason_done:
            self.said = "pasted text never confirms; type it"
        else:
            self.reason = self.reason.insert(text)

    def disarm(self) -> None:
        """Let nothing be applied any more until the plan is read again."""
        self.is_disarmed = True

    def is_late(self, at: float) -> bool:
        """Return whether what the plan saw is too old to be applied, and remember it."""
        self.is_disarmed = self.is_disarmed or at - self.opened_at >= DISARM_S
        return self.is_disarmed

    def _when_disarmed(self, key: str, *, is_held: bool) -> Move | None:
        if key == "enter" and not is_held:
            return Move.READ_AGAIN
        self.said = "enter reads it again, esc leaves it unchanged"
        return None

    def _enter(self, at: float, *, is_held: bool) -> Move | None:
        if is_held or at - self.opened_at < SETTLE_S:
            self.said = "too fast to be meant; press enter again"
            return None
        if not self.is_reason_done:
            return self._finish_reason()
        if self.token.text != self.plan.token:
            self.said = f"that is not {self.plan.token}; nothing was written"
            self.token, self._is_token_typed = EditLine(), True
            return None
        if not self._is_token_typed:
            self.said = "too fast to be typed; type it again"
            self.token, self._is_token_typed = EditLine(), True
            return None
        return Move.APPLY

    def _finish_reason(self) -> Move | None:
        text = self.reason.text.strip()
        if self.plan.is_reason_required and len(text) < self.plan.reason_at_least:
            self.said = f"a reason of at least {self.plan.reason_at_least} characters is needed"
            return None
        self.is_reason_done = True
        return Move.APPLY if self.plan.level is Level.ENTER else None

    def _edit(self, key: str, character: str | None, *, is_held: bool) -> None:
        if key in ("shift+tab", "up"):
            self.is_reason_done, self.token, self._is_token_typed = False, EditLine(), True
            return
        line = self.token if self.is_reason_done else self.reason
        edited = line.press(key)
        if edited is None and character is not None and character.isprintable():
            edited = line.insert(character)
            if self.is_reason_done and is_held:
                self._is_token_typed = False
        if edited is None:
            return
        if not self.is_reason_done:
            self.reason = edited
            return
        self.token = edited
        if not edited.text:
            self._is_token_typed = True
