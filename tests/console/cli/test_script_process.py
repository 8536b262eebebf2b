from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from store_maker import Deck

ROOT = Path(__file__).parents[3]


def flowdeck(*words: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-m", "console", *words], capture_output=True, text=True, cwd=ROOT, check=False, **more
    )


def test_help_names_every_verb_quickly_and_loads_neither_engine_nor_screen() -> None:
    from console.actions import COMMANDS  # noqa: PLC0415

    code = (
        "import sys\n"
        "from console.cli.main import run\n"
        "assert run(['--help'], paint=exit, demonstrate=exit) == 0\n"
        "loaded = [name for name in ('engine', 'textual', 'pydantic', 'rich', 'asyncio') if name in sys.modules]\n"
        "print(loaded, file=sys.stderr)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert told.stderr.strip() == "[]"
    for verb in COMMANDS:
        assert f"\n  {verb} " in told.stdout
    spans = []
    for _ in range(5):
        began = time.perf_counter()
        assert flowdeck("--help").returncode == 0
        spans.append(time.perf_counter() - began)
    assert min(spans) < 0.25, "twice the budget, since machines that test are busy"


def test_no_verb_loads_the_screen(deck: Deck) -> None:
    code = (
        "import sys\n"
        "from console.cli.main import run\n"
        f"run(['ls', '--store', {str(deck.place)!r}], paint=exit, demonstrate=exit)\n"
        "print('textual' in sys.modules, file=sys.stderr)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert told.stderr.splitlines()[-1] == "False"


def test_the_script_ends_with_the_exit_code_of_its_command(deck: Deck) -> None:
    flow = deck.flow("failed")
    store = ("--store", str(deck.place))
    assert flowdeck("show", flow, *store).returncode == 0
    assert flowdeck("show").returncode == 2
    assert flowdeck("show", "wf_direct_none", *store).returncode == 3
    assert flowdeck("retry", flow, "--if-rev", "1", "--yes", *store).returncode == 4
    assert flowdeck("cancel", flow, "--yes", *store).returncode == 6
    assert flowdeck("ls", "--store", str(deck.place / "nowhere")).returncode == 3


def test_a_reader_that_goes_away_is_no_error(deck: Deck) -> None:
    deck.flow()
    reader, writer = os.pipe()
    os.close(reader)
    told = subprocess.run(
        [sys.executable, "-m", "console", "ls", "--store", str(deck.place)],
        stdout=writer,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        check=False,
    )
    os.close(writer)
    assert told.returncode == 0
    assert b"Traceback" not in told.stderr
    assert b"BrokenPipe" not in told.stderr


def test_ctrl_c_ends_a_question_silently_and_changes_nothing(deck: Deck) -> None:
    flow = deck.flow("failed")
    leader, follower = os.openpty()
    asked = subprocess.Popen(
        [sys.executable, "-m", "console", "retry", flow, "--store", str(deck.place)],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        cwd=ROOT,
        start_new_session=True,
    )
    os.close(follower)
    seen = b""
    while b"apply >" not in seen:
        seen += os.read(leader, 4_096)
    asked.send_signal(signal.SIGINT)
    assert asked.wait(timeout=10) == 130
    os.close(leader)
    assert b"Traceback" not in seen
    assert deck.states()[flow] == ("failed", 3)
