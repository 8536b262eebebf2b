"""A service in a process of its own: calls come in as JSON lines, their results go out as JSON lines."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from engine import ProductionWorkflowOrchestrator


async def serve(options: dict[str, Any]) -> None:
    engine = ProductionWorkflowOrchestrator(**options)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        call = json.loads(line)
        result = getattr(engine, call["name"])(*call["args"], **call["options"])
        print(json.dumps(await result if asyncio.iscoroutine(result) else result), flush=True)
    await engine.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
