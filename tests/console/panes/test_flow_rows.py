"""Values to rows: glyphs, short words, ages, and what a row says of locks and errors."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from console.glyphs import UNICODE
from console.view.errors import sparkline
from console.view.flows import COLUMNS, FlowFacts, flow_row
from console.view.words import count_text, prefixless, short_id
from console.widgets.row_list import _form
from engine.model.lock import Liveness, Lock
from engine.model.names import Flag, Origin, Phase
from engine.store.query import FlowRow

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _flow(**changes: Any) -> FlowRow:
    flow = FlowRow(
        workflow_id="wf_intelligent_0a675e3f3c4a",
        workflow_type="intelligent",
        state="module_execution",
        phase=Phase.OPEN,
        origin=Origin.OWN,
        flag=Flag.NONE,
        revision=4,
        generation=1,
        created_at=NOW - timedelta(minutes=20),
        updated_at=NOW - timedelta(minutes=14),
        entered_at=NOW - timedelta(minutes=14, seconds=2),
        deadline_at=NOW - timedelta(minutes=9, seconds=2),
        ended_at=None,
        paused_at=None,
        attempt=0,
        is_forced=False,
        error_type=None,
        error=None,
    )
    return replace(flow, **changes)


def _lock(**changes: Any) -> Lock:
    lock = Lock(
        workflow_id="wf_intelligent_0a675e3f3c4a",
        owner="svc:4121",
        incarnation="A",
        fence=7,
        generation=1,
        acquired_at=NOW - timedelta(minutes=1),
        ttl_s=300.0,
        expires_at=NOW + timedelta(minutes=4),
        boot_id="b",
        expires_mono=0.0,
    )
    return replace(lock, **changes)


def _texts(flow: FlowRow, facts: FlowFacts | None = None) -> dict[str, str]:
    row = flow_row(flow, facts or FlowFacts(now=NOW))
    return {"glyph": row.lead[0].text} | {c.key: cell.text for c, cell in zip(COLUMNS, row.cells, strict=True)}


def test_open_work_past_its_deadline_is_told_by_its_glyph_and_its_age() -> None:
    row = flow_row(_flow(), FlowFacts(now=NOW))
    shown = _texts(_flow())
    assert (shown["glyph"], shown["age"], shown["limit"]) == (UNICODE.overdue, "14m02", "5m00")
    assert row.cells[3].style == "bad"


@pytest.mark.parametrize(
    ("changes", "glyph"),
    [
        ({"deadline_at": NOW + timedelta(minutes=1)}, UNICODE.running),
        ({"deadline_at": None}, UNICODE.waiting),
        ({"phase": Phase.FAILED, "state": "failed"}, UNICODE.failed),
        ({"phase": Phase.DONE, "state": "completed"}, UNICODE.completed),
        ({"phase": Phase.DONE, "state": "cancelled"}, UNICODE.cancelled),
        ({"flag": Flag.DAMAGED, "state": ""}, UNICODE.damaged),
        ({"flag": Flag.CONFLICT}, UNICODE.damaged),
        ({"paused_at": NOW}, UNICODE.waiting),
    ],
)
def test_every_way_a_workflow_can_fare_has_its_glyph(changes: dict[str, Any], glyph: str) -> None:
    assert _texts(_flow(**changes))["glyph"] == glyph


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("timeout", "timeout"),
        ("state_transition_error", "transit"),
        ("module_execution_error", "module"),
        ("event_publish_error", "publish"),
        ("validation_error", "validate"),
        ("resource_error", "resource"),
        ("unknown_error", "unknown"),
    ],
)
def test_error_types_are_one_word_of_at_most_eight_cells(kind: str, word: str) -> None:
    assert _texts(_flow(phase=Phase.FAILED, state="failed", error_type=kind))["error"] == word


def test_a_dead_owner_bears_its_sign_and_a_void_or_expired_grant_is_calm() -> None:
    dead = FlowFacts(now=NOW, lives={"A": Liveness.DEAD})
    alive = FlowFacts(now=NOW, lives={"A": Liveness.ALIVE})
    assert _texts(_flow(lock=_lock()), dead)["lock"] == "svc:4121 †"
    assert flow_row(_flow(lock=_lock()), dead).cells[6].style == "bad"
    assert flow_row(_flow(lock=_lock()), alive).cells[6].style == "text"
    assert flow_row(_flow(lock=_lock(generation=0)), alive).cells[6].style == "dim"
    assert flow_row(_flow(lock=_lock(expires_at=NOW)), alive).cells[6].style == "dim"
    assert _texts(_flow(lock=_lock(owner="")))["lock"] == "-"


def test_a_failed_document_of_another_program_shows_the_type_its_text_tells() -> None:
    failed = _flow(phase=Phase.FAILED, state="failed", error="timed out after 5 s")
    assert _texts(failed)["error"] == "timeout"
    assert _texts(replace(failed, error=None))["error"] == "-"


def test_a_change_of_the_workflow_one_is_looking_at_is_no_news() -> None:
    flow = _flow()
    facts = FlowFacts(now=NOW, changed={flow.workflow_id})
    assert _texts(flow, facts)["changed"] == "*"
    assert _texts(flow, replace(facts, looked_at=flow.workflow_id))["changed"] == ""


@pytest.mark.parametrize("cells", [8, 9, 12, 17, 40])
def test_the_sign_of_a_dead_owner_shows_however_narrow_its_column_is(cells: int) -> None:
    dead = FlowFacts(now=NOW, lives={"A": Liveness.DEAD})
    lock = next(index for index, column in enumerate(COLUMNS) if column.key == "lock")
    shown = flow_row(_flow(lock=_lock(owner="nightly-batch")), dead).cells[lock]
    assert _form(shown, cells).endswith("†")
    assert cells >= COLUMNS[lock].least


def test_an_owner_that_ended_since_it_took_the_lock_is_dead_and_one_that_just_came_is_not() -> None:
    ended = FlowFacts(now=NOW, lives={}, lives_at=NOW)
    assert _texts(_flow(lock=_lock()), ended)["lock"] == "svc:4121 †"
    assert _texts(_flow(lock=_lock(acquired_at=NOW + timedelta(seconds=1))), ended)["lock"] == "svc:4121"
    assert _texts(_flow(lock=_lock()))["lock"] == "svc:4121"


def test_finished_work_is_calm_unless_its_document_is_not() -> None:
    assert flow_row(_flow(phase=Phase.DONE, state="completed"), FlowFacts(now=NOW)).is_dim
    assert not flow_row(_flow(phase=Phase.DONE, state="completed", flag=Flag.CONFLICT), FlowFacts(now=NOW)).is_dim


def test_what_changed_since_the_operator_looked_bears_a_sign() -> None:
    assert _texts(_flow(), FlowFacts(now=NOW, changed={"wf_intelligent_0a675e3f3c4a"}))["changed"] == "*"
    assert _texts(_flow())["changed"] == ""


def test_a_forced_workflow_stays_marked() -> None:
    assert "forced" in _texts(_flow(is_forced=True))["state"]


@pytest.mark.parametrize(
    ("workflow_id", "kind", "short"),
    [
        ("wf_direct_8f22771b90aa", "direct", "8f22771b90aa"),
        ("wf_intelligent_8f22771b90aa", "intelligent", "8f22771b90aa"),
        ("nightly-batch-0b8821", "direct", "night…0b8821"),
        ("short", "direct", "short"),
        ("wf_direct_", "direct", "wf_direct_"),
        ("wf_direct_512f1feb3d1a", "", "512f1feb3d1a"),
    ],
)
def test_an_id_shows_what_tells_it_from_others(workflow_id: str, kind: str, short: str) -> None:
    assert short_id(workflow_id, kind) == short
    assert workflow_id.endswith(short_id(workflow_id, kind)[-4:])


def test_where_only_the_id_is_known_its_prefix_goes_all_the_same() -> None:
    assert prefixless("wf_direct_8f22771b90aa") == "8f22771b90aa"
    assert prefixless("wf_8f22771b90aa") == "wf_8f…1b90aa"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (9_999, "9999"), (10_000, "10.0k"), (39_893, "39.8k"), (1_240_000, "1.2M")]
)
def test_counts_stay_short(count: int, text: str) -> None:
    assert count_text(count) == text


def test_a_spark_line_shows_one_of_anything_and_keeps_the_newest_at_the_right() -> None:
    counts = [0] * 59 + [1]
    assert sparkline(counts, 20) == "▁" * 19 + "█"
    assert len(sparkline(counts, 60)) == 60
    assert sparkline([0] * 60, 20) == "▁" * 20
    assert "▂" in sparkline([100] + [0] * 58 + [1], 60)
