from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import (
    EngineError,
    ProductionWorkflowOrchestrator,
    WorkflowOrchestrator,
    get_production_workflow_orchestrator,
    get_workflow_orchestrator,
)
from engine.orchestrator import singletons


@pytest.fixture(autouse=True)
def own_singletons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(singletons, "_instances", {})
    monkeypatch.setattr(singletons, "_options", {})
    yield
    gc.collect()


def test_there_is_one_instance_a_mode() -> None:
    production, memory = get_workflow_orchestrator(), get_workflow_orchestrator(production_mode=False)
    assert production is get_workflow_orchestrator() is get_production_workflow_orchestrator()
    assert memory is get_workflow_orchestrator(production_mode=False)
    assert production is not memory
    assert isinstance(memory, WorkflowOrchestrator)


def test_later_arguments_fill_what_was_unset_and_warn_where_it_was_set(tmp_path: Path) -> None:
    class Bus:
        def publish(self, event: object) -> None: ...

    first, second = Bus(), Bus()
    engine = get_workflow_orchestrator(persistence_dir=tmp_path / "a")
    assert get_workflow_orchestrator(first, persistence_dir=tmp_path / "a") is engine
    assert get_workflow_orchestrator(first) is engine
    with pytest.warns(RuntimeWarning, match="event_bus, persistence_dir"):
        assert get_workflow_orchestrator(second, persistence_dir=tmp_path / "b") is engine


async def test_after_a_cleanup_a_live_instance_is_handed_out() -> None:
    first = get_workflow_orchestrator()
    workflow_id = await first.create_direct_workflow("q", "erp")
    await first.cleanup()
    await first.cleanup()
    second = get_workflow_orchestrator()
    assert second is not first
    assert await second.get_workflow(workflow_id) is not None
    await second.cleanup()


@pytest.mark.parametrize("production_mode", [True, False])
def test_a_new_loop_after_the_old_one_closed_goes_on_with_the_same_workflows(production_mode: bool) -> None:
    engine = get_workflow_orchestrator(production_mode=production_mode, state_timeout=0.05, check_interval=0.05)

    async def begin() -> str:
        workflow_id = await engine.create_intelligent_workflow("q")
        for state in ("rag_retrieval_1", "expert_routing"):
            assert await engine.transition_state(workflow_id, state)
        return workflow_id

    async def go_on(workflow_id: str) -> object:
        # Only a background task that was started again on this loop can time it out.
        found = await engine.wait_for(workflow_id, "failed", timeout=10)
        await engine.cleanup()
        return found

    workflow_id = asyncio.run(begin())
    assert asyncio.run(go_on(workflow_id)) is not None
    assert len(engine.get_state_history(workflow_id)) == 4


def test_a_call_from_a_second_running_loop_is_refused_with_a_sentence(tmp_path: Path) -> None:
    engine = ProductionWorkflowOrchestrator(persistence_dir=tmp_path / "store")

    async def main() -> None:
        await engine.start()
        with pytest.raises(EngineError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, engine.get_workflow("wf_1"))
        assert await engine.get_workflow("wf_1") is None
        await engine.cleanup()

    asyncio.run(main())


async def test_concurrent_first_calls_start_the_engine_once(tmp_path: Path) -> None:
    engine = ProductionWorkflowOrchestrator(persistence_dir=tmp_path / "store")
    await asyncio.gather(*(engine.create_direct_workflow("q", "erp") for _ in range(10)))
    assert len(await engine.store.engines()) == 1
    await engine.cleanup()


async def test_an_engine_is_used_again_after_its_cleanup(tmp_path: Path) -> None:
    engine = ProductionWorkflowOrchestrator(persistence_dir=tmp_path / "store")
    workflow_id = await engine.create_direct_workflow("q", "erp")
    await engine.cleanup()
    assert await engine.transition_state(workflow_id, "module_execution")
    assert not engine.is_closed
    await engine.cleanup()


async def test_a_cleanup_leaves_no_task_behind(tmp_path: Path) -> None:
    engine = ProductionWorkflowOrchestrator(persistence_dir=tmp_path / "store")
    await engine.create_direct_workflow("q", "erp")
    assert len(asyncio.all_tasks()) > 1
    await engine.cleanup()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize(
    "ending",
    ["asyncio.run(use())", "asyncio.new_event_loop().run_until_complete(use())", "pass"],
    ids=["loop closed", "loop left open", "never used"],
)
def test_an_engine_that_was_never_cleaned_up_keeps_no_process_alive(tmp_path: Path, ending: str) -> None:
    code = f"""
        import asyncio
        from engine import ProductionWorkflowOrchestrator
        class Bus:
            def publish(self, event): pass
        engine = ProductionWorkflowOrchestrator(Bus(), persistence_dir={str(tmp_path / "store")!r})
        async def use():
            await engine.create_direct_workflow("q", "erp")
        {ending}
        print("over")
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[3]), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert ended.stdout == "over\n"
    if "use()" in ending:
        assert next((tmp_path / "logs" / "workflow").glob("*.jsonl")).read_text().count("workflow_created") == 1
