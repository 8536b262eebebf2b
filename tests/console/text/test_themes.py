from __future__ import annotations

from typing import get_args

import pytest
from rich.color import Color
from textual.color import Color as Shade

from console.cells import StyleName
from console.theme import DARK, PALETTES, GroundName, Palette, style, textual_theme


def _contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [part / 255 for part in Shade.parse(colour).rgb]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", PALETTES.values(), ids=PALETTES)
def test_every_meaning_is_readable_on_every_ground(palette: Palette) -> None:
    for ground in get_args(GroundName):
        for name in ("text", "dim", "accent", "ok", "warn", "bad", "mark"):
            assert _contrast(getattr(palette, name), getattr(palette, ground)) >= 3, (name, ground)
    assert _contrast(palette.text, palette.ground) >= 7
    assert _contrast(palette.dim, palette.ground) >= 4.5


@pytest.mark.parametrize("palette", PALETTES.values(), ids=PALETTES)
def test_every_meaning_has_a_style_with_both_colours_on_every_ground(palette: Palette) -> None:
    for ground in get_args(GroundName):
        for name in get_args(StyleName):
            made = style(palette.name, name, ground)
            assert isinstance(made.color, Color)
            assert isinstance(made.bgcolor, Color)


def test_a_theme_that_is_not_ours_is_drawn_in_the_dark_palette() -> None:
    assert style("nord", "bad") == style("dark", "bad")


def test_style_sheets_know_our_colours_by_name() -> None:
    theme = textual_theme(DARK)
    assert theme.variables["ground"] == "#10151b"
    assert theme.variables["cursor-idle"] == DARK.cursor_idle
    assert theme.error == "#f2605f"


def test_without_colours_what_is_wrong_is_bold() -> None:
    assert style("mono", "bad").bold
    assert style("mono", "text").bold is None
