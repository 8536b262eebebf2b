"""Make the pictures: ``python screenshots/make.py``, from the demo's service, with the console's clock stopped.

The service runs for a while, is then stopped in its tracks, and each picture is taken of the same moment. Writes
``*.svg`` and ``*.png`` beside this file; the PNG needs a monospaced font with CJK, such as DejaVu Sans Mono with
Noto Sans Mono CJK.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import cairosvg
from textual.pilot import Pilot

from console.app import ConsoleApp
from console.link import EngineLink
from engine.clock import SystemClock

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent
SERVICE_RUNS_S: Final = 75
FONTS: Final = "'DejaVu Sans Mono', 'Noto Sans Mono CJK SC', monospace"


class StoppedClock(SystemClock):
    """The moment of its making, for ever; waiting still takes real time."""

    def __init__(self) -> None:
        self._at, self._monotonic = super().now(), super().monotonic()

    def now(self) -> datetime:
        """Return the one moment."""
        return self._at

    def monotonic(self) -> float:
        """Return the monotonic seconds of the one moment."""
        return self._monotonic


@dataclass(frozen=True)
class Picture:
    """One picture: its name, terminal size, and the keys that lead to it."""

    name: str
    width: int
    height: int
    keys: tuple[str, ...] = ()


FAILED: Final = ("slash", *"state:failed", "enter")
MARK_THREE: Final = ("space", "j", "space", "j", "space")

PICTURES: Final = (
    Picture("board-140x40", 140, 40),
    Picture("list-80x24", 80, 24, ("j", "space", "j", "j", "space", "j", "j")),
    Picture("plan-80x24", 80, 24, (*FAILED, *MARK_THREE, "R", *"INC-204 bus outage", "enter")),
    Picture("timeline-100x30", 100, 30, ("j", "j", "2")),
    Picture("help-80x24", 80, 24, ("question_mark",)),
)


async def until(pilot: Pilot[int], holds: Callable[[], bool], what: str) -> None:
    """Wait until ``holds``.

    Raises:
        TimeoutError: it does not within 20 s.
    """
    end = time.monotonic() + 20
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(what)
        await pilot.pause(0.05)


async def take(picture: Picture, place: Path, clock: StoppedClock) -> None:
    """Open a console on ``place``, press the picture's keys, save what is shown."""
    app = ConsoleApp(EngineLink(str(place), clock=clock), clock=clock, environment="DEMO")
    async with app.run_test(size=(picture.width, picture.height)) as pilot:
        await until(pilot, lambda: "VERDICT" in plain(app.export_screenshot()), "the console shows the store")
        await pilot.pause(1.0)
        for key in picture.keys:
            await pilot.press(key)
            await pilot.pause(0.5 if key == "R" else 0.15)
        await pilot.pause(1.0)
        svg = app.export_screenshot(title="flowdeck", simplify=True)
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: [^;]+;", f"font-family: {FONTS};", svg)
    (HERE / f"{picture.name}.svg").write_text(svg, encoding="utf-8")
    cairosvg.svg2png(bytestring=svg.encode(), write_to=str(HERE / f"{picture.name}.png"), scale=1.0)
    sys.stdout.write(f"{picture.name}\n")


def plain(svg: str) -> str:
    """Return the words of a picture."""
    return re.sub(r"<[^>]+>", " ", svg)


@asynccontextmanager
async def stopped_service(top: Path) -> AsyncIterator[tuple[Path, StoppedClock]]:
    """Run the demo's service for a while, stop it where it is, and end it afterwards."""
    place = top / "data" / "workflows"
    place.mkdir(parents=True)
    service = subprocess.Popen(  # noqa: S603, ASYNC220  our own module
        [sys.executable, "-m", "console.demo.service", str(place), "--seed", "7"],
        cwd=ROOT,
        env={**os.environ, "WORKFLOW_LOG_DIR": str(top / "logs"), "PYTHONPATH": str(ROOT)},
    )
    try:
        await SystemClock().sleep(SERVICE_RUNS_S)
        service.send_signal(signal.SIGSTOP)
        yield place, StoppedClock()
    finally:
        service.send_signal(signal.SIGCONT)
        service.terminate()
        service.wait()


async def main() -> None:
    """Take every picture."""
    with tempfile.TemporaryDirectory() as top:
        os.chdir(top)
        async with stopped_service(Path(top)) as (_, clock):
            for picture in PICTURES:
                await take(picture, Path("data/workflows"), clock)


if __name__ == "__main__":
    asyncio.run(main())
