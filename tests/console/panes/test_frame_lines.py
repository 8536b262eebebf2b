"""Header, banner, verdict, tabs, strip and timeline at every width: words whole or not at all, nothing too wide."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from console.actions import PLANS
from console.glyphs import UNICODE
from console.view.frame import Status, Tab, footer_line, notice_lines, status_line, tabs_line
from console.view.header import Freshness, banner_line, header_line, shown_place
from console.view.lines import line_width, plain
from console.view.strip import state_line, why_lines
from console.view.timeline import axis_of, timeline_lines
from console.view.verdict import findings, verdict_line
from console.view.words import clock_text
from engine.model.lock import Incarnation, Liveness
from engine.model.names import Flag, Origin, Phase
from engine.observation.views import Detail, EngineView, Health
from engine.rules.lines import INTELLIGENT
from engine.rules.stuck import Why
from engine.rules.visits import Visit
from engine.store.query import EngineRow, FlowRow

NOW = datetime(2026, 3, 1, 9, 14, 7, tzinfo=UTC)
_STEP = f" {UNICODE.step} "
WIDTHS = [20, 40, 60, 80, 100, 140, 200]


def _engine(kind: str = "service", liveness: Liveness = Liveness.ALIVE, pid: int = 4121) -> EngineView:
    me = Incarnation(
        incarnation=f"{kind}{pid}", kind=kind, host="h", boot_id="b", pid=pid, process_start="1", has_bus=True
    )
    row = EngineRow(engine=me, heartbeat_at=NOW, ended_at=None, facts={})
    return EngineView(row=row, liveness=liveness, evidence="heartbeat 2s", heartbeat_age_s=2.0)


def _health(**changes: Any) -> Health:
    service = _engine()
    health = Health(
        at=NOW,
        place="/srv/data/workflows",
        mode="live",
        mode_reason="",
        engines=(service, _engine("console", pid=812)),
        supervisor=service,
        scan_age_s=1.0,
        watcher="ok",
        flows={"open": 400, "failed": 0, "done": 12, "damaged": 0, "conflict": 0},
        overdue=0,
        events={"failing": 0, "dead": 0},
        locks={"held": 0, "dead": 0},
    )
    return replace(health, **changes)


def _row(**changes: Any) -> FlowRow:
    row = FlowRow(
        workflow_id="wf_intelligent_8f22771b90aa",
        workflow_type="intelligent",
        state="module_execution",
        phase=Phase.OPEN,
        origin=Origin.OWN,
        flag=Flag.NONE,
        revision=41,
        generation=1,
        created_at=NOW - timedelta(minutes=13),
        updated_at=NOW - timedelta(minutes=12, seconds=40),
        entered_at=NOW - timedelta(minutes=12, seconds=40),
        deadline_at=NOW - timedelta(minutes=7, seconds=40),
        ended_at=None,
        paused_at=None,
        attempt=3,
        is_forced=False,
        error_type=None,
        error=None,
    )
    return replace(row, **changes)


def _visit(state: str, start_s: float, stay_s: float | None, outcome: str = "done", **changes: Any) -> Visit:
    entered = NOW - timedelta(minutes=13) + timedelta(seconds=start_s)
    left = None if stay_s is None else entered + timedelta(seconds=stay_s)
    now_s = (NOW - entered).total_seconds()
    visit = Visit(
        state=state,
        entered_at=entered,
        left_at=left,
        duration_s=now_s if stay_s is None else stay_s,
        outcome=outcome,
        cause="transition",
    )
    return replace(visit, **changes)


def _detail(**changes: Any) -> Detail:
    detail = Detail(
        row=_row(),
        workflow=None,
        history=(),
        visits=(
            _visit("initialized", 0, 0.1),
            _visit("rag_retrieval_1", 0.1, 1.9),
            _visit("expert_routing", 2.0, 0.4),
            _visit("module_execution", 20, None, "current", deadline_at=NOW - timedelta(minutes=7, seconds=40)),
        ),
        lock=None,
        events=(),
        document=None,
        why=Why(code="overdue", sentence="deadline passed 7m40 ago; nobody supervises", verbs=("rollback", "force")),
    )
    return replace(detail, **changes)


@pytest.mark.parametrize("cells", WIDTHS)
def test_the_header_always_says_mode_and_age_and_is_never_too_wide(cells: int) -> None:
    fresh = Freshness(health=_health(), data_age_s=0.4)
    line = header_line("/srv/data/workflows", fresh, NOW, UTC, cells)
    assert line_width(line) <= cells
    assert "LIVE <1s" in plain(line)
    if cells >= 80:
        assert "svc:4121 ok" in plain(line)
        assert "09:14:07Z" in plain(line)


def test_old_data_is_not_called_fresh() -> None:
    text = plain(header_line("p", Freshness(health=_health(), data_age_s=75.0), NOW, UTC, 80))
    assert "1m15 old" in text


def test_a_dead_service_and_a_lost_store_are_said() -> None:
    dead = _health(engines=(_engine(liveness=Liveness.DEAD),), supervisor=None)
    assert "DEAD" in plain(header_line("p", Freshness(health=dead, data_age_s=0.0), NOW, UTC, 80))
    assert "svc:4121 is dead" in plain(banner_line(Freshness(health=dead, data_age_s=0.0, needs_supervisor=True), 120))
    lost = Freshness(health=dead, is_lost=True, sentence="The store is gone.")
    assert "LOST" in plain(header_line("p", lost, NOW, UTC, 80))
    assert "The store is gone." in plain(banner_line(lost, 80))


@pytest.mark.parametrize("cells", WIDTHS)
def test_the_banner_says_in_any_width_that_nobody_supervises(cells: int) -> None:
    line = banner_line(Freshness(health=_health(supervisor=None), data_age_s=0.0, needs_supervisor=True), cells)
    assert line_width(line) <= cells
    if cells >= 40:
        assert "nobody supervises" in plain(line)


def test_a_store_that_is_looked_after_has_no_banner() -> None:
    assert banner_line(Freshness(health=_health(), data_age_s=0.0), 80) == ()


def test_a_read_only_store_says_why() -> None:
    health = _health(mode="read-only", mode_reason="the directory cannot be written")
    assert "the directory cannot be written" in plain(banner_line(Freshness(health=health, data_age_s=0.0), 100))


def test_credentials_of_a_url_are_not_shown() -> None:
    assert shown_place("postgresql://ops:secret@db.example:5432/flows") == "postgresql://db.example:5432/flows"
    text = plain(header_line("postgresql://ops:secret@db/flows", Freshness(health=_health()), NOW, UTC, 120))
    assert "secret" not in text


def test_the_verdict_groups_what_is_overdue_by_state_and_counts_what_does_not_fit() -> None:
    late = [_row(workflow_id=f"wf_{n}") for n in range(6)]
    late.append(_row(workflow_id="wf_7", state="expert_routing"))
    health = _health(overdue=7, flows={"open": 9, "failed": 3, "damaged": 1}, events={"dead": 4}, locks={"dead": 2})
    found = findings(health, late, UTC)
    wide = plain(verdict_line(found, health, 200))
    assert wide.startswith("6 overdue in module_execution since 09:06, 1 elsewhere")
    for part in ("2 locks of dead owners", "3 failed", "4 dead events", "1 damaged document"):
        assert part in wide
    for cells in WIDTHS:
        line = verdict_line(found, health, cells)
        assert line_width(line) <= cells
        assert "…" not in plain(line)
    assert "(+" in plain(verdict_line(found, health, 40))


def test_a_sample_is_not_passed_off_as_a_count() -> None:
    failed = [_row(phase=Phase.FAILED, state="failed", error_type="timeout", deadline_at=None) for _ in range(5)]
    health = _health(flows={"open": 0, "failed": 400})
    assert plain(verdict_line(findings(health, failed, UTC), health, 80)) == "400 failed, mostly by timeout"


def test_causes_that_are_not_named_are_counted() -> None:
    kinds = ["resource_error"] * 4 + ["timeout"] * 2 + ["validation_error"] * 3 + ["module_execution_error"]
    failed = [_row(phase=Phase.FAILED, state="failed", error_type=kind, deadline_at=None) for kind in kinds]
    health = _health(flows={"open": 0, "failed": 10}, events={"dead": 3, "failing": 4})
    said = plain(verdict_line(findings(health, failed, UTC), health, 80))
    assert said == "10 failed: 4 resource, 3 validate, 3 others; 3 dead events; 4 events failing"


@pytest.mark.parametrize("cells", [80, 60])
def test_a_dead_service_among_two_is_counted_and_the_clock_stays(cells: int) -> None:
    health = _health(engines=(_engine(), _engine(liveness=Liveness.DEAD, pid=7)))
    line = plain(header_line("/srv/data/some/long/place/of/workflows", Freshness(health=health), NOW, UTC, cells))
    assert "1 service ok, 1 dead" in line
    assert clock_text(NOW, UTC) in line


def test_a_tab_shows_what_is_wrong_apart_from_its_count() -> None:
    line = tabs_line([Tab("4", "Locks", "Locks", "14", bad="2†")], "1", 80)
    assert plain(line).strip() == "4 Locks 14 2†"
    assert [cell.style for cell in line if "†" in cell.text] == ["bad"]
    assert "14 2†" in plain(tabs_line([Tab("4", "Locks", "Locks", "14", bad="2†")], "4", 80))


def test_a_search_is_counted_only_where_it_did_not_see_all() -> None:
    part = plain(status_line(Status(filter_line="rag", count=3, searched=20_000, total=60_000), 120))
    assert "searched 20.0k of 60.0k" in part
    assert "searched" not in plain(status_line(Status(filter_line="rag", count=3, searched=90, total=90), 120))


def test_a_calm_store_is_told_calmly() -> None:
    assert plain(verdict_line((), _health(), 80)) == "400 workflows open, nothing overdue, nothing failed"


@pytest.mark.parametrize("cells", WIDTHS)
@pytest.mark.parametrize("active", list("1234567"))
def test_tabs_fit_and_show_the_active_one(cells: int, active: str) -> None:
    names = ("Flows", "Time", "Retry", "Locks", "Errors", "Log", "Audit")
    tabs = [Tab(str(n), name, name[:5], "412", is_bad=n == 4) for n, name in enumerate(names, start=1)]
    line = tabs_line(tabs, active, cells)
    if cells >= 60:
        assert line_width(line) <= cells
        assert any(cell.style == "badge_accent" and cell.text.strip().startswith(active) for cell in line)


@pytest.mark.parametrize("cells", WIDTHS)
def test_the_status_tells_filter_and_hidden_marks(cells: int) -> None:
    line = status_line(Status(filter_line="state:failed", count=412, marked=3, hidden=1, sort="by id"), cells)
    assert line_width(line) <= cells
    if cells >= 60:
        assert "filter state:failed" in plain(line)
        assert "3 marked (1 hidden)" in plain(line)


def test_a_long_sentence_is_shown_whole_on_a_few_lines() -> None:
    sentence = (
        "wf_intelligent_8f22771b90aa moved on: it is at revision 42, you saw 41. Nothing was changed; look again."
    )
    lines = notice_lines(sentence, "bad", 60)
    assert len(lines) == 2
    assert " ".join(plain(line).strip() for line in lines) == sentence


@pytest.mark.parametrize("cells", WIDTHS)
def test_the_footer_keeps_whole_keys_and_words(cells: int) -> None:
    line = footer_line(PLANS, ("R", "U", "F"), cells)
    assert line_width(line) <= cells
    assert "…" not in plain(line)


@pytest.mark.parametrize("cells", WIDTHS)
def test_the_line_of_states_lights_the_present_one(cells: int) -> None:
    line = state_line(_detail(), INTELLIGENT, NOW, cells)
    assert line_width(line) <= cells
    if cells >= 40:
        assert any(cell.style == "badge_bad" and "MODULE 12m40 / 5m00 OVER" in cell.text for cell in line)
    if cells >= 100:
        assert plain(line).startswith(_STEP.join(("init 0.1", "rag1 1.9", "route 0.4", "")))
        assert plain(line).endswith(_STEP.join(("", "rag2", "resp", "done")))


def test_a_failed_workflow_shows_the_state_that_failed() -> None:
    visits = (
        _visit("initialized", 0, 0.1),
        _visit("module_execution", 1, 130, "failed"),
        _visit("failed", 131, None, "failed"),
    )
    detail = _detail(row=_row(state="failed", phase=Phase.FAILED, deadline_at=None), visits=visits)
    assert "module ✖ 2m10" in plain(state_line(detail, INTELLIGENT, NOW, 80))


@pytest.mark.parametrize("cells", [30, 40, 60, 80, 140])
def test_why_is_told_in_two_lines_with_the_keys_that_help(cells: int) -> None:
    lines = why_lines(_detail().why, cells)
    assert len(lines) <= 2
    assert all(line_width(line) <= cells for line in lines)
    if cells >= 60:
        assert "R roll back" in " ".join(plain(line) for line in lines)


@pytest.mark.parametrize("size", [(30, 10), (44, 19), (44, 6), (80, 19), (200, 60), (44, 1)])
def test_the_timeline_fits_its_pane_and_marks_the_deadline(size: tuple[int, int]) -> None:
    lines = timeline_lines(_detail(), INTELLIGENT, NOW, UTC, size)
    assert len(lines) <= size[1]
    assert all(line_width(line) <= max(size[0], 24) for line in lines)
    if size[1] >= 10 and size[0] >= 44:
        assert any("│" in plain(line) for line in lines)
        assert any(plain(line).startswith("module") and "12m40" in plain(line) for line in lines)


def test_superseded_visits_are_hatched_and_old_ones_go_first() -> None:
    visits = tuple(_visit("module_execution", n * 10, 10, "superseded") for n in range(30))
    lines = timeline_lines(
        _detail(visits=(*visits, _visit("expert_routing", 300, None, "current"))), INTELLIGENT, NOW, UTC, (44, 19)
    )
    text = "\n".join(plain(line) for line in lines)
    assert "▒" in text
    assert "earlier visits" in text
    assert text.rstrip().count("route") >= 1


def test_the_axis_reaches_to_a_deadline_that_is_still_to_come() -> None:
    later = NOW + timedelta(minutes=5)
    axis = axis_of((_visit("module_execution", 0, None, "current", deadline_at=later),), NOW, 40)
    assert axis.end == later
    assert axis.at(later) == 39
    assert axis.at(NOW) < 39
