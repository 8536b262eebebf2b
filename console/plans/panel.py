"""The panel a plan lives in: it takes every key as text until it is left or applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from textual import events
from textual.message import Message
from textual.widget import Widget

from console.actions import OperatorAction
from console.edit_line import EditLine
from console.plans.choosing import Choice, Choosing, Chosen
from console.plans.confirming import SETTLE_S, Confirming, Move
from console.plans.lines import (
    choice_lines,
    outcome_lines,
    plan_lines_within,
    reading_lines,
    sentence_lines,
    small_lines,
)
from console.view.lines import CellLine
from console.widgets.drawn import Draw, Drawn
from engine.operations.plan import Applied, Plan, PlanRequest


def _key(key: str, short: str) -> OperatorAction:
    words = short.capitalize()
    return OperatorAction(id=f"plan.{key}", key=key, keys=(key,), label=words, short=short, help=words, group="Plan")


_ENTER, _LEAVE = _key("enter", "goes on"), _key("esc", "leaves")
_BACK, _COPY = _key("up", "reason"), _key("ctrl+y", "copies command")
_DOWN, _TAKE, _CLOSE = _key("j k", "choose"), _key("enter", "takes it"), _key("any key", "closes")


class PlanPanel(Drawn, can_focus=True):
    """One plan from its request to its outcome. It asks nothing of the engine: it tells the screen what is wanted.

    Args:
        monotonic: seconds that never jump, by which typing is told from bursts.
    """

    DEFAULT_CSS = "PlanPanel { background: $raised; }"

    class Chose(Message):
        """Something was chosen; a plan can now be made for it."""

        def __init__(self, value: str) -> None:
            super().__init__()
            self.value = value

    class Confirmed(Message):
        """The plan is to be applied."""

        def __init__(self, plan: Plan, reason: str | None) -> None:
            super().__init__()
            self.plan, self.reason = plan, reason

    class ReadAgain(Message):
        """The plan is to be made again; what was typed as the reason stays."""

        def __init__(self, request: PlanRequest) -> None:
            super().__init__()
            self.request = request

    class CopyCommand(Message):
        """The command line of the plan is to be copied."""

        def __init__(self, command: str) -> None:
            super().__init__()
            self.command = command

    class Left(Message):
        """The panel is to be closed. ``has_applied``: something may have been changed."""

        def __init__(self, *, has_applied: bool) -> None:
            super().__init__()
            self.has_applied = has_applied

    class Grown(Message):
        """The panel may need another number of lines."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        super().__init__(ground="raised", id="plan")
        self._monotonic = monotonic
        self._choosing: Choosing | None = None
        self._confirming: Confirming | None = None
        self._kept_reason = EditLine()
        self._shown_at = 0.0
        self._is_over = False
        self._has_applied = False

    # What the screen tells it

    def show_reading(self, title: str) -> None:
        """Say that the plan is being made."""
        self._begin()
        self._paint(lambda cells, _lines: reading_lines(title, cells))

    def choose(self, title: str, choices: Sequence[Choice]) -> None:
        """Ask for one of ``choices``."""
        self._begin()
        self._choosing = Choosing(title, choices, self._shown_at)
        self._repaint()

    def show_plan(self, plan: Plan, *, chosen_by: str = "") -> None:
        """Show a plan and take the typing that applies it; a reason typed before stays.

        Args:
            plan: what would be done.
            chosen_by: by what its objects were chosen where that is not the cursor.
        """
        self._begin()
        self._confirming = Confirming(plan, self._shown_at, reason=self._kept_reason, chosen_by=chosen_by)
        self._kept_reason = EditLine()
        self._repaint()

    def show_outcome(self, applied: Applied) -> None:
        """Show what became of it; any key closes."""
        self._begin()
        self._is_over = self._has_applied = True
        self._paint(lambda cells, _lines: outcome_lines(applied, cells))

    def show_sentence(self, head: str, sentence: str) -> None:
        """Show why it ends here; any key closes."""
        self._begin()
        self._is_over = True
        self._paint(lambda cells, _lines: sentence_lines(head, sentence, cells))

    @property
    def open_plan(self) -> Plan | None:
        """The plan that waits to be confirmed."""
        return None if self._confirming is None else self._confirming.plan

    def show_moved(self, plan: Plan, moved: Mapping[str, int]) -> None:
        """Say which objects of the open plan are not what it saw: their revisions by id."""
        confirming = self._confirming
        if confirming is not None and confirming.plan is plan and dict(moved) != dict(confirming.moved):
            confirming.moved = moved
            self._repaint()

    @property
    def keys(self) -> Sequence[OperatorAction]:
        """The keys that mean something in the panel now, for the footer."""
        if self._is_over:
            return (_CLOSE,)
        if self._choosing is not None:
            return (_DOWN, _TAKE, _LEAVE)
        if self._confirming is None or not self._confirming.plan.doable:
            return (_LEAVE,)
        return (_ENTER, _BACK, _COPY, _LEAVE) if self._confirming.is_reason_done else (_ENTER, _COPY, _LEAVE)

    def tick(self) -> None:
        """Disarm once what was read is too old."""
        if self._confirming is not None and self._confirming.is_late(self._monotonic()):
            self._repaint()

    def disarm(self) -> None:
        """Disarm at once: the terminal is no longer looked at."""
        if self._confirming is not None:
            self._confirming.disarm()
            self._repaint()

    def wanted_height(self, cells: int, lines: int) -> int:
        """Return the lines the panel needs where it is ``cells`` wide and ``lines`` are to be had."""
        return len(self._draw(cells, lines))

    # Typing

    def on_key(self, event: events.Key) -> None:
        """Take a key; none passes on to the screen below."""
        event.stop()
        event.prevent_default()
        at = self._monotonic()
        if self._is_over:
            if at - self._shown_at >= SETTLE_S:
                self.post_message(self.Left(has_applied=self._has_applied))
        elif self._choosing is not None:
            self._press_choice(self._choosing, event.key, at)
        elif self._confirming is not None:
            self._press_plan(self._confirming, event, at)
        elif event.key in ("escape", "ctrl+g"):
            self.post_message(self.Left(has_applied=self._has_applied))

    def on_paste(self, event: events.Paste) -> None:
        """Take pasted text into the reason; it confirms nothing."""
        event.stop()
        if self._confirming is not None and not self._is_over:
            self._confirming.paste(event.text)
            self._repaint()

    def _press_choice(self, choosing: Choosing, key: str, at: float) -> None:
        chosen = choosing.press(key, at)
        if chosen is Chosen.LEFT:
            self.post_message(self.Left(has_applied=False))
        elif chosen is Chosen.TAKEN:
            self.post_message(self.Chose(choosing.current.value))
        else:
            self._repaint()

    def _press_plan(self, confirming: Confirming, event: events.Key, at: float) -> None:
        is_in_sight = self._is_in_sight(confirming)
        move = confirming.press(event.key, event.character, at, is_in_sight=is_in_sight)
        if move is Move.LEAVE:
            self.post_message(self.Left(has_applied=False))
        elif move is Move.COPY:
            self.post_message(self.CopyCommand(confirming.plan.command))
        elif move is Move.READ_AGAIN:
            self._kept_reason = confirming.reason
            self.post_message(self.ReadAgain(confirming.plan.request))
        elif move is Move.APPLY:
            reason = confirming.reason.text.strip() or None
            self._begin()
            self._has_applied = True
            self._paint(lambda cells, _lines: reading_lines("applying", cells))
            self.post_message(self.Confirmed(confirming.plan, reason))
        else:
            self._repaint()

    # Drawing

    def _begin(self) -> None:
        self._choosing = self._confirming = None
        self._is_over = self._has_applied = False
        self._shown_at = self._monotonic()

    def _repaint(self) -> None:
        choosing, confirming = self._choosing, self._confirming
        if choosing is not None:
            self._paint(partial(choice_lines, choosing))
        elif confirming is not None:
            self._paint(partial(self._draw_plan, confirming))

    def _draw_plan(self, confirming: Confirming, cells: int, lines: int) -> Sequence[CellLine]:
        return plan_lines_within(confirming, cells, lines) or small_lines(cells)

    def _paint(self, draw: Draw) -> None:
        self.show(draw)
        self.post_message(self.Grown())

    def _is_in_sight(self, confirming: Confirming) -> bool:
        """Return whether the whole plan, with what is to be typed, is what the terminal shows of this panel."""
        if not self.display or self._built_for != self._geometry or not isinstance(self.parent, Widget):
            return False
        wanted = plan_lines_within(confirming, self.size.width, self.size.height)
        shown = self.parent.region.intersection(self.app.screen.region)
        return wanted is not None and len(self._drawn) == len(wanted) and shown.contains_region(self.region)
