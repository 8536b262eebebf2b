"""The words and short forms that columns and strips use for the values of the model."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from types import MappingProxyType
from typing import Final

from console.text import SafeText, cut_middle, safe
from engine.model.line import Line
from engine.rules.ages import age_text

ERROR_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "timeout": "timeout",
        "state_transition_error": "transit",
        "module_execution_error": "module",
        "event_publish_error": "publish",
        "validation_error": "validate",
        "resource_error": "resource",
        "unknown_error": "unknown",
    }
)
"""Error types in at most 8 cells."""

_SHORT_STATES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "initialized": "init",
        "rag_retrieval_1": "rag1",
        "expert_routing": "route",
        "module_execution": "module",
        "rag_retrieval_2": "rag2",
        "response_generation": "resp",
        "completed": "done",
        "cancelled": "cancel",
    }
)
_COUNT_SHORT_FROM: Final = 10_000
_COUNT_MILLION: Final = 1_000_000
ID_CELLS: Final = 12


def error_word(error_type: str | None) -> SafeText:
    """Return an error type in one word of at most 8 cells, "" for none."""
    return safe("" if error_type is None else ERROR_WORDS.get(error_type, error_type[:8]))


def typed_error(error_type: str | None, error: str) -> str:
    """Return an error with its type before it, where its text does not begin with that already."""
    word = "" if error_type is None else ERROR_WORDS.get(error_type, error_type)
    return error if not word or error.lower().startswith(word) else f"{word}: {error}"


def short_state(state: str, line: Line | None = None) -> str:
    """Return a state's short name, from its line where it is known."""
    if line is not None and state in line.short:
        return line.short[state]
    return _SHORT_STATES.get(state, state)


def type_word(workflow_type: str) -> SafeText:
    """Return a workflow type in two letters."""
    return safe(workflow_type[:2])


def short_id(workflow_id: str, workflow_type: str, cells: int = ID_CELLS) -> SafeText:
    """Return what tells an id from others: what follows ``wf_<type>_``; other ids keep their head and tail.

    An L3 plan asks for the last characters, so the tail always stays.
    """
    if not workflow_type:
        return prefixless(workflow_id, cells)
    rest = workflow_id.removeprefix(f"wf_{workflow_type}_")
    return cut_middle(safe(rest or workflow_id), cells)


def prefixless(workflow_id: str, cells: int = ID_CELLS) -> SafeText:
    """Return :func:`short_id` where only the id is at hand, as with locks and events."""
    parts = workflow_id.split("_", 2)
    has_prefix = len(parts) == 3 and parts[0] == "wf" and parts[1].isalpha() and bool(parts[2])  # noqa: PLR2004
    return cut_middle(safe(parts[2] if has_prefix else workflow_id), cells)


def count_text(count: int, *, is_capped: bool = False) -> str:
    """Return a count in at most 6 cells: ``412``, ``9999``, ``39.9k``, ``1.2M``; ``+`` where counting stopped."""
    more = "+" if is_capped else ""
    if count < _COUNT_SHORT_FROM:
        return f"{count}{more}"
    unit, letter = (1_000, "k") if count < _COUNT_MILLION else (_COUNT_MILLION, "M")
    tenths = count * 10 // unit
    return f"{tenths // 10}.{tenths % 10}{letter}{more}" if tenths < 1_000 else f"{tenths // 10}{letter}{more}"  # noqa: PLR2004


def time_text(at: datetime, zone: tzinfo | None, *, has_seconds: bool = True) -> str:
    """Return the time of day in ``zone`` (None: the machine's own)."""
    return at.astimezone(zone).strftime("%H:%M:%S" if has_seconds else "%H:%M")


def clock_text(at: datetime, zone: tzinfo | None) -> str:
    """Return the header's clock; UTC is told by its Z."""
    return time_text(at, zone) + ("Z" if zone is UTC else "")


def moment_text(at: datetime, now: datetime, zone: tzinfo | None) -> str:
    """Return a time of day, with its date where that is not today's."""
    local, today = at.astimezone(zone), now.astimezone(zone)
    return local.strftime("%H:%M:%S") if local.date() == today.date() else local.strftime("%m-%d %H:%M")


def seconds_since(at: datetime, now: datetime) -> float:
    """Return the seconds from ``at`` to ``now``, never below 0."""
    return max(0.0, (now - at).total_seconds())


def since_text(at: datetime, now: datetime) -> str:
    """Return how long ago ``at`` is, in at most 5 cells."""
    return age_text(seconds_since(at, now))


def plural(count: int, word: str) -> str:
    """Return ``1 lock``, ``2 locks``."""
    return f"{count_text(count)} {word}" if count == 1 else f"{count_text(count)} {word}s"
