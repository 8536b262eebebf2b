"""Workflows and their entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.model.change import Change
from engine.model.entry import Entry, NewEntry
from engine.model.names import EntryKind
from engine.model.times import to_micros
from engine.model.workflow import Workflow
from engine.store.outcomes import Committed, Outcome, Unknown
from engine.store.query import FlowRow, Page, Query
from engine.store.requests import Refusal
from engine.stores.sqlite import commit, counters, entries
from engine.stores.sqlite.flows import count_of_flows, flow, page_of_flows
from engine.stores.sqlite.ledger import Ledger
from engine.stores.sqlite.listing import page_of_audit
from engine.stores.sqlite.reading import read_workflow, read_workflows
from engine.stores.sqlite.transaction import Transaction


class SqliteWorkflows(Ledger):
    """The workflows' part of the store."""

    async def commit(self, change: Change) -> Outcome:
        """Make a change true, or say why it is not; see the protocol."""
        prepared = commit.prepare(change)
        outcome: Outcome | commit.Written = await self._write(
            lambda transaction: commit.apply(transaction, prepared),
            settle=lambda found: commit.settle(found, change.workflow_id, change.request_id),
            unknown=Unknown,
        )
        return outcome.outcome() if isinstance(outcome, commit.Written) else outcome

    async def settle(self, workflow_id: str, request_id: str) -> Committed | None:
        """Return what a request came to; see the protocol."""
        return await self._read(lambda found: commit.settle(found, workflow_id, request_id))

    async def read(self, workflow_id: str) -> Workflow | None:
        """Return the newest revision; see the protocol."""
        return await self._read(lambda found: read_workflow(found, workflow_id))

    async def read_many(self, workflow_ids: Sequence[str]) -> Sequence[Workflow]:
        """Return those that exist; see the protocol."""
        return await self._scan(lambda found: read_workflows(found, workflow_ids))

    async def entries(
        self, workflow_id: str, after: int = 0, limit: int = 1_000, *, history_only: bool = False
    ) -> Sequence[Entry]:
        """Return entries in order; see the protocol."""
        return await self._read(lambda found: entries.read(found, workflow_id, after, limit, history_only=history_only))

    async def chain_head(self, workflow_id: str) -> tuple[int, str]:
        """Return where a chain ends; see the protocol."""
        return await self._read(lambda found: entries.head(found, workflow_id))

    async def last_history(self, workflow_id: str, limit: int) -> tuple[Sequence[Entry], int]:
        """Return the newest history entries; see the protocol."""
        return await self._read(lambda found: entries.last_history(found, workflow_id, limit))

    async def row(self, workflow_id: str) -> FlowRow | None:
        """Return one list row; see the protocol."""
        return await self._read(lambda found: flow(found, workflow_id))

    async def page_flows(self, query: Query) -> Page[FlowRow]:
        """Return one page of workflows; see the protocol. Damaged documents lead in every order."""
        now = to_micros(self._clock.now())
        return await self._scan(lambda found: page_of_flows(found, query, now, self._searched_at_most))

    async def count_flows(self, query: Query, cap: int = 10_000) -> int:
        """Return how many rows the filter selects; see the protocol."""
        now = to_micros(self._clock.now())
        return await self._scan(lambda found: count_of_flows(found, query, cap, now))

    async def page_audit(self, query: Query) -> Page[Entry]:
        """Return audit entries; see the protocol."""
        return await self._scan(lambda found: page_of_audit(found, query))

    async def counters(self, prefix: str) -> Mapping[str, int]:
        """Return maintained counters; see the protocol."""
        return await self._read(lambda found: counters.read(found, prefix))

    async def record_refusal(self, refusal: Refusal) -> None:
        """Write a refused attempt into the audit; see the protocol."""

        def run(transaction: Transaction) -> None:
            act = refusal.act
            new = NewEntry(
                kind=EntryKind.REFUSED,
                at=refusal.at,
                actor=act.actor,
                reason=act.reason,
                is_audit=True,
                body={
                    "workflow_id": refusal.workflow_id,
                    "verb": refusal.verb,
                    "why": refusal.why,
                    "error_type": refusal.error_type.value,
                },
            )
            entries.record(transaction, refusal.workflow_id, new, request_id=act.request_id, outcome=entries.REFUSED)
            counters.add_error(transaction, refusal.error_type.value, to_micros(refusal.at))

        await self._write(run)

    async def count_error(self, error_type: str) -> None:
        """Add one to an error counter; see the protocol."""
        at = to_micros(self._clock.now())
        await self._write(lambda transaction: counters.add_error(transaction, str(error_type), at))
