from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from wcwidth import wcwidth

from console.text import (
    EMPTY,
    LIMIT,
    SafeText,
    cut,
    cut_middle,
    draw_ascii,
    fit,
    join,
    pick,
    safe,
    safe_lines,
    width,
    wrap,
)

ANY_TEXT = st.text(alphabet=st.characters(min_codepoint=0, max_codepoint=sys.maxunicode, exclude_categories=()))
CONTROLLING = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


@pytest.fixture
def ascii_terminal() -> Iterator[None]:
    draw_ascii(True)
    yield
    draw_ascii(False)


def test_no_character_of_unicode_survives_that_controls_a_terminal_or_is_invisible() -> None:
    for block in range(0, sys.maxunicode + 1, 1_024):
        shown = safe("".join(map(chr, range(block, block + 1_024))))
        left = [f"U+{ord(c):04X}" for c in shown if unicodedata.category(c) in CONTROLLING]
        assert not left


@given(ANY_TEXT)
def test_safe_text_is_inert_whatever_went_in(text: str) -> None:
    assert not {unicodedata.category(c) for c in safe(text)} & CONTROLLING
    safe(text).encode("utf-8")


@given(ANY_TEXT)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert safe(str(safe(text))) == safe(text)


@given(ANY_TEXT, ANY_TEXT)
def test_the_width_of_two_texts_side_by_side_is_the_sum_of_their_widths(left: str, right: str) -> None:
    assert width(join(EMPTY, (safe(left), safe(right)))) == width(safe(left)) + width(safe(right))


@given(ANY_TEXT)
def test_a_text_never_starts_with_a_mark_that_would_join_the_cell_before_it(text: str) -> None:
    shown = safe(text)
    assert not shown or cell_len(shown[0]) > 0


@given(ANY_TEXT, st.integers(-3, 30), st.sampled_from(["left", "right"]))
def test_fit_gives_exactly_the_cells_asked_for(text: str, cells: int, align: str) -> None:
    assert width(fit(safe(text), cells, "left" if align == "left" else "right")) == max(0, cells)


@given(ANY_TEXT, st.integers(-3, 30))
def test_cut_never_gives_more_cells_than_asked_for(text: str, cells: int) -> None:
    assert width(cut(safe(text), cells)) <= max(0, cells)
    assert width(cut_middle(safe(text), cells)) <= max(0, cells)


@given(ANY_TEXT, st.integers(2, 30))
def test_wrapped_lines_fit_and_together_hold_every_word(text: str, cells: int) -> None:
    lines = wrap(safe(text), cells)
    assert all(width(line) <= cells for line in lines)
    assert "".join(lines).replace(" ", "") == safe(text).replace(" ", "")


@given(st.text(alphabet=st.characters(max_codepoint=0xFFFF)))
def test_our_widths_are_those_the_terminal_emulators_use(text: str) -> None:
    for character in safe(text):
        if unicodedata.category(character) != "Cn":
            assert width(safe("a" + character)) - 1 == max(0, wcwidth(character)), hex(ord(character))


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain text", "plain text"),
        ("", ""),
        ("A\x1b[2JZ", "A␛[2JZ"),
        ("A\x1b]52;c;aGFjaw==\x07Z", "A␛]52;c;aGFjaw==␇Z"),
        ("A\x9b2JZ", "A\ufffd2JZ"),
        ("AAA\rB", "AAA␍B"),
        ("AB\b\bCZ", "AB␈␈CZ"),
        ("A\nB\tC", "A␊B␉C"),
        ("A\x00\x7fZ", "A␀␡Z"),
        ("A\u202eEVIL\u202cZ", "A\ufffdEVIL\ufffdZ"),
        ("A\u2066B\u2069", "A\ufffdB\ufffd"),
        ("A\u2028B\u2029C", "A\ufffdB\ufffdC"),
        ("a\u200bb\u200dc\ufeffd", "a\ufffdb\ufffdc\ufffdd"),
        ("A\udc80Z", "A\ufffdZ"),
        ("A\U000e0041Z", "A\ufffdZ"),
        ("[bold red]HOT[/bold red]", "[bold red]HOT[/bold red]"),
        ("[@click=app.quit]LNK[/]", "[@click=app.quit]LNK[/]"),
        ("漢字", "漢字"),
        ("שלום", "שלום"),
        ("e\u0301", "e\u0301"),
        ("\u0301e", "\ufffde"),
        ("a" + "\u0301" * 50, "a" + "\u0301" * 4),
        ("⚠\ufe0f 👍🏽", "⚠ 👍"),
        ("🇩🇪", "ⒹⒺ"),
        (None, "None"),
        (42, "42"),
        (3.5, "3.5"),
    ],
)
def test_each_kind_of_character_has_one_visible_form(raw: object, shown: str) -> None:
    assert safe(raw) == shown
    assert SafeText(raw) == shown


