"""From the terminal's bytes to Textual's messages: the guard, the decoder and Textual's parser in one."""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from typing import Final

from textual import constants, events
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.message import Message

from console.terminal.input_guard import LONE_ESCAPE, InputGuard

_C1: Final = re.compile("[\x80-\x9f]")
_SHIFTED_LETTER: Final = re.compile("shift\\+[a-z]")
_ALT_LENGTH: Final = 2

_PARSER_FAULTS = (ParseError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError, RuntimeError)
"""What a sequence the parser was not written for has been seen to raise, or may."""


class TerminalInput:
    """Turns what was read, in whatever pieces, into messages; never raises, whatever it was.

    Args:
        escape_wait_s: how long a lone ESC waits to be the start of a sequence.
        is_debug: whether Textual's parser keeps its log.
    """

    def __init__(self, *, escape_wait_s: float = constants.ESCAPE_DELAY, is_debug: bool = False) -> None:
        self.guard = InputGuard(escape_wait_s=escape_wait_s)
        """Counts, in ``dropped``, what the terminal sent that was no input."""
        self.parser_faults = 0
        """Sequences that passed the guard and that Textual's parser failed on; each was discarded."""
        self._is_debug = is_debug
        self._parser = XTermParser(is_debug)
        self._decoder = getincrementaldecoder("utf-8")("replace")

    def feed(self, arrived: bytes, *, at: float) -> Iterator[Message]:
        """Yield the messages in ``arrived``, read at ``at`` (monotonic seconds)."""
        for passed in self.guard.feed(arrived, at=at):
            yield from self._messages(passed)

    def tick(self, *, at: float) -> Iterator[Message]:
        """Yield what the passing of time decides: the escape key, the end of a paste that broke off."""
        for passed in self.guard.tick(at=at):
            yield from self._messages(passed)
        yield from self._watched(self._parser.tick())

    def wait_s(self, *, at: float) -> float | None:
        """Return the seconds until :meth:`tick` has something to decide; None while nothing is open."""
        return self.guard.wait_s(at=at)

    def _messages(self, passed: bytes) -> Iterator[Message]:
        if passed == LONE_ESCAPE:
            yield events.Key("escape", "\x1b")
            return
        text = _C1.sub("", self._decoder.decode(passed))
        if not text:
            return
        if text[0] == "\x1b" and len(text) == _ALT_LENGTH and text not in ANSI_SEQUENCES_KEYS:
            # the parser would wait for more, and take what follows into the same sequence
            found: Iterable[Message] = self._parser._sequence_to_key_events(text[1], alt=True)  # noqa: SLF001
        else:
            found = self._parser.feed(text)
        yield from self._watched(found)

    def _watched(self, messages: Iterable[Message]) -> Iterator[Message]:
        """Yield ``messages``; where the parser fails, discard, count, and go on with a fresh one."""
        try:
            for message in messages:
                yield _normal(message)
        except _PARSER_FAULTS:
            self.parser_faults += 1
            failed, self._parser = self._parser, XTermParser(self._is_debug)
            self._parser.mouse_pixels = failed.mouse_pixels
            self._parser.terminal_size = failed.terminal_size
            self._parser.terminal_pixel_size = failed.terminal_pixel_size


def _normal(message: Message) -> Message:
    """Return ``message``; a letter with shift is the capital, however the terminal says it."""
    if isinstance(message, events.Key) and _SHIFTED_LETTER.fullmatch(message.key):
        capital = message.key[-1].upper()
        return events.Key(capital, capital)
    return message
