"""Documents as values and back: lenient towards every writer, exact in what is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

from engine.documents.mark import DOCUMENT_SCHEMA, MARK_KEY, Mark, mark_of, read_mark, seal
from engine.errors import DamagedDocumentError
from engine.model.line import Line
from engine.model.names import Origin, Phase, is_plain_id
from engine.model.plain import encode
from engine.model.times import format_optional, parse_time
from engine.model.view import LARGEST_DOCUMENT_BYTES, data_dict
from engine.model.workflow import Step, Workflow
from engine.rules.classify import classify, fingerprint
from engine.rules.lines import find_line
from engine.rules.paths import active_path

__all__ = ["MAX_BYTES", "Mark", "ParsedDocument", "parse", "read_mark", "render"]

MAX_BYTES: Final = LARGEST_DOCUMENT_BYTES
"""A larger file is not read."""

WHOLE_HISTORY_BYTES: Final = 1024 * 1024
"""A larger document of our own keeps only its newest history."""

KEPT_HISTORY: Final = 200
"""History entries that a large document keeps."""

_MAX_DEPTH: Final = 150
"""The parser stops at 200 levels; what wraps a value later (an entry, an event) needs some of them."""

_BOM: Final = b"\xef\xbb\xbf"
_FIRST_YEAR: Final = 1000
_SLOTS: Final = ("rag_result_1", "expert_routing_result", "module_execution_result", "rag_result_2", "response")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedDocument:
    """A document as values: its workflow (revision 0, origin external), its history verbatim, its mark."""

    workflow: Workflow
    history: tuple[dict[str, Any], ...]
    mark: Mark | None


class _Document(BaseModel):
    """Every key a document may have; nothing is coerced here, unknown keys are kept."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())

    workflow_id: Any = None
    workflow_type: Any = None
    state: Any = None
    user_input: Any = ""
    context: Any = None
    trace_id: Any = None
    span_id: Any = None
    parent_span_id: Any = None
    created_at: Any = None
    updated_at: Any = None
    started_at: Any = None
    completed_at: Any = None
    steps: Any = None
    metadata: Any = None
    error: Any = None
    total_duration: Any = None
    state_history: Any = None
    flowdeck: Any = None

    def given(self, key: str, absent: Any) -> Any:
        """Return a key's value, null included, or ``absent`` where the document lacks the key."""
        return getattr(self, key) if key in self.model_fields_set else absent


class _UnreadableError(ValueError):
    """Why a document cannot be read, as a part of a sentence."""


def parse(data: bytes, name: str) -> ParsedDocument | None:
    """Return what the document ``name`` (a file name) holds; None for an object that is no workflow at all.

    Raises:
        DamagedDocumentError: the bytes cannot be read as a workflow of that name; ``why`` says what is wrong.
    """
    try:
        document = _read_object(data)
        if not {"workflow_id", "state"} & document.model_fields_set:
            return None
        mark = read_mark(data) or mark_of(document.flowdeck, is_valid=False)
        return _workflow_of(document, name, mark)
    except _UnreadableError as error:
        raise DamagedDocumentError(name, str(error)) from error


def render(workflow: Workflow, history: Sequence[Mapping[str, Any]], older: int, store_id: str) -> bytes:
    """Return the document of ``workflow``: contract keys in order, foreign keys, then the mark.

    ``history`` is the newest part of its state history and ``older`` the number of entries before that. A document
    that would be over 1 MiB keeps the newest 200.

    Raises:
        ValueError: some value has no JSON shape.
    """
    whole = _seal(workflow, history, older, store_id)
    if len(whole) <= WHOLE_HISTORY_BYTES or len(history) <= KEPT_HISTORY:
        return whole
    cut = len(history) - KEPT_HISTORY
    return _seal(workflow, history[cut:], older + cut, store_id)


