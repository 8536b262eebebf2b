"""Ages in words, the one way sentences and columns say them."""

from __future__ import annotations

from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 3_600
_DAY: Final = 86_400


def age_text(seconds: float) -> str:
    """Return an age as ``0m07``, ``14m02``, ``2h05`` or ``3d04``; what is negative or no number reads ``0m00``."""
    if not seconds > 0:
        return "0m00"
    if seconds == float("inf"):
        return "ever"
    whole = int(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE:02}"
    if whole < _DAY:
        return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE:02}"
    return f"{whole // _DAY}d{whole % _DAY // _HOUR:02}"
