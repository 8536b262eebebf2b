"""What callers ask of the store: workflows as dicts or typed, lists, histories and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, Final

from engine.errors import InvalidValueError
from engine.model.names import Flag, Origin, Phase, WorkflowState, WorkflowType, is_plain_id
from engine.model.plain import plain
from engine.model.public import DirectWorkflowData, IntelligentWorkflowData
from engine.model.times import format_time
from engine.model.view import data_dict, history_dicts
from engine.model.workflow import Workflow
from engine.orchestrator.arguments import demand_count, demand_optional_text, demand_seconds, demand_text
from engine.orchestrator.following import history_since, take_in
from engine.orchestrator.running import Running
from engine.rules.lines import BUILT_IN, find_line
from engine.store.query import Filter, Query, Sort

_PAGE: Final = 200
_FIRST_SCAN_WITHIN_S: Final = 5.0
_UNREADABLE: Final = (Flag.DAMAGED, Flag.GONE)
"""Of another program's workflow the document is the truth; the ledger keeps what it said last."""

_DATA: Final[Mapping[str, type[IntelligentWorkflowData | DirectWorkflowData]]] = {
    WorkflowType.INTELLIGENT.value: IntelligentWorkflowData,
    WorkflowType.DIRECT.value: DirectWorkflowData,
}


class Queries:
    """The questions of one running engine's callers."""

    def __init__(self, running: Running) -> None:
        self._running = running

    async def find(self, workflow_id: object) -> Workflow | None:
        """Return the newest revision, None where there is none or the id is no plain name.

        Raises:
            StoreError: the store cannot be read.
        """
        if not isinstance(workflow_id, str) or not is_plain_id(workflow_id):
            return None
        return await self._running.read(workflow_id)

    async def load(self, workflow_id: object) -> IntelligentWorkflowData | DirectWorkflowData | None:
        """Return a workflow typed all the way down, and have its history at hand from now on.

        Raises:
            StoreError: the store cannot be read.
        """
        found = await self.find(workflow_id)
        if found is None or (found.origin is Origin.EXTERNAL and found.flag in _UNREADABLE):
            return None
        typed = typed_workflow(found)
        if typed is not None:
            await take_in(self._running.store, self._running.views, found)
        return typed

    async def listed(self, workflow_type: str | None, state: str | None, limit: int) -> list[dict[str, Any]]:
        """Return workflows, newest ``created_at`` first; of a directory nobody has been through, its first scan waits.

        Raises:
            InvalidValueError: an argument is of the wrong kind.
            StoreError: the store cannot be read.
        """
        demand_optional_text("workflow_type", workflow_type)
        demand_optional_text("state", state)
        demand_count("limit", limit)
        if self._running.scanning is not None and self._running.settings.scans:
            await self._running.scanning.until_first(_FIRST_SCAN_WITHIN_S)
        chosen = Filter(
            types=() if workflow_type is None else (str(workflow_type),),
            states=() if state is None else (str(state),),
        )
        found: list[dict[str, Any]] = []
        after: str | None = None
        while len(found) < limit:
            query = Query(filter=chosen, sort=Sort.CREATED, after=after, limit=min(_PAGE, limit - len(found)))
            page = await self._running.store.page_flows(query)
            ids = [row.workflow_id for row in page.rows if row.state]
            workflows = {each.workflow_id: each for each in await self._running.store.read_many(ids)}
            found += [plain(data_dict(workflows[workflow_id])) for workflow_id in ids if workflow_id in workflows]
            after = page.next
            if after is None:
                break
        return found

    async def history(self, workflow_id: object) -> list[dict[str, Any]]:
        """Return the whole state history as the store holds it.

        Raises:
            StoreError: the store cannot be read.
        """
        if not isinstance(workflow_id, str) or not is_plain_id(workflow_id):
            return []
        entries = await history_since(self._running.store, workflow_id, 0)
        if not entries and await self._running.read(workflow_id) is not None:
            entries = await history_since(self._running.store, workflow_id, 0)
        return plain_history(history_dicts(entries))

    async def error_stats(self) -> dict[str, int]:
        """Return errors by type since the store was made, whichever engine counted them.

        Raises:
            StoreError: the store cannot be read.
        """
        await self._running.refusals.flush()
        counters = await self._running.store.counters("errors/")
        return {name.removeprefix("errors/"): count for name, count in counters.items() if name.count("/") == 1}

    async def metrics(self) -> dict[str, Any]:
        """Return the store's counts and this engine's durations, in the contract's shape.

        Raises:
            StoreError: the store cannot be read.
        """
        states = Counter({state.value: 0 for state in WorkflowState})
        by_type: dict[str, dict[str, int]] = {name: {} for name in BUILT_IN}
        totals: Counter[str] = Counter()
        active = 0
        for name, count in (await self._running.store.counters("flows/")).items():
            _, workflow_type, state = name.split("/", 2)
            if not state:
                continue
            states[state] += count
            by_type.setdefault(workflow_type, {})[state] = count
            totals[workflow_type] += count
            line = find_line(workflow_type)
            if line is None or line.phase(state) is Phase.OPEN:
                active += count
        metrics = self._running.views.metrics
        return {
            "timestamp": format_time(self._running.clock.now()),
            "total_workflows": totals.total(),
            "intelligent_count": totals[WorkflowType.INTELLIGENT.value],
            "direct_count": totals[WorkflowType.DIRECT.value],
            "state_counts": dict(states),
            "type_state_counts": by_type,
            "avg_duration_seconds": metrics.average_duration_s(),
            "completed_count": states[WorkflowState.COMPLETED.value],
            "active_count": active,
            "step_stats": metrics.step_stats(),
        }

    async def wait_for(
        self, workflow_id: object, states: Collection[str], timeout_s: float | None
    ) -> dict[str, Any] | None:
        """Return a workflow once it is in one of ``states``; None when the time is over or there is no such one.

        Raises:
            InvalidValueError: an argument is of the wrong kind or out of its range.
            StoreError: the store cannot be read.
        """
        running = self._running
        if timeout_s is not None:
            demand_seconds("timeout", timeout_s, may_be_zero=True)
        if not isinstance(states, Collection):
            raise InvalidValueError("states", "they are not states")
        if not isinstance(workflow_id, str):
            return None
        wanted = {demand_text("states", state) for state in states}
        until = None if timeout_s is None else running.clock.monotonic() + timeout_s
        with running.signals.listening(workflow_id) as moved:
            while True:
                moved.clear()
                found = await self.find(workflow_id)
                if found is None:
                    return None
                if found.state in wanted:
                    return as_dict(found)
                left_s = None if until is None else until - running.clock.monotonic()
                if not await running.signals.within(moved, left_s):
                    return None


def as_dict(workflow: Workflow) -> dict[str, Any]:
    """Return exactly the data fields of the contract; a copy, all the way down."""
    copied: dict[str, Any] = plain(data_dict(workflow))
    return copied


def plain_history(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a copy of a history, all the way down."""
    copied: list[dict[str, Any]] = plain(history)
    return copied


def typed_workflow(workflow: Workflow) -> IntelligentWorkflowData | DirectWorkflowData | None:
    """Return a workflow of a built-in line as its data class; None for any other line or an impossible state."""
    kind = _DATA.get(workflow.workflow_type)
    if kind is None:
        return None
    try:
        return kind(**as_dict(workflow))
    except (TypeError, ValueError):
        return None
