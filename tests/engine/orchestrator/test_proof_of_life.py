from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from engine import ManualClock
from engine.liveness import LifeLock, forget, is_lock_free, life_of, new_ulid, process_start, this_process
from engine.model.lock import Incarnation, Liveness

ROOT = Path(__file__).parents[3]


@pytest.fixture
def engines(tmp_path: Path) -> Path:
    return tmp_path / "engines"


def me() -> Incarnation:
    return this_process(ManualClock(), kind="service", has_bus=False, log_dir=None)


async def test_ulids_sort_by_their_time_and_never_repeat() -> None:
    clock = ManualClock()
    made = []
    for _ in range(200):
        made.append(new_ulid(clock))
        await clock.advance(0.001, turns=0)
    assert made == sorted(made)
    assert len({new_ulid(clock) for _ in range(1000)}) == 1000
    assert all(len(each) == 26 and set(each) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ") for each in made)


def test_the_lock_of_a_living_engine_is_not_free_and_of_one_that_let_go_is_no_more(engines: Path) -> None:
    assert is_lock_free(engines, "A") is None
    lock = LifeLock(engines, "A")
    lock.take()
    lock.take()
    assert is_lock_free(engines, "A") is False
    lock.release()
    lock.release()
    assert is_lock_free(engines, "A") is None
    assert list(engines.iterdir()) == []


def test_the_lock_of_a_killed_process_is_free_until_it_is_forgotten(engines: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from engine.liveness import LifeLock;"
        f"lock = LifeLock(Path({str(engines)!r}), 'A'); lock.take(); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        assert is_lock_free(engines, "A") is False
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert is_lock_free(engines, "A") is True
    forget(engines, "A")
    assert is_lock_free(engines, "A") is None


def test_a_forked_child_does_not_keep_its_parents_lock_alive(engines: Path) -> None:
    lock = LifeLock(engines, "A")
    lock.take()
    forked, tell_forked = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(tell_forked, b"x")
        signal.pause()
    try:
        os.read(forked, 1)
        lock.abandon()
        assert is_lock_free(engines, "A") is True
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(forked)
        os.close(tell_forked)


def test_the_start_of_a_process_tells_it_from_another_of_the_same_pid() -> None:
    assert process_start(os.getpid()) == process_start(os.getpid())
    assert process_start(os.getpid()) != process_start(1)
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert process_start(child.pid) is None


def test_a_living_process_is_alive_a_reused_pid_and_another_boot_are_dead(engines: Path) -> None:
    mine, now = me(), ManualClock().now()

    def verdict(other: Incarnation, age_s: float = 1.0) -> Liveness:
        return life_of(other, now - timedelta(seconds=age_s), me=mine, engines=engines, now=now)[0]

    assert verdict(mine) is Liveness.ALIVE
    assert verdict(mine, age_s=3600) is Liveness.SILENT
    assert verdict(replace(mine, process_start="7")) is Liveness.DEAD
    assert verdict(replace(mine, pid=2**22 + 1)) is Liveness.DEAD
    assert verdict(replace(mine, boot_id="another")) is Liveness.DEAD
    assert verdict(replace(mine, host="elsewhere", boot_id="another")) is Liveness.ALIVE
