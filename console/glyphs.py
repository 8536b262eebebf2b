"""The one table of glyphs the console draws with, in Unicode and in ASCII.

Each glyph is one cell wide in both. Colour is never the only sign: a glyph and a word say the same.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from console.text import ASCII_ELLIPSIS, UNICODE_ELLIPSIS, SafeText, is_drawing_ascii, safe

_TERMINALS_WITHOUT_UNICODE = frozenset({"linux", "vt100", "vt102", "vt220", "dumb"})


@dataclass(frozen=True, slots=True)
class Glyphs:
    """What every mark on the screen looks like; all fields are one cell."""

    overdue: SafeText
    """Open work past its deadline."""
    failed: SafeText
    running: SafeText
    """Open work within its deadline."""
    completed: SafeText
    cancelled: SafeText
    waiting: SafeText
    """Work that nothing drives now."""
    damaged: SafeText
    """A document that cannot be read."""
    dead: SafeText
    """An owner that is proved dead."""
    mark: SafeText
    """A row the operator marked."""
    cursor: SafeText
    live: SafeText
    """Fresh data, a healthy engine."""

    bar: SafeText
    """A visit on a time axis; leaves the upper half of its line free, so that bars of two lines do not touch."""
    bar_superseded: SafeText
    """A visit left by a rollback."""
    bar_open: SafeText
    """The part of a bar that is still growing."""
    axis: SafeText
    """The empty ground of a time axis."""
    deadline: SafeText
    """The deadline on a time axis."""
    plan_bar: SafeText
    """The left edge of a plan."""
    position: SafeText
    """Where the shown rows lie within all rows."""

    rule: SafeText
    rule_heavy: SafeText
    separator: SafeText
    """Between short facts on one line."""
    step: SafeText
    """From one state to the next."""
    up: SafeText
    """Sorted, least first."""
    down: SafeText
    """Sorted, greatest first."""
    ellipsis: SafeText


UNICODE = Glyphs(
    overdue=safe("▲"),
    failed=safe("✖"),
    running=safe("●"),
    completed=safe("✓"),
    cancelled=safe("○"),
    waiting=safe("◌"),
    damaged=safe("!"),
    dead=safe("†"),
    mark=safe("◆"),
    cursor=safe("❯"),  # noqa: RUF001  the cursor, not a quotation mark
    live=safe("●"),
    bar=safe("▄"),
    bar_superseded=safe("▒"),
    bar_open=safe("░"),
    axis=safe("·"),
    deadline=safe("│"),
    plan_bar=safe("▌"),
    position=safe("▐"),
    rule=safe("─"),
    rule_heavy=safe("━"),
    separator=safe("·"),
    step=safe("›"),  # noqa: RUF001  a step, not a quotation mark
    up=safe("↑"),
    down=safe("↓"),
    ellipsis=safe(UNICODE_ELLIPSIS),
)

ASCII = Glyphs(
    overdue=safe("!"),
    failed=safe("x"),
    running=safe("o"),
    completed=safe("+"),
    cancelled=safe("-"),
    waiting=safe("."),
    damaged=safe("?"),
    dead=safe("%"),
    mark=safe("*"),
    cursor=safe(">"),
    live=safe("o"),
    bar=safe("#"),
    bar_superseded=safe("/"),
    bar_open=safe("="),
    axis=safe("."),
    deadline=safe("|"),
    plan_bar=safe("|"),
    position=safe("|"),
    rule=safe("-"),
    rule_heavy=safe("="),
    separator=safe("-"),
    step=safe(">"),
    up=safe("^"),
    down=safe("v"),
    ellipsis=safe(ASCII_ELLIPSIS),
)


def glyphs() -> Glyphs:
    """Return the table for this process's terminal, as :func:`console.text.draw_ascii` chose it."""
    return ASCII if is_drawing_ascii() else UNICODE


def needs_ascii(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether the terminal named by ``environ`` cannot be trusted to show Unicode.

    True for a locale that is not UTF-8 and for terminals whose font or character set is ASCII.
    """
    if environ.get("TERM", "dumb") in _TERMINALS_WITHOUT_UNICODE:
        return True
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    return "utf8" not in locale.lower().replace("-", "")
