"""What one engine counted: transitions, steps, errors and events, as numbers and in Prometheus' text.

Everything is kept in plain dictionaries; ``prometheus_client`` is loaded at the first question for its format, into
a registry of this instance's own.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from engine.model.names import Phase
from engine.model.workflow import Workflow

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

PREFIX: Final = "workflow_orchestrator"
_BOUNDS_S: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)

_STATUS: Final = ("workflow_type", "status")
_STATUS_STATE: Final = (*_STATUS, "state")
_STEP: Final = ("workflow_type", "step_name")
_MOVE: Final = ("workflow_type", "from_state", "to_state", "status")

Labels = tuple[str, ...]


@dataclass(slots=True)
class Durations:
    """A histogram of seconds."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(_BOUNDS_S) + 1))
    total_s: float = 0.0
    count: int = 0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self.buckets[bisect_left(_BOUNDS_S, seconds)] += 1
        self.total_s += seconds
        self.count += 1

    def cumulative(self) -> list[tuple[str, float]]:
        """Return pairs of upper bound and how many durations are at most that long."""
        sums: list[tuple[str, float]] = []
        running = 0
        for bound, count in zip((*map(str, _BOUNDS_S), "+Inf"), self.buckets, strict=True):
            running += count
            sums.append((bound, running))
        return sums


