"""One of several processes that move the same workflows: ``python racing_service.py DIR ID... -- COUNT``.

Each adds ``COUNT`` notes to workflow metadata through force and rollback moves, guarded by the revision it read;
prints ``<id> <revision it made>`` for each success.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from engine import ProductionWorkflowOrchestrator


async def main(place: Path, ids: list[str], count: int) -> None:
    engine = ProductionWorkflowOrchestrator(persistence_dir=place)
    await engine.start()
    won = 0
    turn = 0
    while won < count:
        workflow_id = ids[turn % len(ids)]
        turn += 1
        seen = await engine.store.read(workflow_id)
        assert seen is not None
        if seen.state == "initialized":
            moved = await engine.transition_state(workflow_id, "module_execution", expect_revision=seen.revision)
        else:
            moved = await engine.rollback_workflow_state(workflow_id, expect_revision=seen.revision)
        if moved:
            won += 1
            os.write(1, f"{workflow_id} {seen.revision + 1}\n".encode())
    await engine.cleanup()


separator = sys.argv.index("--")
asyncio.run(main(Path(sys.argv[1]), sys.argv[2:separator], int(sys.argv[separator + 1])))
