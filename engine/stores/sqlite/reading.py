"""Workflows and locks as they are stored, read whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import apsw

from engine.model.lock import Lock
from engine.model.workflow import Workflow
from engine.stores.rows import LockColumns, StepColumns, WorkflowColumns, decode_lock, decode_workflow
from engine.stores.sqlite import sql

WORKFLOW_COLUMNS: Final = sql.columns(WorkflowColumns._fields)

_WITH_BODY: Final = (
    f"SELECT b.body, {sql.columns(WorkflowColumns._fields, 'w')} "
    "FROM workflow w JOIN workflow_body b ON b.row_id = w.row_id WHERE w.id = ?"
)
_STEPS: Final = f"SELECT {sql.columns(StepColumns._fields)} FROM step WHERE workflow_id = ? ORDER BY n"

LOCK_COLUMNS: Final = sql.columns(LockColumns._fields)
_LOCK: Final = f"SELECT {LOCK_COLUMNS} FROM lock WHERE workflow_id = ?"


def read_workflow(connection: apsw.Connection, workflow_id: str) -> Workflow | None:
    """Return the newest revision with all its steps, or None."""
    found = sql.row(connection, _WITH_BODY, workflow_id)
    if found is None:
        return None
    steps = [StepColumns(*values) for values in sql.rows(connection, _STEPS, workflow_id)]
    return decode_workflow(WorkflowColumns(*found[1:]), found[0], steps)


def read_workflows(connection: apsw.Connection, workflow_ids: Sequence[str]) -> tuple[Workflow, ...]:
    """Return those that exist, in the order asked."""
    found = (read_workflow(connection, workflow_id) for workflow_id in workflow_ids)
    return tuple(workflow for workflow in found if workflow is not None)


def read_lock(connection: apsw.Connection, workflow_id: str) -> Lock | None:
    """Return the lock row, held or emptied, or None if there never was one."""
    found = sql.row(connection, _LOCK, workflow_id)
    return None if found is None else decode_lock(LockColumns(*found))


def json_list(values: Sequence[object]) -> str:
    """Return ``values`` for ``json_each``: any number of them in one parameter."""
    return json.dumps(list(values))
