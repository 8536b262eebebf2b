"""All panes, in the order of their numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from console.panes.audit import AuditPane
from console.panes.errors import ErrorsPane
from console.panes.flows import FlowsPane
from console.panes.locks import LocksPane
from console.panes.log import LogPane
from console.panes.retry import RetryPane
from console.panes.timeline import TimelinePane
from console.widgets.list_pane import Pane

PANES: Final = ("flows", "timeline", "retry", "locks", "errors", "log", "audit")
"""Their names, in the order ``tab`` takes."""


class Panes:
    """One of each."""

    def __init__(self) -> None:
        self.flows, self.timeline, self.retry = FlowsPane(), TimelinePane(), RetryPane()
        self.locks, self.errors, self.log, self.audit = LocksPane(), ErrorsPane(), LogPane(), AuditPane()
        every = (self.flows, self.timeline, self.retry, self.locks, self.errors, self.log, self.audit)
        self.by_name: dict[str, Pane] = {pane.pane_name: pane for pane in every}

    def __iter__(self) -> Iterator[Pane]:
        return iter(self.by_name.values())
