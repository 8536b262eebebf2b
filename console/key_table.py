"""The key table of the README, from the action registry: ``python -m console.key_table``."""

from __future__ import annotations

import sys

from console.actions import ACTIONS


def key_table() -> str:
    """Return a Markdown table of every key; plans are set in bold."""
    lines = ["| key | does | |", "|---|---|---|"]
    for known in ACTIONS:
        key = f"`{known.key}`"
        label = f"**{known.label}**" if known.is_plan else known.label
        lines.append(f"| {key} | {label} | {known.help} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(key_table() + "\n")
