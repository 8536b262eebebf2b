"""Verify: the ledger against itself, against its chains, and against the documents on disk.

Nothing is repaired here. What looks wrong is looked at a second time, since others may be writing meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from engine.documents.files import document_name, read_document
from engine.documents.mark import read_mark
from engine.errors import DamagedDocumentError
from engine.model.entry import Entry, chain_hash
from engine.model.names import EntryKind, EventStatus, Flag, Origin
from engine.model.workflow import Workflow
from engine.observation.embedding import Engine
from engine.observation.health import flow_counter
from engine.store.query import Filter, FlowRow, Query, Sort

_PAGE: Final = 500
_ENTRIES: Final = 1_000
_SECOND_LOOK_AFTER_S: Final = 0.7
"""Seconds; longer than a publication takes, so that what is only under way settles."""
_SECOND_LOOKS: Final = 5_000
_LOOKS_AT_COUNTERS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that does not agree.

    Attributes:
        kind: ``ledger chain fold document events counter``.
        workflow_id: whose, "" for the store as a whole.
    """

    kind: str
    workflow_id: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What was checked, and what does not agree."""

    at: datetime
    workflows: int
    entries: int
    documents: int
    unreadable: int = 0
    """Damaged documents; that they cannot be read is no disagreement."""
    problems: tuple[Problem, ...]

    @property
    def is_sound(self) -> bool:
        """Whether everything agrees."""
        return not self.problems

    @property
    def is_unsafe(self) -> bool:
        """Whether the ledger itself cannot be trusted: its database or a chain is broken."""
        return any(problem.kind in ("ledger", "chain", "fold") for problem in self.problems)


async def verify(engine: Engine) -> VerifyReport:
    """Check the whole store of ``engine``; takes a time proportional to its entries.

    Raises:
        StoreError: the store cannot be read.
    """
    return await _Verification(engine).run()


class _Verification:
    """One pass over the store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._workflows = self._entries = self._documents = self._unreadable = 0

    async def run(self) -> VerifyReport:
        store = self._engine.store
        problems = [Problem(kind="ledger", workflow_id="", sentence=said) for said in await store.check()]
        suspects: list[str] = []
        self._unreadable = await self._engine.store.count_flows(Query(filter=Filter(flags=(Flag.DAMAGED,))))
        async for row in self._rows():
            self._workflows += 1
            if await self._look(row.workflow_id):
                suspects.append(row.workflow_id)
        problems += await self._store_wide_chain()
        problems += await self._again(suspects)
        problems += await self._counters()
        return VerifyReport(
            at=self._engine.clock.now(),
            workflows=self._workflows,
            entries=self._entries,
            documents=self._documents,
            unreadable=self._unreadable,
            problems=tuple(problems),
        )

    async def _rows(self) -> AsyncIterator[FlowRow]:
        """Yield every workflow, page by page; documents without one are the doctor's."""
        after: str | None = None
        while True:
            page = await self._engine.store.page_flows(Query(sort=Sort.ID, after=after, limit=_PAGE))
            for row in page.rows:
                if row.state:
                    yield row
            after = page.next
            if after is None:
                return

    async def _again(self, suspects: Sequence[str]) -> list[Problem]:
        """Return what is still wrong a moment later."""
        if not suspects:
            return []
        await self._engine.clock.sleep(_SECOND_LOOK_AFTER_S)
        entries, documents = self._entries, self._documents
        problems = [problem for flow in suspects[:_SECOND_LOOKS] for problem in await self._look(flow)]
        self._entries, self._documents = entries, documents
        left = len(suspects) - _SECOND_LOOKS
        if left > 0:
            said = f"{left} more workflows looked wrong and were not looked at again; repair these first."
            problems.append(Problem(kind="document", workflow_id="", sentence=said))
        return problems

    async def _look(self, workflow_id: str) -> list[Problem]:
        entries = await self._chain(workflow_id)
        head = await self._engine.store.chain_head(workflow_id)
        workflow = await self._engine.store.read(workflow_id)
        if workflow is None:
            return []
        self._entries += len(entries)
        said = [("chain", sentence) for sentence in _chain_faults(entries, head)]
        said += [("chain", sentence) for sentence in _revision_faults(entries, workflow)] if not said else []
        said += [("fold", sentence) for sentence in _fold_faults(entries, workflow)]
        directory = self._engine.directory
        if directory is not None and self._engine.mode != "documents only":
            said += [("document", sentence) async for sentence in self._document_faults(directory, workflow)]
        return [Problem(kind=kind, workflow_id=workflow_id, sentence=text) for kind, text in said]

    async def _chain(self, workflow_id: str) -> list[Entry]:
        entries: list[Entry] = []
        while True:
            after = entries[-1].n if entries else 0
            part = await self._engine.store.entries(workflow_id, after, _ENTRIES)
            entries += part
            if len(part) < _ENTRIES or part[-1].n <= after:
                return entries

    async def _store_wide_chain(self) -> list[Problem]:
        entries = await self._chain("")
        self._entries += len(entries)
        head = await self._engine.store.chain_head("")
        return [Problem(kind="chain", workflow_id="", sentence=said) for said in _chain_faults(entries, head)]

    async def _document_faults(self, directory: Path, workflow: Workflow) -> AsyncIterator[str]:
        """Yield in what the document differs from what the ledger says it should be."""
        name = document_name(workflow.workflow_id)
        is_own = workflow.origin is Origin.OWN
        try:
            body, _ = await read_document(directory, name)
        except FileNotFoundError:
            if workflow.flag is not Flag.GONE or is_own:
                yield f"{name} is missing; the ledger is at revision {workflow.revision}."
            return
        except DamagedDocumentError as error:
            yield str(error)
            return
        except OSError as error:
            yield f"{name} cannot be read: {error.strerror}."
            return
        self._documents += 1
        mark = read_mark(body)
        if mark is not None and mark.is_of(self._engine.facts.store_id):
            if mark.revision != workflow.revision:
                yield f"{name} is stale: it shows revision {mark.revision}, the ledger is at {workflow.revision}."
            return
        if workflow.flag is Flag.CONFLICT:
            yield f"{name} is in conflict: another hand changed it. Neither version was touched."
        elif is_own:
            why = "its digest does not fit its bytes" if mark is not None else "it bears no mark of ours"
            yield f"{name} is not what this store published: {why}."

    async def _counters(self) -> list[Problem]:
        """Return counters that disagree with what they count, while nothing was written.

        Where others write all the time nothing can be said, and nothing is.
        """
        for _ in range(_LOOKS_AT_COUNTERS):
            version = await self._engine.store.version()
            found = [*await self._event_faults(), *await self._flow_faults()]
            if not found:
                return []
            if await self._engine.store.version() == version:
                return [Problem(kind=kind, workflow_id="", sentence=said) for kind, said in found]
        return []

    async def _event_faults(self) -> list[tuple[str, str]]:
        store = self._engine.store
        counters = await store.counters("events")
        by_status = {status.value: counters.get(f"events/{status.value}", 0) for status in EventStatus}
        accepted = counters.get("events_accepted", 0)
        found: list[tuple[str, str]] = []
        if accepted != sum(by_status.values()):
            parts = " + ".join(f"{value} {name}" for name, value in by_status.items())
            found.append(("events", f"{accepted} events were accepted, but {parts} is {sum(by_status.values())}."))
        for status in (EventStatus.PENDING.value, EventStatus.DEAD.value):
            real = await self._count_events(status)
            if real != by_status[status]:
                found.append(("counter", f"{by_status[status]} events are counted as {status}, there are {real}."))
        return found

    async def _count_events(self, status: str) -> int:
        count, after = 0, None
        while True:
            page = await self._engine.store.page_events((status,), Query(after=after, limit=_ENTRIES))
            count, after = count + len(page.rows), page.next
            if after is None:
                return count

    async def _flow_faults(self) -> list[tuple[str, str]]:
        real = Counter([(row.workflow_type, row.state) async for row in self._rows()])
        counters = await self._engine.store.counters("flows/")
        counted = {flow_counter(name): value for name, value in counters.items()}
        return [
            ("counter", f"{counted.get(kind, 0)} {kind[0]} workflows are counted in {kind[1]}, there are {real[kind]}.")
            for kind in sorted({*real, *counted})
            if counted.get(kind, 0) != real[kind]
        ]


