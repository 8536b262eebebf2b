"""The active path: states entered successfully and not left by a rollback, folded from a history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from engine.model.line import Line

_REENTRIES: Final = ("rollback", "retry", "timeout", "force")
_UNKNOWN: Final = Line(name="", path=("initialized", "completed"), results={})
"""Names to go by where a document's line is not known here."""


def push(path: tuple[str, ...], state: str) -> tuple[str, ...]:
    """Return ``path`` after a normal transition into ``state``; one that is on it already is popped to."""
    return pop(path, state) if state in path else (*path, state)


def pop(path: tuple[str, ...], state: str) -> tuple[str, ...]:
    """Return ``path`` up to ``state``, which is on it."""
    return path[: path.index(state) + 1]


def jump(path: tuple[str, ...], state: str, line: Line | None) -> tuple[str, ...]:
    """Return ``path`` after a jump to ``state``: popped where it was visited, else taken from the line.

    Failed and cancelled never push; leaving the end for one of them takes the end off again, so that the top
    of the path is always a state that can be entered again.
    """
    known = line or _UNKNOWN
    if state in (known.failed, known.cancelled):
        return path[:-1] if len(path) > 1 and path[-1] == known.final else path
    if state in path:
        return pop(path, state)
    if line is not None and state in line.path:
        return line.path[: line.path.index(state) + 1]
    return (*path, state)


def active_path(history: Sequence[Mapping[str, Any]], state: str, line: Line | None) -> tuple[str, ...]:
    """Return the active path that a document's history and state tell; never fails, whatever the history holds.

    Transitions push, re-entries pop to their target, failed and cancelled never push (source: semantics, Three
    verbs). A history that was cut, does not connect or does not end in ``state`` is mended from the line: the
    path is popped to the state where it holds it, else the line's own path up to it is taken.

    Args:
        history: ``state_history`` as a document holds it.
        state: the document's state.
        line: its line; None where the type is not known here.
    """
    moves = [move for move in (_read(entry) for entry in history) if move is not None]
    path = _beginning(moves, state, line)
    for move in moves:
        if line is None or move.to_state in line.states:
            path = _fold(path, move, line)
    return jump(path, state, line)


def reason_of(entry: Mapping[str, Any]) -> str:
    """Return what kind of move a history entry says it was: ``rollback``, ``force`` ...; "" for a transition."""
    metadata = entry.get("metadata")
    reason = metadata.get("reason") if isinstance(metadata, Mapping) else None
    return reason if isinstance(reason, str) else ""


class _Move(NamedTuple):
    from_state: str
    to_state: str
    reason: str


def _read(entry: object) -> _Move | None:
    if not isinstance(entry, Mapping):
        return None
    from_state, to_state = entry.get("from_state"), entry.get("to_state")
    if not isinstance(to_state, str):
        return None
    return _Move(from_state if isinstance(from_state, str) else "", to_state, reason_of(entry))


def _beginning(moves: list[_Move], state: str, line: Line | None) -> tuple[str, ...]:
    first = moves[0].from_state if moves else state
    if line is not None:
        is_cut = bool(moves) and first in line.path
        return line.path[: line.path.index(first) + 1] if is_cut else (line.initial,)
    is_ended = first in ("", _UNKNOWN.failed, _UNKNOWN.cancelled)
    return (_UNKNOWN.initial,) if is_ended else (first,)


def _fold(path: tuple[str, ...], move: _Move, line: Line | None) -> tuple[str, ...]:
    known = line or _UNKNOWN
    is_connected = move.from_state in path or move.from_state in (known.failed, known.cancelled)
    if move.from_state in path:
        path = pop(path, move.from_state)
    elif line is not None and move.from_state in line.path:
        path = jump(path, move.from_state, line)
    is_jump = move.reason in _REENTRIES or move.to_state in (known.failed, known.cancelled)
    if is_jump or not is_connected:
        return jump(path, move.to_state, line)
    return push(path, move.to_state)
