"""Writes to the terminal from a thread of its own, so that a terminal that stalls holds up nothing but itself."""

from __future__ import annotations

import contextlib
import os
import termios
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from engine.clock import Clock, SystemClock

LAG_BYTES: Final = 32_768
"""Unsent bytes from which a terminal counts as lagging: more than a few frames."""

LAG_S: Final = 0.1
"""Seconds in which a lagging terminal took nothing of what waits for it."""

MAX_BACKLOG: Final = 1_048_576
"""Unsent bytes beyond which further ones are dropped; frames stop long before."""

DRAIN_S: Final = 0.4
"""How long a closing writer waits for its backlog to be taken."""

_PIECE: Final = 2_048  # what one write may leave blocked, small enough for the room that discarding the output makes
_RESTORE_S: Final = 0.2


class TerminalWriter:
    """A bounded backlog before a file descriptor. No method but :meth:`close` ever waits.

    Args:
        descriptor: the terminal; it stays open.
        restore: what brings the terminal back to its ordinary state; sent in place of the backlog if the terminal
            still stalls when the writer closes.
    """

    def __init__(self, descriptor: int, *, restore: bytes = b"", clock: Clock | None = None) -> None:
        self._descriptor = descriptor
        self._restore = restore
        self._clock = clock or SystemClock()
        self._changed = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._unsent = 0
        self._progress_at = 0.0
        self._written = 0
        self._drained: Callable[[], None] | None = None
        self._has_dropped = False
        self._is_closing = False
        self._is_giving_up = False
        self._is_gone = False
        self._thread = threading.Thread(target=self._run, name="terminal-output", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def write(self, text: str) -> None:
        """Add ``text`` to the backlog as UTF-8; what cannot be encoded becomes ``?``.

        Dropped where the terminal is gone, the writer closes or the backlog is full; in the last case the terminal
        counts as lagging until it has taken everything.
        """
        chunk = text.encode("utf-8", "replace")
        with self._changed:
            if self._is_gone or self._is_closing:
                return
            if self._unsent + len(chunk) > MAX_BACKLOG:
                self._has_dropped = True
                return
            if not self._unsent:
                self._progress_at = self._clock.monotonic()
            self._waiting.append(chunk)
            self._unsent += len(chunk)
            self._changed.notify()

    @property
    def bytes_written(self) -> int:
        """Bytes the terminal has taken."""
        return self._written

    @property
    def is_lagging(self) -> bool:
        """Whether the terminal takes bytes more slowly than they come, or none at all."""
        with self._changed:
            if not self._unsent:
                return self._has_dropped
            is_stuck = self._clock.monotonic() - self._progress_at > LAG_S
            return is_stuck or self._has_dropped or self._unsent > LAG_BYTES

    def when_drained(self, call: Callable[[], None]) -> None:
        """Have ``call`` called once when the terminal has taken everything; at once if it has.

        It runs in the writer's thread, or in this one. A later call replaces an earlier one that still waits.
        """
        with self._changed:
            if self._unsent:
                self._drained = call
                return
            self._has_dropped = False
        call()

    def close(self, *, drain_s: float = DRAIN_S) -> None:
        """Send what is left and end, within ``drain_s`` and a little whatever the terminal does.

        A terminal that still stalls then loses its backlog, on both sides of the kernel, and is sent ``restore``.
        """
        with self._changed:
            self._is_closing = True
            self._drained = None
            self._changed.notify()
        self._thread.join(drain_s)
        if not self._thread.is_alive():
            return
        with self._changed:
            self._is_giving_up = True
            self._waiting.clear()
            self._waiting.append(self._restore)
        self._discard_output()
        self._thread.join(_RESTORE_S)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._is_closing:
                    self._changed.wait()
                if not self._waiting:
                    return
                chunk = b"".join(self._waiting)
                self._waiting.clear()
            try:
                self._send(chunk)
            except OSError:
                self._lose_terminal()
                return
            self._tell_drained()

    def _send(self, chunk: bytes) -> None:
        """Write ``chunk`` whole, however short each write turns out, unless it is given up for the restore.

        Raises:
            OSError: the terminal is gone.
        """
        rest = memoryview(chunk)
        is_restoring = self._is_giving_up
        while rest and self._is_giving_up == is_restoring:
            sent = os.write(self._descriptor, rest[:_PIECE])
            rest = rest[sent:]
            with self._changed:
                self._written += sent
                self._unsent = max(0, self._unsent - sent)
                self._progress_at = self._clock.monotonic()

    def _tell_drained(self) -> None:
        with self._changed:
            if self._unsent or self._drained is None:
                return
            call, self._drained = self._drained, None
            self._has_dropped = False
        call()

    def _discard_output(self) -> None:
        """Empty the kernel's side of the terminal and wake the write that waits for room there."""
        with contextlib.suppress(termios.error, OSError):
            termios.tcflush(self._descriptor, termios.TCOFLUSH)
            termios.tcflow(self._descriptor, termios.TCOOFF)  # stopping and starting is what wakes it on Linux
            termios.tcflow(self._descriptor, termios.TCOON)

    def _lose_terminal(self) -> None:
        with self._changed:
            self._is_gone = True
            self._has_dropped = False
            self._waiting.clear()
            self._unsent = 0
