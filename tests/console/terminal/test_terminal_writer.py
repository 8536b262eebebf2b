from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator

import pytest

from console.terminal.writer import LAG_BYTES, LAG_S, MAX_BACKLOG, TerminalWriter
from engine.clock import ManualClock


class Moved(ManualClock):
    """A clock whose monotonic time a test moves without a loop."""

    def move(self, seconds: float) -> None:
        self._move(seconds)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        try:
            os.close(descriptor)
        except OSError:
            continue


def read_exactly(descriptor: int, count: int) -> bytes:
    read = b""
    while len(read) < count:
        read += os.read(descriptor, count - len(read))
    return read


def read_waiting(descriptor: int) -> bytes:
    return os.read(descriptor, 65_536) if select.select([descriptor], [], [], 1)[0] else b""


def drained(writer: TerminalWriter) -> threading.Event:
    event = threading.Event()
    writer.when_drained(event.set)
    return event


def test_everything_written_arrives_in_order_as_utf_8(pipe: tuple[int, int]) -> None:
    writer = TerminalWriter(pipe[1])
    writer.start()
    writer.write("état 漢字 ")
    writer.write("\udc80lone")
    expected = "état 漢字 ?lone".encode()
    assert read_exactly(pipe[0], len(expected)) == expected
    writer.close()
    assert writer.bytes_written == len(expected)


def test_a_writer_that_is_not_read_never_waits_and_keeps_a_bounded_backlog(pipe: tuple[int, int]) -> None:
    clock = Moved()
    writer = TerminalWriter(pipe[1], clock=clock)
    writer.start()
    for _ in range(100):
        writer.write("x" * 65_536)
    assert writer.is_lagging
    assert writer._unsent <= MAX_BACKLOG
    event = drained(writer)
    assert not event.is_set()
    while not event.wait(0.001):
        read_waiting(pipe[0])
    assert not writer.is_lagging
    assert writer.bytes_written <= MAX_BACKLOG + 65_536
    writer.close()


def test_a_few_unsent_bytes_are_a_lag_only_once_nothing_moved_for_a_while(pipe: tuple[int, int]) -> None:
    clock = Moved()
    writer = TerminalWriter(pipe[1], clock=clock)
    writer.write("x")
    assert not writer.is_lagging
    clock.move(LAG_S * 1.1)
    assert writer.is_lagging
    writer.write("x" * LAG_BYTES)
    clock.move(-LAG_S)
    assert writer.is_lagging
    event = drained(writer)
    writer.start()
    read_exactly(pipe[0], LAG_BYTES + 1)
    assert event.wait(5)
    assert not writer.is_lagging
    writer.close()


def test_who_asks_when_nothing_waits_is_told_at_once(pipe: tuple[int, int]) -> None:
    assert drained(TerminalWriter(pipe[1])).is_set()


def test_a_terminal_that_is_gone_ends_the_writer_quietly(pipe: tuple[int, int]) -> None:
    writer = TerminalWriter(pipe[1])
    writer.start()
    os.close(pipe[0])
    writer.write("lost")
    writer._thread.join(5)
    assert not writer._thread.is_alive()
    writer.write("more")
    assert not writer.is_lagging
    writer.close()


def test_closing_sends_what_is_left(pipe: tuple[int, int]) -> None:
    writer = TerminalWriter(pipe[1], restore=b"RESTORE")
    writer.start()
    writer.write("last words")
    writer.close()
    assert os.read(pipe[0], 100) == b"last words"
    writer.write("too late")
    assert writer.bytes_written == len("last words")


def test_closing_a_stalled_writer_ends_all_the_same(pipe: tuple[int, int]) -> None:
    writer = TerminalWriter(pipe[1], restore=b"RESTORE")
    writer.start()
    writer.write("x" * 500_000)
    closing = threading.Thread(target=writer.close)
    closing.start()
    closing.join(5)
    assert not closing.is_alive()
    read = b""
    while not read.endswith(b"RESTORE") and len(read) < 500_000:
        read += read_waiting(pipe[0])
    assert len(read) < 200_000