def test_a_number_too_long_to_be_written_out_is_described() -> None:
    assert safe(10**5_000) == "a number of 16610 bits"


def test_a_text_of_any_length_is_cut_before_it_is_looked_at() -> None:
    shown = safe("\x1b" * 200_000)
    assert len(shown) == LIMIT
    assert shown.endswith("␛…")
    assert safe("x" * 200_000, limit=10) == "xxxxxxxxx…"
    assert safe(safe("x" * 100), limit=10) == "xxxxxxxxx…"


@pytest.mark.usefixtures("ascii_terminal")
def test_an_ascii_terminal_gets_ascii_of_the_same_width() -> None:
    assert safe("漢字 é ✓ \x1b") == "???? ? ? ?"
    assert safe("e\u0301") == "e"
    assert fit(safe("abcdefgh"), 4) == "abc~"


@pytest.mark.parametrize(
    ("text", "cells", "left", "right"),
    [
        ("abc", 5, "abc  ", "  abc"),
        ("abc", 3, "abc", "abc"),
        ("abcd", 3, "ab…", "ab…"),
        ("abcd", 1, "…", "…"),
        ("abcd", 0, "", ""),
        ("漢字漢字", 8, "漢字漢字", "漢字漢字"),
        ("漢字漢字", 7, "漢字漢…", "漢字漢…"),
        ("漢字漢字", 6, "漢字… ", " 漢字…"),
        ("漢字", 5, "漢字 ", " 漢字"),
    ],
)
def test_a_wide_character_is_never_cut_in_half(text: str, cells: int, left: str, right: str) -> None:
    assert fit(safe(text), cells) == left
    assert fit(safe(text), cells, "right") == right


def test_the_longest_form_that_fits_is_picked_and_a_word_is_never_cut() -> None:
    forms = (safe("module_execution"), safe("module"), safe("mod"))
    assert [pick(cells, *forms) for cells in (20, 16, 15, 6, 5, 2)] == [
        "module_execution",
        "module_execution",
        "module",
        "module",
        "mod",
        "",
    ]


def test_an_identifier_keeps_both_ends() -> None:
    assert cut_middle(safe("wf_order-4711-0b8821"), 12) == "wf_or…0b8821"
    assert cut_middle(safe("short"), 12) == "short"


def test_lines_end_only_where_a_file_ends_them() -> None:
    assert safe_lines("a\r\nb\nc\rd\x0be\u2028f") == ("a", "b", "c", "d␋e\ufffdf")
    assert safe_lines("1\n2\n3\n4", max_lines=2) == ("1", "2", "2 more lines")


def test_the_last_of_too_many_wrapped_lines_says_that_more_follows() -> None:
    assert wrap(safe("one two three four"), 8, max_lines=2) == ("one two", "three …")
    assert wrap(safe("one two three four"), 7, max_lines=2) == ("one two", "three …")
    assert wrap(safe("one two unbreakable"), 7, max_lines=1) == ("one …",)
    assert wrap(safe("unbreakable words"), 7, max_lines=1) == ("unbrea…",)