class Metrics:
    """One engine's counters; may be asked from any thread."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._active: dict[str, Labels] = {}
        self._total: Counter[Labels] = Counter()
        self._transitions: Counter[Labels] = Counter()
        self._steps: Counter[Labels] = Counter()
        self._errors: Counter[Labels] = Counter()
        self._events: Counter[Labels] = Counter()
        self._durations: dict[Labels, Durations] = {}
        self._step_durations: dict[Labels, Durations] = {}
        self._registry: CollectorRegistry | None = None

    def see(self, workflow: Workflow) -> None:
        """Keep the gauge of active workflows right: ``workflow`` stands so now, whoever moved it."""
        with self._mutex:
            if workflow.phase is Phase.OPEN:
                self._active[workflow.workflow_id] = (workflow.workflow_type, workflow.state)
            else:
                self._active.pop(workflow.workflow_id, None)

    def forget(self, workflow_id: str) -> None:
        """Take a workflow that is no longer there out of the gauge."""
        with self._mutex:
            self._active.pop(workflow_id, None)

    def created(self, workflow: Workflow) -> None:
        """Count a workflow that this engine created."""
        self.see(workflow)
        with self._mutex:
            self._total[workflow.workflow_type, "started", workflow.state] += 1

    def moved(self, before: Workflow, after: Workflow) -> None:
        """Count a move that this engine committed, and the steps that came with it."""
        self.see(after)
        kind = after.workflow_type
        with self._mutex:
            if before.state != after.state:
                self._transitions[kind, before.state, after.state, "success"] += 1
                if after.phase is not Phase.OPEN:
                    self._total[kind, after.state, after.state] += 1
                    self._end(after)
            for step in after.steps[len(before.steps) :]:
                status = "failed" if step.error else "success"
                self._steps[kind, step.step_name, status] += 1
                if step.duration is not None:
                    self._step_durations.setdefault((kind, step.step_name), Durations()).add(step.duration)

    def _end(self, workflow: Workflow) -> None:
        seconds = workflow.total_duration
        if seconds is None:
            seconds = (workflow.updated_at - workflow.created_at).total_seconds()
        self._durations.setdefault((workflow.workflow_type, workflow.state), Durations()).add(max(0.0, seconds))

    def refused(self, workflow_type: str, from_state: str, to_state: str) -> None:
        """Count a transition that was refused."""
        with self._mutex:
            self._transitions[workflow_type, from_state, to_state, "refused"] += 1

    def error(self, workflow_type: str, error_type: str) -> None:
        """Count one error of a type; ``workflow_type`` is "" where no workflow stands behind it."""
        with self._mutex:
            self._errors[workflow_type, error_type] += 1

    def event(self, workflow_type: str, event_type: str, status: str) -> None:
        """Count what became of an event: ``published``, ``failed``, ``dead`` or ``recorded``."""
        with self._mutex:
            self._events[workflow_type, event_type, status] += 1

    def error_stats(self) -> dict[str, int]:
        """Return errors by type, over all workflows."""
        stats: Counter[str] = Counter()
        with self._mutex:
            for (_, error_type), count in self._errors.items():
                stats[error_type] += count
        return dict(stats)

    def average_duration_s(self) -> float:
        """Return the mean duration of the completed workflows this engine ended, 0.0 without any."""
        with self._mutex:
            ended = [durations for (_, state), durations in self._durations.items() if state == "completed"]
            count = sum(durations.count for durations in ended)
            return sum(durations.total_s for durations in ended) / count if count else 0.0

    def step_stats(self) -> dict[str, dict[str, Any]]:
        """Return, by step name: ``total``, ``success``, ``failed`` and ``avg_duration`` in seconds."""
        stats: dict[str, dict[str, Any]] = {}
        seconds: dict[str, Durations] = {}
        with self._mutex:
            for (_, name, status), count in self._steps.items():
                row = stats.setdefault(name, {"total": 0, "success": 0, "failed": 0, "avg_duration": 0.0})
                row["total"] += count
                row[status] += count
            for (_, name), durations in self._step_durations.items():
                merged = seconds.setdefault(name, Durations())
                merged.total_s += durations.total_s
                merged.count += durations.count
        for name, merged in seconds.items():
            stats[name]["avg_duration"] = merged.total_s / merged.count
        return stats

    def prometheus(self) -> bytes:
        """Return everything in Prometheus' text format."""
        from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415  a fifth of a second

        if self._registry is None:
            self._registry = CollectorRegistry()
            self._registry.register(self)
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield the metric families; what a registry asks of a collector."""
        with self._mutex:
            active = Counter(self._active.values())
            families = [
                _counter("total", "Workflows started and ended.", _STATUS_STATE, self._total),
                _histogram("duration_seconds", "Time from creation to end.", _STATUS, self._durations),
                _gauge("active", "Open workflows.", ("workflow_type", "state"), active),
                _counter("steps_total", "Steps recorded.", ("workflow_type", "step_name", "status"), self._steps),
                _histogram("step_duration_seconds", "Time of a step.", _STEP, self._step_durations),
                _counter("state_transitions_total", "Transitions made and refused.", _MOVE, self._transitions),
                _counter("errors_total", "Errors by type.", ("workflow_type", "error_type"), self._errors),
                _counter("events_total", "Events by fate.", ("workflow_type", "event_type", "status"), self._events),
            ]
        yield from families


def _name(name: str) -> str:
    return f"{PREFIX}_{name}"


def _counter(name: str, text: str, labels: Labels, counts: Mapping[Labels, int]) -> Metric:
    from prometheus_client.metrics_core import CounterMetricFamily  # noqa: PLC0415  loaded with the format

    family = CounterMetricFamily(_name(name), text, labels=labels)
    for values, count in counts.items():
        family.add_metric(values, count)
    return family


def _gauge(name: str, text: str, labels: Labels, counts: Mapping[Labels, int]) -> Metric:
    from prometheus_client.metrics_core import GaugeMetricFamily  # noqa: PLC0415  loaded with the format

    family = GaugeMetricFamily(_name(name), text, labels=labels)
    for values, count in counts.items():
        family.add_metric(values, count)
    return family


def _histogram(name: str, text: str, labels: Labels, counts: Mapping[Labels, Durations]) -> Metric:
    from prometheus_client.metrics_core import HistogramMetricFamily  # noqa: PLC0415  loaded with the format

    family = HistogramMetricFamily(_name(name), text, labels=labels)
    for values, durations in counts.items():
        family.add_metric(values, durations.cumulative(), durations.total_s)
    return family
