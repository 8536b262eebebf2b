"""``flowdeck demo``: start the service on a temporary store, attach the console, end both together."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any


def run_demo(*, seed: int = 1, **console_options: Any) -> int:
    """Run the demo until the console is quit; returns the console's exit code.

    The store is a temporary directory, removed at the end. The service writes its complaints to ``service.log``
    beside it and ends with this process, however that ends.
    """
    with tempfile.TemporaryDirectory(prefix="flowdeck-demo-") as top:
        place = Path(top) / "workflows"
        place.mkdir(mode=0o700)
        environment = dict(os.environ, WORKFLOW_LOG_DIR=str(Path(top) / "logs"))
        with (Path(top) / "service.log").open("wb") as complaints:
            service = subprocess.Popen(  # noqa: S603  our own module
                [sys.executable, "-m", "console.demo.service", str(place), "--seed", str(seed)],
                stdin=subprocess.DEVNULL,
                stdout=complaints,
                stderr=complaints,
                env=environment,
                start_new_session=True,
            )
        try:
            from console.app import run_console  # noqa: PLC0415  the service starts while Textual loads

            return run_console(place, environment="DEMO", **console_options)
        finally:
            service.terminate()
            try:
                service.wait(timeout=5)
            except subprocess.TimeoutExpired:
                service.kill()
                service.wait()