def _seal(workflow: Workflow, history: Sequence[Mapping[str, Any]], older: int, store_id: str) -> bytes:
    fields = {**data_dict(workflow), "state_history": list(history)}
    fields.update({key: value for key, value in workflow.extra.items() if key not in fields and key != MARK_KEY})
    facts = {
        "schema": DOCUMENT_SCHEMA,
        "revision": workflow.revision,
        "store": store_id,
        "generation": workflow.generation,
        "origin": workflow.origin.value,
        "flag": workflow.flag.value,
        "deadline_at": format_optional(workflow.deadline_at),
        "is_forced": workflow.is_forced,
        "superseded_steps": [step.n for step in workflow.steps if step.is_superseded],
        "older_history": older,
    }
    return seal(fields, facts)


def _read_object(data: bytes) -> _Document:
    text = data.removeprefix(_BOM)
    if not text.strip(b"\0 \t\r\n"):
        raise _UnreadableError("it holds nothing but blanks" if data else "it is empty")
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _UnreadableError(f"it is not UTF-8 (byte 0x{text[error.start]:02x} at {error.start})") from error
    try:
        document = _Document.model_validate_json(text)
    except ValidationError as error:
        raise _UnreadableError(_json_problem(error)) from error
    _refuse_depth(text)
    return document


def _json_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] != "json_invalid":
        return "it is JSON, but not an object"
    what = str(first.get("ctx", {}).get("error", first["msg"]))
    if "recursion limit" in what:
        return "it is nested too deeply"
    if what.startswith("EOF"):
        return f"it breaks off in the middle{what[what.rfind(' at ') :]}"
    return f"it is not JSON ({what})"


def _refuse_depth(text: bytes) -> None:
    """Parse once more inside as many brackets as leave the allowed depth: the parser counts faster than we could.

    Raises:
        _UnreadableError: the document is nested deeper than that.
    """
    wrap = 200 - _MAX_DEPTH
    if text.count(b"{") + text.count(b"[") <= _MAX_DEPTH:
        return
    try:
        from_json(b"[" * wrap + text + b"]" * wrap)
    except ValueError as error:
        raise _UnreadableError("it is nested too deeply") from error


def _workflow_of(document: _Document, name: str, mark: Mark | None) -> ParsedDocument:
    if MARK_KEY in document.model_fields_set and mark is None:
        raise _UnreadableError("its flowdeck key is not an object")
    if mark is not None and mark.schema > DOCUMENT_SCHEMA:
        newer = f"document schema {mark.schema}; this one knows {DOCUMENT_SCHEMA}"
        raise _UnreadableError(f"it was written by a newer Flowdeck ({newer})")
    _check_identity(document, name)
    line = find_line(document.workflow_type)
    if line is not None and document.state not in line.states:
        raise _UnreadableError(f"state {_quoted(document.state)} is impossible for a {line.name} workflow")
    history = _objects(document.state_history, "state_history", "history entry")
    steps = _objects(document.steps, "steps", "step")
    created_at = _time(document.created_at)
    if created_at is None:
        raise _UnreadableError(f"its created_at {_quoted(document.created_at)} is not a time")
    updated_at = _time(document.updated_at) or _last_time(history) or created_at
    results, target_module, extra = _by_line(document, line)
    workflow = Workflow(
        workflow_id=document.workflow_id,
        workflow_type=document.workflow_type,
        line_version=line.version if line else 1,
        state=document.state,
        phase=_phase(line, document.state),
        user_input=document.user_input,
        context=document.given("context", {}),
        trace_id=document.trace_id,
        span_id=document.span_id,
        parent_span_id=document.parent_span_id,
        target_module=target_module,
        results=results,
        steps=tuple(_step(n, body, mark) for n, body in enumerate(steps, 1)),
        metadata=document.given("metadata", {}),
        created_at=created_at,
        updated_at=updated_at,
        started_at=_time(document.started_at),
        completed_at=_time(document.completed_at),
        error=_optional_text(document.error),
        total_duration=_number(document.total_duration),
        origin=Origin.EXTERNAL,
        entered_at=_entered_at(history, document.state) or updated_at,
        is_forced=mark is not None and mark.is_valid and mark.is_forced,
        active_path=active_path(history, document.state, line),
        extra=extra,
    )
    return ParsedDocument(workflow=_with_failure(workflow, history), history=history, mark=mark)


