from __future__ import annotations

import hashlib
import json
import re
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from store_maker import Deck, RefusingBus, Terminal

from console.cli.main import run
from engine.orchestrator import ProductionWorkflowOrchestrator

LISTED = (
    "workflow_id",
    "type",
    "state",
    "revision",
    "created_at",
    "updated_at",
    "error",
    "damaged",
    "lock",
    "deadline_at",
)
HOSTILE = "\x1b[2J\x1b]52;c;aGFjaw==\x07 \x9b31m \u202eEVIL\u202c [red]x[/red] \u2028 A\x00\r\b 漢字 e\u0301"


def a_foreign_document(place: Path, name: str = "wf_direct_foreign", **fields: Any) -> Path:
    document = {
        "workflow_id": name,
        "workflow_type": "direct",
        "state": "module_execution",
        "user_input": "a question",
        "created_at": "2026-01-01T00:00:00Z",
        "steps": [],
        "state_history": [
            {
                "from_state": "initialized",
                "to_state": "module_execution",
                "timestamp": "2026-01-01T00:00:01Z",
                "duration": 0.0,
                "success": True,
                "error": None,
                "metadata": {},
            }
        ],
        **fields,
    }
    path = place / f"{name}.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_ls_lists_own_foreign_and_damaged_and_changes_no_file(deck: Deck) -> None:
    flow = deck.flow("failed")
    a_foreign_document(deck.place)
    (deck.place / "wf_direct_torn.json").write_text('{"workflow_id": "wf_direct_torn",')
    (deck.place / "MANIFEST.json").write_text("{}")
    before = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in deck.place.glob("*.json")}
    told = deck.run("ls", "--json")
    assert told.code == 0
    rows = {row["workflow_id"]: row for row in told.records}
    assert set(rows) == {flow, "wf_direct_foreign", "wf_direct_torn"}
    for row in told.records:
        assert set(LISTED) <= set(row)
    assert rows["wf_direct_torn"]["damaged"] is True
    assert rows["wf_direct_torn"]["error"]
    assert (rows[flow]["state"], rows[flow]["error"], rows[flow]["damaged"]) == ("failed", "timed out", False)
    assert before == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in deck.place.glob("*.json")}


def test_ls_filters_sorts_and_limits(deck: Deck) -> None:
    flows = [deck.flow("failed"), deck.flow("initialized"), deck.flow("initialized")]
    assert [row["workflow_id"] for row in deck.run("ls", "--json", "--where", "state:failed").records] == flows[:1]
    ids = [row["workflow_id"] for row in deck.run("ls", "--json", "--sort", "id").records]
    assert ids == sorted(flows)
    told = deck.run("ls", "--limit", "1")
    assert len(told.out.splitlines()) == 2
    assert "2 more (--limit)" in told.err


def test_show_has_everything_and_history_is_one_object_an_entry(deck: Deck) -> None:
    flow = deck.flow("failed")
    (shown,) = deck.run("show", flow, "--json").records
    assert set(LISTED) <= set(shown)
    assert shown["workflow"]["target_module"] == "erp"
    assert [entry["to_state"] for entry in shown["state_history"]] == ["module_execution", "failed"]
    assert shown["why"]["code"] == "failed"
    entries = deck.run("history", flow, "--json").records
    assert [entry["to_state"] for entry in entries] == ["module_execution", "failed"]
    assert set(entries[0]) == {"from_state", "to_state", "timestamp", "duration", "success", "error", "metadata"}
    human = deck.run("show", flow).out
    assert "timed out" in human
    assert re.search(r"initialized +module_execution +\S+ +yes", human)


def test_why_names_the_evidence_and_the_command_that_helps(deck: Deck) -> None:
    flow = deck.flow("failed")
    told = deck.run("why", flow)
    assert told.out.startswith("failed: ")
    assert f"next: flowdeck retry {flow}" in told.out
    (shape,) = deck.run("why", flow, "--json").records
    assert shape["command"] == f"flowdeck retry {flow}"


def test_events_dead_and_audit_are_listed(deck: Deck) -> None:
    async def work(engine: ProductionWorkflowOrchestrator) -> str:
        return await engine.create_direct_workflow("a question", "erp")

    flow = deck.work(work, event_bus=RefusingBus(), max_retries=0)
    (dead,) = deck.run("dead", "--json").records
    assert (dead["workflow_id"], dead["status"]) == (flow, "dead")
    assert "no broker" in dead["error"]
    assert deck.run("events", flow, "--json").records == [dead]
    assert deck.run("events", "--json", "--where", "id:other").records == []
    event = dead["event_id"]
    assert deck.run("events", "retry", event, "--yes").code == 0
    assert deck.run("dead", "--json").records == []
    assert deck.run("drop", event, "--yes", "--reason", "INC-204").code == 0
    audit = deck.run("audit", flow, "--json").records
    assert [entry["kind"] for entry in audit] == ["event.dropped", "event.retried"]
    assert "INC-204" in deck.run("audit").out


