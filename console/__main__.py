"""The ``flowdeck`` script: a verb without a screen, the console, or the demo."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import Namespace


def main() -> None:
    """Run the command line and end the process with its exit code."""
    from console.cli.main import run  # noqa: PLC0415  nothing but the standard library until a verb is known

    sys.exit(run(sys.argv[1:], paint=_paint, demonstrate=_demonstrate))


def _paint(asked: Namespace) -> int:
    from console.app import run_console  # noqa: PLC0415  loads the screen

    return run_console(
        asked.store,
        is_read_only=asked.read_only,
        supervise=asked.supervise,
        utc=asked.utc,
        ascii=asked.ascii,
        theme=asked.theme,
    )


def _demonstrate(asked: Namespace) -> int:
    from console.demo.launch import run_demo  # noqa: PLC0415  loads the screen

    return run_demo(seed=asked.seed, utc=asked.utc, ascii=asked.ascii, theme=asked.theme)


if __name__ == "__main__":
    main()