def _check_identity(document: _Document, name: str) -> None:
    workflow_id = document.workflow_id
    if not is_plain_id(workflow_id):
        raise _UnreadableError(f"its workflow_id {_quoted(workflow_id)} is not a plain name")
    if name != f"{workflow_id}.json":
        raise _UnreadableError(f"its workflow_id is {_quoted(workflow_id)}, which is not the file's name")
    if not isinstance(document.workflow_type, str) or not document.workflow_type:
        raise _UnreadableError(f"its workflow_type {_quoted(document.workflow_type)} is not a type")
    if not isinstance(document.state, str) or not document.state:
        raise _UnreadableError(f"its state {_quoted(document.state)} is not a state")


def _by_line(document: _Document, line: Line | None) -> tuple[dict[str, Any], Any, dict[str, Any]]:
    """Return the result slots, the target module and what is left: keys that this type's documents do not have."""
    extra = dict(document.model_extra or {})
    if line is None:
        return {key: extra.pop(key) for key in tuple(extra) if key in _SLOTS}, None, extra
    slots = {slot: extra.pop(slot) for slot in line.results.values() if slot in extra}
    return slots, extra.pop("target_module", None) if line.has_target_module else None, extra


def _phase(line: Line | None, state: str) -> Phase:
    if line is not None:
        return line.phase(state)
    return {"completed": Phase.DONE, "cancelled": Phase.DONE, "failed": Phase.FAILED}.get(state, Phase.OPEN)


def _objects(value: object, key: str, one: str) -> tuple[dict[str, Any], ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _UnreadableError(f"its {key} is not a list")
    for n, each in enumerate(value, 1):
        if not isinstance(each, dict):
            raise _UnreadableError(f"its {one} {n} is not an object")
    return tuple(value)


def _step(n: int, body: dict[str, Any], mark: Mark | None) -> Step:
    state = _text(body.get("state"), _text(body.get("step_name"), ""))
    return Step(
        n=n,
        step_id=_text(body.get("step_id"), f"step_{n}"),
        step_name=_text(body.get("step_name"), state),
        state=state,
        started_at=_optional_text(body.get("started_at")),
        completed_at=_optional_text(body.get("completed_at")),
        duration=_number(body.get("duration")),
        input_data=body.get("input_data"),
        output_data=body.get("output_data"),
        error=body.get("error"),
        metadata=body.get("metadata"),
        is_superseded=mark is not None and mark.is_valid and n in mark.superseded_steps,
    )


def _folding(history: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries that say from where to where; the others tell nothing of the path."""
    return [
        each for each in history if isinstance(each.get("from_state"), str) and isinstance(each.get("to_state"), str)
    ]


def _with_failure(workflow: Workflow, history: Sequence[dict[str, Any]]) -> Workflow:
    if workflow.phase is not Phase.FAILED:
        return workflow
    left = [each["from_state"] for each in _folding(history) if each["to_state"] == workflow.state]
    failed_from = left[-1] if left else (workflow.active_path[-1] if workflow.active_path else None)
    error_type = classify(workflow.error, state=failed_from)
    return workflow.evolve(
        failed_from=failed_from, error_type=error_type.value, fingerprint=fingerprint(error_type, workflow.error)
    )


def _entered_at(history: Sequence[dict[str, Any]], state: str) -> datetime | None:
    """Return when the last entry entered ``state``; an entry that leads elsewhere was followed by an untold move."""
    return _time(history[-1].get("timestamp")) if history and history[-1].get("to_state") == state else None


def _last_time(history: Sequence[dict[str, Any]]) -> datetime | None:
    return _time(history[-1].get("timestamp")) if history else None


def _time(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        at = parse_time(value.strip())
    except (ValueError, OverflowError):
        return None
    return at if at.year >= _FIRST_YEAR else None


def _text(value: object, otherwise: str) -> str:
    return value if isinstance(value, str) else otherwise


def _optional_text(value: object) -> str | None:
    """Return a text; what is neither text nor null is kept as the JSON it was."""
    return value if value is None or isinstance(value, str) else encode(value).decode()


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _quoted(value: object) -> str:
    return ascii(value)[:80] if not isinstance(value, str) else repr(value[:80])
