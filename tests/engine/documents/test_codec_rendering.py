"""Documents as this program writes them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from document_texts import STORE_ID, direct, move, text
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.documents.codec import KEPT_HISTORY, ParsedDocument, parse, render
from engine.errors import DamagedDocumentError
from engine.model.plain import encode

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


def read(data: bytes) -> ParsedDocument:
    parsed = parse(data, "wf_direct_1.json")
    assert parsed is not None
    return parsed


def test_keys_come_in_the_contracts_order_and_the_mark_is_last() -> None:
    parsed = read(text(direct()))
    document = json.loads(render(parsed.workflow.evolve(revision=2), parsed.history, 0, STORE_ID))
    assert list(document) == [
        *("workflow_id", "workflow_type", "state", "user_input", "context", "trace_id", "span_id", "parent_span_id"),
        *("target_module", "module_execution_result", "response", "created_at", "updated_at", "started_at"),
        *("completed_at", "steps", "metadata", "error", "total_duration", "state_history", "flowdeck"),
    ]
    assert list(document["flowdeck"]) == [
        *("schema", "revision", "store", "generation", "origin", "flag", "deadline_at", "is_forced"),
        *("superseded_steps", "older_history", "digest"),
    ]


def test_documents_are_indented_by_two_and_keep_what_is_not_ascii() -> None:
    rendered = render(read(text(direct())).workflow, [], 0, STORE_ID).decode()
    assert rendered.startswith('{\n  "workflow_id": "wf_direct_1",\n')
    assert "查询库存" in rendered


def test_superseded_steps_and_force_come_back_from_a_sealed_document() -> None:
    steps = [{"state": "module_execution"}, {"state": "response_generation"}]
    workflow = read(text(direct(steps=steps))).workflow
    marked = (replace(workflow.steps[0], is_superseded=True), workflow.steps[1])
    again = read(render(workflow.evolve(revision=1, steps=marked, is_forced=True), [], 0, STORE_ID)).workflow
    assert [step.is_superseded for step in again.steps] == [True, False]
    assert again.is_forced


def test_a_document_over_one_mebibyte_keeps_its_newest_history_and_counts_the_rest() -> None:
    history = [move("module_execution", "module_execution", metadata={"n": n, "pad": "x" * 2_000}) for n in range(700)]
    document = json.loads(render(read(text(direct())).workflow, history, 5, STORE_ID))
    assert [each["metadata"]["n"] for each in document["state_history"]] == list(range(700 - KEPT_HISTORY, 700))
    assert document["flowdeck"]["older_history"] == 5 + 700 - KEPT_HISTORY


def test_a_long_history_of_small_entries_is_kept_whole() -> None:
    history = [move("module_execution", "module_execution") for _ in range(700)]
    document = json.loads(render(read(text(direct())).workflow, history, 0, STORE_ID))
    assert len(document["state_history"]) == 700
    assert document["flowdeck"]["older_history"] == 0


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(direct())), json_values, max_size=4), json_values)
def test_whatever_parses_renders_to_a_document_that_parses_the_same(changes: dict[str, Any], unknown: Any) -> None:
    data = encode({**direct(), "unknown": unknown, **{k: v for k, v in changes.items() if k != "workflow_id"}})
    try:
        parsed = parse(data, "wf_direct_1.json")
    except DamagedDocumentError:
        return
    assert parsed is not None
    again = read(render(parsed.workflow.evolve(revision=1), parsed.history, 0, STORE_ID))
    assert repr(again.workflow) == repr(parsed.workflow)
    assert repr(again.history) == repr(parsed.history)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.data())
def test_no_mutation_of_a_document_raises_anything_but_damage(noise: bytes, data: st.DataObject) -> None:
    whole = text(direct(steps=[{"state": "completed"}]))
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 40)))
    for mutated in (whole[:start] + noise + whole[end:], noise, noise * 50):
        try:
            parsed = parse(mutated, "wf_direct_1.json")
        except DamagedDocumentError:
            continue
        assert parsed is None or render(parsed.workflow, parsed.history, 0, STORE_ID)
