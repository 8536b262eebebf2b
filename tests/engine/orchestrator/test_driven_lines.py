from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

import pytest
from making import MakeEngine

from engine import ManualClock, ProductionWorkflowOrchestrator
from engine.model.actor import Act, Actor, ActorKind
from engine.model.change import LockPolicy
from engine.rules.lines import INTELLIGENT
from engine.rules.rollback import roll_back
from engine.runner import call, offered, worded


class Recording:
    def __init__(self) -> None:
        self.events: list[Any] = []

    async def publish(self, event: Any) -> None:
        self.events.append(event)

    @property
    def told(self) -> list[tuple[str, str | None]]:
        return [
            (event.event_type.removeprefix("workflow."), event.payload.get("state") or event.payload.get("new_state"))
            for event in self.events
        ]


class Rag:
    async def retrieve(self, query: str, context: dict[str, Any]) -> dict[str, Any]:
        return {"documents": [query], "for": context.get("user")}


class Router:
    def route(self, rag_result: Any) -> dict[str, Any]:
        return {"module": "erp", "seen": rag_result["documents"]}


def execute(module: str, user_input: str) -> dict[str, Any]:
    return {"response": f"{module} answers {user_input}"}


async def test_the_intelligent_line_is_driven_to_its_end_through_its_adapters(make_engine: MakeEngine) -> None:
    bus = Recording()
    engine = make_engine(bus, Rag(), Router(), execute)
    workflow_id = await engine.create_intelligent_workflow("sales?", {"user": "u1"})
    bus.events.clear()
    outcome = await engine.execute_intelligent_workflow(workflow_id)
    assert outcome == {
        "workflow_id": workflow_id,
        "success": True,
        "state": "completed",
        "response": "erp answers sales?",
        "error": None,
    }
    found = await engine.get_workflow(workflow_id)
    assert found is not None
    assert found["rag_result_1"] == {"documents": ["sales?"], "for": "u1"}
    assert found["expert_routing_result"] == {"module": "erp", "seen": ["sales?"]}
    assert found["response"] == "erp answers sales?"
    assert [step["state"] for step in found["steps"]] == [
        "rag_retrieval_1",
        "expert_routing",
        "module_execution",
        "rag_retrieval_2",
        "response_generation",
    ]
    assert bus.told[:5] == [
        ("state_changed", "rag_retrieval_1"),
        ("step_started", "rag_retrieval_1"),
        ("step_completed", "rag_retrieval_1"),
        ("state_changed", "expert_routing"),
        ("step_started", "expert_routing"),
    ]
    assert [name for name, _ in bus.told].count("step_completed") == 5
    assert bus.told[-1][0] == "completed"


async def test_the_direct_line_takes_the_adapter_of_the_call_before_that_of_the_constructor(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(module_executor=lambda: "the constructor's")
    workflow_id = await engine.create_direct_workflow("q", "erp")
    outcome = await engine.execute_direct_workflow(workflow_id, lambda target_module: f"{target_module}'s")
    assert outcome["response"] == "erp's"


async def test_each_result_is_committed_before_the_next_step_begins(make_engine: MakeEngine) -> None:
    engine: ProductionWorkflowOrchestrator
    seen: list[Any] = []

    class Router:
        async def route(self, workflow_id: str) -> str:
            found = await engine.get_workflow(workflow_id)
            assert found is not None
            seen.append((found["state"], found["rag_result_1"]))
            return "erp"

    engine = make_engine(enable_persistence=False)
    workflow_id = await engine.create_intelligent_workflow("q")
    outcome = await engine.execute_intelligent_workflow(workflow_id, lambda query: [query], Router(), execute)
    assert outcome["success"]
    assert seen == [("expert_routing", ["q"])]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError("no answer"), "timeout"),
        (ValueError("the ERP said no"), "module_execution_error"),
        (MemoryError("full"), "resource_error"),
    ],
)
async def test_an_adapter_that_raises_fails_the_workflow_with_a_classified_error(
    make_engine: MakeEngine, error: Exception, expected: str
) -> None:
    def failing() -> None:
        raise error

    bus = Recording()
    engine = make_engine(bus, enable_persistence=False)
    workflow_id = await engine.create_direct_workflow("q", "erp")
    outcome = await engine.execute_direct_workflow(workflow_id, failing)
    assert outcome == {
        "workflow_id": workflow_id,
        "success": False,
        "state": "failed",
        "response": None,
        "error": str(error),
    }
    assert engine.get_error_stats() == {expected: 1}
    assert [name for name, _ in bus.told][-3:] == ["step_failed", "state_changed", "failed"]
    found = await engine.get_workflow(workflow_id)
    assert found is not None
    assert found["steps"][-1]["error"] == str(error)
    assert (await engine.get_metrics_json())["step_stats"]["module_execution"]["failed"] == 1


