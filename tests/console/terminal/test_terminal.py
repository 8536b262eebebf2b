from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from pty_harness import Pty
from terminal_app import HOSTILE
from test_input_guard import REPLIES

ROOT = Path(__file__).parents[3]
PROGRAM = str(Path(__file__).with_name("terminal_app.py"))
STALL_S = 60.0 if os.environ.get("SOAK") else 2.0
GAP_S = 0.25 if os.environ.get("SOAK") else 1.0
"""The promise is 0.25 s; a machine shared with other tests gets more, still far below the stall."""
END_S = 2.0

SIGNALS = [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT]


def program(tmp_path: Path, mode: str = "plain", before: tuple[str, ...] = ()) -> Pty:
    argv = (*before, sys.executable, PROGRAM, str(tmp_path / "notes"), mode)
    terminal = Pty(argv, size=(100, 30), env={"PYTHONPATH": str(ROOT)}, cwd=ROOT)
    try:
        terminal.wait_for("END", 30)
        terminal.settle(0.2, 1)
    except BaseException:
        terminal.close()
        raise
    return terminal


def notes(terminal: Pty, tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "notes"
    path.unlink(missing_ok=True)
    terminal.send("w")
    terminal.wait_for(lambda _: path.exists())
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def stall(seconds: float) -> None:
    time.sleep(seconds)  # noqa: TID251  the terminal takes nothing for so long


def assert_restored(terminal: Pty) -> None:
    assert not terminal.is_alternate
    assert not terminal.is_cursor_hidden
    assert terminal.is_cooked
    for mode in (b"1000", b"1003", b"1006", b"1004", b"2004"):
        changes = re.findall(rb"\x1b\[\?" + mode + rb"([hl])", bytes(terminal.written))
        assert changes[-1] == b"l", mode


def test_a_stalled_terminal_holds_up_nothing_and_then_shows_one_whole_frame(tmp_path: Path) -> None:
    with program(tmp_path, "busy") as terminal:
        terminal.send("m")
        terminal.settle(0.1, 0.5)
        stall(STALL_S)
        terminal.send("f")
        stall(0.2)
        terminal.settle()
        noted = notes(terminal, tmp_path)
        assert noted["longest_gap_s"] < GAP_S
        assert noted["frames_dropped"] > 5
        shown = [set(re.findall(r"count (\d+)", line)) for line in terminal.lines[1:]]
        assert shown == [{str(noted["count"])}] * len(shown), "nothing changed since: the owed frame alone shows it"


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_to_end_restores_the_terminal_and_tells_the_caller(tmp_path: Path, number: signal.Signals) -> None:
    with program(tmp_path, "busy") as terminal:
        terminal.signal(number)
        assert terminal.wait(END_S) == 128 + number
        assert_restored(terminal)


def test_a_signal_to_end_ends_even_if_the_terminal_stalls(tmp_path: Path) -> None:
    with program(tmp_path, "busy") as terminal:
        stall(0.7)
        terminal.signal(signal.SIGTERM)
        assert terminal.wait(END_S, is_reading=False) == 128 + signal.SIGTERM
        terminal.settle()
        assert_restored(terminal)


def test_a_signal_to_end_ends_even_if_the_loop_does_not_move(tmp_path: Path) -> None:
    with program(tmp_path) as terminal:
        terminal.send("b")
        terminal.settle()
        terminal.signal(signal.SIGTERM)
        assert terminal.wait(END_S) == 128 + signal.SIGTERM
        assert_restored(terminal)


def test_a_lost_terminal_ends_the_program(tmp_path: Path) -> None:
    with program(tmp_path, "busy") as terminal:
        terminal.hang_up()
        assert terminal.wait(END_S) == 128 + signal.SIGHUP


def test_a_lost_terminal_ends_the_program_where_hanging_up_is_ignored(tmp_path: Path) -> None:
    with program(tmp_path, "busy", before=("sh", "-c", "trap '' HUP; exec \"$@\"", "sh")) as terminal:
        terminal.hang_up()
        assert terminal.wait(END_S) == 128 + signal.SIGHUP


def test_a_crash_restores_the_terminal_and_is_told_without_raw_text_or_secrets(tmp_path: Path) -> None:
    with program(tmp_path) as terminal:
        before = len(terminal.written)
        terminal.send("c")
        assert terminal.wait(5) == 1
        assert_restored(terminal)
        told = bytes(terminal.written[before:]).decode("utf-8")
        assert "ValueError: crashed on ␛]0;PWNED␇ data" in told
        assert "\x1b]0;PWNED" not in told
        assert "canary-in-a-local" not in told


def test_the_code_of_an_orderly_end_reaches_the_caller(tmp_path: Path) -> None:
    with program(tmp_path) as terminal:
        terminal.send("q")
        assert terminal.wait(5) == 7
        assert_restored(terminal)


def test_a_stopped_program_gives_the_terminal_back_and_takes_it_again(tmp_path: Path) -> None:
    with program(tmp_path) as terminal:
        terminal.signal(signal.SIGTSTP)
        terminal.wait_for(lambda p: p.is_stopped)
        terminal.settle()
        assert_restored(terminal)
        taken = len(terminal.written)
        terminal.signal(signal.SIGCONT)
        terminal.wait_for(lambda p: b"row 5" in p.written[taken:] and p.is_alternate and not p.is_cooked)
        terminal.settle()
        terminal.send("q")
        assert terminal.wait(5) == 7
        assert_restored(terminal)


def test_replies_of_the_terminal_never_arrive_as_keys(tmp_path: Path) -> None:
    with program(tmp_path) as terminal:
        for reply in REPLIES.values():
            terminal.send(reply)
        terminal.send(b"\x1b[200~paste R\rU\x1b[A\x1bPF\x1b[201~")
        terminal.send("j")
        noted = notes(terminal, tmp_path)
        assert noted["keys"] == ["j", "w"]
        assert noted["pastes"] == ["paste R\rU[APF"]
        assert noted["dropped"] >= len(REPLIES)
        assert noted["parser_faults"] == 0


def test_escape_and_invalid_bytes_leave_the_keys_working(tmp_path: Path) -> None:
    with program(tmp_path) as terminal:
        terminal.send(b"\x1b")
        terminal.settle(0.3, 0.5)
        terminal.send(b"\xff\xc3\x28\x80")
        terminal.send("jé")
        assert notes(terminal, tmp_path)["keys"][0] == "escape"
        assert notes(terminal, tmp_path)["keys"][-4:-2] == ["j", "é"]


def test_the_bytes_counted_are_those_the_terminal_took(tmp_path: Path) -> None:
    with program(tmp_path) as terminal:
        terminal.settle(0.3)
        assert notes(terminal, tmp_path)["bytes_written"] == len(terminal.written.replace(b"\r\n", b"\n"))


ALLOWED = re.compile(
    rb"\x1b\[[0-9;]*m"  # colours
    rb"|\x1b\[\d+;\d+H"  # a place on the screen
    rb"|\x1b\[\?(?:1049|1000|1003|1015|1006|25|1004|2026|2004|7)[hl]"  # modes Textual sets
    rb"|\x1b\[\?(?:2026|2048)\$p"  # modes it asks for
    rb"|\x1b\[>\d+u"  # the keyboard protocol
    rb"|\x1b\]22;[a-z]*\x07"  # the shape of the pointer
)


def test_no_byte_of_data_reaches_the_terminal_as_control_bidi_or_markup(tmp_path: Path) -> None:
    with program(tmp_path, "hostile") as terminal:
        left = ALLOWED.sub(b"", bytes(terminal.written)).decode("utf-8").replace("\r\n", "")
        controls = [hex(ord(c)) for c in left if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}]
        assert controls == []
        shown = terminal.lines[1 : 1 + len(HOSTILE)]
        assert [line[3:13].rstrip() for line in shown] == list(HOSTILE)
        assert all("END" in line for line in shown)
        wide = sum(unicodedata.east_asian_width(c) in "WF" for c in "".join(shown))
        assert wide > 4
        assert "[bold red]HOT[/bold red]" in terminal.text
        assert "[@click=app.quit]LNK[/]" in terminal.text
        tails = {terminal._screen.buffer[y + 1][96].data for y in range(len(HOSTILE))}
        assert len(tails) == 1, "the last column stands where it belongs in every row"
