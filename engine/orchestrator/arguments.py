"""What callers may hand over: checked where it comes in, so that nothing behind it meets what is none."""

from __future__ import annotations

from typing import Any, Final

from engine.errors import InvalidValueError
from engine.model.plain import is_text

LONGEST_S: Final = 10 * 365.25 * 86_400
"""Ten years: what lasts longer is a mistake, and would end behind the last date there is."""


def demand_text(name: str, value: Any, *, at_most: int | None = None) -> str:
    """Return ``value`` where it is text, of 1 to ``at_most`` characters if that is given.

    Raises:
        InvalidValueError: it is none.
    """
    if not is_text(value):
        raise InvalidValueError(name, f"{str(value)[:80]!r} is not text")
    if at_most is not None and not 0 < len(value) <= at_most:
        raise InvalidValueError(name, f"it takes 1 to {at_most} characters")
    return str(value)


def demand_optional_text(name: str, value: Any) -> str | None:
    """Return ``value`` where it is text or None.

    Raises:
        InvalidValueError: it is neither.
    """
    return None if value is None else demand_text(name, value)


def demand_seconds(name: str, value: Any, *, may_be_zero: bool = False) -> float:
    """Return ``value`` where it is a number of seconds above 0, ten years at most.

    Raises:
        InvalidValueError: it is none.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not (0 < value <= LONGEST_S or (may_be_zero and value == 0)):
        least = "from" if may_be_zero else "above"
        raise InvalidValueError(name, f"{str(value)[:80]!r} is not a number of seconds {least} 0, of ten years at most")
    return float(value)


def demand_count(name: str, value: Any) -> int:
    """Return ``value`` where it is a whole number.

    Raises:
        InvalidValueError: it is none.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidValueError(name, f"{str(value)[:80]!r} is not a whole number")
    return value
