from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from making import MakeEngine

from engine import ManualClock, ProductionWorkflowOrchestrator
from engine.model.actor import Act, Actor, ActorKind
from engine.rules.force import force
from engine.rules.lines import DIRECT


class ObjectBus:
    """Takes one event object, asynchronously."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.failures_left = 0

    async def publish(self, event: Any) -> None:
        if self.failures_left > 0:
            self.failures_left -= 1
            raise ConnectionError("the broker is away")
        self.events.append(event)

    @property
    def types(self) -> list[str]:
        return [event.event_type.removeprefix("workflow.") for event in self.events]


class KeywordBus:
    """Takes keywords, synchronously."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def publish(  # noqa: PLR0913, PLR0917  the second form of the contract
        self,
        category: str,
        event_type: str,
        source: str,
        severity: str = "info",
        payload: dict[str, Any] | None = None,
        correlation_id: str | None = None,
        parent_event_id: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.calls.append(dict(locals()))


async def test_every_verb_emits_exactly_its_events_in_order(make_engine: MakeEngine) -> None:
    bus = ObjectBus()
    engine = make_engine(event_bus=bus)

    async def told(act: Any) -> list[str]:
        bus.events.clear()
        assert await act
        return bus.types

    assert await told(engine.create_direct_workflow("q", "erp", workflow_id="wf_1")) == ["started"]
    assert await told(engine.transition_state("wf_1", "module_execution")) == ["state_changed"]
    assert await told(engine.transition_state("wf_1", "failed", error="no")) == ["state_changed", "failed"]
    assert await told(engine.rollback_workflow_state("wf_1")) == ["rolled_back", "state_changed"]
    assert bus.events[-1].payload["reason"] == "rollback"
    assert await told(engine.transition_state("wf_1", "response_generation")) == ["state_changed"]
    assert await told(engine.transition_state("wf_1", "completed")) == ["state_changed", "completed"]
    await engine.create_direct_workflow("q", "erp", workflow_id="wf_2")
    assert await told(engine.cancel_workflow("wf_2", "why")) == ["state_changed", "cancelled"]
    assert bus.events[-1].payload["reason"] == "why"
    bus.events.clear()
    assert not await engine.transition_state("wf_2", "completed")
    assert bus.types == []


async def test_an_event_object_has_the_attributes_and_payloads_of_the_contract(make_engine: MakeEngine) -> None:
    bus = ObjectBus()
    engine = make_engine(event_bus=bus)
    workflow_id = await engine.create_direct_workflow("q", "erp", {"c": 1}, trace_id="t")
    await engine.transition_state(workflow_id, "module_execution", {"output_data": {"x": 1}})
    await engine.transition_state(workflow_id, "failed", error="it broke")
    started, changed, _, failed = bus.events
    assert (started.category, started.source, started.event_type) == (
        "workflow",
        "workflow_orchestrator",
        "workflow.started",
    )
    assert started.correlation_id == workflow_id
    assert started.parent_event_id is None
    assert started.timestamp.endswith("Z")
    assert len(started.timestamp) == 27
    assert started.payload == {
        "workflow_id": workflow_id,
        "workflow_type": "direct",
        "user_input": "q",
        "context": {"c": 1},
        "trace_id": "t",
        "span_id": None,
        "target_module": "erp",
    }
    assert changed.payload["old_state"] == "initialized"
    assert changed.payload["new_state"] == "module_execution"
    assert changed.payload["step_data"]["output_data"] == {"x": 1}
    assert changed.payload["error"] is None
    assert "reason" not in changed.payload
    assert failed.payload["workflow"]["workflow_id"] == workflow_id
    assert failed.payload["error"] == "it broke"
    assert failed.payload["error_type"] == "module_execution_error"
    assert len({event.event_id for event in bus.events}) == 4


async def test_a_bus_of_the_keyword_form_works_too(make_engine: MakeEngine) -> None:
    bus = KeywordBus()
    engine = make_engine(event_bus=bus)
    workflow_id = await engine.create_direct_workflow("q", "erp")
    assert bus.calls[0]["category"] == "workflow"
    assert bus.calls[0]["event_type"] == "workflow.started"
    assert bus.calls[0]["correlation_id"] == workflow_id
    assert bus.calls[0]["payload"]["target_module"] == "erp"


