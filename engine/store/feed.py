"""The change feed: which things changed, merged; never a backlog."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class NoticeKind(StrEnum):
    """What kind of thing a notice names. Audit entries come with the workflow they belong to."""

    WORKFLOW = "workflow"
    LOCK = "lock"
    EVENT = "event"
    DOCUMENT = "document"
    ENGINE = "engine"


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing changed. ``key`` is a workflow id, file name or incarnation."""

    kind: NoticeKind
    key: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed up to ``position``, each thing once. ``is_reset``: too far behind, read everything anew."""

    position: int
    notices: frozenset[Notice]
    is_reset: bool = False
