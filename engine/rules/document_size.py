"""How large a document a change may make: what is published must be read again."""

from __future__ import annotations

from typing import Final

from engine.errors import InvalidStepError, InvalidValueError, RefusedError
from engine.model.change import Change
from engine.model.names import EntryKind
from engine.model.plain import encode
from engine.model.view import LARGEST_DOCUMENT_BYTES, data_dict

KEPT_FREE_BYTES: Final = 256 * 1024
"""Left for the history and the mark, so that operators and deadlines can still move a large workflow."""

_SURELY_SMALL_BYTES: Final = 32 * 1024
_SURELY_FEW_STEPS: Final = 64
"""Up to so many steps, each brought by a change that is surely small, no document comes near the limit."""

_BRINGING: Final = (EntryKind.CREATED, EntryKind.TRANSITION, EntryKind.FORCE)
"""What brings a caller's values; everything else has to be possible with any document that stands."""


def too_large(change: Change, encoded: int) -> RefusedError | None:
    """Return the refusal of a change whose document would be too large, None where it fits.

    Args:
        change: what is to be committed.
        encoded: bytes of JSON that the change writes; tells most changes apart without encoding a document.
    """
    if change.entry.kind not in _BRINGING:
        return None
    if encoded <= _SURELY_SMALL_BYTES and len(change.after.steps) <= _SURELY_FEW_STEPS:
        return None
    try:
        size = _document_size(change)
    except ValueError as error:
        return _refusal(change, f"cannot be written ({error})")
    if size <= LARGEST_DOCUMENT_BYTES - KEPT_FREE_BYTES:
        return None
    limit = f"{LARGEST_DOCUMENT_BYTES:,} bytes, {KEPT_FREE_BYTES:,} of them for its history"
    return _refusal(change, f"would be {size:,} bytes long; it may have {limit}")


def _document_size(change: Change) -> int:
    """Return the bytes of the document; its history repeats errors and what the steps tell of their input."""
    after = change.after
    fields = {
        **data_dict(after),
        "state_history": [after.error, *((step.input_data, step.metadata, step.error) for step in after.steps)],
        "extra": after.extra,
    }
    return len(encode(fields, indent=2))


def _refusal(change: Change, why: str) -> RefusedError:
    if change.entry.kind is EntryKind.CREATED:
        return InvalidValueError(change.workflow_id, f"the document of the new workflow {why}")
    return InvalidStepError(change.workflow_id, f"the document {why}")
