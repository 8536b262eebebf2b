"""A filter for what the terminal sends: keys, mouse, focus, size and pastes pass; replies never arrive as keys.

Terminals answer questions nobody in this process asked: colours, names, modes, clipboards, cursor places. Textual's
parser hands on what it does not know character by character, as if the operator had typed it. Here every escape
sequence is read to its end first, and only those on a list of what may come from a keyboard, a mouse or a paste, or
that Textual asks for itself, are let through. What is refused is counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import Final

from textual import constants
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual._xterm_parser import BRACKETED_PASTE_END, BRACKETED_PASTE_START

LONE_ESCAPE: Final = b"\x1b"
"""What :meth:`InputGuard.feed` and :meth:`InputGuard.tick` return, alone, for the escape key itself."""

PARTIAL_WAIT_S: Final = 0.5
"""How long the rest of a sequence that has begun may take; then it is dropped, never handed on as keys."""

PASTE_WAIT_S: Final = 3.0
"""How long a paste may be silent before it counts as ended; its end may have been lost."""

MAX_SEQUENCE: Final = 64
"""Bytes of a control sequence; no key, mouse report or size is as long."""

MAX_PASTE: Final = 1_048_576
"""Bytes of one paste that are handed on."""

_ESC, _BEL, _CAN, _SUB, _BACKSLASH, _BRACKET, _LETTER_O = 0x1B, 0x07, 0x18, 0x1A, 0x5C, 0x5B, 0x4F
_SPACE, _NOT_ASCII = 0x20, 0x80
_PARAMETERS = range(0x20, 0x40)
_FINAL_LETTERS = range(0x40, 0x7F)
_STRINGS = frozenset(b"]P_^X")  # OSC, DCS, APC, PM, SOS
_PASTE_START = BRACKETED_PASTE_START.encode()
_PASTE_END = BRACKETED_PASTE_END.encode()
_NOT_TEXT = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_X10_MOUSE_BYTES = 3

_KEYS = frozenset(
    sequence.encode()
    for sequence in ANSI_SEQUENCES_KEYS
    if sequence.startswith("\x1b") and (sequence == "\x1bOR" or not sequence.endswith("R"))
)
_ALLOWED = re.compile(
    rb"\x1b\[(?:"
    rb"[IO]"  # focus
    rb"|\?(?:2026|2048);\d\$y"  # the two modes Textual asks for
    rb"|<\d{1,4};-?\d{1,5};-?\d{1,5}[mM]"  # mouse
    rb"|48;[1-9]\d{0,3};[1-9]\d{0,3};\d{1,5};\d{1,5}t"  # the size, in band
    rb"|\d{0,3}(?:;\d{1,3})?[ABCDEFHPQS]"  # keys with modifiers; R would be a cursor place
    rb"|\d{1,3}(?:;\d{1,3})?~"
    rb")"
)
_CSI_U = re.compile(rb"\x1b\[(\d{1,7})?(?:;(\d{0,3}))?(?:;(\d{0,7}))?[u~ABCDEFHPQS]")
_MAX_CODE_POINT = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


class _In(Enum):
    """Where in the terminal's stream the next byte stands."""

    GROUND = auto()
    ESCAPE = auto()
    CONTROL = auto()  # after ESC [
    SINGLE_SHIFT = auto()  # after ESC O
    STRING = auto()  # after ESC ] P _ ^ X
    STRING_ESCAPE = auto()
    MOUSE_BYTES = auto()


