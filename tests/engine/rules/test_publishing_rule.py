from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.rules.publishing import Breaker, retry_delay_s


@pytest.mark.parametrize(
    ("failures", "draw", "delay"),
    [(1, 0.0, 2.5), (1, 1.0, 5.0), (2, 0.0, 10.0), (2, 1.0, 20.0), (3, 1.0, 80.0), (5, 1.0, 900.0), (5, 0.0, 450.0)],
)
def test_the_delay_grows_fourfold_to_a_quarter_of_an_hour(failures: int, draw: float, delay: float) -> None:
    assert retry_delay_s(failures, 5.0, draw) == delay


@given(
    failures=st.integers(-5, 10**9),
    base_s=st.floats(0.001, 900),
    draw=st.floats(0, 1),
)
def test_a_delay_is_never_longer_than_that_nor_shorter_than_half_its_base(
    failures: int, base_s: float, draw: float
) -> None:
    assert base_s / 2 <= retry_delay_s(failures, base_s, draw) <= 900


def failing(times: int, breaker: Breaker | None = None) -> Breaker:
    breaker = breaker or Breaker()
    for second in range(times):
        breaker = breaker.failed(float(second))
    return breaker


def test_five_failures_in_a_row_open_the_breaker_for_thirty_seconds() -> None:
    assert not failing(4).is_open(3.0)
    opened = failing(5)
    assert opened.is_open(4.0)
    assert opened.is_open(33.9)
    assert opened.retry_s(14.0) == 20.0
    assert not opened.is_open(34.0)


def test_a_success_in_between_starts_the_count_again() -> None:
    assert not failing(4, failing(4).succeeded()).is_open(4.0)


def test_after_thirty_seconds_exactly_one_probe_may_go() -> None:
    opened = failing(5)
    assert opened.admit(33.0) == (opened, False)
    probing, may_go = opened.admit(34.0)
    assert may_go
    assert probing.admit(34.0) == (probing, False)
    assert probing.admit(10_000.0) == (probing, False)


def test_a_probe_that_arrives_closes_the_breaker() -> None:
    probing, _ = failing(5).admit(34.0)
    closed = probing.succeeded()
    assert closed == Breaker()
    assert closed.admit(34.0) == (closed, True)


def test_a_probe_that_fails_opens_it_again_from_then_on() -> None:
    probing, _ = failing(5).admit(34.0)
    opened = probing.failed(40.0)
    assert opened.is_open(69.9)
    assert not opened.is_open(70.0)


def test_a_probe_that_was_given_back_untried_leaves_room_for_another() -> None:
    probing, _ = failing(5).admit(34.0)
    _, may_go = probing.returned().admit(34.0)
    assert may_go
