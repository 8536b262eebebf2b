"""The watcher: a quick hint of which documents changed; the scanner's passes are the truth."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from watchfiles import Change, awatch

from engine.clock import Clock
from engine.documents.files import open_directory
from engine.documents.looks import is_document_name

_STEP_MS: Final = 5
_DEBOUNCE_MS: Final = 20
_CHECK_EVERY_MS: Final = 500
"""How often a quiet watch makes sure that it still watches the directory that bears the name."""

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0

OnNames = Callable[[frozenset[str]], None]


class Watcher:
    """Tells of changed document names within some ten milliseconds, and starts anew whenever the watch breaks.

    A name that is not UTF-8 breaks the underlying watch, a removed directory silences it, a stopped process loses
    events: nobody may rely on this alone.

    Attributes:
        state: ``ok``, ``off``, or ``restarting: `` and why; shown to operators.
        on_restart: called whenever a broken watch works again, because changes may have been missed.
    """

    def __init__(self, directory: Path, on_names: OnNames, clock: Clock) -> None:
        self.state = "off"
        self.on_restart: Callable[[], None] | None = None
        self._directory = directory
        self._on_names = on_names
        self._clock = clock
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch, on the running loop; twice is fine."""
        if self._task is None or self._task.done():
            self._stopping = asyncio.Event()
            self._task = asyncio.get_running_loop().create_task(self._supervise(), name="documents-watch")

    async def stop(self) -> None:
        """End the watch within some ten milliseconds; twice is fine."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait({self._task})
            self._task = None
        self.state = "off"

    async def _supervise(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            began_s = self._clock.monotonic()
            why = await self._watch()
            if self._stopping.is_set():
                return
            self.state = f"restarting: {why}"
            is_short = self._clock.monotonic() - began_s < _LONGEST_PAUSE_S
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S) if is_short else _FIRST_PAUSE_S
            await self._pause(pause_s)

    async def _watch(self) -> str:
        """Watch until it breaks or is stopped; returns why it broke."""
        try:
            with open_directory(self._directory) as dir_fd:
                return await self._watch_open(dir_fd)
        except FileNotFoundError:
            return "the directory is missing"
        except (OSError, RuntimeError, ExceptionGroup) as error:
            return _innermost(error)

    async def _watch_open(self, dir_fd: int) -> str:
        """Watch the directory that ``dir_fd`` holds open: held, its number on the disk cannot be given away."""
        changes = awatch(
            self._directory,
            watch_filter=_is_of_interest,
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            stop_event=self._stopping,
            rust_timeout=_CHECK_EVERY_MS,
            yield_on_timeout=True,
            recursive=False,
        )
        self._say_ok()
        async for found in changes:
            names = frozenset(Path(path).name for _, path in found)
            if names:
                self._on_names(names)
            if not os.path.samestat(os.fstat(dir_fd), self._directory.stat()):
                await changes.aclose()
                return "the directory was replaced"
        return "the watch ended"

    def _say_ok(self) -> None:
        is_again = self.state.startswith("restarting")
        self.state = "ok"
        if is_again and self.on_restart is not None:
            self.on_restart()

    async def _pause(self, seconds: float) -> None:
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        stopped = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({sleeping, stopped}, return_when=asyncio.FIRST_COMPLETED)
        for each in (sleeping, stopped):
            each.cancel()
            with suppress(asyncio.CancelledError):
                await each


def _is_of_interest(_change: Change, path: str) -> bool:
    return is_document_name(Path(path).name)


def _innermost(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