class InputGuard:
    """Sorts bytes as they arrive, in whatever pieces; holds at most one unfinished sequence.

    Args:
        escape_wait_s: how long a lone ESC waits to be the start of a sequence.
    """

    def __init__(self, *, escape_wait_s: float = constants.ESCAPE_DELAY) -> None:
        self.dropped = 0
        """Sequences that were not let through."""
        self._escape_wait_s = escape_wait_s
        self._in = _In.GROUND
        self._held = bytearray()
        self._passed: list[bytes] = []
        self._is_pasting = False
        self._pasted = 0
        self._skip = 0
        self._last_at = 0.0

    def feed(self, arrived: bytes, *, at: float) -> Iterator[bytes]:
        """Return what may go to the parser: plain bytes, whole sequences one by one, or :data:`LONE_ESCAPE`.

        Args:
            arrived: what was read.
            at: monotonic seconds.
        """
        self._last_at = at
        start = 0
        while start < len(arrived):
            if self._in is _In.GROUND:
                end = arrived.find(_ESC, start)
                end = len(arrived) if end < 0 else end
                if end > start:
                    self._take_plain(arrived[start:end])
                start = end
            if start < len(arrived):
                self._take(arrived[start])
                start += 1
        return self._flush()

    def tick(self, *, at: float) -> Iterator[bytes]:
        """Return what time alone decides: a lone ESC is the escape key; unfinished sequences are dropped.

        Args:
            at: monotonic seconds.
        """
        silent_s = at - self._last_at
        if self._in is _In.ESCAPE and silent_s >= self._escape_wait_s and not self._is_pasting:
            self._restart()
            self._passed.append(LONE_ESCAPE)
        elif self._in is not _In.GROUND and silent_s >= PARTIAL_WAIT_S:
            self._drop()
        if self._is_pasting and silent_s >= PASTE_WAIT_S:
            self._end_paste()
        return self._flush()

    def wait_s(self, *, at: float) -> float | None:
        """Return the seconds until :meth:`tick` has something to decide; None while nothing is open."""
        if self._in is _In.GROUND:
            return max(0.0, self._last_at + PASTE_WAIT_S - at) if self._is_pasting else None
        wait = self._escape_wait_s if self._in is _In.ESCAPE and not self._is_pasting else PARTIAL_WAIT_S
        return max(0.0, self._last_at + wait - at)

    def _flush(self) -> Iterator[bytes]:
        passed, self._passed = self._passed, []
        return iter(passed)

    def _take(self, byte: int) -> None:
        match self._in:
            case _In.GROUND if byte == _ESC:
                self._begin(byte, _In.ESCAPE)
            case _In.GROUND:
                self._take_plain(bytes((byte,)))
            case _In.ESCAPE:
                self._take_after_escape(byte)
            case _In.CONTROL:
                self._take_control(byte)
            case _In.SINGLE_SHIFT:
                self._finish(byte)
            case _In.STRING | _In.STRING_ESCAPE:
                self._take_string(byte)
            case _In.MOUSE_BYTES:
                self._skip -= 1
                if self._skip == 0:
                    self._drop()

    def _take_plain(self, text: bytes) -> None:
        if self._is_pasting:
            self._paste(text)
        else:
            self._passed.append(text)

    def _take_after_escape(self, byte: int) -> None:
        if byte == _ESC:  # the first was the escape key, this may begin a sequence
            if not self._is_pasting:
                self._passed.append(LONE_ESCAPE)
        elif byte < _SPACE and not self._is_pasting:  # so was this one: enter right after escape is not alt and enter
            self._restart()
            self._passed += [LONE_ESCAPE, bytes((byte,))]
        elif byte == _BRACKET:
            self._hold(byte, _In.CONTROL)
        elif self._is_pasting:
            self._restart()
            self._paste(bytes((byte,)))
        elif byte == _LETTER_O:
            self._hold(byte, _In.SINGLE_SHIFT)
        elif byte in _STRINGS:
            self._begin(byte, _In.STRING)
        elif byte < _NOT_ASCII:  # alt and a key
            self._restart()
            self._passed.append(bytes((_ESC, byte)))
        else:
            self._drop()
            self._take(byte)

    def _take_control(self, byte: int) -> None:
        held = bytes(self._held)
        is_console_key = held == b"\x1b[["  # the function keys of the Linux console end in one more letter
        if (byte == _BRACKET and held == b"\x1b[") or (byte in _PARAMETERS and not is_console_key):
            if len(held) <= MAX_SEQUENCE:  # of one that is too long the rest is read but not kept
                self._held.append(byte)
        elif is_console_key or byte in _FINAL_LETTERS:
            self._finish(byte)
        else:
            self._drop()
            self._take(byte)

    def _finish(self, last: int) -> None:
        sequence = bytes((*self._held, last))
        if self._is_pasting:
            self._restart()
            if sequence == _PASTE_END:
                self._end_paste()
            else:
                self._paste(sequence[1:])
        elif sequence == _PASTE_START:
            self._restart()
            self._is_pasting, self._pasted = True, 0
            self._passed.append(sequence)
        elif sequence == b"\x1b[M":
            self._skip = _X10_MOUSE_BYTES
            self._begin(last, _In.MOUSE_BYTES)
        elif is_allowed(sequence):
            self._restart()
            self._passed.append(sequence)
        else:
            self._drop()

    def _take_string(self, byte: int) -> None:
        if byte in (_BEL, _CAN, _SUB):
            self._drop()
        elif self._in is _In.STRING_ESCAPE:
            if byte == _BACKSLASH:
                self._drop()
            else:  # ESC ends the string and starts a sequence of its own
                self.dropped += 1
                self._begin(_ESC, _In.ESCAPE)
                self._take(byte)
        elif byte == _ESC:
            self._in = _In.STRING_ESCAPE

    def _paste(self, text: bytes) -> None:
        room = MAX_PASTE - self._pasted
        self._pasted += len(text)
        self._passed.append(_NOT_TEXT.sub(b"", text[: max(0, room)]))

    def _end_paste(self) -> None:
        self._is_pasting = False
        self._passed.append(_PASTE_END)

    def _begin(self, byte: int, place: _In) -> None:
        self._held[:] = (byte,)
        self._in = place

    def _hold(self, byte: int, place: _In) -> None:
        self._held.append(byte)
        self._in = place

    def _restart(self) -> None:
        self._held.clear()
        self._in = _In.GROUND

    def _drop(self) -> None:
        self.dropped += 1
        self._restart()


def is_allowed(sequence: bytes) -> bool:
    """Return whether ``sequence``, a whole one that starts with ESC, may go to Textual's parser."""
    if sequence == _PASTE_END:
        return False
    if sequence in _KEYS or _ALLOWED.fullmatch(sequence) is not None:
        return True
    extended = _CSI_U.fullmatch(sequence)
    return extended is not None and all(
        int(code) <= _MAX_CODE_POINT and int(code) not in _SURROGATES for code in extended.groups() if code
    )
