from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from engine.errors import LockHeldError, StaleLockError
from engine.model.lock import Claim, Instant, Liveness, Lock
from engine.rules.locks import is_expired, is_held, left_s, liveness, may_grant, may_write

AT = datetime(2026, 1, 1, tzinfo=UTC)
NOW = Instant(AT, 1_000.0, "boot-1")
LOCK = Lock(
    workflow_id="wf_1",
    owner="svc",
    incarnation="I1",
    fence=7,
    generation=1,
    acquired_at=AT,
    ttl_s=300.0,
    expires_at=AT + timedelta(seconds=300),
    boot_id="boot-1",
    expires_mono=1_300.0,
)
EMPTIED = replace(LOCK, owner="", incarnation="")
CLAIM = Claim(workflow_id="wf_1", owner="svc", incarnation="I1", fence=7, generation=1)


def instant(seconds: float, *, jumped: float = 0.0, boot: str = "boot-1") -> Instant:
    return Instant(AT + timedelta(seconds=seconds + jumped), 1_000.0 + seconds, boot)


def grants(row: Lock | None, owner: str = "b", incarnation: str = "I2", **facts: object) -> bool:
    arguments = {"seen_fence": None, "dead_fence": None, "generation": 1, "now": NOW, **facts}
    return may_grant(row, owner, incarnation, **arguments)  # type: ignore[arg-type]


def test_a_jump_of_the_wall_clock_neither_expires_nor_revives_a_lock_of_this_boot() -> None:
    assert not is_expired(LOCK, instant(299, jumped=10_000))
    assert is_expired(LOCK, instant(300, jumped=-10_000))


def test_after_another_boot_the_wall_clock_decides() -> None:
    assert not is_expired(LOCK, Instant(AT + timedelta(seconds=299), 999_999.0, "boot-2"))
    assert is_expired(LOCK, Instant(AT + timedelta(seconds=300), 1.0, "boot-2"))
    assert left_s(LOCK, Instant(AT + timedelta(seconds=310), 1.0, "boot-2")) == -10


def test_a_lock_is_held_until_it_is_released_or_expires() -> None:
    assert is_held(LOCK, NOW)
    assert not is_held(EMPTIED, NOW)
    assert not is_held(LOCK, instant(301))
    assert not is_held(None, NOW)


@pytest.mark.parametrize("row", [None, EMPTIED])
def test_a_free_lock_goes_to_whoever_asks(row: Lock | None) -> None:
    assert grants(row)


def test_a_valid_lock_goes_to_nobody_not_even_its_own_holder() -> None:
    assert not grants(LOCK)
    assert not grants(LOCK, "svc", "I1")


def test_an_expired_lock_blocks_nobody_though_it_was_not_swept() -> None:
    assert grants(LOCK, now=instant(300))


def test_a_void_grant_keeps_others_out_but_its_own_holder_may_acquire_again() -> None:
    assert not grants(LOCK, generation=2)
    assert not grants(LOCK, "svc", "I2", generation=2)
    assert not grants(LOCK, "other", "I1", generation=2)
    assert grants(LOCK, "svc", "I1", generation=2)


def test_a_steal_takes_exactly_the_grant_it_saw() -> None:
    assert grants(LOCK, seen_fence=7)
    assert not grants(LOCK, seen_fence=6)
    assert not grants(EMPTIED, seen_fence=6)
    assert grants(None, seen_fence=0)
    assert not grants(None, seen_fence=7)


def test_a_lock_is_taken_over_only_while_it_is_the_grant_whose_holder_was_proved_dead() -> None:
    assert grants(LOCK, dead_fence=7)
    assert not grants(LOCK, dead_fence=6)
    assert grants(EMPTIED, dead_fence=6)


def writes(row: Lock | None, claim: Claim | None = None, *, generation: int = 1, now: Instant = NOW) -> object:
    return may_write(row, claim, generation=generation, now=now)


def test_the_holder_writes_and_others_are_told_who_holds_it_until_when() -> None:
    assert writes(LOCK, CLAIM) is None
    refused = writes(LOCK)
    assert isinstance(refused, LockHeldError)
    assert "wf_1 is locked by svc until 2026-01-01 00:05:00Z. Nothing was changed" in str(refused)


