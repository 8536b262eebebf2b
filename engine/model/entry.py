"""Entries: the one append-only chain of what happened to a workflow; history and audit are selections."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from engine.model.actor import Actor
from engine.model.names import EntryKind, WorkflowEventType
from engine.model.plain import encode
from engine.model.times import to_micros


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """An event to be put into the outbox with its entry. ``payload`` is plain JSON (shape: contract, Events)."""

    type: WorkflowEventType
    payload: Mapping[str, Any]
    severity: str = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    """An entry before the store gives it its number, revision and hash.

    Attributes:
        is_history: shown in the workflow's state history.
        is_audit: shown in the audit: acts of operators, policies and other programs, lock grants, refusals.
        body: the rest, plain JSON. History kinds carry ``duration`` (seconds in ``from_state``), ``success``,
            ``error`` and ``metadata``; ``adopted`` carries the document's own ``history`` verbatim.
    """

    kind: EntryKind
    at: datetime
    actor: Actor
    reason: str | None = None
    from_state: str | None = None
    to_state: str | None = None
    is_history: bool = False
    is_audit: bool = False
    body: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[NewEvent, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry as the ledger holds it.

    Attributes:
        n: number in the workflow's chain, from 1, without gaps.
        revision: the workflow's revision after it.
        outcome: ``committed`` or ``refused``.
        body: as in :class:`NewEntry`, plus ``actor``: the actor's kind and facts.
        hash: hex SHA-256 over the previous entry's hash and this entry.
    """

    workflow_id: str
    n: int
    kind: EntryKind
    at: datetime
    actor: str
    reason: str | None
    revision: int
    generation: int
    from_state: str | None
    to_state: str | None
    request_id: str | None
    payload_hash: str | None
    outcome: str
    is_history: bool
    is_audit: bool
    body: Mapping[str, Any]
    hash: str


def chain_hash(previous: str, entry: Entry) -> str:
    """Return the hex SHA-256 that links ``entry`` to the hash before it ("" for the first).

    Every field but ``hash`` itself counts; a changed, dropped, added or reordered entry breaks the chain.
    """
    facts = (
        previous,
        entry.workflow_id,
        entry.n,
        entry.kind.value,
        to_micros(entry.at),
        entry.actor,
        entry.reason,
        entry.revision,
        entry.generation,
        entry.from_state,
        entry.to_state,
        entry.request_id,
        entry.payload_hash,
        entry.outcome,
        entry.is_history,
        entry.is_audit,
        entry.body,
    )
    return hashlib.sha256(encode(facts)).hexdigest()
