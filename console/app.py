"""The console's app: one screen over one engine, and the way in and out."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, tzinfo
from pathlib import Path
from typing import ClassVar, Final

from console.glyphs import needs_ascii
from console.link import EngineLink
from console.screen.deck_screen import DeckScreen
from console.screen.following import STORE_UNSAFE
from console.terminal.driver import SafeApp
from console.text import draw_ascii, safe
from console.theme import DARK, MONO, PALETTES, textual_theme
from engine.clock import Clock, SystemClock

_STOP_S: Final = 1.5
"""How long the engine may take to end, within the two seconds a signal allows."""

_SETTLE_S: Final = 3.0
"""Seconds after the start by which everything that stays has been made."""


class ConsoleApp(SafeApp):
    """Shows one :class:`DeckScreen`.

    Args:
        link: the engine, not started yet.
        clock: the engine's time.
        zone: the zone times are told in; None is the machine's own.
        theme: a name in ``console.theme.PALETTES``.
        is_slow: the terminal is far away.
        environment: a word for the header.
        monotonic: seconds by which typing is told from bursts.
    """

    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    INHERIT_BINDINGS: ClassVar[bool] = False
    BINDINGS: ClassVar = []
    TITLE = "flowdeck"

    def __init__(  # noqa: PLR0913  what one screen is made of
        self,
        link: EngineLink,
        *,
        clock: Clock | None = None,
        zone: tzinfo | None = None,
        theme: str = DARK.name,
        is_slow: bool = False,
        environment: str = "",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        for palette in PALETTES.values():
            self.register_theme(textual_theme(palette))
        self.theme = theme
        self.link = link
        self.deck_screen = DeckScreen(
            link,
            clock=clock or SystemClock(),
            monotonic=monotonic,
            zone=zone,
            is_slow=is_slow,
            environment=environment,
        )

    def get_default_screen(self) -> DeckScreen:
        """Return the one screen."""
        return self.deck_screen

    def on_app_blur(self) -> None:
        """Let no plan be confirmed by what is typed when the operator comes back."""
        self.deck_screen.plan.disarm()

    def on_mount(self) -> None:
        """Settle once the first screens are there."""
        self.set_timer(_SETTLE_S, settle_heap)

    async def on_unmount(self) -> None:
        """End the engine with the screen."""
        self.link.stop(_STOP_S)


def run_console(  # noqa: PLR0913  the command line's options
    place: str | Path,
    *,
    is_read_only: bool = False,
    supervise: bool = False,
    utc: bool = False,
    ascii: bool = False,  # noqa: A002  the command line's word
    theme: str | None = None,
    clock: Clock | None = None,
    environment: str = "",
) -> int:
    """Run the console until the operator leaves it.

    Args:
        place: a store directory or a ``postgresql://`` URL.
        is_read_only: open for looking only; every plan is off.
        supervise: fire deadlines and sweep locks from this console.
        utc: tell times in UTC instead of the machine's zone.
        ascii: draw with ASCII alone; also chosen where the terminal cannot show more.
        theme: a name in ``console.theme.PALETTES``; None picks one.
        clock: the engine's time; the machine's if None.
        environment: a word for the header, such as ``DEMO``.

    Returns:
        The exit code: 0 after an orderly end, 1 after a crash, 9 where the place cannot serve as a store, 128 and the
        signal's number after a signal. The terminal is restored in every case.
    """
    draw_ascii(ascii or needs_ascii())
    link = EngineLink(str(place), is_read_only=is_read_only, supervise=supervise, clock=clock)
    is_slow = bool(os.environ.get("SSH_TTY"))
    app = ConsoleApp(
        link,
        clock=clock,
        zone=UTC if utc else None,
        theme=_theme(theme),
        is_slow=is_slow,
        environment=environment,
    )
    code = app.run_to_end(mouse=False)
    link.stop(_STOP_S)
    if code == STORE_UNSAFE and link.sentence:
        sys.stderr.write(f"flowdeck: {safe(link.refusal)}\n")
    return code


def _theme(wanted: str | None) -> str:
    if wanted in PALETTES:
        return str(wanted)
    return MONO.name if os.environ.get("NO_COLOR") else DARK.name


def settle_heap() -> None:
    """Take what start-up made out of the garbage collector's sight: it stays, and need not be looked at again."""
    gc.collect()
    gc.freeze()
