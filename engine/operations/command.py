"""The same plan as a command line, for a runbook, a colleague or a ticket."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from engine.model.plain import encode
from engine.operations.plan import PlanItem, PlanRequest, Verb

DEFAULT_PLACE: Final = "data/workflows"
"""The store a command line means where it names none."""


def command_line(request: PlanRequest, items: Sequence[PlanItem], place: str) -> str:
    """Return the shell-quoted command that does what the plan does, under the same guard.

    Args:
        request: what was planned.
        items: those that can be done; "" where there are none.
        place: the store.
    """
    if not items:
        return ""
    words = ["flowdeck", *request.verb.value.split()]
    words += [item.id for item in items]
    if request.verb is Verb.FORCE:
        words.append(request.to or "")
    elif request.to is not None:
        words += ["--to", request.to]
    for state, result in request.results.items():
        words += ["--set", f"result.{state}={encode(result).decode()}"]
    if request.is_steal:
        words.append("--steal")
    if any(item.revision for item in items):
        words += ["--if-rev", ",".join(str(item.revision) for item in items)]
    if place not in (":memory:", "memory", "") and not _is_default(place):
        words += ["--store", place]
    return shlex.join(words)


def _is_default(place: str) -> bool:
    return Path(place).absolute() == Path(DEFAULT_PLACE).absolute()
