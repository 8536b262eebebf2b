"""What an engine answers without asking its store: histories and counters, kept right by commits and the feed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final

from engine.delivery import EventWindow, RetryWindow
from engine.errors import RefusedError
from engine.metrics import Metrics
from engine.model.entry import Entry
from engine.model.names import EntryKind, is_plain_id
from engine.model.view import history_dict, history_dicts
from engine.model.workflow import Workflow
from engine.store.outcomes import Committed
from engine.structured_log import StructuredLog

_REMEMBERED: Final = 10_000
"""Workflows whose history is at hand; of older ones the asynchronous twin tells."""

_IMPORTS: Final = (EntryKind.ADOPTED, EntryKind.EXTERNAL)

_WORDS: Final = {
    EntryKind.CREATED: "workflow_created",
    EntryKind.TRANSITION: "state_transition",
    EntryKind.STEP: "step_started",
}
"""Words of the log where they are not the entry's kind; dots become underscores."""


@dataclass(slots=True)
class _Known:
    """What is known of one workflow: its history up to ``revision``, and entries that came ahead of their turn."""

    revision: int = 0
    entry_n: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    ahead: dict[int, Committed] = field(default_factory=dict)


class Views:
    """Histories by workflow, the windows on the outbox, the metrics and the log of one engine."""

    def __init__(self, metrics: Metrics, log: StructuredLog) -> None:
        self.metrics = metrics
        self.log = log
        self.event_queue = EventWindow()
        self.event_retry_queue = RetryWindow()
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def history(self, workflow_id: str) -> list[dict[str, Any]]:
        """Return a copy of the state history, [] where this engine does not know the workflow."""
        known = self._known.get(workflow_id) if is_plain_id(workflow_id) else None
        return [] if known is None else deepcopy(known.history)

    def revision(self, workflow_id: str) -> int | None:
        """Return the newest revision this engine knows of, None where it does not know the workflow."""
        known = self._known.get(workflow_id)
        return None if known is None else known.revision

    def known(self) -> list[str]:
        """Return the ids of the workflows whose history is at hand."""
        return list(self._known)

    def entry_n(self, workflow_id: str) -> int:
        """Return the number of the newest entry this engine knows of, 0 for none."""
        known = self._known.get(workflow_id)
        return 0 if known is None else known.entry_n

    def committed(self, before: Workflow | None, outcome: Committed) -> None:
        """Take in a change that this engine made; overlapping ones may come in any order."""
        workflow, entry = outcome.workflow, outcome.entry
        self._count(before, workflow, entry)
        self._write_log(workflow, entry)
        if before is None:
            self._remember(workflow.workflow_id, _Known())
        known = self._known.get(workflow.workflow_id)
        if known is None:
            return
        # What comes ahead waits for its turn; if others wrote in between, the feed tells and the store is read.
        known.ahead[0 if before is None else before.revision] = outcome
        while (following := known.ahead.pop(known.revision, None)) is not None:
            self._append(known, (following.entry,))
            known.revision = max(known.revision, following.entry.revision)

    def loaded(self, workflow: Workflow, entries: Sequence[Entry]) -> None:
        """Take in a workflow as the store holds it; ``entries`` follow the newest one known."""
        known = self._known.get(workflow.workflow_id) or self._remember(workflow.workflow_id, _Known())
        self._append(known, entries)
        known.revision = max(known.revision, workflow.revision, *(entry.revision for entry in entries))
        known.ahead = {revision: outcome for revision, outcome in known.ahead.items() if revision >= known.revision}
        self.metrics.see(workflow)

    def refused(self, workflow_id: str, verb: str, error: RefusedError, before: Workflow | None, to_state: str) -> None:
        """Count and log a refusal."""
        kind = before.workflow_type if before is not None else ""
        self.metrics.error(kind, error.error_type.value)
        if verb == "transition" and before is not None:
            self.metrics.refused(kind, before.state, to_state)
        self.log.write(
            "refused",
            str(error),
            level="WARNING",
            about=before if before is not None else workflow_id[:200],
            data={"verb": verb, "error_type": error.error_type.value},
        )

    def _count(self, before: Workflow | None, after: Workflow, entry: Entry) -> None:
        if before is None:
            if entry.kind is EntryKind.CREATED:
                self.metrics.created(after)
            else:
                self.metrics.see(after)
            return
        self.metrics.moved(before, after)
        if error_type := counted_error(entry):
            self.metrics.error(after.workflow_type, error_type)

    def _remember(self, workflow_id: str, known: _Known) -> _Known:
        self._known[workflow_id] = known
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return known

    @staticmethod
    def _append(known: _Known, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if entry.n <= known.entry_n:
                continue
            known.entry_n = entry.n
            if not entry.is_history:
                continue
            if entry.kind in _IMPORTS:
                if entry.body.get("is_whole"):
                    known.history.clear()
                known.history.extend(history_dicts((entry,)))
            else:
                known.history.append(history_dict(entry))

    def _write_log(self, workflow: Workflow, entry: Entry) -> None:
        word = _WORDS.get(entry.kind, entry.kind.value.replace(".", "_"))
        moved = f"{entry.from_state or '-'} > {entry.to_state}" if entry.to_state else workflow.state
        error_type = entry.body.get("error_type")
        self.log.write(
            word,
            f"{word.replace('_', ' ')}: {moved}" + (f" ({entry.reason})" if entry.reason else ""),
            level="ERROR" if error_type else "INFO",
            about=workflow,
            data={
                "from_state": entry.from_state,
                "to_state": entry.to_state,
                "revision": entry.revision,
                "actor": entry.actor,
                "reason": entry.reason,
                "error": entry.body.get("error"),
                "error_type": error_type,
            },
        )


def counted_error(entry: Entry) -> str | None:
    """Return the error type that an entry counts for: of a failure, or of a time-out whatever it led to."""
    if entry.kind is EntryKind.TIMEOUT:
        return "timeout"
    error_type = entry.body.get("error_type")
    return error_type if isinstance(error_type, str) else None
