"""Text from data has its own type: what a :class:`SafeText` holds is inert on every terminal.

Workflow data may carry anything: escape sequences, line ends, bidirectional overrides, invisible characters. All of it
enters the display through :func:`safe`, which replaces each such character by a visible one, and display functions
accept nothing but the result. There is no markup anywhere: a bracket is a bracket.

Widths are cells of the terminal. Safe text holds neither joiners nor variation selectors, so the width of a text is
the sum of the widths of its characters, on every terminal alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, Self, final

from rich.cells import cell_len

Align = Literal["left", "right"]

LIMIT = 4_096
"""Characters of one text that are looked at unless the caller asks for more; no line of a terminal shows as many."""

UNICODE_ELLIPSIS = "…"
ASCII_ELLIPSIS = "~"

_REPLACEMENT = "\ufffd"
_MAX_MARKS = 4
_MAX_BITS = 10_000

_GLYPHS = {
    **{chr(code): chr(0x2400 + code) for code in range(0x20)},  # the pictures of the control characters
    "\x7f": "\u2421",
    **{chr(0x1F1E6 + letter): chr(0x24B6 + letter) for letter in range(26)},  # a flag becomes its circled letters
}

_INERT = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f\xad"  # C0, DEL, C1, soft hyphen
    "\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2"  # joiners, Arabic format characters, Arabic letter mark
    "\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0"  # fillers and vowels without a glyph
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero widths, line ends, bidirectional marks, overrides and isolates
    "\ufe00-\ufe0f\ufeff\ufff0-\ufffb\ufffe\uffff"  # variation selectors, byte order mark, annotations
    "\ud800-\udfff\ue000-\uf8ff"  # lone surrogates, private use
    "\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff"  # flags and skin tones: terminals disagree on their width
    "\U000e0000-\U0010ffff"  # tags, selectors, private planes
    "]"
)
_EMOJI_SUFFIX = re.compile("(?<=[\u2190-\u2bff\u3030\u303d\U0001f000-\U0001faff])[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]+")
_NOT_ASCII = re.compile("[^\x20-\x7e]")
_LINE_END = re.compile("\r\n|\n|\r")

_is_drawing_ascii = False


@final
class SafeText(str):
    """Text whose every character is a visible glyph or a space. Only this module makes one, through :func:`safe`.

    The constructor itself cleans, so no way round :func:`safe` yields an unsafe text.
    """

    __slots__ = ()

    def __new__(cls, value: object = "") -> Self:
        """Return ``value`` as inert text."""
        return str.__new__(cls, value if type(value) is cls else _inert(_as_str(value, LIMIT)))


def safe(value: object, *, limit: int = LIMIT) -> SafeText:
    """Return ``value`` as text that is inert on a terminal; the one way from data to the display.

    Args:
        value: anything; what is not a string is turned into one.
        limit: characters that are kept; a longer text ends in the ellipsis. The cut comes first, so that the cost of
            a text of any length is bounded.
    """
    if type(value) is SafeText and len(value) <= limit:
        return value
    text = _as_str(value, limit)
    return _trusted(text if text.isascii() and text.isprintable() else _inert(text))


def safe_lines(value: object, *, limit: int = LIMIT, max_lines: int = 10_000) -> tuple[SafeText, ...]:
    """Return the lines of a text of several lines, each inert; ``limit`` is that of one line.

    Only CR, LF and CRLF end a line. Lines beyond ``max_lines`` are replaced by one that says how many there were.
    """
    lines = _LINE_END.split(value if isinstance(value, str) else _as_str(value, limit))
    shown = tuple(safe(line, limit=limit) for line in lines[:max_lines])
    return shown if len(lines) <= max_lines else (*shown, safe(f"{len(lines) - max_lines} more lines"))


def draw_ascii(is_ascii: bool) -> None:
    """Choose, once at the start of the process, whether its terminal can show more than ASCII.

    With ASCII every text made from here on holds ``?`` for what cannot be shown, as wide as the character was.
    """
    global _is_drawing_ascii  # noqa: PLW0603  one process draws on one terminal
    _is_drawing_ascii = is_ascii


def is_drawing_ascii() -> bool:
    """Return what :func:`draw_ascii` chose; Unicode unless it was called."""
    return _is_drawing_ascii


def ellipsis() -> SafeText:
    """Return the one cell that stands for what was cut away."""
    return _trusted(ASCII_ELLIPSIS if _is_drawing_ascii else UNICODE_ELLIPSIS)


def width(text: SafeText) -> int:
    """Return the cells ``text`` takes."""
    return len(text) if text.isascii() else cell_len(text)


def cut(text: SafeText, cells: int) -> SafeText:
    """Return ``text`` in at most ``cells`` cells, ending in the ellipsis if something had to go.

    A character of two cells is never halved: where only half of one fits, the result is one cell shorter.
    """
    if cells <= 0:
        return EMPTY
    if text.isascii():
        return text if len(text) <= cells else _trusted(text[: cells - 1] + ellipsis())
    if cell_len(text) <= cells:
        return text
    return _trusted(_head(text, cells - 1) + ellipsis())


def fit(text: SafeText, cells: int, align: Align = "left") -> SafeText:
    """Return ``text`` in exactly ``cells`` cells: cut as by :func:`cut`, or padded with spaces."""
    if cells <= 0:
        return EMPTY
    if text.isascii():
        if len(text) <= cells:
            return _trusted(text.ljust(cells) if align == "left" else text.rjust(cells))
        return _trusted(text[: cells - 1] + ellipsis())
    short = cut(text, cells)
    space = " " * (cells - cell_len(short))
    return _trusted(short + space if align == "left" else space + short)


def pick(cells: int, *forms: SafeText) -> SafeText:
    """Return the longest of ``forms`` that fits ``cells``, or the empty text: a word is shown whole or not at all."""
    fitting = [form for form in forms if width(form) <= cells]
    return max(fitting, key=width, default=EMPTY)


def cut_middle(text: SafeText, cells: int, *, tail: int = 6) -> SafeText:
    """Return ``text`` in at most ``cells`` cells with its middle cut away and its last ``tail`` characters kept.

    For identifiers, whose ends tell them apart.
    """
    if width(text) <= cells:
        return text
    end = text[-tail:]
    room = cells - 1 - cell_len(end)
    if room < 1 or tail <= 0:
        return cut(text, cells)
    return _trusted(_head(text, room) + ellipsis() + end)


def join(separator: SafeText, parts: Iterable[SafeText]) -> SafeText:
    """Return ``parts`` in one text with ``separator`` between them."""
    return _trusted(str(separator).join(parts))


def wrap(text: SafeText, cells: int, *, max_lines: int | None = None) -> tuple[SafeText, ...]:
    """Return ``text`` in lines of at most ``cells`` cells, broken between words.

    A word longer than a line is broken where the line ends. Of more than ``max_lines`` lines the last one shown ends
    in the ellipsis. The empty text gives one empty line.
    """
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        rest = word
        if line and cell_len(line) + 1 + cell_len(rest) <= cells:
            line = f"{line} {rest}"
            continue
        if line:
            lines.append(line)
        while cell_len(rest) > cells > 1:
            head = _head(rest, cells)
            lines.append(head)
            rest = rest[len(head) :]
        line = rest
    lines.append(line)
    if max_lines is not None and len(lines) > max_lines:
        last = f"{lines[max_lines - 1]} {ellipsis()}"
        while cell_len(last) > cells and last.count(" ") > 1:
            last = f"{last.rsplit(' ', 2)[0]} {ellipsis()}"
        lines[max_lines - 1 :] = [cut(_trusted(last), cells)]
    return tuple(_trusted(line) for line in lines)


def _trusted(text: str) -> SafeText:
    return str.__new__(SafeText, text)


def _as_str(value: object, limit: int) -> str:
    if isinstance(value, str):
        text = value
    elif isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > _MAX_BITS:
        text = f"a number of {value.bit_length()} bits"
    else:
        text = str(value)
    return text if len(text) <= limit else text[: max(0, limit - 1)] + ellipsis()


def _inert(text: str) -> str:
    if not text.isascii():
        text = _INERT.sub(_glyph, _EMOJI_SUFFIX.sub("", text))
        text = _without_towers(text)
        if _is_drawing_ascii:
            return _NOT_ASCII.sub(_ascii, text)
        return text
    text = _INERT.sub(_glyph, text)
    return _NOT_ASCII.sub(_ascii, text) if _is_drawing_ascii else text


def _glyph(found: re.Match[str]) -> str:
    return _GLYPHS.get(found[0], _REPLACEMENT)


def _ascii(found: re.Match[str]) -> str:
    return "?" * cell_len(found[0])


def _without_towers(text: str) -> str:
    """Return ``text`` with no mark that has nothing to stand on, nor more than a few on one character.

    A mark at the start would join the glyph in the cell before it; a tower of marks runs over the lines above.
    """
    if all(map(cell_len, text)):
        return text
    kept: list[str] = []
    marks = _MAX_MARKS
    for character in text:
        if cell_len(character):
            marks = 0
        elif marks >= _MAX_MARKS:
            if kept:
                continue
            character = _REPLACEMENT  # noqa: PLW2901  the visible stand-in of the mark
            marks = 0
        else:
            marks += 1
        kept.append(character)
    return "".join(kept)


def _head(text: str, cells: int) -> str:
    """Return the longest start of ``text`` within ``cells`` cells."""
    if text.isascii():
        return text[:cells]
    used = 0
    for index, character in enumerate(text):
        used += cell_len(character)
        if used > cells:
            return text[:index]
    return text


EMPTY = _trusted("")
"""The text without a character."""