def test_without_a_claim_everyone_writes_where_no_lock_is_held() -> None:
    assert writes(None) is None
    assert writes(EMPTIED) is None
    assert writes(LOCK, now=instant(301)) is None


def test_a_lock_of_the_default_owner_refuses_acquirers_and_no_write() -> None:
    system = replace(LOCK, owner="system")
    assert writes(system) is None
    assert not grants(system)


def test_an_expired_claim_still_writes_while_nobody_took_the_lock_since() -> None:
    assert writes(LOCK, CLAIM, now=instant(1_000)) is None
    assert writes(EMPTIED, CLAIM) is None


@pytest.mark.parametrize(
    ("row", "claim", "generation", "said"),
    [
        (None, CLAIM, 1, "never granted"),
        (replace(LOCK, owner="b", incarnation="I2", fence=8), CLAIM, 1, "granted to b since"),
        (replace(EMPTIED, fence=8), CLAIM, 1, "taken away since"),
        (LOCK, CLAIM, 2, "a rollback, retry or force moved the workflow on"),
        (EMPTIED, CLAIM, 2, "a rollback, retry or force moved the workflow on"),
        (replace(LOCK, incarnation="I2"), CLAIM, 1, "belongs to svc"),
        (replace(LOCK, owner="b"), CLAIM, 1, "belongs to b, not to svc"),
    ],
)
def test_a_stale_claim_is_refused_with_what_became_of_it(
    row: Lock | None, claim: Claim, generation: int, said: str
) -> None:
    refused = writes(row, claim, generation=generation)
    assert isinstance(refused, StaleLockError)
    assert said in str(refused)


def test_a_void_grant_still_keeps_those_without_a_claim_out() -> None:
    assert isinstance(writes(LOCK, generation=2), LockHeldError)


HERE = {
    "same_host": True,
    "boot_is_same": True,
    "kernel_lock_is_free": False,
    "pid_is_alive": True,
    "start_matches": True,
    "heartbeat_age_s": 1.0,
    "heartbeat_every_s": 5.0,
}
ELSEWHERE = {
    **HERE,
    "same_host": False,
    "boot_is_same": False,
    "kernel_lock_is_free": None,
    "pid_is_alive": None,
    "start_matches": None,
}


@pytest.mark.parametrize(
    ("facts", "verdict", "said"),
    [
        (HERE, Liveness.ALIVE, "heartbeat 0m01 ago"),
        ({**HERE, "boot_is_same": False}, Liveness.DEAD, "the machine was started again"),
        ({**HERE, "kernel_lock_is_free": True}, Liveness.DEAD, "its process ended"),
        ({**HERE, "kernel_lock_is_free": None, "pid_is_alive": False}, Liveness.DEAD, "its process is gone"),
        ({**HERE, "kernel_lock_is_free": None, "start_matches": False}, Liveness.DEAD, "another process"),
        ({**HERE, "heartbeat_age_s": 16.0}, Liveness.SILENT, "its process runs, but no heartbeat for 0m16"),
        ({**HERE, "heartbeat_age_s": None}, Liveness.ALIVE, "its process runs"),
        (ELSEWHERE, Liveness.ALIVE, "heartbeat"),
        ({**ELSEWHERE, "heartbeat_age_s": 15.0}, Liveness.ALIVE, "heartbeat 0m15 ago"),
        ({**ELSEWHERE, "heartbeat_age_s": 7_500.0}, Liveness.SILENT, "no heartbeat for 2h05"),
        ({**ELSEWHERE, "heartbeat_age_s": None}, Liveness.UNKNOWN, "only the expiry decides"),
        ({**ELSEWHERE, "boot_is_same": True, "kernel_lock_is_free": True}, Liveness.DEAD, "its process ended"),
        ({**ELSEWHERE, "boot_is_same": True, "pid_is_alive": False}, Liveness.ALIVE, "heartbeat"),
        ({**ELSEWHERE, "kernel_lock_is_free": True}, Liveness.ALIVE, "heartbeat"),
    ],
)
def test_the_first_fact_that_decides_a_holders_life_is_the_evidence(
    facts: dict[str, object], verdict: Liveness, said: str
) -> None:
    found, evidence = liveness(**facts)  # type: ignore[arg-type]
    assert found is verdict
    assert said in evidence