@pytest.mark.parametrize("words", [("ls",), ("show", "wf_direct_foreign"), ("history", "wf_direct_foreign"), ("why",)])
@pytest.mark.parametrize("json_too", [False, True])
def test_hostile_texts_come_out_inert(deck: Deck, words: tuple[str, ...], json_too: bool) -> None:
    entry = {"from_state": HOSTILE, "to_state": "failed", "timestamp": HOSTILE, "error": HOSTILE, "metadata": {}}
    step = {"step_id": HOSTILE, "step_name": HOSTILE, "state": "module_execution", "output_data": {HOSTILE: HOSTILE}}
    a_foreign_document(
        deck.place,
        user_input=HOSTILE,
        state="failed",
        error=HOSTILE,
        target_module=HOSTILE,
        steps=[step],
        state_history=[entry],
    )
    a_foreign_document(deck.place, "wf_direct_other", workflow_id=HOSTILE)
    words = (*words, "wf_direct_foreign") if words == ("why",) else words
    told = deck.run(*words, *(["--json"] if json_too else []))
    assert told.code == 0
    shown = told.out + told.err
    harmful = {c for c in shown if (ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0 or c in "\u202e\u202c\u2028"}
    assert harmful == set()
    assert not json_too or shown.isascii()
    assert json_too or "漢字" in shown


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("show", "wf_direct_none"), 3, "There is no workflow wf_direct_none"),
        (("history", "wf_direct_none"), 3, "There is no workflow"),
        (("why", "wf_direct_none"), 3, "There is no workflow wf_direct_none in this store.\n"),
        (("show", "../../etc/passwd"), 6, "is not a workflow id"),
        (("show", ".."), 6, "is not a workflow id"),
        (("show", "\udcff\udcfe"), 6, "is not a workflow id"),
        (("why", "\udcff\udcfe"), 6, "is not a workflow id"),
        (("history", "\udcff\udcfe"), 6, "is not a workflow id"),
        (("audit", "\udcff\udcfe"), 6, "is not a workflow id"),
        (("pause", "wf_1"), 2, "'pause' is not a verb of this version."),
        (("alerts", "--json"), 2, "'alerts' is not a verb of this version."),
        (("show", "x" * 300), 6, "is not a workflow id"),
        (("show",), 2, "the following arguments are required: ID"),
        (("show", "a", "b"), 2, "unrecognized arguments: b"),
        (("ls", "--sort", "beauty"), 2, "invalid choice"),
        (("ls", "--limit", "many"), 2, "'many' is not a count"),
        (("ls", "--limit", "-1"), 2, "is not a count"),
        (("ls", "--where", "state:"), 2, "a value is missing"),
        (("ls", "--where", "/(/"), 2, "not a regular expression"),
        (("ls", "--colour"), 2, "unrecognized arguments: --colour"),
        (("backup",), 2, "are required: FILE"),
        (("backup", "/etc/passwd"), 6, "/etc/passwd exists already"),
        (("ls", "--where", "state:bogus"), 2, "'bogus' is no state; there are initialized"),
        (("backup", "/nowhere/at/all/copy.db"), 6, "There is no directory /nowhere/at/all"),
    ],
)
def test_bad_input_is_a_sentence_and_an_exit_code(deck: Deck, words: tuple[str, ...], code: int, said: str) -> None:
    told = deck.run(*words)
    assert told.code == code
    assert told.err.startswith("flowdeck: ")
    assert said in told.err
    assert told.out == ""


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nowhere", "There is no directory"),
        ("a-file", "is a file, not a directory"),
        ("postgresql://user:secret@db/x", "no PostgreSQL store yet"),
        ("redis://db", "is no store this Flowdeck knows"),
    ],
)
def test_a_place_that_is_no_store_is_refused_and_nothing_is_made(deck: Deck, place: str, said: str) -> None:
    (deck.place.parent / "a-file").write_text("x")
    where = place if "://" in place else str(deck.place.parent / place)
    told = deck.run("ls", "--store", where)
    assert told.code == (3 if place == "nowhere" else 9)
    assert said in told.err
    assert "secret" not in told.err
    assert not (deck.place.parent / "nowhere").exists()


