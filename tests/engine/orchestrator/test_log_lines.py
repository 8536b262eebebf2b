from __future__ import annotations

import json
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from making import MakeEngine

from engine import ManualClock
from engine.structured_log import StructuredLog


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


async def test_there_is_one_file_a_day(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC))
    log = StructuredLog(tmp_path / "log", clock)
    log.write("one", "before midnight")
    await clock.advance(2)
    log.write("two", "after midnight", level="ERROR", about="wf_1", data={"n": 1})
    log.close()
    assert [path.name for path in sorted((tmp_path / "log").iterdir())] == [
        "workflow_orchestrator_20260301.jsonl",
        "workflow_orchestrator_20260302.jsonl",
    ]
    (line,) = lines(tmp_path / "log" / "workflow_orchestrator_20260302.jsonl")
    assert line == {
        "timestamp": "2026-03-02T00:00:01.000000Z",
        "level": "ERROR",
        "event": "two",
        "workflow_id": "wf_1",
        "trace_id": None,
        "span_id": None,
        "data": {"n": 1},
        "message": "after midnight",
    }


def test_lines_of_several_engines_share_a_file_whole(tmp_path: Path) -> None:
    logs = [StructuredLog(tmp_path, ManualClock()) for _ in range(3)]

    def fill(log: StructuredLog) -> None:
        for n in range(300):
            log.write("many", "x" * 500, data={"n": n})

    threads = [threading.Thread(target=fill, args=(log,)) for log in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for log in logs:
        log.close()
    (file,) = tmp_path.iterdir()
    assert len(lines(file)) == 900


def test_a_disk_that_refuses_loses_lines_counts_them_and_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    log = StructuredLog(tmp_path / "file", ManualClock())
    log.write("one", "m")
    log.close()
    assert log.dropped == 1
    log.close()


def test_the_last_lines_of_a_process_that_just_ends_are_written(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from engine import SystemClock; from engine.structured_log import StructuredLog\n"
        f"log = StructuredLog(Path({str(tmp_path)!r}), SystemClock())\n"
        "for n in range(3000): log.write('many', 'x' * 900, data={'n': n})\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
    (file,) = tmp_path.iterdir()
    assert len(lines(file)) == 3000


def test_without_a_directory_nothing_is_written_and_no_thread_begins() -> None:
    before = threading.active_count()
    log = StructuredLog(None, ManualClock())
    log.write("one", "m")
    log.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("kind", ["service", "console"])
async def test_the_environment_moves_the_log_and_only_a_service_logs_without_being_told_where(
    make_engine: MakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORKFLOW_LOG_DIR", raising=False)
    (tmp_path / "store").mkdir()
    here = make_engine(kind=kind, log_dir=None)
    await here.start()
    assert here.me.log_dir == (str(tmp_path / "logs" / "workflow") if kind == "service" else None)
    monkeypatch.setenv("WORKFLOW_LOG_DIR", "moved")
    there = make_engine(kind=kind, log_dir=None, enable_persistence=False)
    await there.start()
    assert there.me.log_dir == str(tmp_path / "moved")
    await there.cleanup()
    assert list((tmp_path / "moved").glob("workflow_orchestrator_*.jsonl"))
