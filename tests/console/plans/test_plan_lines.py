"""How a plan reads: rows, checks, reason and token always there, nothing wider than its room."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from console.glyphs import UNICODE
from console.plans.choosing import Choice, Choosing, Chosen
from console.plans.confirming import Confirming
from console.plans.lines import choice_lines, outcome_lines, plan_lines
from console.view.lines import CellLine, line_width, plain
from engine.operations.plan import Applied, ItemOutcome, Level, Plan, PlanItem, PlanRequest, Verb


def _item(n: int, *, skipped: str = "") -> PlanItem:
    return PlanItem(
        id=f"wf_intelligent_{n:012x}",
        revision=n,
        before="module_execution",
        after="" if skipped else "expert_routing",
        skipped=skipped,
        effects=("2 steps superseded (route, module)", "error cleared", "fresh deadline 5m00"),
    )


def _plan(*items: PlanItem) -> Plan:
    return Plan(
        request=PlanRequest(verb=Verb.ROLLBACK, ids=tuple(item.id for item in items)),
        read_at=datetime(2026, 1, 1, tzinfo=UTC),
        title=f"roll back {len(items)} workflows",
        items=items,
        level=Level.COUNT,
        token=str(sum(not item.skipped for item in items)),
        is_reason_required=True,
        reason_at_least=3,
        checks=(*(f"check {n}" for n in range(9)), "revisions 1, 2 read, checked again when applied"),
        undo="F forces it back",
        command="flowdeck rollback " + " ".join(item.id for item in items),
    )


def _text(lines: tuple[CellLine, ...]) -> str:
    return "\n".join(plain(line) for line in lines)


@pytest.mark.parametrize("cells", [40, 60, 80, 140, 200])
@pytest.mark.parametrize("count", [1, 3, 40])
def test_a_plan_stays_within_its_room_and_keeps_checks_reason_and_token(cells: int, count: int) -> None:
    plan = _plan(*(_item(n) for n in range(count)))
    lines = plan_lines(Confirming(plan, 0.0), cells)
    assert all(line_width(line) <= cells for line in lines)
    assert len(lines) <= 18
    text = _text(lines)
    for part in ("checks", "undo", "same as", "reason", f"type {count} and enter"):
        assert part in text


def test_five_rows_are_shown_and_the_others_counted() -> None:
    text = _text(plan_lines(Confirming(_plan(*(_item(n) for n in range(17))), 0.0), 80))
    assert text.count(f"module {UNICODE.step} route   2 steps superseded") == 5
    assert "and 12 more" in text


def test_what_can_be_done_comes_before_what_is_skipped_with_its_reason() -> None:
    plan = _plan(_item(1, skipped="completed; R does not reopen it, F forces it"), _item(2))
    lines = [plain(line) for line in plan_lines(Confirming(plan, 0.0), 80)]
    assert "1 can, 1 skipped" in lines[0]
    assert "000000000002" in lines[1]
    assert "skipped: completed; R does not reopen it" in lines[2]


def test_the_command_is_one_line_that_ends_in_an_ellipsis() -> None:
    lines = [plain(line) for line in plan_lines(Confirming(_plan(*(_item(n) for n in range(9))), 0.0), 80)]
    (same,) = (line for line in lines if "same as" in line)
    assert same.endswith("…")


def test_the_guard_is_shown_however_many_checks_there_are() -> None:
    text = _text(plan_lines(Confirming(_plan(_item(1)), 0.0), 80))
    assert "and 6 more" in text
    assert "checked again when applied" in text


def test_one_workflow_alone_shows_all_its_effects() -> None:
    lines = plan_lines(Confirming(_plan(_item(1)), 0.0), 80)
    text = " ".join(" ".join(plain(line)[1:] for line in lines).split())
    for effect in ("2 steps superseded", "error cleared", "fresh deadline 5m00"):
        assert effect in text


def test_outcomes_say_what_went_wrong_first() -> None:
    plan = _plan(_item(1), _item(2))
    outcomes = (
        ItemOutcome(id=plan.items[0].id, code="done", sentence="first was rolled back."),
        ItemOutcome(id=plan.items[1].id, code="conflict", sentence="second moved on. Nothing was changed."),
    )
    lines = [plain(line) for line in outcome_lines(Applied(plan=plan, request_id="r", outcomes=outcomes), 80)]
    assert "1 of 2 done" in lines[0]
    assert "moved on" in lines[1]
    assert "rolled back" in lines[2]


def test_a_choice_is_made_by_moving_or_by_its_number_and_left_unchanged_by_esc() -> None:
    choices = tuple(Choice(name, name) for name in ("wait", "steal"))
    choosing = Choosing("unlock", choices, opened_at=0.0)
    assert f"{UNICODE.cursor} 1 wait" in _text(choice_lines(choosing, 60))
    assert choosing.press("enter", 0.1) is None
    choosing.press("j", 1.0)
    assert choosing.press("enter", 1.2) is Chosen.TAKEN
    assert choosing.current.value == "steal"
    choosing.press("1", 1.4)
    assert choosing.current.value == "wait"
    assert choosing.press("escape", 1.6) is Chosen.LEFT
