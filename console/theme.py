"""Themes: a palette each, from which Textual's theme and the styles of cells are made.

Colour stands only for what is wrong; the calm palette is ground, text and one accent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from rich.style import Style
from textual.theme import Theme

from console.cells import StyleName

GroundName = Literal["ground", "bar", "raised", "cursor", "cursor_idle"]
"""What a line stands on: the screen, the header and footer, a plan, the cursor's row with and without the focus."""


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one theme, as ``#rrggbb``."""

    name: str
    is_dark: bool
    ground: str
    bar: str
    raised: str
    text: str
    dim: str
    accent: str
    ok: str
    warn: str
    bad: str
    mark: str
    cursor: str
    cursor_idle: str
    is_mono: bool = False


DARK: Final = Palette(
    name="dark",
    is_dark=True,
    ground="#10151b",
    bar="#18202a",
    raised="#18202a",
    text="#c8d0da",
    dim="#8492a0",
    accent="#59c2ff",
    ok="#7fd962",
    warn="#ffb454",
    bad="#f2605f",
    mark="#e6c07b",
    cursor="#22405e",
    cursor_idle="#1b2733",
)
LIGHT: Final = Palette(
    name="light",
    is_dark=False,
    ground="#fbfbf9",
    bar="#e9ecef",
    raised="#f0f2f4",
    text="#24292f",
    dim="#5f6b76",
    accent="#0550ae",
    ok="#1a7f37",
    warn="#8a5300",
    bad="#c4161c",
    mark="#7a4f00",
    cursor="#cfe3f7",
    cursor_idle="#e4eaf0",
)
HIGH_CONTRAST: Final = Palette(
    name="high-contrast",
    is_dark=True,
    ground="#000000",
    bar="#1a1a1a",
    raised="#141414",
    text="#ffffff",
    dim="#c4c4c4",
    accent="#6cd7ff",
    ok="#6bff6b",
    warn="#ffd400",
    bad="#ff7b7b",
    mark="#ffd400",
    cursor="#004a8f",
    cursor_idle="#333333",
)
MONO: Final = Palette(
    name="mono",
    is_dark=True,
    ground="#000000",
    bar="#1c1c1c",
    raised="#1c1c1c",
    text="#d0d0d0",
    dim="#a8a8a8",
    accent="#ffffff",
    ok="#d0d0d0",
    warn="#ffffff",
    bad="#ffffff",
    mark="#ffffff",
    cursor="#4e4e4e",
    cursor_idle="#303030",
    is_mono=True,
)

PALETTES: Final[Mapping[str, Palette]] = {palette.name: palette for palette in (DARK, LIGHT, HIGH_CONTRAST, MONO)}
"""Every theme by the name an operator gives."""


def textual_theme(palette: Palette) -> Theme:
    """Return ``palette`` as a Textual theme, to be registered with the app.

    Style sheets may use its colours as ``$ground $bar $raised $dim $ok $warn $bad $mark $cursor $cursor-idle`` beside
    Textual's own names.
    """
    return Theme(
        name=palette.name,
        primary=palette.accent,
        secondary=palette.dim,
        accent=palette.accent,
        foreground=palette.text,
        background=palette.ground,
        surface=palette.ground,
        panel=palette.bar,
        success=palette.ok,
        warning=palette.warn,
        error=palette.bad,
        dark=palette.is_dark,
        variables={
            "ground": palette.ground,
            "bar": palette.bar,
            "raised": palette.raised,
            "dim": palette.dim,
            "ok": palette.ok,
            "warn": palette.warn,
            "bad": palette.bad,
            "mark": palette.mark,
            "cursor": palette.cursor,
            "cursor-idle": palette.cursor_idle,
        },
    )


def palette_of(theme_name: str) -> Palette:
    """Return the palette of the named theme; the dark one for a theme that is not ours."""
    return PALETTES.get(theme_name, DARK)


@cache
def style(theme_name: str, name: StyleName, ground: GroundName = "ground") -> Style:
    """Return the Rich style in which cells of meaning ``name`` are drawn on ``ground``."""
    palette = palette_of(theme_name)
    back: str = getattr(palette, ground)
    if name.startswith("badge_"):
        return Style(color=palette.ground, bgcolor=getattr(palette, name.removeprefix("badge_")), bold=True)
    if name in {"header", "cursor"}:
        return Style(color=palette.dim if name == "header" else palette.accent, bgcolor=back, bold=True)
    if name == "strong":
        return Style(color=palette.text, bgcolor=back, bold=True)
    is_loud = palette.is_mono and name in {"warn", "bad", "mark"}
    return Style(
        color=getattr(palette, name),
        bgcolor=back,
        bold=True if is_loud else None,
    )
