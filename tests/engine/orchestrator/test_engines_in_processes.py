from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from making import MakeEngine

from engine.model.actor import Act, Actor, ActorKind
from engine.model.change import LockPolicy
from engine.model.lock import Liveness
from engine.rules.lines import DIRECT
from engine.rules.rollback import roll_back
from engine.store.requests import LockRelease

ROOT = Path(__file__).parents[3]


class Caller:
    """The other end of ``caller_process.py``."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def __call__(self, name: str, *args: Any, **options: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"name": name, "args": args, "options": options}).encode() + b"\n")
        async with asyncio.timeout(30):
            return json.loads(await self.process.stdout.readline())


Start = Callable[..., Awaitable[Caller]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    started: list[Caller] = []

    async def begin(**options: Any) -> Caller:
        options.setdefault("persistence_dir", str(tmp_path / "store"))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("caller_process.py")),
            json.dumps(options),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        started.append(Caller(process))
        return started[-1]

    yield begin
    for caller in started:
        async with _ended(caller.process):
            pass


@asynccontextmanager
async def _ended(process: asyncio.subprocess.Process) -> AsyncIterator[None]:
    yield
    if process.returncode is None:
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(20):
            assert await process.wait() == 0


async def test_two_processes_on_one_directory_lose_no_update(start: Start, make_engine: MakeEngine) -> None:
    first, second = await start(), await start()
    ids = [await first("create_direct_workflow", f"q{n}", "erp") for n in range(8)]

    async def move_all(caller: Caller) -> list[tuple[str, str]]:
        edges = [(workflow_id, state) for state in DIRECT.path[1:] for workflow_id in ids]
        return [edge for edge in edges if await caller("transition_state", *edge)]

    one, other = await asyncio.gather(move_all(first), move_all(second))
    assert sorted(one + other) == sorted((workflow_id, state) for workflow_id in ids for state in DIRECT.path[1:])
    reader = make_engine(supervises=False)
    for workflow_id in ids:
        history = await reader.state_history_of(workflow_id)
        assert [entry["to_state"] for entry in history] == list(DIRECT.path[1:])
        workflow = await reader.store.read(workflow_id)
        assert workflow is not None
        assert workflow.revision == 4


async def test_what_one_process_changes_the_other_is_told_of(start: Start) -> None:
    first, second = await start(), await start()
    workflow_id = await first("create_direct_workflow", "q", "erp")
    assert (await second("get_workflow", workflow_id))["state"] == "initialized"
    assert await first("transition_state", workflow_id, "module_execution")
    assert (await second("wait_for", workflow_id, ["module_execution"], 5)) is not None
    assert await second("transition_state", workflow_id, "response_generation")
    async with asyncio.timeout(10):
        while await first("get_state_history", workflow_id) != await second("state_history_of", workflow_id):
            pass
    assert len(await second("get_state_history", workflow_id)) == 2


async def test_a_late_write_under_a_lock_that_an_operators_rollback_voided_is_refused(
    start: Start, make_engine: MakeEngine
) -> None:
    service = await start()
    workflow_id = await service("create_direct_workflow", "q", "erp")
    for state in ("module_execution", "response_generation"):
        assert await service("transition_state", workflow_id, state)
    assert await service("acquire_workflow_lock", workflow_id, "worker-1")
    console = make_engine(kind="console")
    await console.start()
    operator = Actor(name="ops@here", kind=ActorKind.OPERATOR)
    await console.committer.run(
        workflow_id,
        lambda workflow, at: roll_back(workflow, DIRECT, None, at=at, actor=operator, reason="wrong module"),
        act=Act(actor=operator, reason="wrong module"),
        payload={},
        lock_policy=LockPolicy.PASS,
    )
    assert not await service("transition_state", workflow_id, "completed", lock_owner="worker-1")
    assert not await service("transition_state", workflow_id, "response_generation", lock_owner="worker-1")
    assert (await service("get_workflow", workflow_id))["state"] == "module_execution"
    assert await service("acquire_workflow_lock", workflow_id, "worker-1")
    assert await service("transition_state", workflow_id, "response_generation", lock_owner="worker-1")


async def test_a_late_write_under_a_stolen_lock_is_refused_even_after_the_thief_let_go(
    start: Start, make_engine: MakeEngine
) -> None:
    service = await start()
    workflow_id = await service("create_direct_workflow", "q", "erp")
    assert await service("acquire_workflow_lock", workflow_id, "worker-1")
    console = make_engine(kind="console")
    await console.start()
    lock = await console.store.lock(workflow_id)
    assert lock is not None
    operator = Actor(name="ops@here", kind=ActorKind.OPERATOR)
    assert await console.store.release(
        LockRelease(
            workflow_id=workflow_id,
            fence=lock.fence,
            now=console.instant(),
            act=Act(actor=operator, reason="stuck since noon"),
            is_forced=True,
        )
    )
    assert not await service("transition_state", workflow_id, "module_execution", lock_owner="worker-1")
    assert not await service("release_workflow_lock", workflow_id, "worker-1")
    assert await console.transition_state(workflow_id, "module_execution")


async def test_a_stuck_state_times_out_exactly_once_with_two_engines_watching(
    start: Start, make_engine: MakeEngine
) -> None:
    options: dict[str, Any] = {"state_timeout": 0.6, "check_interval": 0.02}
    first, second = await start(**options), await start(**options)
    ids = []
    for n in range(5):
        workflow_id = await (first, second)[n % 2]("create_intelligent_workflow", "q")
        for state in ("rag_retrieval_1", "expert_routing"):
            assert await first("transition_state", workflow_id, state)
        ids.append(workflow_id)
    reader = make_engine(supervises=False)
    for workflow_id in ids:
        assert await reader.wait_for(workflow_id, "failed", timeout=10) is not None
        kinds = [entry.kind.value for entry in await reader.store.entries(workflow_id)]
        assert kinds == ["created", "transition", "transition", "timeout", "timeout"]
        states = [entry["to_state"] for entry in await reader.state_history_of(workflow_id)]
        assert states == ["rag_retrieval_1", "expert_routing", "rag_retrieval_1", "failed"]


async def test_the_lock_of_a_killed_process_is_taken_over_at_once_and_its_engine_is_swept(
    start: Start, make_engine: MakeEngine
) -> None:
    doomed = await start()
    workflow_id = await doomed("create_direct_workflow", "q", "erp")
    assert await doomed("acquire_workflow_lock", workflow_id, "worker-1", 600)
    engine = make_engine()
    await engine.start()
    (row,) = [row for row in await engine.store.engines() if row.engine.pid == doomed.process.pid]
    assert engine.engine_liveness(row)[0] is Liveness.ALIVE
    assert not await engine.acquire_workflow_lock(workflow_id, "worker-2")
    doomed.process.send_signal(signal.SIGKILL)
    await doomed.process.wait()
    assert engine.engine_liveness(row) == (Liveness.DEAD, "its process ended")
    assert await engine.acquire_workflow_lock(workflow_id, "worker-2")
    supervisor = engine._life.rooms.running.make_supervisor()
    async with asyncio.timeout(10):
        while not all(
            each.ended_at for each in await engine.store.engines() if each.engine.incarnation == row.engine.incarnation
        ):
            await supervisor.turn()
            await engine.clock.sleep(0.05)
    assert [path.stem for path in (engine.directory or Path()).glob(".flowdeck/engines/*.lock")] == [
        engine.me.incarnation
    ]


async def test_a_process_that_is_terminated_leaves_no_lock_behind_that_outlives_it(
    start: Start, make_engine: MakeEngine
) -> None:
    caller = await start()
    await caller("create_direct_workflow", "q", "erp")
    async with _ended(caller.process):
        pass
    engine = make_engine()
    await engine.start()
    ended = [row for row in await engine.store.engines() if row.engine.pid == caller.process.pid]
    assert [row.ended_at is not None for row in ended] == [True]
    assert len(list((engine.directory or Path()).glob(".flowdeck/engines/*.lock"))) == 1
