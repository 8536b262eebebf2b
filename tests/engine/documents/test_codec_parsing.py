"""Documents of other programs, with every quirk that was seen, as values."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from document_texts import CORPUS, STORE_ID, direct, move, text

from engine.documents.codec import ParsedDocument, parse, read_mark, render
from engine.errors import DamagedDocumentError
from engine.model.names import Origin, Phase
from engine.model.plain import encode
from engine.model.view import data_dict


def read(document: dict[str, Any]) -> ParsedDocument:
    parsed = parse(text(document), f"{document['workflow_id']}.json")
    assert parsed is not None
    return parsed


def why(data: bytes, name: str = "wf_direct_1.json") -> str:
    with pytest.raises(DamagedDocumentError) as caught:
        parse(data, name)
    assert caught.value.name == name
    return caught.value.why


def corpora() -> list[Path]:
    more = os.environ.get("FLOWDECK_CORPUS")
    return [CORPUS, *([Path(more)] if more else [])]


def corpus_files() -> list[Path]:
    return [path for corpus in corpora() for path in sorted(corpus.glob("*.json")) if path.name != "MANIFEST.json"]


def is_damaged(path: Path) -> bool:
    manifest = json.loads((path.parent / "MANIFEST.json").read_bytes())
    facts = manifest[path.name]
    return "damaged" in facts or facts.get("valid_json") is False or "impossible state" in facts["how"]


@pytest.mark.parametrize("path", corpus_files(), ids=lambda path: path.stem)
def test_every_corpus_document_loads_or_is_damaged_as_its_manifest_says(path: Path) -> None:
    if is_damaged(path):
        assert why(path.read_bytes(), path.name)
        return
    parsed = parse(path.read_bytes(), path.name)
    assert parsed is not None
    original = json.loads(path.read_bytes())
    assert encode(list(parsed.history)) == encode(original.get("state_history", []))
    assert parsed.workflow.state == original["state"]
    assert len(parsed.workflow.steps) == len(original["steps"])


@pytest.mark.parametrize("path", [path for path in corpus_files() if not is_damaged(path)], ids=lambda path: path.stem)
def test_a_rendered_corpus_document_has_the_originals_keys_values_and_order(path: Path) -> None:
    parsed = parse(path.read_bytes(), path.name)
    assert parsed is not None
    rendered = render(parsed.workflow.evolve(revision=4), parsed.history, 0, STORE_ID)
    before, after = json.loads(path.read_bytes()), json.loads(rendered)
    del after["flowdeck"]
    if "state_history" not in before:
        assert after.pop("state_history") == []
    for written in (before, after):
        for key in ("created_at", "updated_at"):
            written[key] = data_dict(parsed.workflow)[key]
    contract = [key for key in before if key not in parsed.workflow.extra]
    assert list(after) == [*contract, *parsed.workflow.extra]
    assert encode({key: before[key] for key in after}) == encode(after)


@pytest.mark.parametrize("path", [path for path in corpus_files() if not is_damaged(path)], ids=lambda path: path.stem)
def test_a_rendered_corpus_document_reads_as_the_same_value_again(path: Path) -> None:
    parsed = parse(path.read_bytes(), path.name)
    assert parsed is not None
    again = parse(render(parsed.workflow.evolve(revision=4), parsed.history, 0, STORE_ID), path.name)
    assert again is not None
    assert repr(again.workflow) == repr(parsed.workflow)
    assert repr(again.history) == repr(parsed.history)
    assert again.mark is not None
    assert again.mark.is_of(STORE_ID)


def test_an_object_with_neither_id_nor_state_is_no_workflow() -> None:
    assert parse((CORPUS / "MANIFEST.json").read_bytes(), "MANIFEST.json") is None
    assert parse(b"{}", "empty.json") is None


def test_a_document_is_external_and_unrevised_whoever_wrote_it() -> None:
    workflow = read(direct()).workflow
    assert (workflow.origin, workflow.revision, workflow.deadline_at, workflow.timeout_s) == (
        Origin.EXTERNAL,
        0,
        None,
        None,
    )


def test_a_document_without_history_gets_its_path_from_the_line() -> None:
    document = direct(state="response_generation")
    del document["state_history"]
    parsed = read(document)
    assert parsed.history == ()
    assert parsed.workflow.active_path == ("initialized", "module_execution", "response_generation")


def test_a_history_that_does_not_fold_to_the_state_is_popped_to_it() -> None:
    history = [move("initialized", "module_execution"), move("module_execution", "response_generation")]
    assert read(direct(state_history=history)).workflow.active_path == ("initialized", "module_execution")


def test_the_present_state_was_entered_when_its_history_says() -> None:
    history = [move("initialized", "module_execution", 3)]
    assert read(direct(state_history=history)).workflow.entered_at.second == 3


def test_a_history_that_ends_elsewhere_leaves_the_last_update_as_the_time_of_entering() -> None:
    cancelled = read(direct(state="cancelled")).workflow
    assert cancelled.entered_at == cancelled.updated_at


def test_a_failed_document_says_what_failed_and_how() -> None:
    history = [
        move("initialized", "module_execution"),
        move("module_execution", "failed", 2, success=False, error="request timeout"),
    ]
    workflow = read(direct(state="failed", error="request timeout", state_history=history)).workflow
    assert (workflow.phase, workflow.failed_from, workflow.error_type) == (Phase.FAILED, "module_execution", "timeout")
    assert workflow.fingerprint


def test_bare_nan_and_infinity_stay_what_they_are() -> None:
    result = read(direct(module_execution_result={"a": math.nan, "b": math.inf, "c": -math.inf})).workflow.results
    found = result["module_execution_result"]
    assert math.isnan(found["a"])
    assert (found["b"], found["c"]) == (math.inf, -math.inf)


def test_the_answer_is_found_in_the_last_step_where_the_slot_is_empty() -> None:
    steps = [{"step_id": "step_1", "step_name": "completed", "state": "completed", "output_data": {"response": "42"}}]
    assert read(direct(state="completed", steps=steps)).workflow.final_answer == "42"


@pytest.mark.parametrize(
    "written",
    ["2026-01-01T00:00:05Z", "2026-01-01T00:00:05.0Z", "2026-01-01T02:00:05+02:00", " 2026-01-01 00:00:05 "],
)
def test_times_are_read_however_they_are_written(written: str) -> None:
    assert data_dict(read(direct(created_at=written)).workflow)["created_at"] == "2026-01-01T00:00:05.000000Z"


def test_unknown_keys_are_kept_behind_the_contracts() -> None:
    parsed = read({"zone": [1], **direct(), "owner": {"a": None}})
    assert parsed.workflow.extra == {"zone": [1], "owner": {"a": None}}
    rendered = json.loads(render(parsed.workflow, parsed.history, 0, STORE_ID))
    assert list(rendered)[-4:] == ["state_history", "zone", "owner", "flowdeck"]


def test_a_slot_of_another_type_is_a_foreign_key() -> None:
    assert read(direct(rag_result_1={"x": 1})).workflow.extra == {"rag_result_1": {"x": 1}}


def test_a_byte_order_mark_is_skipped() -> None:
    assert parse(b"\xef\xbb\xbf" + text(direct()), "wf_direct_1.json") is not None


@pytest.mark.parametrize(
    ("state", "phase"),
    [("packing", Phase.OPEN), ("completed", Phase.DONE), ("cancelled", Phase.DONE), ("failed", Phase.FAILED)],
)
def test_an_unknown_type_is_shown_with_the_phase_its_states_name_says(state: str, phase: Phase) -> None:
    document = direct(workflow_type="parcel", state=state, module_execution_result={"n": 1})
    workflow = read(document).workflow
    assert workflow.phase is phase
    assert workflow.results == {"module_execution_result": {"n": 1}, "response": None}
    assert workflow.extra == {"target_module": "erp"}


def test_steps_keep_what_is_usable() -> None:
    steps = [{"state": "module_execution", "output_data": [1], "duration": "long", "error": {"code": 7}}, {}]
    first, second = read(direct(steps=steps)).workflow.steps
    assert (first.n, first.step_id, first.step_name) == (1, "step_1", "module_execution")
    assert (first.output_data, first.duration, first.error) == ([1], None, {"code": 7})
    assert (second.n, second.state, second.step_id) == (2, "", "step_2")


def test_missing_optional_keys_take_their_defaults() -> None:
    bare = {key: direct()[key] for key in ("workflow_id", "workflow_type", "state", "created_at")}
    workflow = read(bare).workflow
    assert (workflow.user_input, workflow.context, workflow.metadata, workflow.steps) == ("", {}, {}, ())
    assert workflow.updated_at == workflow.created_at


def test_an_error_that_is_no_text_is_kept_as_the_json_it_was() -> None:
    assert read(direct(error={"code": 7})).workflow.error == '{"code":7}'


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"", "it is empty"),
        (b"\0" * 40, "it holds nothing but blanks"),
        (b" \n", "it holds nothing but blanks"),
        (b'{"workflow_id": "wf', "it breaks off in the middle at line 1 column 19"),
        (b"[1, 2]", "not an object"),
        (b'"text"', "not an object"),
        (b"{'a': 1}", "it is not JSON"),
        (b'{"workflow_id": "\xff"}', "it is not UTF-8 (byte 0xff at 17)"),
        ("{}".encode("utf-16"), "it is not UTF-8"),
        (b'{"state": "x"} trailing', "it is not JSON"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b'{"state":' * 190 + b"1" + b"}" * 190, "it is nested too deeply"),
        (b'{"state": "\\ud800"}', "it is not JSON"),
    ],
)
def test_bytes_that_are_no_document_say_what_is_wrong_with_them(data: bytes, part: str) -> None:
    assert part in why(data)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"workflow_id": "../x"}, "its workflow_id '../x' is not a plain name"),
        ({"workflow_id": 7}, "its workflow_id 7 is not a plain name"),
        ({"workflow_id": "wf_direct_2"}, "its workflow_id is 'wf_direct_2', which is not the file's name"),
        ({"workflow_type": None}, "its workflow_type None is not a type"),
        ({"state": 3}, "its state 3 is not a state"),
        ({"state": "expert_routing"}, "state 'expert_routing' is impossible for a direct workflow"),
        ({"created_at": "soon"}, "its created_at 'soon' is not a time"),
        ({"created_at": None}, "its created_at None is not a time"),
        ({"created_at": "0001-01-01T00:00:00+14:00"}, "is not a time"),
        ({"steps": {}}, "its steps is not a list"),
        ({"steps": [{}, "x"]}, "its step 2 is not an object"),
        ({"state_history": 1}, "its state_history is not a list"),
        ({"state_history": [None]}, "its history entry 1 is not an object"),
        ({"flowdeck": 1}, "its flowdeck key is not an object"),
        ({"flowdeck": {"schema": 2}}, "it was written by a newer Flowdeck (document schema 2; this one knows 1)"),
        ({"state": "\x1b[2J" + "x" * 500}, "state '\\x1b[2Jx"),
    ],
)
def test_a_document_that_cannot_be_meant_says_why(changes: dict[str, Any], part: str) -> None:
    reason = why(text(direct(**changes)))
    assert part in reason
    assert reason.isprintable()
    assert len(reason) < 200


def test_a_mark_of_other_hands_is_read_but_not_believed() -> None:
    parsed = read(direct(flowdeck={"revision": 9, "store": STORE_ID, "is_forced": True, "superseded_steps": [1]}))
    assert parsed.mark is not None
    assert not parsed.mark.is_of(STORE_ID)
    assert not parsed.workflow.is_forced


def test_one_changed_byte_anywhere_breaks_the_seal() -> None:
    parsed = read(direct())
    whole = render(parsed.workflow.evolve(revision=3), parsed.history, 0, STORE_ID)
    mark = read_mark(whole)
    assert mark is not None
    assert mark.is_of(STORE_ID)
    assert mark.revision == 3
    for at in range(len(whole)):
        changed = read_mark(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert changed is None or not changed.is_valid, at
