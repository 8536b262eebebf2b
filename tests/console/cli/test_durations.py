from __future__ import annotations

import pytest

from console.durations import compact, parse_duration


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.0s"),
        (0.4, "0.4s"),
        (9.97, "9.9s"),
        (10, "10s"),
        (59.9, "59s"),
        (60, "1m00"),
        (842, "14m02"),
        (7_500, "2h05"),
        (273_600, "3d04"),
        (-250, "-4m10"),
        (None, "-"),
        (float("nan"), "-"),
        (float("inf"), "-"),
        (1e9, "11574d"),
    ],
)
def test_durations_are_shown_in_at_most_six_cells(seconds: float | None, shown: str) -> None:
    assert compact(seconds) == shown
    assert len(shown) <= 6


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5m", 300), ("30s", 30), ("90", 90), ("1.5h", 5_400), ("2h05", 7_500), ("14m02", 842), ("3d04", 273_600)],
)
def test_durations_are_read_as_operators_write_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5m", "5 m", "1e9", "m5", "5y", "\u0665m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)