async def test_a_result_without_a_json_shape_fails_the_workflow(make_engine: MakeEngine) -> None:
    engine = make_engine(enable_persistence=False)
    workflow_id = await engine.create_direct_workflow("q", "erp")
    outcome = await engine.execute_direct_workflow(workflow_id, object)
    assert (outcome["success"], outcome["state"]) == (False, "failed")


@pytest.mark.parametrize("adapter", [None, 5, object()])
async def test_a_missing_or_useless_adapter_is_refused_before_anything_changes(
    make_engine: MakeEngine, adapter: object
) -> None:
    engine = make_engine(enable_persistence=False)
    workflow_id = await engine.create_direct_workflow("q", "erp")
    outcome = await engine.execute_direct_workflow(workflow_id, adapter)
    assert (outcome["success"], outcome["state"]) == (False, "initialized")
    assert "module_executor" in outcome["error"]
    assert await engine.acquire_workflow_lock(workflow_id, "anybody")


async def test_the_wrong_line_and_an_unknown_id_are_refused(make_engine: MakeEngine) -> None:
    engine = make_engine(enable_persistence=False)
    workflow_id = await engine.create_intelligent_workflow("q")
    assert "intelligent" in (await engine.execute_direct_workflow(workflow_id, execute))["error"]
    assert (await engine.execute_direct_workflow("wf_missing", execute))["state"] is None


async def test_a_synchronous_adapter_does_not_hold_up_the_loop(make_engine: MakeEngine) -> None:
    engine = make_engine(enable_persistence=False)
    release = threading.Event()
    workflow_id = await engine.create_direct_workflow("q", "erp")
    driving = asyncio.create_task(engine.execute_direct_workflow(workflow_id, lambda: str(release.wait(10))))
    assert (await engine.wait_for(workflow_id, "module_execution", timeout=5)) is not None
    release.set()
    assert (await driving)["response"] == "True"


async def test_a_workflow_is_driven_once_at_a_time_and_others_may_not_move_it(make_engine: MakeEngine) -> None:
    engine = make_engine(enable_persistence=False)
    release = asyncio.Event()

    async def slow() -> str:
        await release.wait()
        return "done"

    workflow_id = await engine.create_direct_workflow("q", "erp")
    driving = asyncio.create_task(engine.execute_direct_workflow(workflow_id, slow), context=contextvars.Context())
    assert (await engine.wait_for(workflow_id, "module_execution", timeout=5)) is not None
    second = await engine.execute_direct_workflow(workflow_id, slow)
    assert not second["success"]
    assert "locked by" in second["error"]
    assert not await engine.transition_state(workflow_id, "response_generation")
    release.set()
    assert (await driving)["success"]
    assert await engine.acquire_workflow_lock(workflow_id, "anybody")


async def test_the_callers_own_lock_serves_and_stays_after_the_drive(make_engine: MakeEngine) -> None:
    engine = make_engine(enable_persistence=False)
    workflow_id = await engine.create_direct_workflow("q", "erp")
    assert await engine.acquire_workflow_lock(workflow_id, "alice")
    assert (await engine.execute_direct_workflow(workflow_id, execute))["success"]
    assert await engine.release_workflow_lock(workflow_id, "alice")


async def test_after_a_timeout_the_hung_work_is_given_up_and_a_second_timeout_fails_the_run(
    make_engine: MakeEngine,
) -> None:
    clock = ManualClock()
    engine = make_engine(clock=clock, enable_persistence=False, state_timeout=5)
    calls: list[str] = []
    hangs = False

    async def hanging() -> None:
        nonlocal hangs
        calls.append("module")
        hangs = True
        try:
            await asyncio.Event().wait()
        finally:
            hangs = False

    workflow_id = await engine.create_intelligent_workflow("q")
    driving = asyncio.create_task(
        engine.execute_intelligent_workflow(workflow_id, lambda query: [query], lambda: "erp", hanging)
    )
    async with asyncio.timeout(10):
        while not driving.done():
            # Time passes only while the module hangs; the other adapters' threads take real time.
            await clock.advance(0.25 if hangs else 0)
    outcome = await driving
    assert (outcome["success"], outcome["state"]) == (False, "failed")
    assert calls == ["module", "module"]
    states = [entry["to_state"] for entry in await engine.state_history_of(workflow_id)]
    assert states[2:] == ["module_execution", "expert_routing", "module_execution", "failed"]


