"""The newest lines of the engines' structured logs, read from the ends of their files."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import aiofiles
from pydantic_core import from_json

from engine.model.times import parse_time
from engine.observation.views import LogLine

_PATTERN: Final = "workflow_orchestrator_*.jsonl"
_TAIL_BYTES: Final = 512 * 1024
"""Read from the end of each file; some 2,000 lines."""
_FILES_EACH: Final = 2
"""Daily files looked at in each directory: right after midnight the newest is nearly empty."""
_FIELD_AT_MOST: Final = 2_000


class LogTails:
    """Reads log tails and remembers them by file size, so that a quiet log costs one ``stat``."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[int, tuple[LogLine, ...]]] = {}

    async def newest(self, directories: Iterable[Path], limit: int) -> tuple[LogLine, ...]:
        """Return the newest ``limit`` lines of all logs in ``directories``, newest last.

        Lines that are no log lines are left out; directories that cannot be read count as empty.
        """
        paths = await asyncio.to_thread(_newest_files, tuple(directories))
        tails = [await self._tail(path) for path in paths]
        for path in self._known.keys() - set(paths):
            del self._known[path]
        lines = sorted((line for tail in tails for line in tail), key=lambda line: line.timestamp)
        return tuple(lines[-limit:]) if limit > 0 else ()

    async def _tail(self, path: Path) -> tuple[LogLine, ...]:
        try:
            async with aiofiles.open(path, "rb") as file:
                size = await file.seek(0, os.SEEK_END)
                known = self._known.get(path)
                if known is not None and known[0] == size:
                    return known[1]
                start = max(0, size - _TAIL_BYTES)
                await file.seek(start)
                tail = await file.read(_TAIL_BYTES)
        except OSError:
            return ()
        lines = tuple(_read_lines(tail, is_cut=start > 0))
        self._known[path] = (size, lines)
        return lines


def _newest_files(directories: Sequence[Path]) -> list[Path]:
    """Return the newest daily files of each directory; their names sort by day."""
    paths: list[Path] = []
    for directory in dict.fromkeys(directories):
        try:
            paths += sorted(directory.glob(_PATTERN))[-_FILES_EACH:]
        except OSError:
            continue
    return [path for path in paths if path.is_file()]


def _read_lines(tail: bytes, *, is_cut: bool) -> Iterable[LogLine]:
    """Yield the log lines of ``tail``; the first is left out where the cut went through it."""
    for raw in tail.split(b"\n")[is_cut:]:
        if not raw.strip():
            continue
        try:
            line = from_json(raw)
        except ValueError:
            continue
        read = _log_line(line) if isinstance(line, dict) else None
        if read is not None:
            yield read


def _log_line(line: dict[str, Any]) -> LogLine | None:
    try:
        timestamp = parse_time(str(line["timestamp"]))
    except (KeyError, ValueError, OverflowError):
        return None
    workflow_id = line.get("workflow_id")
    facts = line.get("data")
    return LogLine(
        timestamp=timestamp,
        level=_text(line.get("level")),
        event=_text(line.get("event")),
        workflow_id=None if workflow_id is None else _text(workflow_id),
        message=_text(line.get("message")),
        data=facts if isinstance(facts, dict) else {},
    )


def _text(value: Any) -> str:
    return "" if value is None else str(value)[:_FIELD_AT_MOST]
