"""A second process on a ledger, for tests: ``race``, ``write`` until it is killed, or commit on demand."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from ledger_values import creation, engine, flow, move

from engine.clock import SystemClock
from engine.store.outcomes import Committed, Conflict
from engine.stores.sqlite import SqliteStore

WORKFLOW_ID = "wf_direct_1"


async def race(store: SqliteStore, name: str, rounds: int) -> None:
    """Add ``rounds`` marks of this process to one workflow that others change too; says ``ready`` first."""
    tell("ready")
    await asyncio.to_thread(sys.stdin.readline)
    for n in range(rounds):
        while True:
            found = await store.read(WORKFLOW_ID)
            assert found is not None
            marks = [*found.metadata["marks"], f"{name}{n}"]
            change = move(
                found, "module_execution", values={"metadata": {"marks": marks}}, request_id=f"{name}-{n}", events=0
            )
            outcome = await store.commit(change)
            if isinstance(outcome, Committed):
                break
            assert isinstance(outcome, Conflict)


async def write(store: SqliteStore, name: str) -> None:
    """Commit on several workflows without end; each line says what was acknowledged."""

    async def on_one(workflow_id: str) -> None:
        found = await store.read(workflow_id)
        if found is None:
            outcome = await store.commit(creation(flow(workflow_id), request_id=f"{name}-new"))
            assert isinstance(outcome, Committed)
            found = outcome.workflow
        while True:
            change = move(found, "module_execution", request_id=f"{name}-{found.revision}")
            outcome = await store.commit(change)
            assert isinstance(outcome, Committed)
            found = outcome.workflow
            tell(f"{workflow_id} {found.revision}")

    await asyncio.gather(*(on_one(f"wf_{n}") for n in range(8)))


async def on_demand(store: SqliteStore) -> None:
    """Create the workflow that each line of the input names, until it ends."""
    tell("ready")
    while name := (await asyncio.to_thread(sys.stdin.readline)).strip():
        await store.commit(creation(flow(name)))


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main() -> None:
    verb, ledger, name, *rest = sys.argv[1:]
    store = SqliteStore(Path(ledger), clock=SystemClock())
    await store.open(engine(f"01{name.upper()}"))
    if verb == "race":
        await race(store, name, int(rest[0]))
    elif verb == "write":
        await write(store, name)
    else:
        await on_demand(store)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main())
