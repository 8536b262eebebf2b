"""What changed since the operator looked, in this session."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from engine.store.query import FlowRow

_KEPT: Final = 5_000
"""Workflows whose last looked-at revision is remembered; the oldest are forgotten first."""


class Seen:
    """Remembers how each workflow stood when the operator last looked at it."""

    def __init__(self) -> None:
        self._since: datetime | None = None
        self._revisions: dict[str, int] = {}

    def begin(self, at: datetime) -> None:
        """Take everything as looked at now, unless that was said before."""
        if self._since is None:
            self._since = at

    def mark_all(self, at: datetime) -> None:
        """Take everything as looked at."""
        self._since = at
        self._revisions.clear()

    def meet(self, flows: Iterable[FlowRow]) -> None:
        """Note how workflows stand that are shown for the first time and have not changed since."""
        for flow in flows:
            if flow.workflow_id not in self._revisions and not self._is_newer(flow):
                self._note(flow)

    def look(self, flow: FlowRow) -> None:
        """Take one workflow as looked at."""
        self._revisions.pop(flow.workflow_id, None)
        self._note(flow)

    def times(self, flow: FlowRow) -> int:
        """Return how often a workflow changed since; at least 1 where it did, 0 where it did not."""
        seen = self._revisions.get(flow.workflow_id)
        if seen is not None:
            return max(0, flow.revision - seen)
        return 1 if self._is_newer(flow) else 0

    def _is_newer(self, flow: FlowRow) -> bool:
        return self._since is not None and flow.updated_at > self._since

    def _note(self, flow: FlowRow) -> None:
        self._revisions[flow.workflow_id] = flow.revision
        while len(self._revisions) > _KEPT:
            del self._revisions[next(iter(self._revisions))]
