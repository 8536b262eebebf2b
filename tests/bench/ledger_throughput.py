"""Commits a second of the ledger beside raw SQLite on the same disk: ``python tests/bench/ledger_throughput.py``.

Prints wall and processor time a commit, for one caller and for 64. The raw figures are transactions of one row each,
synced as the ledger syncs, and the same rows 64 to a transaction.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import apsw

sys.path[:0] = [str(Path(__file__).parents[1] / "engine" / "stores"), str(Path(__file__).parents[2])]

from ledger_values import creation, engine, flow, move  # noqa: E402  the path above makes it importable

from engine.clock import SystemClock  # noqa: E402
from engine.store.outcomes import Committed  # noqa: E402
from engine.stores.sqlite import SqliteStore  # noqa: E402

SECONDS = 3.0
CALLERS = (1, 64)


def tell(name: str, count: int, wall_s: float, processor_s: float) -> None:
    wall_us, processor_us = wall_s / count * 1e6, processor_s / count * 1e6
    sys.stdout.write(f"{name:34} {count / wall_s:8.0f}/s {wall_us:8.0f} us wall {processor_us:8.0f} us cpu\n")


def raw(place: Path, rows: int) -> None:
    connection = apsw.Connection(str(place / f"raw{rows}.db"))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)")
    body = b"x" * 600
    count, begun, processor = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() < begun + SECONDS:
        connection.execute("BEGIN IMMEDIATE")
        for _ in range(rows):
            connection.execute("INSERT INTO t (body) VALUES (?)", (body,))
        connection.execute("COMMIT")
        count += rows
    tell(f"raw, {rows} rows a transaction", count, time.perf_counter() - begun, time.process_time() - processor)
    connection.close()


async def ledger(place: Path | None, callers: int) -> None:
    store = SqliteStore(place, clock=SystemClock())
    await store.open(engine(has_bus=True))
    count = 0
    flows = [creation(flow(f"wf_direct_{callers}_{n}")) for n in range(callers)]
    made = [await store.commit(change) for change in flows]
    transactions, begun, processor = store.transactions, time.perf_counter(), time.process_time()

    async def call(outcome: Committed) -> None:
        nonlocal count
        workflow = outcome.workflow
        while time.perf_counter() < begun + SECONDS:
            done = await store.commit(move(workflow, "module_execution", events=1))
            workflow = done.workflow
            count += 1

    await asyncio.gather(*(call(outcome) for outcome in made))
    wall_s, processor_s = time.perf_counter() - begun, time.process_time() - processor
    shared = count / (store.transactions - transactions)
    tell(f"ledger {'memory' if place is None else 'disk'}, {callers} callers", count, wall_s, processor_s)
    sys.stdout.write(f"{'':34} {shared:8.1f} commits a transaction\n")
    await store.close()


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        for callers in CALLERS:
            raw(Path(name), callers)
            asyncio.run(ledger(Path(name) / f"ledger{callers}" / "ledger.db", callers))
            asyncio.run(ledger(None, callers))


if __name__ == "__main__":
    main()
