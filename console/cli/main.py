"""One command line from its words to its exit code; every failure is a sentence on stderr."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from console.cli.exits import Exit, UsageError
from console.cli.parser import parse, place_and_flags

if TYPE_CHECKING:
    from engine.clock import Clock


def run(words: Sequence[str], *, clock: Clock | None = None) -> int:
    """Do what ``words`` say and return the exit code.

    Args:
        words: the command line without the program's name.
        clock: the engine's time.
    """
    try:
        code = _run(words, clock)
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
    return code


def _run(words: Sequence[str], clock: Clock | None) -> int:
    verb, asked = parse(words)
    if verb is None:
        return _open_console(asked, clock)
    if verb == "demo":
        from console.demo.launch import run_demo  # noqa: PLC0415  loads the console

        return run_demo(seed=asked.seed, utc=asked.utc, ascii=asked.ascii, theme=asked.theme)
    return _do(verb, asked, clock)


def _do(verb: str, asked: Namespace, clock: Clock | None) -> int:
    from console.cli.verbs import perform  # noqa: PLC0415  loads the engine
    from engine.errors import EngineError, RefusedError, StoreReadOnlyError, UnknownOutcomeError  # noqa: PLC0415

    try:
        return perform(verb, asked, clock)
    except RefusedError as error:
        from console.cli.verbs import exit_of_refusal  # noqa: PLC0415

        return _complain(str(error), exit_of_refusal(error))
    except StoreReadOnlyError as error:
        return _complain(str(error), Exit.REFUSED)
    except UnknownOutcomeError as error:
        return _complain(str(error), Exit.NOT_VERIFIED)
    except EngineError as error:
        return _complain(str(error), Exit.STORE_UNSAFE)


def _open_console(asked: Namespace, clock: Clock | None) -> int:
    if asked.json or not _can_paint():
        return _do("ls", place_and_flags(asked), clock)
    from console.app import run_console  # noqa: PLC0415  loads the screen

    flags = place_and_flags(asked)
    return int(
        run_console(
            flags.store,
            is_read_only=asked.read_only,
            supervise=asked.supervise,
            utc=asked.utc,
            ascii=asked.ascii,
            theme=asked.theme,
        )
    )


def _can_paint() -> bool:
    """Return whether there is a terminal to paint on."""
    return sys.stdout.isatty() and sys.stdin.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _complain(sentence: str, code: Exit) -> Exit:
    from console.text import safe  # noqa: PLC0415  only where something went wrong

    sys.stderr.write(f"flowdeck: {safe(sentence)}\n")
    return code
