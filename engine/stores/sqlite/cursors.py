"""Cursors: a gap between two rows of a list, as opaque text."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from engine.errors import InvalidValueError
from engine.model.plain import encode

Key = tuple[Any, ...]
"""Values of a row's sort columns, the last of which tell it from all others."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins or ends.

    Attributes:
        span: which of the list's ranges.
        key: the row beside the gap.
        is_behind: the gap is behind that row, else before it.
        judged_at: microseconds; what of the list's order depends on the time stays as it was on the first page.
    """

    span: int
    key: Key
    is_behind: bool
    judged_at: int

    def text(self) -> str:
        """Return it as callers hold it."""
        facts = (self.span, self.key, self.is_behind, self.judged_at)
        return base64.urlsafe_b64encode(encode(facts)).decode("ascii")


def parse_cursor(text: str) -> Cursor:
    """Return the cursor that :meth:`Cursor.text` wrote.

    Raises:
        InvalidValueError: it did not.
    """
    try:
        span, key, is_behind, judged_at = from_json(base64.urlsafe_b64decode(text.encode("ascii")))
        return Cursor(int(span), tuple(key), bool(is_behind), int(judged_at))
    except (ValueError, TypeError, binascii.Error) as error:
        raise InvalidValueError("after", "this is no cursor of a page") from error
