"""How long a console takes to open and filter a store, and what it holds: ``python tests/bench/console_open.py DIR``.

Prints one line a round: first frame after start, first full list after the first frame, three filters from the pasted
words to the first new list, and the resident memory at the end.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from pty_harness import Pty  # noqa: E402  the path comes first

FULL = 10
FILTERS = ("state:rag_retrieval_1", "err:timeout", "request 77")


def rows(pty: Pty) -> int:
    return sum(" in " in line and line[3:15].strip() != "" for line in pty.lines[4:19])


def ids(pty: Pty) -> list[str]:
    return [line[3:15] for line in pty.lines[4:19]]


def timed(pty: Pty, holds) -> float:  # noqa: ANN001  a predicate
    start = time.perf_counter()
    pty.wait_for(holds, 30)
    return time.perf_counter() - start


def round_of(place: str, *flags: str) -> str:
    argv = [sys.executable, "-m", "console", place, *flags]
    with Pty(argv, size=(80, 24), env={"PYTHONPATH": str(ROOT)}, cwd=ROOT) as pty:
        start = time.perf_counter()
        pty.wait_for("Flows")
        frame = time.perf_counter() - start
        full = timed(pty, lambda p: rows(p) >= FULL)
        pty.settle(0.5, 3)
        filtered = []
        for words in FILTERS:
            pty.send("/")
            pty.wait_for(lambda p: "filter" in p.text)
            pty.settle(0.1, 2)
            pty.send("\x15")
            pty.settle(0.3, 2)
            before = ids(pty)
            pty.send(f"\x1b[200~{words}\x1b[201~")
            filtered.append(timed(pty, lambda p, before=before: ids(p) != before and rows(p) >= FULL))
            pty.send("\r")
            pty.settle(0.3, 2)
        pty.settle(1.0, 5)
        shown = " ".join(f"{words} {took * 1e3:.0f} ms" for words, took in zip(FILTERS, filtered, strict=True))
        return f"first frame {frame * 1e3:.0f} ms; full list +{full * 1e3:.0f} ms; {shown}; {pty.rss_mb():.0f} MiB"


if __name__ == "__main__":
    for _ in range(int(os.environ.get("ROUNDS", "3"))):
        print(round_of(sys.argv[1], *sys.argv[2:]), flush=True)
