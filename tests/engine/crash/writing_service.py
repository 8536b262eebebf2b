"""A service that writes until it is killed: each acknowledged change is one line on standard output.

Run as ``python writing_service.py DIR SEED``. Lines: ``<workflow id> <revision at least> <state>``.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

from engine import ProductionWorkflowOrchestrator

PATH = ("initialized", "module_execution", "response_generation", "completed")


async def drive(engine: ProductionWorkflowOrchestrator, rng: random.Random) -> None:
    while True:
        workflow_id = await engine.create_direct_workflow(f"request {rng.random()}", "erp")
        acknowledge(workflow_id, 1, "initialized")
        for revision, state in enumerate(PATH[1:], start=2):
            if await engine.transition_state(workflow_id, state, {"output_data": {"response": "答案", "n": revision}}):
                acknowledge(workflow_id, revision, state)


def acknowledge(workflow_id: str, revision: int, state: str) -> None:
    os.write(1, f"{workflow_id} {revision} {state}\n".encode())


async def main(place: Path, seed: int) -> None:
    engine = ProductionWorkflowOrchestrator(persistence_dir=place)
    rng = random.Random(seed)
    await asyncio.gather(*(drive(engine, rng) for _ in range(4)))


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
