"""What an audit entry says: what was done, to what, and why; a refused attempt with what stood in its way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from engine.model.entry import Entry
from engine.model.names import EntryKind

_KIND_WORDS: Final[Mapping[EntryKind, str]] = {
    EntryKind.LOCK_ACQUIRED: "lock taken",
    EntryKind.LOCK_RELEASED: "lock freed",
    EntryKind.LOCK_STOLEN: "lock stolen",
    EntryKind.LOCK_EXPIRED: "lock expired",
    EntryKind.EVENT_RETRIED: "deliver now",
    EntryKind.EVENT_DROPPED: "drop",
    EntryKind.EVENT_PURGED: "purge",
    EntryKind.EVENT_REPLAYED: "replay",
}
_VERB_WORDS: Final[Mapping[str, str]] = {"events retry": "deliver now"}
_NOTHING_CHANGED: Final = " Nothing was changed."


def is_refused(entry: Entry) -> bool:
    """Return whether the attempt came to nothing."""
    return entry.outcome != "committed"


def act_word(entry: Entry) -> str:
    """Return what was done, or tried, in at most 12 cells for what we write."""
    if is_refused(entry):
        verb = str(entry.body.get("verb") or entry.kind.value)
        return _VERB_WORDS.get(verb, verb)
    return _KIND_WORDS.get(entry.kind, entry.kind.value)


def about(entry: Entry) -> str:
    """Return the workflow, or the damaged document, that an entry is about; "" for the store as a whole."""
    return entry.workflow_id or str(entry.body.get("workflow_id") or "")


def reason_text(entry: Entry) -> str:
    """Return the operator's reason; of a refusal its cause too: ``INC-204; refused: it is completed``."""
    reason = entry.reason or ""
    why = str(entry.body.get("why") or "")
    if not is_refused(entry):
        return reason or why
    cause = why.replace(_NOTHING_CHANGED, "").removeprefix(f"{about(entry)}: ").strip()
    return f"{reason}; refused: {cause}" if reason else f"refused: {cause}"