def _chain_faults(entries: Sequence[Entry], head: tuple[int, str]) -> Iterator[str]:
    """Yield where a chain breaks, the first place only: behind it nothing is proved.

    Args:
        entries: the whole chain, in order.
        head: number and hash of its newest entry as kept beside it.
    """
    previous = ""
    for expected, entry in enumerate(entries, 1):
        if entry.n != expected:
            yield f"entry {expected} is missing: entry {entry.n} follows {expected - 1}."
            return
        if chain_hash(previous, entry) != entry.hash:
            yield f"the chain breaks at entry {entry.n} ({entry.kind.value}): it, or one before it, was altered."
            return
        previous = entry.hash
    number, end = head
    if number != len(entries):
        yield f"the chain ends at entry {len(entries)}, its workflow counts {number}."
    elif end != previous:
        yield f"the chain's end at entry {number} is not the one its workflow remembers."


def _revision_faults(entries: Sequence[Entry], workflow: Workflow) -> Iterator[str]:
    """Yield in what the newest entry and the workflow disagree."""
    if not entries:
        yield f"there are no entries, though the workflow is at revision {workflow.revision}."
    elif entries[-1].revision != workflow.revision:
        yield f"its newest entry made revision {entries[-1].revision}, the workflow is at {workflow.revision}."


def _fold_faults(entries: Sequence[Entry], workflow: Workflow) -> Iterator[str]:
    """Yield where the history does not lead to the state; imported history is taken as it is."""
    state: str | None = None
    for entry in entries:
        if entry.kind is EntryKind.CREATED:
            state = entry.to_state
        if not entry.is_history:
            continue
        is_foreign = entry.kind in (EntryKind.ADOPTED, EntryKind.EXTERNAL)
        if not is_foreign and state is not None and entry.from_state != state:
            yield f"entry {entry.n} leaves {entry.from_state}, but the workflow was in {state}."
            return
        state = entry.to_state
    if state is not None and state != workflow.state:
        yield f"its history leads to {state}, but it is in {workflow.state}."
