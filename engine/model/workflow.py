"""A workflow as a value: what the ledger holds of it, steps included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from engine.model.names import Flag, Origin, Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One recorded execution of a state.

    Attributes:
        n: its number in the workflow, from 1; ``step_id`` is usually ``step_<n>``.
        state: the state it ran for; ``step_name`` repeats it in documents.
        started_at: document time text, as the caller gave it.
        completed_at: document time text, as the caller gave it.
        duration: seconds.
        generation: the workflow's generation when it was recorded.
        is_superseded: a later rollback entered its state, or an earlier one, again.
    """

    n: int
    step_id: str
    step_name: str
    state: str
    started_at: str | None = None
    completed_at: str | None = None
    duration: float | None = None
    input_data: Any = None
    output_data: Any = None
    error: Any = None
    metadata: Any = field(default_factory=dict)
    generation: int = 1
    is_superseded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """One workflow at one revision. Times are aware UTC.

    Attributes:
        workflow_type: the name of its line; a document may name a line that is not known here.
        results: result slot of the document (``rag_result_1`` ... ``response``) to its value.
        revision: +1 for each commit that changes this value; 0 before the first.
        generation: +1 whenever control moves by other than a normal transition.
        entered_at: when the present state was entered.
        deadline_at: when the present visit times out; None where nothing times it.
        paused_left_s: seconds of the visit's time that were left when it was paused.
        timeout_s: seconds a visit may take, from the engine that created it; None for external workflows.
        attempt: how often the present state was tried again in this visit.
        caller_timeouts: time-outs since the caller's own last successful transition.
        active_path: states entered successfully and not left by a rollback, first to present.
        failed_from: the state that failed, while ``state`` is the line's failed state.
        extra: unknown top-level keys of a foreign document, kept verbatim.
    """

    workflow_id: str
    workflow_type: str
    line_version: int = 1
    state: str = "initialized"
    phase: Phase = Phase.OPEN
    user_input: Any = ""
    context: Any = field(default_factory=dict)
    trace_id: Any = None
    span_id: Any = None
    parent_span_id: Any = None
    target_module: Any = None
    results: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    metadata: Any = field(default_factory=dict)
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    error: str | None = None
    total_duration: float | None = None
    revision: int = 0
    generation: int = 1
    origin: Origin = Origin.OWN
    flag: Flag = Flag.NONE
    entered_at: datetime
    deadline_at: datetime | None = None
    paused_at: datetime | None = None
    paused_left_s: float | None = None
    timeout_s: float | None = None
    attempt: int = 0
    caller_timeouts: int = 0
    is_forced: bool = False
    error_type: str | None = None
    fingerprint: str | None = None
    active_path: tuple[str, ...] = ("initialized",)
    failed_from: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def evolve(self, **changes: Any) -> Workflow:
        """Return a copy with ``changes``; the one way rules make a new value."""
        return replace(self, **changes)

    @property
    def is_open(self) -> bool:
        """Whether work goes on: neither finished nor failed."""
        return self.phase is Phase.OPEN

    @property
    def final_answer(self) -> str | None:
        """The response, or, as the earlier program left it, the newest step's ``output_data.response``."""
        response = self.results.get("response")
        if response is not None:
            return str(response)
        for step in reversed(self.steps):
            if not step.is_superseded and isinstance(step.output_data, Mapping):
                answer = step.output_data.get("response")
                if isinstance(answer, str):
                    return answer
        return None
