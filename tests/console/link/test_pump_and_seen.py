"""Pacing of readings, what changed since the operator looked, and the line that is typed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from console.edit_line import MAX_LENGTH, EditLine
from console.screen.pump import Pump, Wants
from console.screen.reading import Turn
from console.screen.seen import Seen
from engine.clock import SystemClock
from engine.model.names import Flag, Origin, Phase
from engine.store.query import FlowRow

NOW = datetime(2026, 3, 1, tzinfo=UTC)


async def _run(pump: Pump, seconds: float) -> None:
    running = asyncio.ensure_future(pump.run())
    await SystemClock().sleep(seconds)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_many_wants_between_two_turns_are_served_once() -> None:
    served: list[Wants] = []

    async def serve(wants: Wants) -> None:
        served.append(dict(wants))

    pump = Pump(serve, gap_s=0.01)
    for _ in range(100):
        pump.want("flows", "health")
    await _run(pump, 0.05)
    assert served == [{"flows": Turn.AGAIN, "health": Turn.AGAIN}]
    assert pump.is_idle


async def test_a_turn_to_another_part_is_not_lost_to_a_refresh() -> None:
    served: list[Wants] = []

    async def serve(wants: Wants) -> None:
        served.append(dict(wants))

    pump = Pump(serve)
    pump.want("flows", turn=Turn.LAST)
    pump.want("flows")
    await _run(pump, 0.02)
    assert served == [{"flows": Turn.LAST}]


async def test_what_an_operator_asks_for_does_not_wait_for_the_pace() -> None:
    clock = SystemClock()
    times: list[float] = []

    async def serve(_wants: Wants) -> None:
        times.append(clock.monotonic())
        if len(times) == 1:
            pump.want("flows", is_urgent=True)

    pump = Pump(serve, gap_s=30.0)
    pump.want("flows")
    await _run(pump, 0.05)
    assert len(times) == 2


async def test_changes_alone_are_served_no_faster_than_the_pace() -> None:
    served = 0

    async def serve(_wants: Wants) -> None:
        nonlocal served
        served += 1
        pump.want("flows")

    pump = Pump(serve, gap_s=30.0)
    pump.want("flows")
    await _run(pump, 0.05)
    assert served == 1


def _flow(revision: int, updated_at: datetime) -> FlowRow:
    return FlowRow(
        workflow_id="wf_1",
        workflow_type="direct",
        state="initialized",
        phase=Phase.OPEN,
        origin=Origin.OWN,
        flag=Flag.NONE,
        revision=revision,
        generation=1,
        created_at=NOW,
        updated_at=updated_at,
        entered_at=NOW,
        deadline_at=None,
        ended_at=None,
        paused_at=None,
        attempt=0,
        is_forced=False,
        error_type=None,
        error=None,
    )


def test_what_was_there_before_the_session_has_not_changed() -> None:
    seen = Seen()
    seen.begin(NOW)
    assert seen.times(_flow(4, NOW - timedelta(hours=1))) == 0


def test_changes_are_counted_since_the_workflow_was_last_looked_at() -> None:
    seen = Seen()
    seen.begin(NOW)
    seen.meet([_flow(4, NOW - timedelta(hours=1))])
    assert seen.times(_flow(7, NOW + timedelta(seconds=1))) == 3
    seen.look(_flow(7, NOW + timedelta(seconds=1)))
    assert seen.times(_flow(7, NOW + timedelta(seconds=1))) == 0
    assert seen.times(_flow(8, NOW + timedelta(seconds=2))) == 1


def test_what_is_new_counts_as_changed_until_all_is_marked_seen() -> None:
    seen = Seen()
    seen.begin(NOW)
    new = _flow(1, NOW + timedelta(seconds=1))
    seen.meet([new])
    assert seen.times(new) == 1
    seen.mark_all(NOW + timedelta(seconds=2))
    assert seen.times(new) == 0


def test_a_typed_line_is_edited_where_its_cursor_is() -> None:
    line = EditLine().insert("state:faled")
    for key in ("left", "left", "left"):
        line = line.press(key) or line
    line = line.insert("i")
    assert (line.text, line.after) == ("state:failed", "led")
    assert (line.press("ctrl+u") or line).text == "led"
    assert (line.press("end") or line).after == ""
    assert (line.press("ctrl+w") or line).text == "led"
    assert line.press("tab") is None


def test_what_is_not_printable_or_too_long_never_enters_a_line() -> None:
    assert EditLine().insert("a\x1b[2J\nb\x00c").text == "a[2Jbc"
    assert len(EditLine().insert("x" * 5_000).text) == MAX_LENGTH
