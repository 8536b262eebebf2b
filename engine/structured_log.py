"""The structured log: one JSON object a line, one file a day, written by a thread so that no loop waits for a disk."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from engine.clock import Clock
from engine.model.plain import encode
from engine.model.times import format_time
from engine.model.workflow import Workflow

LOG_DIR_VARIABLE: Final = "WORKFLOW_LOG_DIR"
DEFAULT_LOG_DIR: Final = Path("logs/workflow")

_WAITING_AT_MOST: Final = 10_000
_CLOSE_WITHIN_S: Final = 2.0


def log_dir_from_environment() -> Path | None:
    """Return the absolute directory that ``WORKFLOW_LOG_DIR`` names, None where it is not set."""
    named = os.environ.get(LOG_DIR_VARIABLE)
    return Path(named).absolute() if named else None


def file_name(day: str) -> str:
    """Return the log file's name of a day, ``YYYYMMDD``."""
    return f"workflow_orchestrator_{day}.jsonl"


class StructuredLog:
    """Lines of one engine; without a directory it takes them and writes nothing.

    A line is one ``write`` to a file opened for appending, so that several processes may share the file. If the
    disk refuses, lines are dropped and counted: the log never stands in the way of work.

    Attributes:
        dropped: lines that could not be written.
    """

    def __init__(self, directory: Path | None, clock: Clock) -> None:
        """Prepare the log; directory and thread come with the first line.

        Args:
            directory: where the daily files lie; None writes nowhere.
            clock: names the day and the time of a line.
        """
        self.directory = directory
        self.dropped = 0
        self._clock = clock
        self._lines: deque[tuple[str, bytes]] = deque()
        self._wake = threading.Condition()
        self._writing = False
        self._is_closing = False
        self._thread: threading.Thread | None = None

    def write(
        self,
        event: str,
        message: str,
        *,
        level: str = "INFO",
        about: Workflow | str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Queue one line.

        Args:
            event: what happened, in one word such as ``state_transition``.
            message: the sentence for people.
            level: ``INFO``, ``WARNING`` or ``ERROR``.
            about: the workflow whose ids and trace the line carries, or its id alone.
            data: facts, plain JSON.
        """
        if self.directory is None:
            return
        at = self._clock.now()
        workflow = about if isinstance(about, Workflow) else None
        line = {
            "timestamp": format_time(at),
            "level": level,
            "event": event,
            "workflow_id": workflow.workflow_id if workflow else about,
            "trace_id": workflow.trace_id if workflow else None,
            "span_id": workflow.span_id if workflow else None,
            "data": data or {},
            "message": message,
        }
        with self._wake:
            if len(self._lines) >= _WAITING_AT_MOST:
                self.dropped += 1
                return
            self._lines.append((f"{at:%Y%m%d}", encode(line) + b"\n"))
            self._start()
            self._wake.notify_all()

    def flush(self, within_s: float = _CLOSE_WITHIN_S) -> None:
        """Wait until everything queued is written, ``within_s`` seconds at most; blocks the calling thread."""
        with self._wake:
            self._wake.wait_for(lambda: not self._lines and not self._writing, timeout=within_s)

    def close(self) -> None:
        """Write what is queued and end the thread; twice is fine, and a later line starts anew."""
        self.flush()
        with self._wake:
            thread, self._thread, self._is_closing = self._thread, None, True
            self._wake.notify_all()
        if thread is not None:
            thread.join(timeout=_CLOSE_WITHIN_S)
        self._is_closing = False

    def _start(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        self._thread = threading.Thread(target=self._run, name="structured-log", daemon=True)
        self._thread.start()
        _open_logs.add(self)

    def _run(self) -> None:
        while True:
            with self._wake:
                self._writing = False
                self._wake.notify_all()
                self._wake.wait_for(lambda: bool(self._lines) or self._is_closing)
                if not self._lines:
                    return
                batch, self._lines, self._writing = self._lines, deque(), True
            days: dict[str, list[bytes]] = {}
            for day, line in batch:
                days.setdefault(day, []).append(line)
            for day, lines in days.items():
                self._append(day, lines)

    def _append(self, day: str, lines: list[bytes]) -> None:
        assert self.directory is not None  # noqa: S101  without one no line is queued
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with (self.directory / file_name(day)).open("ab", buffering=0) as file:
                file.write(b"".join(lines))
        except OSError:
            self.dropped += len(lines)


_open_logs: weakref.WeakSet[StructuredLog] = weakref.WeakSet()


@atexit.register
def _flush_open_logs() -> None:
    """Let a process that never cleaned up keep its last lines; the writing threads are daemons."""
    for log in list(_open_logs):
        log.flush()
