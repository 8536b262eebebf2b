"""Filters of the lists other than the flows: each has its own line, of the words that mean something in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import Final

from console.filters import FilterError
from engine.observation.views import LogLine
from engine.store.query import Filter

_TEXT: Final = ("ids", "text", "not_text", "pattern")
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "retry": (*_TEXT, "error_types"),
        "locks": (*_TEXT, "owners"),
        "audit": _TEXT,
        "log": _TEXT,
    }
)
_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "retry": "id: err: text !text /re/",
        "locks": "id: owner: text !text /re/",
        "audit": "id: text !text /re/",
        "log": "id: text !text /re/",
    }
)
FILTERED_PANES: Final = tuple(_FIELDS)
"""Panes with a filter of their own."""


def check_for(pane: str, chosen: Filter) -> None:
    """Refuse what cannot select rows of ``pane``; the flows take everything.

    Raises:
        FilterError: a word means nothing in this list.
    """
    if pane not in _FIELDS:
        return
    none = Filter()
    for one in fields(chosen):
        if one.name not in _FIELDS[pane] and getattr(chosen, one.name) != getattr(none, one.name):
            raise FilterError(one.name.replace("_", " "), f"this list takes {_WORDS[pane]}")


def chosen_lines(lines: Sequence[LogLine], chosen: Filter) -> tuple[LogLine, ...]:
    """Return the log lines that the filter selects."""
    if chosen == Filter():
        return tuple(lines)
    pattern = None if chosen.pattern is None else re.compile(chosen.pattern)
    return tuple(line for line in lines if _is_chosen(line, chosen, pattern))


def _is_chosen(line: LogLine, chosen: Filter, pattern: re.Pattern[str] | None) -> bool:
    if chosen.ids and line.workflow_id not in chosen.ids:
        return False
    told = " ".join((line.level, line.event, line.workflow_id or "", line.message, *map(str, line.data.values())))
    folded = told.casefold()
    has_text = all(part in folded for part in chosen.text) and not any(part in folded for part in chosen.not_text)
    return has_text and (pattern is None or pattern.search(told) is not None)
