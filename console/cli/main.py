"""One command line from its words to its exit code; every failure is a sentence on stderr."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence

from console.cli.exits import Exit, StoreMissingError, UsageError
from console.cli.parser import parse, with_defaults

Screen = Callable[[Namespace], int]
"""Draws until it is quit; takes the parsed command line and returns the exit code."""


def run(words: Sequence[str], *, paint: Screen, demonstrate: Screen) -> int:
    """Do what ``words`` say and return the exit code.

    Args:
        words: the command line without the program's name.
        paint: opens the console; asked only where there is a terminal to paint on.
        demonstrate: runs the demo.
    """
    try:
        code = _run(words, paint, demonstrate)
        sys.stdout.flush()
    except SystemExit as asked:  # argparse printed help
        return int(asked.code or 0)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader went away; what was to be done is done. Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except UsageError as error:
        return _complain(str(error), Exit.USAGE)
    except StoreMissingError as error:
        return _complain(str(error), Exit.NOT_FOUND)
    return code


def _run(words: Sequence[str], paint: Screen, demonstrate: Screen) -> int:
    verb, asked = parse(words)
    if verb == "demo":
        return demonstrate(asked)
    if verb is not None:
        return _do(verb, asked)
    asked = with_defaults(asked)
    return paint(asked) if _can_paint() and not asked.json else _do("ls", asked)


def _do(verb: str, asked: Namespace) -> int:
    from console.cli.verbs import exit_of_refusal, perform  # noqa: PLC0415  loads the engine
    from engine.errors import EngineError, RefusedError, StoreReadOnlyError, UnknownOutcomeError  # noqa: PLC0415

    try:
        return perform(verb, asked)
    except RefusedError as error:
        return _complain(str(error), exit_of_refusal(error))
    except StoreReadOnlyError as error:
        return _complain(str(error), Exit.REFUSED)
    except UnknownOutcomeError as error:
        return _complain(str(error), Exit.NOT_VERIFIED)
    except EngineError as error:
        return _complain(str(error), Exit.STORE_UNSAFE)


def _can_paint() -> bool:
    """Return whether there is a terminal to paint on."""
    return sys.stdout.isatty() and sys.stdin.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _complain(sentence: str, code: Exit) -> Exit:
    from console.text import safe  # noqa: PLC0415  only where something went wrong

    sys.stderr.write(f"flowdeck: {safe(sentence)}\n")
    return code