def test_read_only_shows_documents_and_writes_nothing_at_all(deck: Deck) -> None:
    a_foreign_document(deck.place)
    told = deck.run("ls", "--read-only", "--json")
    assert [row["workflow_id"] for row in told.records] == ["wf_direct_foreign"]
    assert [path.name for path in deck.place.iterdir()] == ["wf_direct_foreign.json"]
    told = deck.run("rollback", "wf_direct_foreign", "--read-only", "--yes")
    assert told.code == 6
    assert "read-only" in told.err


def test_without_a_terminal_the_console_is_a_plain_list(deck: Deck) -> None:
    flow = deck.flow()
    told = deck.run(str(deck.place))
    assert told.code == 0
    assert flow in told.out
    assert flow in deck.run().out


def test_verify_and_doctor_tell_by_their_exit_code(deck: Deck) -> None:
    flow = deck.flow()
    assert deck.run("verify").code == 0
    assert deck.run("doctor").code == 0
    (deck.place / "wf_direct_torn.json").write_text('{"workflow_id": ')
    told = deck.run("doctor", "--json")
    assert told.code == 7
    assert {"severity", "code", "sentence", "remedy"} == set(told.records[0])
    path = deck.place / f"{flow}.json"
    path.write_bytes(path.read_bytes().replace(b"a question", b"A QUESTION"))
    told = deck.run("verify", "--json")
    assert told.code == 7
    assert [(problem["kind"], problem["workflow_id"]) for problem in told.records] == [("document", flow)]


def test_backup_says_where_the_copy_is(deck: Deck, tmp_path: Path) -> None:
    deck.flow()
    (told,) = deck.run("backup", str(tmp_path / "copy.db"), "--json").records
    assert told["bytes"] == (tmp_path / "copy.db").stat().st_size > 0


def test_at_a_terminal_the_console_opens_on_the_place_that_was_named(
    deck: Deck, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Namespace] = []
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FLOWDECK_STORE", "elsewhere")
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("sys.stdout", Terminal())

    def paint(asked: Namespace) -> int:
        opened.append(asked)
        return 3

    assert run([str(deck.place), "--utc"], paint=paint, demonstrate=paint) == 3
    assert run([], paint=paint, demonstrate=paint) == 3
    assert run(["demo", "--seed", "7"], paint=paint, demonstrate=paint) == 3
    assert [asked.store for asked in opened[:2]] == [str(deck.place), "elsewhere"]
    assert [asked.utc for asked in opened] == [True, False, False]
    assert opened[2].seed == 7


def test_every_verb_takes_the_part_of_an_id_that_the_console_shows(deck: Deck) -> None:
    flow = deck.flow("failed")
    short = flow.removeprefix("wf_direct_")
    assert deck.run("show", short, "--json").records[0]["workflow_id"] == flow
    assert deck.run("why", short, "--json").records[0]["workflow_id"] == flow
    assert deck.run("history", short).code == 0
    (plan,) = deck.run("plan", "rollback", short, "--if-rev", f"{short}=3", "--json").records
    assert (plan["items"][0]["id"], plan["items"][0]["skipped"]) == (flow, "")
    assert deck.run("retry", short, "--yes").code == 0
    assert [each["workflow_id"] for each in deck.run("audit", short, "--json").records] == [flow]
    assert deck.run("show", short[1:]).code == 3


def test_a_short_id_of_two_workflows_is_refused_with_both(deck: Deck) -> None:
    a_foreign_document(deck.place, "wf_direct_twice")
    a_foreign_document(deck.place, "wf_intelligent_twice", workflow_id="wf_intelligent_twice")
    told = deck.run("show", "twice")
    assert told.code == 2
    assert "wf_direct_twice or wf_intelligent_twice" in told.err


def test_a_store_that_is_not_there_is_not_found_and_not_made(deck: Deck) -> None:
    nowhere = deck.place / "typo"
    told = deck.run("ls", "--store", str(nowhere))
    assert (told.code, f"There is no directory {nowhere}" in told.err) == (3, True)
    assert not nowhere.exists()


def test_the_version_is_told(deck: Deck) -> None:
    told = deck.run("--version")
    assert (told.code, told.out.split()[0]) == (0, "flowdeck")


def test_verify_mentions_documents_that_cannot_be_read(deck: Deck) -> None:
    deck.flow()
    assert "cannot be read" not in deck.run("verify").err
    for name in ("wf_direct_torn", "wf_direct_cut"):
        (deck.place / f"{name}.json").write_bytes(b"{")
    told = deck.run("verify")
    assert (told.code, "2 documents cannot be read and were left alone." in told.err) == (0, True)
