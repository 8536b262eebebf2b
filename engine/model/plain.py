"""Plain JSON values: what callers hand over is copied into one, so that nobody can change it afterwards."""

from __future__ import annotations

from typing import Any

from pydantic_core import PydanticSerializationError, from_json, to_json


def plain(value: Any) -> Any:
    """Return a deep copy of ``value`` made of dict, list, str, int, float, bool and None only.

    NaN and Infinity stay what they are; dataclasses, enums, times and sets take their JSON shape.

    Raises:
        ValueError: some part of ``value`` has no JSON shape.
    """
    return from_json(encode(value))


def is_text(value: object) -> bool:
    """Return whether ``value`` is text that can be written: a string without lone surrogates."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def inert(text: str) -> str:
    """Return ``text`` with lone surrogates spelt out, so that it can be written anywhere."""
    return text.encode("utf-8", "backslashreplace").decode()


def encode(value: Any, *, indent: int | None = None) -> bytes:
    """Return ``value`` as UTF-8 JSON with non-ASCII kept and bare NaN and Infinity.

    Raises:
        ValueError: some part of ``value`` has no JSON shape.
    """
    try:
        return to_json(value, indent=indent, inf_nan_mode="constants")
    except (PydanticSerializationError, RecursionError, UnicodeError) as error:
        raise ValueError(str(error)) from error
