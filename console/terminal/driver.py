"""The terminal behind the screen: output that cannot hold up the loop, guarded input, and a way out that always ends.

Textual's own driver hands its output to a queue with room for 30 writes and waits, on the event loop, for room; it
hands replies of the terminal on as keys; and it leaves the terminal as it is when the process is told to end.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import termios
import threading
import traceback
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, Final

from rich.console import RenderableType
from rich.segment import Segment, Segments
from textual.app import App
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message
from textual.screen import Screen

from console.terminal.reader import TerminalInput
from console.terminal.writer import TerminalWriter
from console.text import safe_lines
from engine.clock import Clock, SystemClock

RESTORE: Final = (
    b"\x18\x1b\\"  # ends whatever sequence was cut off
    b"\x1b[?2026l\x1b[?2004l\x1b[?7h\x1b[?2048l"
    b"\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l\x1b[?1004l"
    b"\x1b[<u\x1b[0m\x1b[?1049l\x1b[?25h"
)
"""Undoes every mode that Textual sets, whatever was set; harmless where it was not."""

FORCED_EXIT_S: Final = 1.4
"""After a signal to end, how long an orderly way out may take before the process ends as it stands. What it had
acknowledged is safe by then: nothing is acknowledged before it is."""

_ENDING: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT)
_STDERR: Final = 2
_READ_BYTES: Final = 4_096
_IDLE_S: Final = 0.1
_Handler = Callable[[int, FrameType | None], Any] | int | None


class SafeDriver(LinuxDriver):
    """Textual's driver for POSIX terminals with its output, its input and its end replaced."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self.input = TerminalInput(is_debug=debug)
        """Counts what the terminal sent that was no input."""
        self._clock: Clock = SystemClock()
        self._output: TerminalWriter | None = None
        self._written_before = 0
        self._handlers: dict[signal.Signals, _Handler] = {}
        self._has_run = False
        self._is_leaving = False

    # Output

    @property
    def bytes_written(self) -> int:
        """Bytes the terminal has taken since the start."""
        return self._written_before + (self._output.bytes_written if self._output else 0)

    @property
    def is_lagging(self) -> bool:
        """Whether the terminal takes bytes more slowly than they come: frames should wait."""
        return self._output is not None and self._output.is_lagging

    def when_drained(self, call: Callable[[], None]) -> None:
        """Have ``call`` called on the event loop once the terminal has taken everything."""

        def call_on_loop() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(call)

        if self._output is None:
            call_on_loop()
        else:
            self._output.when_drained(call_on_loop)

    def write(self, data: str) -> None:
        """Send ``data`` when the terminal takes it; never wait."""
        if self._output is not None:
            self._output.write(data)

    def start_application_mode(self) -> None:
        """Take the terminal over, at the start and again when a stopped process goes on."""
        self._output = TerminalWriter(self._file.fileno() if self._file else _STDERR, restore=RESTORE)
        self._output.start()
        self._catch_signals()
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self._has_run and isinstance(self._app, SafeApp):
            self._loop.call_soon_threadsafe(self._app.draw_all)
        self._has_run = True

    def stop_application_mode(self) -> None:
        """Give the terminal back."""
        self.write("\x1b[?1016l")
        super().stop_application_mode()

    def close(self) -> None:
        """End the output; what is left of it goes out first if the terminal takes it."""
        super().close()
        if self._output is not None:
            self._output.close()
            self._written_before += self._output.bytes_written
            self._output = None
        self._release_signals()

    # Input

    def run_input_thread(self) -> None:
        """Read the terminal until the driver stops or the terminal is gone."""
        terminal = self.input
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                wait_s = terminal.wait_s(at=self._clock.monotonic())
                messages: Iterable[Message] = ()
                if selector.select(_IDLE_S if wait_s is None else min(_IDLE_S, wait_s)):
                    arrived = self._read()
                    if not arrived:
                        self.leave(128 + signal.SIGHUP)
                        return
                    messages = terminal.feed(arrived, at=self._clock.monotonic())
                for message in messages:
                    self.process_message(message)
                for message in terminal.tick(at=self._clock.monotonic()):
                    self.process_message(message)

    def _read(self) -> bytes:
        try:
            return os.read(self.fileno, _READ_BYTES)
        except OSError:
            return b""

    # The end

    def leave(self, return_code: int) -> None:
        """End the app, from any thread; within 2 s even if the loop, the engine or the terminal does not move."""
        if self._is_leaving:
            return
        self._is_leaving = True
        last_resort = threading.Timer(FORCED_EXIT_S, self._leave_now, (return_code,))
        last_resort.daemon = True
        last_resort.start()
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._app.exit, None, return_code)

    def _leave_now(self, return_code: int) -> None:
        if self.attrs_before is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)
        if self._output is not None:
            self._output.write(RESTORE.decode("ascii"))
            self._output.close(drain_s=_IDLE_S)
        os._exit(return_code)

    def _catch_signals(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _ENDING:
            before = signal.getsignal(number)
            if before is not signal.SIG_IGN and number not in self._handlers:
                self._handlers[number] = before
                signal.signal(number, self._on_signal)

    def _release_signals(self) -> None:
        while self._handlers:
            number, before = self._handlers.popitem()
            signal.signal(number, signal.SIG_DFL if before is None else before)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.leave(128 + number)


class SafeApp(App[int]):
    """An app whose loop no terminal can hold up and which leaves no terminal in disorder.

    While the terminal lags, frames are not drawn; when it has caught up one full frame is.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.frames_dropped = 0
        """Frames not drawn because the terminal lagged."""
        self._owes_frame = False

    @property
    def bytes_written(self) -> int:
        """Bytes the terminal has taken since the start; 0 without one."""
        return self._driver.bytes_written if isinstance(self._driver, SafeDriver) else 0

    def get_driver_class(self) -> type[Driver]:
        """Return the driver that cannot block."""
        return SafeDriver

    def run_to_end(self, *, mouse: bool = True) -> int:
        """Run until the app ends; return its code: 0, 1 after a crash, 128 and the signal's number after a signal."""
        self.run(mouse=mouse)
        return self.return_code or 0

    def draw_all(self) -> None:
        """Draw the whole screen anew."""
        self._owes_frame = False
        if self._running and self._screen_stack:
            self.screen.refresh()

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        driver = self._driver
        if isinstance(driver, SafeDriver) and renderable is not None and (self._owes_frame or driver.is_lagging):
            self.frames_dropped += 1
            if not self._owes_frame:
                self._owes_frame = True
                driver.when_drained(self.draw_all)
            self.post_display_hook()
            return
        super()._display(screen, renderable)

    def _fatal_error(self) -> None:
        """Say what failed without the values of local variables: they may hold secrets, and raw data."""
        lines = safe_lines(traceback.format_exc(), max_lines=200)
        self._exit_renderables.append(Segments([Segment("\n".join(lines) + "\n")]))
        self._close_messages_no_wait()
