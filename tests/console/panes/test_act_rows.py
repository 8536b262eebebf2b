"""Audit and log rows: what is said in a narrow pane, and what a refusal tells."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from console.glyphs import UNICODE
from console.view.journal import AUDIT_COLUMNS, LOG_COLUMNS, audit_row
from console.widgets.column_layout import share
from engine.model.entry import Entry
from engine.model.names import EntryKind

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _entry(**changes: Any) -> Entry:
    facts: dict[str, Any] = {
        "workflow_id": "wf_direct_0a675e3f3c4a",
        "n": 3,
        "kind": EntryKind.ROLLBACK,
        "at": NOW,
        "actor": "ops@host",
        "reason": "INC-204",
        "revision": 3,
        "generation": 1,
        "from_state": "module_execution",
        "to_state": "initialized",
        "request_id": None,
        "payload_hash": None,
        "outcome": "committed",
        "is_history": True,
        "is_audit": True,
        "body": {},
        "hash": "",
    }
    return Entry(**{**facts, **changes})


def _shown(entry: Entry) -> dict[str, str]:
    row = audit_row(entry, NOW, UTC)
    return {column.key: cell.text for column, cell in zip(AUDIT_COLUMNS, row.cells, strict=True)}


def _refusal(**changes: Any) -> Entry:
    facts = {
        "kind": EntryKind.REFUSED,
        "outcome": "refused",
        "from_state": None,
        "to_state": None,
        "body": {"workflow_id": "wf_direct_torn", "verb": "rollback", "why": "it is completed. Nothing was changed."},
    }
    return _entry(**{**facts, **changes})


def test_an_act_shows_where_it_led_and_why() -> None:
    assert _shown(_entry())["reason"] == f"module {UNICODE.step} init; INC-204"


def test_a_refusal_shows_the_verb_the_reason_and_the_cause() -> None:
    shown = _shown(_refusal())
    assert (shown["what"], shown["reason"]) == ("rollback", "INC-204; refused: it is completed.")
    assert _shown(_refusal(reason=None))["reason"] == "refused: it is completed."


def test_a_refusal_in_the_store_wide_chain_names_what_it_is_about() -> None:
    assert _shown(_refusal(workflow_id=""))["id"] == "torn"
    assert _shown(_entry(workflow_id=""))["id"] == "the store"


def test_an_operators_unlock_is_called_unlock() -> None:
    assert _shown(_entry(kind=EntryKind.UNLOCK))["what"] == "unlock"


@pytest.mark.parametrize("cells", [60, 76, 136])
def test_what_is_said_has_the_spare_width(cells: int) -> None:
    for columns, at_least in ((AUDIT_COLUMNS, cells - 50), (LOG_COLUMNS, cells - 46)):
        assert share(columns, cells)[-1] >= max(20, at_least), [column.key for column in columns]
