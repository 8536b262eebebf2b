"""Durations as operators read and write them: ``0.4s 14m02 2h05 3d04`` out, ``5m`` in."""

from __future__ import annotations

import math
import re
from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_SHAPES: Final = (
    (_MINUTE, "m", 1, _HOUR),
    (_HOUR, "h", _MINUTE, _DAY),
    (_DAY, "d", _HOUR, 1_000 * _DAY),
)
_WORD: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)?", re.ASCII | re.IGNORECASE)
_CLOCK: Final = re.compile(r"(\d+)([mhd])(\d{2})", re.ASCII | re.IGNORECASE)
_UNIT_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_SUB_UNIT_S: Final = {"m": 1.0, "h": 60.0, "d": 3_600.0}


def compact(seconds: float | None) -> str:
    """Return a duration in at most 6 cells: ``0.4s 17s 14m02 2h05 3d04``; ``-`` for None.

    Below ten seconds tenths are shown; negative durations keep their sign (``-4m10``).
    """
    if seconds is None or not math.isfinite(seconds):
        return "-"
    if seconds < 0:
        return "-" + compact(-seconds)
    whole = int(seconds)
    if whole < _MINUTE:
        # From ten seconds on a tenth is noise; cut, not rounded, like all the rest.
        return f"{int(seconds * 10 + 1e-9) / 10:.1f}s" if whole < 10 else f"{whole}s"  # noqa: PLR2004
    for unit_s, unit, sub_unit_s, largest in _SHAPES:
        if whole < largest:
            return f"{whole // unit_s}{unit}{whole % unit_s // sub_unit_s:02}"
    return f"{whole // _DAY}d"


def parse_duration(text: str) -> float:
    """Return the seconds of ``5m``, ``1.5h``, ``90s``, ``2h05`` or a bare number of seconds.

    Raises:
        ValueError: the text is no duration; its message is a sentence part.
    """
    word = text.strip()
    clock = _CLOCK.fullmatch(word)
    if clock is not None:
        count, unit, rest = clock.groups()
        return int(count) * _UNIT_S[unit.lower()] + int(rest) * _SUB_UNIT_S[unit.lower()]
    plain = _WORD.fullmatch(word)
    if plain is None:
        raise ValueError(f"{text!r} is not a duration; write 30s, 5m, 2h, 3d or 2h05")
    return float(plain.group(1)) * _UNIT_S[(plain.group(2) or "s").lower()]
