"""The mark: the ``flowdeck`` object that ends every document this program writes, and its digest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import from_json

from engine.model.plain import encode

DOCUMENT_SCHEMA: Final = 1
"""Version of the ``flowdeck`` object; a document with a newer one is left alone."""

MARK_KEY: Final = "flowdeck"

_ZEROS: Final = "0" * 64
_SEAL: Final = re.compile(rb'"digest": "([0-9a-f]{64})"\n  \}\n\}\Z')
_SEAL_LENGTH: Final = len(f'"digest": "{_ZEROS}"\n  }}\n}}')
_DIGEST_OFFSET: Final = len('"digest": "')
_MARK_START: Final = b'\n  "flowdeck": {\n'
"""Unambiguous in an indented document: a string holds no raw line break, a nested key is indented deeper."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What a document says of its own making.

    Attributes:
        revision: the ledger's revision it was published from.
        store_id: the ledger it was published from.
        schema: version of the ``flowdeck`` object.
        is_valid: the digest fits the bytes: they are unchanged since they were written.
        is_forced: the workflow was forced.
        superseded_steps: numbers of superseded steps.
        older_history: history entries that only the ledger holds.
    """

    revision: int
    store_id: str
    schema: int = DOCUMENT_SCHEMA
    is_valid: bool = False
    is_forced: bool = False
    superseded_steps: frozenset[int] = frozenset()
    older_history: int = 0

    def is_of(self, store_id: str) -> bool:
        """Return whether the document was written by an engine of this store and not touched since."""
        return self.is_valid and self.store_id == store_id


def seal(fields: Mapping[str, Any], facts: Mapping[str, Any]) -> bytes:
    """Return ``fields`` as an indented document that ends with ``facts`` and the digest of all its bytes.

    The digest is the hex SHA-256 of the bytes with its own 64 digits replaced by zeros.

    Raises:
        ValueError: some value has no JSON shape.
    """
    blank = encode({**fields, MARK_KEY: {**facts, "digest": _ZEROS}}, indent=2)
    at = len(blank) - _SEAL_LENGTH + _DIGEST_OFFSET
    digest = hashlib.sha256(blank).hexdigest().encode()
    return b"".join((blank[:at], digest, blank[at + 64 :]))


def read_mark(data: bytes) -> Mark | None:
    """Return the mark at the end of ``data``, or None where there is none in the layout this program writes."""
    at = data.rfind(_MARK_START)
    if at < 0:
        return None
    try:
        facts = from_json(b"{" + data[at:])[MARK_KEY]
    except (ValueError, KeyError):
        return None
    return mark_of(facts, is_valid=_is_sealed(data))


def mark_of(facts: object, *, is_valid: bool) -> Mark | None:
    """Return the mark a ``flowdeck`` object stands for, or None where it is no such object."""
    if not isinstance(facts, Mapping):
        return None
    revision, store_id, superseded = facts.get("revision"), facts.get("store"), facts.get("superseded_steps")
    return Mark(
        revision=_count(revision),
        store_id=store_id if isinstance(store_id, str) else "",
        schema=_count(facts.get("schema", DOCUMENT_SCHEMA)),
        is_valid=is_valid and _count(revision) > 0,
        is_forced=facts.get("is_forced") is True,
        superseded_steps=frozenset(_count(n) for n in superseded) if isinstance(superseded, list) else frozenset(),
        older_history=_count(facts.get("older_history")),
    )


def _is_sealed(data: bytes) -> bool:
    found = _SEAL.search(data, max(0, len(data) - _SEAL_LENGTH))
    if found is None:
        return False
    digest = hashlib.sha256(data[: found.start(1)])
    digest.update(_ZEROS.encode())
    digest.update(data[found.end(1) :])
    return digest.hexdigest().encode() == found.group(1)


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
