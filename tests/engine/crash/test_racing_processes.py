"""Several processes change the same workflows: every revision was made by exactly one of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from engine import ProductionWorkflowOrchestrator

SERVICE = Path(__file__).with_name("racing_service.py")
ROOT = Path(__file__).parents[3]
EACH = 30


async def test_three_processes_on_one_store_lose_no_update_and_make_no_revision_twice(tmp_path: Path) -> None:
    engine = ProductionWorkflowOrchestrator(persistence_dir=tmp_path)
    ids = [await engine.create_direct_workflow(f"shared {n}", "erp") for n in range(2)]
    processes = [
        subprocess.Popen(
            [sys.executable, str(SERVICE), str(tmp_path), *ids, "--", str(EACH)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for _ in range(3)
    ]
    made: Counter[str] = Counter()
    for process in processes:
        printed, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        made.update(printed.split("\n")[:-1])
    assert sum(made.values()) == 3 * EACH
    assert [line for line, times in made.items() if times > 1] == []
    for workflow_id in ids:
        stored = await engine.store.read(workflow_id)
        assert stored is not None
        revisions = sorted(int(line.split()[1]) for line in made if line.startswith(f"{workflow_id} "))
        assert revisions == list(range(2, stored.revision + 1))
        history = await engine.store.entries(workflow_id)
        assert [entry.n for entry in history] == list(range(1, len(history) + 1))
    await engine.cleanup()
