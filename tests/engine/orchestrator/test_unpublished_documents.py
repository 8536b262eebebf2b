"""A document that cannot be written shows wherever errors are counted."""

from __future__ import annotations

import asyncio
from pathlib import Path

from engine import ProductionWorkflowOrchestrator
from engine.clock import SystemClock


async def test_a_failed_publication_is_a_resource_error_for_callers_metrics_and_store(
    engine: ProductionWorkflowOrchestrator, tmp_path: Path
) -> None:
    workflow_id = await engine.create_direct_workflow("u", "m")
    stripes = tmp_path / "store" / ".flowdeck" / "stripes"
    stripes.rename(stripes.with_name("away"))
    stripes.touch()
    assert await engine.transition_state(workflow_id, "module_execution")
    assert engine.get_error_stats()["resource_error"] >= 1
    assert 'error_type="resource_error"' in engine.get_prometheus_metrics().decode()
    counted = await engine.store.counters("errors/")
    assert sum(count for name, count in counted.items() if "resource_error" in name) >= 1, counted
    stripes.unlink()
    clock = SystemClock()
    document = tmp_path / "store" / f"{workflow_id}.json"
    async with asyncio.timeout(10):
        while '"state": "module_execution"' not in document.read_text():
            await clock.sleep(0.02)
