"""What counts as typing, and what never does."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from console.plans.confirming import DISARM_S, SETTLE_S, Confirming, Move
from engine.operations.plan import Level, Plan, PlanItem, PlanRequest, Verb


def _plan(asked: str = "y", level: Level = Level.TOKEN, *, needs_reason: bool = False, count: int = 1) -> Plan:
    items = tuple(PlanItem(id=f"wf_{n}", revision=1, before="failed", after="initialized") for n in range(count))
    return Plan(
        request=PlanRequest(verb=Verb.ROLLBACK, ids=tuple(item.id for item in items)),
        read_at=datetime(2026, 1, 1, tzinfo=UTC),
        title="roll back",
        items=items,
        level=level,
        token=asked,
        is_reason_required=needs_reason,
        reason_at_least=8,
        checks=(),
        undo="",
        command="flowdeck rollback",
    )


class Typist:
    """Presses keys one after another at a human pace."""

    def __init__(self, plan: Plan, pace_s: float = 0.2) -> None:
        self.confirming = Confirming(plan, opened_at=0.0)
        self.at = 1.0
        self.pace_s = pace_s

    def press(self, *keys: str) -> Move | None:
        move = None
        for key in keys:
            self.at += self.pace_s
            move = self.confirming.press(key, key if len(key) == 1 else None, self.at)
        return move


def test_reason_enter_token_enter_applies() -> None:
    typist = Typist(_plan())
    assert typist.press(*"pool hung") is None
    assert typist.press("enter") is None
    assert typist.press("y") is None
    assert typist.press("enter") is Move.APPLY
    assert typist.confirming.reason.text == "pool hung"


@pytest.mark.parametrize("token", ["3", "12", "ab9f"])
def test_only_the_exact_token_applies(token: str) -> None:
    typist = Typist(_plan(token, Level.COUNT))
    typist.press("enter")
    for wrong in ("y", token[:-1] or "x", token + token[-1]):
        assert typist.press(*wrong, "enter") is None
    assert typist.press(*token, "enter") is Move.APPLY


def test_a_reason_that_is_needed_and_too_short_goes_no_further() -> None:
    typist = Typist(_plan(needs_reason=True))
    typist.press(*"short", "enter")
    assert "8 characters" in typist.confirming.said
    assert not typist.confirming.is_reason_done
    typist.press(*" but now longer", "enter")
    assert typist.confirming.is_reason_done


def test_nothing_confirms_in_the_first_moments_of_a_plan() -> None:
    confirming = Confirming(_plan(), opened_at=10.0)
    assert confirming.press("enter", None, 10.0 + SETTLE_S / 2) is None
    assert not confirming.is_reason_done


def test_a_held_enter_does_not_run_through_the_steps() -> None:
    typist = Typist(_plan("", Level.TOKEN))
    typist.press("enter")
    typist.pace_s = 0.03
    moves = [typist.press("enter") for _ in range(50)]
    assert moves == [None] * 50


def test_a_burst_of_keys_is_no_typing() -> None:
    typist = Typist(_plan(), pace_s=0.001)
    for key in ("enter", "y", "enter", "y", "enter"):
        assert typist.press(key) is None


def test_a_token_that_came_in_a_burst_does_not_apply_even_with_a_slow_enter() -> None:
    typist = Typist(_plan("4821", Level.TAIL))
    typist.press("enter")
    typist.pace_s = 0.001
    typist.press(*"4821")
    typist.pace_s = 0.5
    assert typist.press("enter") is None
    assert "too fast" in typist.confirming.said
    assert typist.press(*"4821", "enter") is Move.APPLY


def test_pasted_text_goes_into_the_reason_and_never_into_the_token() -> None:
    typist = Typist(_plan())
    typist.confirming.paste("INC-204\n")
    assert typist.confirming.reason.text == "INC-204"
    typist.press("enter")
    typist.confirming.paste("y")
    assert "never confirms" in typist.confirming.said
    assert typist.confirming.reason.text == "INC-204"
    assert typist.press("enter") is None
    assert typist.press("y", "enter") is Move.APPLY


def test_after_a_minute_the_plan_is_read_again_before_anything() -> None:
    typist = Typist(_plan())
    typist.press("enter", "y")
    typist.at = DISARM_S
    assert typist.press("enter") is Move.READ_AGAIN
    assert typist.confirming.is_disarmed


def test_losing_the_focus_disarms() -> None:
    typist = Typist(_plan())
    typist.press("enter", "y")
    typist.confirming.disarm()
    assert typist.press("enter") is Move.READ_AGAIN


@pytest.mark.parametrize("key", ["escape", "ctrl+g"])
def test_a_plan_is_left_at_every_step(key: str) -> None:
    for keys in ((), ("a",), ("enter",), ("enter", "y")):
        typist = Typist(_plan())
        typist.press(*keys)
        assert typist.press(key) is Move.LEAVE


def test_a_plan_in_which_nothing_can_be_done_takes_no_typing() -> None:
    plan = _plan(count=0)
    typist = Typist(plan)
    assert typist.press("enter", "y", "enter") is None
    assert typist.press("escape") is Move.LEAVE


@pytest.mark.parametrize("key", ["up", "shift+tab"])
def test_only_up_and_shift_tab_go_back_to_the_reason_and_only_enter_takes_it(key: str) -> None:
    typist = Typist(_plan())
    typist.press("a", "enter", "n", "enter", "backspace", "y", "backspace", "backspace")
    assert typist.confirming.is_reason_done
    typist.press(key, "b", "tab", "y")
    assert (typist.confirming.is_reason_done, typist.confirming.reason.text) == (False, "aby")
    typist.press("enter")
    assert typist.press("y", "enter") is Move.APPLY


def test_the_command_is_copied_by_its_key_and_writes_nothing() -> None:
    assert Typist(_plan()).press("ctrl+y") is Move.COPY