async def test_the_queue_keeps_published_events_and_both_queues_are_sized_and_iterable(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(event_bus=ObjectBus())
    assert (len(engine.event_queue), engine.event_queue.maxlen) == (0, 10_000)
    assert (len(engine.event_retry_queue), engine.event_retry_queue.maxlen) == (0, 1_000)
    await engine.create_direct_workflow("q", "erp")
    assert [event.event_type for event in engine.event_queue] == ["workflow.started"]
    assert list(engine.event_retry_queue) == []


async def test_a_failing_bus_fails_no_transition_and_its_event_is_retried(make_engine: MakeEngine) -> None:
    bus, clock = ObjectBus(), ManualClock()
    bus.failures_left = 2
    engine = make_engine(event_bus=bus, clock=clock, enable_persistence=False, retry_interval=1.0)
    workflow_id = await engine.create_direct_workflow("q", "erp")
    assert len(engine.event_retry_queue) == 1
    assert await engine.transition_state(workflow_id, "module_execution")
    assert bus.types == []
    for _ in range(200):
        await clock.advance(0.5)
        if len(bus.events) == 2:
            break
    assert bus.types == ["started", "state_changed"]
    assert len(engine.event_retry_queue) == 0


async def test_after_its_retries_an_event_is_a_dead_letter_and_counts_once(make_engine: MakeEngine) -> None:
    bus, clock = ObjectBus(), ManualClock()
    bus.failures_left = 4
    engine = make_engine(event_bus=bus, clock=clock, enable_persistence=False, retry_interval=0.5, max_retries=3)
    await engine.create_direct_workflow("q", "erp")
    for _ in range(400):
        await clock.advance(0.5)
        if engine.get_error_stats():
            break
    assert engine.get_error_stats() == {"event_publish_error": 1}
    assert (await engine.store.counters("events/"))["events/dead"] == 1
    assert bus.failures_left == 0
    assert bus.types == []


async def test_a_subscriber_may_call_the_engine_back(make_engine: MakeEngine) -> None:
    engine: ProductionWorkflowOrchestrator
    moved: list[bool] = []

    class CallingBack:
        async def publish(self, event: Any) -> None:
            if event.event_type == "workflow.started":
                moved.append(await engine.transition_state(event.correlation_id, "module_execution"))

    engine = make_engine(event_bus=CallingBack())
    async with asyncio.timeout(10):
        workflow_id = await engine.create_direct_workflow("q", "erp")
    assert moved == [True]
    found = await engine.get_workflow(workflow_id)
    assert found is not None
    assert found["state"] == "module_execution"


async def test_a_bus_given_after_the_start_receives_what_follows(tmp_path: Path) -> None:
    engine = ProductionWorkflowOrchestrator(enable_persistence=False)
    workflow_id = await engine.create_direct_workflow("q", "erp")
    bus = ObjectBus()
    assert engine.fill({"event_bus": bus}) == []
    assert await engine.transition_state(workflow_id, "module_execution")
    assert bus.types == ["state_changed"]
    assert await engine.get_workflow(workflow_id) is not None
    await engine.cleanup()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("extra_events", [False, True])
async def test_lock_events_reach_the_bus_only_where_they_are_asked_for(
    make_engine: MakeEngine, extra_events: bool
) -> None:
    bus = ObjectBus()
    engine = make_engine(event_bus=bus, extra_events=extra_events)
    workflow_id = await engine.create_direct_workflow("q", "erp")
    await engine.acquire_workflow_lock(workflow_id, "alice")
    await engine.release_workflow_lock(workflow_id, "alice")
    assert bus.types == (["started", "lock.acquired", "lock.released"] if extra_events else ["started"])


@pytest.mark.parametrize("extra_events", [False, True])
async def test_operators_events_reach_the_bus_only_where_they_are_asked_for(
    make_engine: MakeEngine, extra_events: bool
) -> None:
    bus = ObjectBus()
    engine = make_engine(event_bus=bus, extra_events=extra_events)
    workflow_id = await engine.create_direct_workflow("q", "erp")
    bus.events.clear()
    operator = Actor(name="ops@here", kind=ActorKind.OPERATOR)
    await engine.committer.run(
        workflow_id,
        lambda workflow, at: force(
            workflow, DIRECT, "response_generation", results={}, at=at, actor=operator, reason="by hand, ticket 4"
        ),
        act=Act(actor=operator),
        payload={},
    )
    assert bus.types == (["forced", "state_changed"] if extra_events else ["state_changed"])


async def test_prometheus_counts_events_by_fate(make_engine: MakeEngine) -> None:
    bus = ObjectBus()
    engine = make_engine(event_bus=bus)
    await engine.create_direct_workflow("q", "erp")
    text = engine.get_prometheus_metrics().decode()
    labels = 'event_type="workflow.started",status="published",workflow_type="direct"'
    assert f"workflow_orchestrator_events_total{{{labels}}} 1.0" in text


async def test_the_log_has_a_line_for_each_change(make_engine: MakeEngine, tmp_path: Path) -> None:
    engine = make_engine(log_dir=tmp_path / "elsewhere")
    workflow_id = await engine.create_direct_workflow("q", "erp", trace_id="t1")
    await engine.transition_state(workflow_id, "module_execution")
    await engine.transition_state(workflow_id, "completed")
    await engine.cleanup()
    (file,) = (tmp_path / "elsewhere").glob("workflow_orchestrator_????????.jsonl")
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert all(
        list(line) == ["timestamp", "level", "event", "workflow_id", "trace_id", "span_id", "data", "message"]
        for line in lines
    )
    ours = [line for line in lines if line["workflow_id"] == workflow_id]
    assert [line["event"] for line in ours] == ["workflow_created", "state_transition", "refused"]
    assert [line["trace_id"] for line in ours] == ["t1"] * 3
    assert (ours[1]["data"]["from_state"], ours[1]["data"]["to_state"]) == ("initialized", "module_execution")
