"""The demo's service process: ``python -m console.demo.service DIR [--seed N]``; ends with its parent."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sys
from pathlib import Path

from console.demo.bus import FlakyBus
from console.demo.load import Load, Pace
from engine import ProductionWorkflowOrchestrator
from engine.clock import Clock, SystemClock

STATE_TIMEOUT_S = 40.0
OWNER_LOST_EVERY_S = 100.0
RETRY_BASE_S = 2.0


async def serve(place: Path, seed: int) -> None:
    """Run the load on the store at ``place`` until told to stop, or until the parent process is gone."""
    clock = SystemClock()
    bus = FlakyBus(clock.monotonic)
    engine = ProductionWorkflowOrchestrator(
        event_bus=bus,
        persistence_dir=place,
        state_timeout=STATE_TIMEOUT_S,
        retry_interval=RETRY_BASE_S,
        check_interval=0.5,
    )
    load = Load(engine, bus, clock, random.Random(seed), Pace())  # noqa: S311  a scene, not a secret
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tasks = [asyncio.create_task(load.run()), asyncio.create_task(_lose_owners(load, place, clock))]
    parent = os.getppid()
    while not stop.is_set() and os.getppid() == parent:
        await clock.sleep(0.25)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await engine.cleanup()


async def _lose_owners(load: Load, place: Path, clock: Clock) -> None:
    """Let another process take two locks and die with them, again and again, so that dead owners can be seen."""
    while True:
        ids = await load.begin_idle(2)
        dying = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "console.demo.service", str(place), "--die-holding", *ids
        )
        await dying.wait()
        await clock.sleep(OWNER_LOST_EVERY_S)


async def die_holding(place: Path, ids: list[str]) -> None:
    """Take the locks of ``ids`` in an engine of this process, then die without a word."""
    engine = ProductionWorkflowOrchestrator(persistence_dir=place, state_timeout=STATE_TIMEOUT_S)
    for workflow_id in ids:
        await engine.acquire_workflow_lock(workflow_id, "nightly-export", timeout=900.0)
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Serve, or die holding locks."""
    parser = argparse.ArgumentParser(prog="flowdeck demo service")
    parser.add_argument("place", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--die-holding", nargs="+", metavar="ID")
    options = parser.parse_args()
    if options.die_holding:
        asyncio.run(die_holding(options.place, options.die_holding))
    else:
        asyncio.run(serve(options.place, options.seed))


if __name__ == "__main__":
    main()
