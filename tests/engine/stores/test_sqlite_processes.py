from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from conftest import OpenStore
from ledger_values import creation, engine, flow

from engine.clock import SystemClock
from engine.model.entry import chain_hash
from engine.store.feed import Notice, NoticeKind
from engine.store.protocol import Store

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
Start = Callable[..., Awaitable[Process]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts processes on the test's ledger and ends those that still run."""
    started: list[Process] = []

    async def run(verb: str, name: str, *rest: str) -> Process:
        ledger = tmp_path / ".flowdeck" / "ledger.db"
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(HERE / "ledger_process.py"),
            verb,
            str(ledger),
            name,
            *rest,
            stdin=PIPE,
            stdout=PIPE,
            env={"PYTHONPATH": f"{ROOT}:{HERE}"},
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.returncode is None:
            process.kill()
        process._transport.close()
        await process.wait()


async def _line(process: Process) -> str:
    return (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()


async def _whole_chains(store: Store, workflow_id: str) -> None:
    previous = ""
    entries = await store.entries(workflow_id, limit=100_000)
    for n, entry in enumerate(entries, start=1):
        assert entry.n == n
        assert entry.hash == chain_hash(previous, entry)
        previous = entry.hash


async def test_processes_that_change_one_workflow_lose_no_update(open_ledger: OpenStore, start: Start) -> None:
    store = await open_ledger()
    await store.commit(creation(flow(metadata={"marks": []})))
    rounds = 40
    racers = [await start("race", name, str(rounds)) for name in ("a", "b", "c")]
    for racer in racers:
        assert await _line(racer) == "ready"
    for racer in racers:
        racer.stdin.write(b"go\n")
    assert await asyncio.wait_for(asyncio.gather(*(racer.wait() for racer in racers)), 60) == [0, 0, 0]
    found = await store.read("wf_direct_1")
    assert sorted(found.metadata["marks"]) == sorted(f"{name}{n}" for name in "abc" for n in range(rounds))
    assert found.revision == 1 + 3 * rounds
    await _whole_chains(store, "wf_direct_1")


async def test_a_killed_process_loses_no_acknowledged_change(open_ledger: OpenStore, start: Start) -> None:
    acknowledged: dict[str, int] = {}
    for number in range(4):
        writer = await start("write", f"w{number}")
        for _ in range(60 + 37 * number):
            name, revision = (await _line(writer)).split()
            acknowledged[name] = int(revision)
        writer.send_signal(signal.SIGKILL)
        rest = await writer.stdout.read()
        for line in rest.decode().splitlines(keepends=True):
            if line.endswith("\n"):
                name, revision = line.split()
                acknowledged[name] = int(revision)
        await writer.wait()
    store = await open_ledger(engine("01CHECK"))
    assert await store.check() == ()
    counted = await store.counters("")
    assert counted["flows/direct/module_execution"] + counted["flows/direct/initialized"] == 8
    for name, revision in acknowledged.items():
        found = await store.read(name)
        assert found.revision >= revision
        assert len(await store.entries(name, limit=100_000)) == found.revision
        await _whole_chains(store, name)


async def test_a_feed_sees_what_another_process_changes(open_ledger: OpenStore, start: Start) -> None:
    store = await open_ledger(clock=SystemClock())
    feed = store.feed(await store.version())
    other = await start("demand", "other")
    assert await _line(other) == "ready"
    for name in ("wf_one", "wf_two"):
        other.stdin.write(f"{name}\n".encode())
        seen: set[Notice] = set()
        while Notice(NoticeKind.WORKFLOW, name) not in seen:
            seen |= (await asyncio.wait_for(anext(feed), 10)).notices
        assert await store.read(name) is not None
    await feed.aclose()
