"""A new workflow."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from engine.errors import InvalidIdError, InvalidValueError
from engine.model.actor import Actor
from engine.model.change import Decision
from engine.model.entry import NewEntry
from engine.model.line import Line
from engine.model.names import EntryKind, is_plain_id
from engine.model.plain import plain
from engine.model.workflow import Workflow
from engine.rules import events


def create(  # noqa: PLR0913  the fields of a new document, named at the call
    *,
    workflow_id: str,
    line: Line,
    user_input: Any,
    target_module: Any = None,
    context: Any = None,
    metadata: Any = None,
    trace_id: Any = None,
    parent_span_id: Any = None,
    span_id: Any = None,
    timeout_s: float | None,
    at: datetime,
    actor: Actor,
) -> Decision:
    """Return a workflow in its line's initial state, which nothing times.

    Args:
        workflow_id: its id, a plain name.
        line: the route it will take.
        user_input: what the caller asks; copied, as are the fields after it.
        target_module: kept only by lines that have one.
        context: the caller's facts, {} where None.
        metadata: the caller's marks, {} where None.
        trace_id: of the caller's trace.
        parent_span_id: of the caller's span.
        span_id: of the span opened for this workflow.
        timeout_s: seconds a visit may take, None for no limit.
        at: the moment of creation.
        actor: who creates it.

    Raises:
        InvalidIdError: the id is no plain name.
        InvalidValueError: a field has no JSON shape.
    """
    if not is_plain_id(workflow_id):
        raise InvalidIdError(workflow_id)
    fields = {
        "user_input": user_input,
        "target_module": target_module if line.has_target_module else None,
        "context": {} if context is None else context,
        "metadata": {} if metadata is None else metadata,
        "trace_id": trace_id,
        "parent_span_id": parent_span_id,
        "span_id": span_id,
    }
    workflow = Workflow(
        workflow_id=workflow_id,
        workflow_type=line.name,
        line_version=line.version,
        state=line.initial,
        phase=line.phase(line.initial),
        results=dict.fromkeys(line.results.values()),
        created_at=at,
        updated_at=at,
        entered_at=at,
        timeout_s=timeout_s,
        active_path=(line.initial,),
        **{name: _copied(name, value) for name, value in fields.items()},
    )
    entry = NewEntry(
        kind=EntryKind.CREATED,
        at=at,
        actor=actor,
        to_state=line.initial,
        events=(events.started(workflow, line),),
    )
    return Decision(after=workflow, entry=entry)


def _copied(name: str, value: Any) -> Any:
    try:
        return plain(value)
    except ValueError as error:
        raise InvalidValueError(name, f"it cannot be written as JSON ({error})") from error