async def test_a_result_that_comes_after_an_operators_rollback_is_discarded_and_the_run_goes_on_from_there(
    make_engine: MakeEngine,
) -> None:
    engine, console = make_engine(), make_engine(kind="console")
    await engine.start()
    await console.start()
    operator = Actor(name="ops@here", kind=ActorKind.OPERATOR)
    answers = ["late", "in time"]

    async def module(workflow_id: str) -> dict[str, str]:
        answer = answers.pop(0)
        if answer == "late":
            await console.committer.run(
                workflow_id,
                lambda workflow, at: roll_back(workflow, INTELLIGENT, None, at=at, actor=operator),
                act=Act(actor=operator),
                payload={},
                lock_policy=LockPolicy.PASS,
            )
        return {"response": answer}

    workflow_id = await engine.create_intelligent_workflow("q")
    outcome = await engine.execute_intelligent_workflow(workflow_id, lambda query: [query], lambda: "erp", module)
    assert (outcome["success"], outcome["response"]) == (True, "in time")
    found = await engine.get_workflow(workflow_id)
    assert found is not None
    assert "late" not in str(found)
    assert [step["state"] for step in found["steps"]].count("expert_routing") == 2


async def test_a_cancelled_workflow_ends_its_drive(make_engine: MakeEngine) -> None:
    engine = make_engine(enable_persistence=False)

    async def hanging() -> None:
        await asyncio.Event().wait()

    workflow_id = await engine.create_direct_workflow("q", "erp")
    driving = asyncio.create_task(engine.execute_direct_workflow(workflow_id, hanging))
    assert (await engine.wait_for(workflow_id, "module_execution", timeout=5)) is not None
    owner = engine._life.rooms.running.caller.name
    assert await engine.cancel_workflow(workflow_id, lock_owner=owner)
    async with asyncio.timeout(5):
        assert (await driving)["state"] == "cancelled"


async def test_a_drive_goes_on_in_the_middle_of_a_line(make_engine: MakeEngine) -> None:
    bus = Recording()
    engine = make_engine(bus, enable_persistence=False)
    workflow_id = await engine.create_direct_workflow("q", "erp")
    await engine.transition_state(workflow_id, "module_execution")
    bus.events.clear()
    assert (await engine.execute_direct_workflow(workflow_id, execute))["success"]
    assert bus.told[0] == ("step_started", "module_execution")
    assert (await engine.execute_direct_workflow(workflow_id, execute))["success"]
    assert [name for name, _ in bus.told].count("completed") == 1


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: 1, 1),
        (lambda query: query, "q"),
        (lambda anything: anything, "q"),
        (lambda anything, /: anything, "q"),
        (lambda module, anything=3: (module, anything), ("erp", 3)),
        (lambda *many, **more: (many, more), ((), {})),
    ],
)
async def test_an_adapter_is_called_with_what_its_parameters_name(function: Any, expected: object) -> None:
    assert await call(function, {"user_input": "q", "query": "q", "module": "erp"}) == expected


async def test_an_adapter_that_needs_what_is_not_known_raises_a_type_error() -> None:
    def needy(query: str, database: object) -> None:
        raise AssertionError((query, database))

    with pytest.raises(TypeError, match="database"):
        await call(needy, {"user_input": "q", "query": "q"})


async def test_an_adapter_cannot_change_the_workflow_through_what_it_is_given(make_engine: MakeEngine) -> None:
    engine = make_engine(enable_persistence=False)
    workflow_id = await engine.create_direct_workflow("q", "erp", {"k": [1]})
    workflow = await engine.store.read(workflow_id)
    assert workflow is not None
    offered(workflow)["context"]["k"].append(2)
    assert workflow.context == {"k": [1]}


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ("text", "text"),
        ({"response": "r"}, "r"),
        ({"answer": "a"}, "a"),
        ({"x": 1}, '{"x":1}'),
        (None, ""),
        ([1], "[1]"),
    ],
)
def test_a_modules_result_is_worded_as_the_response(result: object, expected: str) -> None:
    assert worded(result) == expected
