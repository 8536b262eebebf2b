from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from making import MakeEngine

from engine import Observer, Operations, ProductionWorkflowOrchestrator
from engine.model.actor import Actor, ActorKind
from engine.operations.plan import PlanRequest, Verb

CORPUS = Path(__file__).parents[2] / "corpus"
MANIFEST = json.loads((CORPUS / "MANIFEST.json").read_text(encoding="utf-8"))

Ask = Callable[[ProductionWorkflowOrchestrator, str], Awaitable[object]]


@pytest.fixture
async def foreign(make_engine: MakeEngine, tmp_path: Path) -> tuple[Path, str]:
    """A directory with one document of another program, in module_execution, and no ledger."""
    engine = make_engine(persistence_dir=tmp_path / "origin")
    workflow_id = await engine.create_direct_workflow("q", "erp")
    await engine.transition_state(workflow_id, "module_execution", {"output_data": {"rows": 3}})
    await engine.cleanup()
    document = json.loads((tmp_path / "origin" / f"{workflow_id}.json").read_text(encoding="utf-8"))
    del document["flowdeck"]
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / f"{workflow_id}.json").write_text(json.dumps(document), encoding="utf-8")
    return tmp_path / "old", workflow_id


ASKED: dict[str, Ask] = {
    "transition": lambda engine, known: engine.transition_state(known, "response_generation"),
    "rollback": lambda engine, known: engine.rollback_workflow_state(known),
    "cancel": lambda engine, known: engine.cancel_workflow(known),
    "acquire": lambda engine, known: engine.acquire_workflow_lock(known, "alice"),
    "history": lambda engine, known: engine.state_history_of(known),
    "load": lambda engine, known: engine.load_workflow(known),
    "describe": lambda engine, known: Observer(engine).describe(known),
    "why": lambda engine, known: Observer(engine).why(known),
}


@pytest.mark.parametrize("name", ASKED)
async def test_a_document_that_no_scan_has_seen_is_known_by_its_id(
    make_engine: MakeEngine, foreign: tuple[Path, str], name: str
) -> None:
    place, workflow_id = foreign
    engine = make_engine(persistence_dir=place, scans=False, supervises=False)
    await engine.start()
    assert await ASKED[name](engine, workflow_id)
    assert not engine.get_error_stats()


async def test_a_document_that_no_scan_has_seen_is_driven_to_its_end(
    make_engine: MakeEngine, foreign: tuple[Path, str]
) -> None:
    place, workflow_id = foreign
    engine = make_engine(persistence_dir=place, scans=False, supervises=False)
    ended = await engine.execute_direct_workflow(workflow_id, lambda **_: {"response": "done"})
    assert (ended["success"], ended["error"]) == (True, None)


async def test_a_plan_knows_a_document_that_no_scan_has_seen(
    make_engine: MakeEngine, foreign: tuple[Path, str]
) -> None:
    place, workflow_id = foreign
    engine = make_engine(persistence_dir=place, scans=False, supervises=False)
    await engine.start()
    operations = Operations(engine, Actor(name="op", kind=ActorKind.OPERATOR, facts={}))
    plan = await operations.plan(PlanRequest(verb=Verb.CANCEL, ids=(workflow_id,)))
    assert [(item.before, item.skipped) for item in plan.items] == [("module_execution", "")]


async def test_the_first_lists_wait_for_the_first_scan_whichever_engine_makes_it(
    make_engine: MakeEngine, tmp_path: Path
) -> None:
    shutil.copytree(CORPUS, tmp_path / "copy")
    engines = [make_engine(persistence_dir=tmp_path / "copy") for _ in range(2)]
    lists = await asyncio.gather(*(engine.list_workflows(limit=1000) for engine in engines))
    readable = sum("damaged" not in facts for facts in MANIFEST.values())
    assert [len(each) for each in lists] == [readable, readable]


async def test_a_list_waits_no_longer_than_it_must_where_nobody_scans(
    make_engine: MakeEngine, foreign: tuple[Path, str]
) -> None:
    place, _ = foreign
    engine = make_engine(persistence_dir=place, scans=False)
    async with asyncio.timeout(2):
        assert await engine.list_workflows() == []
