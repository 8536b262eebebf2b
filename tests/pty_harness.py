"""A program under a real pseudo-terminal: what it draws, what it sends, how it ends.

The harness is the terminal: it reads what the program writes, keeps every byte, interprets them on a virtual screen
and answers the questions a terminal is asked at the start. Every wait has a deadline and ends as soon as it can.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyte

ANSWERS = {b"\x1b[?2026$p": b"\x1b[?2026;2$y", b"\x1b[?2048$p": b"\x1b[?2048;0$y"}
"""What Textual asks at the start, and what a terminal with synchronized output says."""

_NOT_FOR_PYTE = re.compile(rb"\x1b\[[<>=][0-9;]*[a-zA-Z]|\x1b\[\?[0-9;]*\$p|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_ALT_SCREEN = re.compile(rb"\x1b\[\?1049([hl])")
_CURSOR = re.compile(rb"\x1b\[\?25([hl])")
_READ_BYTES = 65_536
_TURN_S = 0.05  # after which a condition that needs no output is looked at again


class Pty:
    """One program on one terminal; use it as a context, so that no process outlives its test.

    Args:
        argv: the program and its arguments.
        size: columns and lines of the terminal.
        env: variables changed for the program; None removes one.
        cwd: where the program starts.
        is_drawn: whether the bytes are interpreted; without, only counted and kept.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        size: tuple[int, int] = (80, 24),
        env: Mapping[str, str | None] | None = None,
        cwd: str | Path = ".",
        is_drawn: bool = True,
    ) -> None:
        cols, rows = size
        self.written = bytearray()
        """Every byte the program sent."""
        self.exit_code: int | None = None
        """As the shell would tell it, negative for a signal; None while the program runs."""
        self._screen = pyte.Screen(cols, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._is_drawn = is_drawn
        self._unread = b""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads: the child only execs
            pid, descriptor = pty.fork()
        if pid == 0:
            _become(argv, size, _environment(env or {}), cwd)
        self.pid, self.descriptor = pid, descriptor
        self.resize(cols, rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # The screen

    @property
    def lines(self) -> list[str]:
        """The lines on the screen."""
        return list(self._screen.display)

    @property
    def text(self) -> str:
        """The screen as one text."""
        return "\n".join(self._screen.display)

    @property
    def is_alternate(self) -> bool:
        """Whether the program holds the alternate screen."""
        return _last(_ALT_SCREEN, self.written) == b"h"

    @property
    def is_cursor_hidden(self) -> bool:
        """Whether the program left the cursor hidden."""
        return _last(_CURSOR, self.written) == b"l"

    @property
    def is_cooked(self) -> bool:
        """Whether the line discipline echoes and edits, as a shell expects it."""
        local_flags = termios.tcgetattr(self.descriptor)[3]
        return bool(local_flags & termios.ECHO) and bool(local_flags & termios.ICANON)

    def resize(self, cols: int, rows: int) -> None:
        """Change the size of the terminal."""
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        self._screen.resize(rows, cols)

    # Talking to the program

    def send(self, keys: str | bytes) -> None:
        """Type ``keys``, or send a terminal's reply."""
        os.write(self.descriptor, keys.encode() if isinstance(keys, str) else keys)

    def signal(self, number: signal.Signals) -> None:
        """Send the program a signal."""
        os.kill(self.pid, number)

    def hang_up(self) -> None:
        """Take the terminal away, as a lost connection does."""
        os.close(self.descriptor)
        self.descriptor = -1

    def wait_for(self, wanted: str | Callable[[Pty], bool], within_s: float = 15) -> None:
        """Read until ``wanted`` is on the screen or true.

        Raises:
            AssertionError: the time is over, or the program ended; with the screen as it stands.
        """
        is_there = (lambda p: wanted in p.text) if isinstance(wanted, str) else wanted
        end = time.monotonic() + within_s
        while not is_there(self):
            left = end - time.monotonic()
            if left <= 0 or self.read(min(left, _TURN_S)) is None:
                if is_there(self):
                    return
                raise AssertionError(
                    f"not seen within {within_s} s: {wanted!r}\n{self.text}\n{bytes(self.written[-400:])!r}"
                )

    def read(self, within_s: float) -> bytes | None:
        """Read once: the bytes, none when nothing came in time, None when the terminal is closed."""
        if self.descriptor < 0 or not select.select([self.descriptor], [], [], max(0.0, within_s))[0]:
            return None if self.descriptor < 0 else b""
        try:
            arrived = os.read(self.descriptor, _READ_BYTES)
        except OSError:
            return None
        if not arrived:
            return None
        self._take(arrived)
        return arrived

    def read_for(self, seconds: float) -> bytes:
        """Read for a time; return what came."""
        start = len(self.written)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and self.read(left) is not None:
            pass
        return bytes(self.written[start:])

    def settle(self, quiet_s: float = 0.2, within_s: float = 10) -> None:
        """Read until nothing came for ``quiet_s``."""
        end = time.monotonic() + within_s
        while time.monotonic() < end and self.read(quiet_s):
            pass

    # The process

    def wait(self, within_s: float = 5, *, is_reading: bool = True) -> int | None:
        """Wait for the end of the program; return its exit code, or None if it still runs.

        Args:
            within_s: the deadline.
            is_reading: whether the terminal takes what the program still sends; False for one that stalls.
        """
        end = time.monotonic() + within_s
        while self.exit_code is None and time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.exit_code = os.waitstatus_to_exitcode(status)
            elif not is_reading or self.read(0.01) is None:
                time.sleep(0.01)  # noqa: TID251  another process is waited for
        if self.exit_code is not None and is_reading:
            self.settle(0.01)
        return self.exit_code

    @property
    def is_stopped(self) -> bool:
        """Whether the program is stopped, as by ctrl+z in a shell."""
        stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii")
        return stat.rsplit(")", 1)[1].split()[0] == "T"

    def cpu_s(self) -> float:
        """Return the processor time the program has used, in seconds."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self) -> float:
        """Return the memory the program holds, in MiB."""
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def close(self) -> None:
        """End the program, by its id and whatever it does, and the terminal."""
        if self.exit_code is None:
            os.kill(self.pid, signal.SIGKILL)
            self.exit_code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _take(self, arrived: bytes) -> None:
        self.written += arrived
        for question, answer in ANSWERS.items():
            if question in arrived:
                os.write(self.descriptor, answer)
        if self._is_drawn:
            # pyte draws the parameters of private sequences it does not know; one cut by the read waits for its rest
            pending = _NOT_FOR_PYTE.sub(b"", self._unread + arrived)
            cut = pending.rfind(b"\x1b")
            is_whole = (
                cut < 0 or len(pending) - cut > 32 or re.match(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[^\[\]])", pending[cut:])
            )
            self._unread = b"" if is_whole else pending[cut:]
            self._stream.feed(pending if is_whole else pending[:cut])


def _last(pattern: re.Pattern[bytes], written: bytearray) -> bytes | None:
    found = pattern.findall(bytes(written))
    return found[-1] if found else None


def _environment(changes: Mapping[str, str | None]) -> dict[str, str]:
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
    for name in ("NO_COLOR", "SSH_TTY", "LC_ALL", "LC_CTYPE", "TMUX", "TERM_PROGRAM"):
        environment.pop(name, None)
    for name, setting in changes.items():
        if setting is None:
            environment.pop(name, None)
        else:
            environment[name] = setting
    return environment


def _become(argv: Sequence[str], size: tuple[int, int], environment: Mapping[str, str], cwd: str | Path) -> None:
    try:
        cols, rows = size
        os.chdir(cwd)
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        os.execvpe(argv[0], list(argv), environment)  # noqa: S606  the program under test, without a shell
    finally:
        os._exit(127)
