"""The ``flowdeck`` script."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and end the process with its exit code."""
    from console.cli.main import run  # noqa: PLC0415  nothing but the standard library until a verb is known

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
