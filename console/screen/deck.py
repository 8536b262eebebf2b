"""What the screen holds: the answers to its last questions, and what the operator chose. Never all workflows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from console.screen.paging import Stretch
from console.screen.seen import Seen
from console.view.flows import lives_of
from console.view.verdict import Finding
from engine.model.entry import Entry
from engine.model.line import Line
from engine.model.lock import Liveness
from engine.model.names import Phase
from engine.observation.views import Detail, ErrorCount, Health, LockView, LogLine
from engine.store.query import EventRow, Filter, FlowRow, Sort

COUNT_CAP: Final = 10_000
"""Rows a filter's count goes up to."""


@dataclass(slots=True)
class Deck:
    """Loaded stretches, counters, the detail of one workflow, and the operator's choices.

    Attributes:
        filter_line: as typed; ``filter`` is what it means, without ``is_problem_only``.
        pane_lines: the filters of the other lists as typed, by pane; ``pane_filters`` is what they mean.
        flow_count: workflows the filter selects, None before it is known; capped where ``is_capped``.
        events_of: the workflow whose events the retry pane shows, None for all that wait or died.
        detail: everything about the workflow under the cursor.
        read_at: monotonic seconds of the engine's last answer.
        marks: ids of marked workflows and events, in the order they were marked.
        hidden: how many of the marked workflows the filter hides.
    """

    filter_line: str = ""
    filter: Filter = field(default_factory=Filter)
    pane_lines: dict[str, str] = field(default_factory=dict)
    pane_filters: dict[str, Filter] = field(default_factory=dict)
    is_problem_only: bool = False
    sort: Sort = Sort.PROBLEM
    flows: Stretch[FlowRow] = field(default_factory=Stretch)
    flow_count: int | None = None
    is_capped: bool = False
    events: Stretch[EventRow] = field(default_factory=Stretch)
    events_of: str | None = None
    locks: Stretch[LockView] = field(default_factory=Stretch)
    audit: Stretch[Entry] = field(default_factory=Stretch)
    errors: tuple[ErrorCount, ...] = ()
    log: tuple[LogLine, ...] = ()
    health: Health | None = None
    lives: dict[str, Liveness] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    detail: Detail | None = None
    line: Line | None = None
    read_at: float | None = None
    seen: Seen = field(default_factory=Seen)
    marks: dict[str, None] = field(default_factory=dict)
    event_marks: dict[str, None] = field(default_factory=dict)
    hidden: int = 0
    is_frozen: bool = False

    @property
    def whole_filter(self) -> Filter:
        """The filter, with "only problems" where it is on."""
        return replace(self.filter, is_problem=True) if self.is_problem_only else self.filter

    def filter_of(self, pane: str) -> Filter:
        """Return the filter of a list other than the flows."""
        return self.pane_filters.get(pane, Filter())

    @property
    def has_filter(self) -> bool:
        """Whether anything restricts the flows."""
        return self.whole_filter != Filter()

    @property
    def flow_total(self) -> int | None:
        """How many rows the flows pane has, None while nobody knows."""
        return self.flows.total(None if self.is_capped else self.flow_count)

    def all_flows(self) -> int | None:
        """Return how many workflows the store has, damaged documents included, None before it is known."""
        if self.health is None:
            return None
        flows = self.health.flows
        return sum(flows.get(phase, 0) for phase in ("open", "failed", "done")) + flows.get("damaged", 0)

    def needs_supervisor(self) -> bool:
        """Return whether anything is known here that only a supervisor lets run out."""
        if self.health is None:
            return False
        has_deadline = any(flow.deadline_at is not None and flow.phase is Phase.OPEN for flow in self.flows.rows)
        return has_deadline or self.health.overdue > 0 or self.health.locks.get("held", 0) > 0

    def changed(self) -> frozenset[str]:
        """Return the loaded workflows that changed since the operator looked."""
        return frozenset(flow.workflow_id for flow in self.flows.rows if self.seen.times(flow))

    def take_health(self, health: Health, findings: tuple[Finding, ...]) -> None:
        """Take a new reading."""
        self.health, self.findings = health, findings
        self.lives = lives_of(health)
        self.seen.begin(health.at)
