"""Small documents in the shapes that other programs write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).parents[2] / "corpus"
STORE_ID = "5" * 32


def move(from_state: Any, to_state: Any, second: int = 1, **changes: Any) -> dict[str, Any]:
    """Return one entry of a state history."""
    return {
        "from_state": from_state,
        "to_state": to_state,
        "timestamp": f"2026-01-01T00:00:{second:02d}.000000Z",
        "duration": 0.0,
        "success": True,
        "error": None,
        "metadata": {},
        **changes,
    }


def direct(workflow_id: str = "wf_direct_1", **changes: Any) -> dict[str, Any]:
    """Return a document of the direct line, as values."""
    return {
        "workflow_id": workflow_id,
        "workflow_type": "direct",
        "state": "module_execution",
        "user_input": "查询库存",
        "context": {},
        "trace_id": "t",
        "span_id": None,
        "parent_span_id": None,
        "target_module": "erp",
        "module_execution_result": None,
        "response": None,
        "created_at": "2026-01-01T00:00:00.000001Z",
        "updated_at": "2026-01-01T00:00:09.000000Z",
        "started_at": None,
        "completed_at": None,
        "steps": [],
        "metadata": {},
        "error": None,
        "total_duration": None,
        "state_history": [move("initialized", "module_execution")],
        **changes,
    }


def text(document: Any) -> bytes:
    """Return a document as the earlier program wrote it."""
    return json.dumps(document, ensure_ascii=False, indent=2).encode("utf-8", "surrogatepass")


def put(directory: Path, document: dict[str, Any]) -> Path:
    """Write a document as another program that renames into place does."""
    path = directory / f"{document['workflow_id']}.json"
    draft = directory / f".{path.name}.draft"
    draft.write_bytes(text(document))
    draft.rename(path)
    return path
