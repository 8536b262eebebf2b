from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, fields

import pytest

from console.glyphs import ASCII, UNICODE, Glyphs, glyphs, needs_ascii
from console.text import draw_ascii, safe, width


@pytest.fixture
def ascii_terminal() -> Iterator[None]:
    draw_ascii(True)
    yield
    draw_ascii(False)


@pytest.mark.parametrize("table", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_every_glyph_is_one_cell_and_survives_the_way_to_the_screen(table: Glyphs) -> None:
    for name, glyph in asdict(table).items():
        assert width(glyph) == 1, name
        assert safe(str(glyph)) == glyph, name


def test_the_ascii_table_is_ascii() -> None:
    assert all(glyph.isascii() for glyph in asdict(ASCII).values())


@pytest.mark.parametrize("table", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_states_are_told_apart_without_colour(table: Glyphs) -> None:
    states = ["overdue", "failed", "running", "completed", "cancelled", "waiting", "damaged"]
    assert {field.name for field in fields(Glyphs)} >= set(states)
    assert len({getattr(table, state) for state in states}) == len(states)


@pytest.mark.usefixtures("ascii_terminal")
def test_the_table_is_that_of_the_terminal() -> None:
    assert glyphs() is ASCII
    draw_ascii(False)
    assert glyphs() is UNICODE


@pytest.mark.parametrize(
    ("environ", "is_needed"),
    [
        ({"TERM": "xterm-256color", "LANG": "en_US.UTF-8"}, False),
        ({"TERM": "tmux-256color", "LC_CTYPE": "C.utf8"}, False),
        ({"TERM": "xterm-256color", "LANG": "en_US.UTF-8", "LC_ALL": "C"}, True),
        ({"TERM": "xterm-256color", "LANG": "de_DE.ISO-8859-1"}, True),
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "linux", "LANG": "en_US.UTF-8"}, True),
        ({"TERM": "vt100", "LANG": "en_US.UTF-8"}, True),
        ({"LANG": "en_US.UTF-8"}, True),
    ],
)
def test_ascii_is_chosen_where_the_locale_or_the_terminal_cannot_do_more(
    environ: dict[str, str], is_needed: bool
) -> None:
    assert needs_ascii(environ) is is_needed
