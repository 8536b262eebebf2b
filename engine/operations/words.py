"""How plans speak: short ids, clock times, counted nouns."""

from __future__ import annotations

from datetime import datetime


def short_id(workflow_id: str) -> str:
    """Return what follows ``wf_<type>_``; other ids whole."""
    parts = workflow_id.split("_", 2)
    return parts[2] if parts[0] == "wf" and len(parts) > 2 and parts[2] else workflow_id  # noqa: PLR2004


def clock_time(at: datetime) -> str:
    """Return ``09:14:18Z``."""
    return at.strftime("%H:%M:%SZ")


def counted(count: int, noun: str) -> str:
    """Return ``1 workflow``, ``3 workflows``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def few(names: list[str], at_most: int = 3) -> str:
    """Return the first names, and how many more there are: ``a, b, c and 4 more``."""
    shown = ", ".join(names[:at_most])
    return shown if len(names) <= at_most else f"{shown} and {len(names) - at_most} more"
