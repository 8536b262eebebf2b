"""The help: every action of the registry, and why some are off here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from console.actions import DROP, RETRY, ActionContext, OperatorAction
from console.cells import Cell
from console.text import fit, safe, wrap
from console.view.lines import BLANK, CellLine, cell
from engine.model.names import EventStatus

_KEY_CELLS: Final = 10
_LABEL_CELLS: Final = 18


def help_lines(actions: Sequence[OperatorAction], context: ActionContext, cells: int) -> tuple[CellLine, ...]:
    """Return the actions under their groups, each with its key; one that is off here says why."""
    lines: list[CellLine] = []
    for group, members in groupby(actions, key=lambda action: action.group):
        if lines:
            lines.append(BLANK)
        lines.append((cell(group, "header"),))
        for action in members:
            lines += _action_lines(action, context, cells)
    return tuple(lines)


def _label(action: OperatorAction, context: ActionContext) -> str:
    """Return what a key does here: on an event the two keys that have another meaning are named by it."""
    if context.event is None or context.pane != "retry":
        return action.label
    if action is RETRY:
        return "Deliver now"
    return "Purge" if action is DROP and context.event.status is EventStatus.DEAD else action.label


def _action_lines(action: OperatorAction, context: ActionContext, cells: int) -> Iterator[CellLine]:
    off = action.refusal(context)
    room = max(12, cells - _KEY_CELLS - _LABEL_CELLS)
    for index, piece in enumerate(wrap(safe(action.help), room)):
        yield (
            Cell(fit(safe(action.key if index == 0 else ""), _KEY_CELLS), "dim" if off else "accent"),
            Cell(fit(safe(_label(action, context) if index == 0 else ""), _LABEL_CELLS), "dim" if off else "strong"),
            Cell(piece, "dim" if off else "text"),
        )
    for piece in wrap(safe(f"off: {off}"), room) if off else ():
        yield (cell(" " * (_KEY_CELLS + _LABEL_CELLS)), Cell(piece, "warn"))
