"""A writing service is killed again and again: what it acknowledged is there, and documents follow the ledger.

``FLOWDECK_ROUNDS`` sets the number of rounds (CI runs few of them; 200 is the full figure).
"""

from __future__ import annotations

import json
import os
import random
import select
import subprocess
import sys
import time
from pathlib import Path

from engine import ProductionWorkflowOrchestrator

ROUNDS = int(os.environ.get("FLOWDECK_ROUNDS", "8"))
SERVICE = Path(__file__).with_name("writing_service.py")
ROOT = Path(__file__).parents[3]


def acknowledged_before_a_kill(place: Path, rng: random.Random) -> list[tuple[str, int, str]]:
    """Start the service, kill it 1 to 150 ms after its first acknowledgement, return what it acknowledged."""
    service = subprocess.Popen(
        [sys.executable, str(SERVICE), str(place), str(rng.randrange(10**6))],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert service.stdout is not None
    end = time.monotonic() + 30
    read = b""
    while not read and time.monotonic() < end:
        if select.select([service.stdout], [], [], 0.1)[0]:
            read = os.read(service.stdout.fileno(), 1 << 16)
    kill_at = time.monotonic() + rng.uniform(0.001, 0.15)
    while (left := kill_at - time.monotonic()) > 0:
        if select.select([service.stdout], [], [], left)[0]:
            read += os.read(service.stdout.fileno(), 1 << 16)
    service.kill()
    read += service.stdout.read()
    service.wait()
    service.stdout.close()
    lines = [line.split() for line in read.decode().split("\n")[:-1]]
    return [(workflow_id, int(revision), state) for workflow_id, revision, state in lines]


async def test_no_acknowledged_change_is_lost_and_documents_agree_after_the_next_start(tmp_path: Path) -> None:
    seed = int(os.environ.get("FLOWDECK_SEED", str(random.randrange(10**9))))
    print(f"replay with FLOWDECK_SEED={seed}")
    rng = random.Random(seed)
    place = tmp_path / "workflows"
    total = 0
    for round_number in range(ROUNDS):
        acknowledged = acknowledged_before_a_kill(place, rng)
        assert acknowledged, f"seed {seed}, round {round_number}: the service acknowledged nothing"
        total += len(acknowledged)
        engine = ProductionWorkflowOrchestrator(persistence_dir=place)
        await engine.start()
        try:
            for workflow_id, revision, state in acknowledged:
                stored = await engine.store.read(workflow_id)
                assert stored is not None, f"seed {seed}: {workflow_id} is lost"
                assert stored.revision >= revision, f"seed {seed}: {workflow_id} lost revision {revision} ({state})"
                document = json.loads((place / f"{workflow_id}.json").read_bytes())
                assert document["state"] == stored.state
                assert document["flowdeck"]["revision"] == stored.revision
            assert list(await engine.store.unpublished(10)) == []
            assert list(await engine.store.check()) == []
        finally:
            await engine.cleanup()
    print(f"{ROUNDS} kills, {total} acknowledged changes, 0 lost")
