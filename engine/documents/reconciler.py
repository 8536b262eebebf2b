"""The reconciler: what a look found, made true in the ledger; never the other way round without a reason."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final
from uuid import uuid4

from engine.clock import Clock
from engine.documents.codec import ParsedDocument, parse
from engine.documents.files import Signature
from engine.documents.looks import Look
from engine.documents.publisher import Publisher
from engine.errors import DamagedDocumentError
from engine.model.actor import Act, Actor, ActorKind, policy
from engine.model.change import Change, Decision, LockPolicy
from engine.model.entry import Entry
from engine.model.names import EntryKind, Flag, Origin
from engine.model.plain import encode
from engine.model.view import data_dict, history_dicts
from engine.model.workflow import Workflow
from engine.rules import adoption
from engine.store.outcomes import Committed
from engine.store.protocol import Store
from engine.store.query import DocumentRow

_ATTEMPTS: Final = 3
_BEGUN_AT_ONCE: Final = 16
_ENTRIES_AT_ONCE: Final = 1_000
_OF_A_DOCUMENT: Final = (EntryKind.ADOPTED, EntryKind.EXTERNAL)
_WRITER: Final = Actor(name="another program", kind=ActorKind.FOREIGN)
_SCANNER: Final = policy("documents")

ReadAgain = Callable[[str], Awaitable[tuple[bytes, Signature]]]
"""Reads a document by name, as :func:`engine.documents.files.read_document` does."""


class Verdict(StrEnum):
    """What a look came to."""

    OURS = "ours"
    ADOPTED = "adopted"
    CHANGED = "changed"
    CONFLICT = "conflict"
    DAMAGED = "damaged"
    GONE = "gone"
    SKIPPED = "skipped"
    SUSPECT = "suspect"
    """Damaged or missing at a first look: look again before believing it."""
    UNSETTLED = "unsettled"
    """It changed while it was looked at: the next look decides."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A verdict, and the row that says so in the ledger where it needs one."""

    verdict: Verdict
    row: DocumentRow | None = None


class Reconciler:
    """Brings the ledger up to date with documents of other hands (source: semantics, Foreign documents)."""

    def __init__(
        self, store: Store, publisher: Publisher | None, store_id: str, clock: Clock, read_again: ReadAgain
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._store_id = store_id
        self._clock = clock
        self._read_again = read_again
        self._restored: dict[str, int] = {}

    async def settle(self, looks: Sequence[Look], *, is_second: bool = False) -> list[Verdict]:
        """Settle each look; what was damaged or missing is only believed at a second, equal look.

        Raises:
            StoreError: the ledger could not be read or written; nothing is believed of any of these looks.
        """
        ids = [look.workflow_id for look in looks if look.workflow_id]
        workflows = {each.workflow_id: each for each in await self._store.read_many(ids)} if ids else {}
        settled = await self._settle_all(looks, workflows, is_second=is_second)
        rows = [each.row for each in settled if each.row is not None]
        if rows:
            await self._store.record_documents(rows)
        return [each.verdict for each in settled]

    async def _settle_all(
        self, looks: Sequence[Look], workflows: Mapping[str, Workflow], *, is_second: bool
    ) -> list[Settled]:
        """Settle all looks at once, begun a few at a time so that the loop is never held up."""
        begun: list[asyncio.Task[Settled]] = []
        try:
            for start in range(0, len(looks), _BEGUN_AT_ONCE):
                for look in looks[start : start + _BEGUN_AT_ONCE]:
                    settling = self._settle(look, workflows.get(look.workflow_id), is_second=is_second)
                    begun.append(asyncio.ensure_future(settling))
                await self._clock.sleep(0)
            return await asyncio.gather(*begun)
        finally:
            for task in begun:
                task.cancel()

    async def _settle(self, look: Look, workflow: Workflow | None, *, is_second: bool) -> Settled:
        is_ours = look.mark is not None and look.mark.is_of(self._store_id)
        is_readable = look.parsed is not None or is_ours
        if not is_readable and (workflow is not None or look.damage or look.signature is None) and not is_second:
            return Settled(Verdict.SUSPECT)
        if look.signature is None:
            return await self._settle_missing(look, workflow)
        if not is_readable and workflow is None and not look.damage:
            return Settled(Verdict.SKIPPED, replace(self._row(look, 0), workflow_id=""))
        if not is_readable:
            return await self._settle_damaged(look, workflow)
        for _ in range(_ATTEMPTS):
            settled = await self._try(look, workflow, is_ours=is_ours)
            if settled is not None:
                return settled
            workflow = await self._store.read(look.workflow_id)
        return Settled(Verdict.UNSETTLED)

    async def _try(self, look: Look, workflow: Workflow | None, *, is_ours: bool) -> Settled | None:
        """Settle a readable look against the ledger's newest revision; None where that moved on meanwhile."""
        if workflow is None:
            return await self._adopt(look)
        if is_ours and look.mark is not None and look.mark.revision <= workflow.revision:
            return await self._settle_ours(look, workflow, look.mark.revision)
        row = await self._store.document(look.key)
        if row is not None and _is_lost(row, look) and await self._publish_again(workflow):
            return Settled(Verdict.OURS)
        if row is not None and row.digest == look.digest and not row.problem and row.workflow_id:
            return await self._settle_touched(look, workflow, row)
        if workflow.origin is Origin.EXTERNAL and not is_ours:
            return await self._adopt_change(look, workflow)
        return await self._settle_conflict(look, row)

    async def _adopt(self, look: Look) -> Settled | None:
        parsed = look.parsed or await self._parse_ours(look)
        if parsed is None:
            return Settled(Verdict.UNSETTLED)
        at = self._clock.now()
        decision = adoption.adopt(parsed.workflow, parsed.history, at=at, actor=_WRITER)
        committed = await self._commit(None, decision, _WRITER, look.digest)
        return None if committed is None else Settled(Verdict.ADOPTED, self._row(look, committed.revision))

    async def _parse_ours(self, look: Look) -> ParsedDocument | None:
        """Return what a document of this store holds whose workflow the ledger has lost."""
        try:
            data, _ = await self._read_again(look.name)
            return parse(data, look.name) if hashlib.sha256(data).hexdigest() == look.digest else None
        except (OSError, DamagedDocumentError):
            return None

    async def _settle_ours(self, look: Look, workflow: Workflow, revision: int) -> Settled | None:
        if workflow.flag is not Flag.NONE:
            why = "the document on disk is the ledger's again"
            mended = await self._flag(workflow, Flag.NONE, why, look.digest)
            if mended is None:
                return None
            workflow = mended
        self._restored.pop(look.workflow_id, None)
        if revision < workflow.revision and self._publisher is not None:
            await self._publisher.publish([look.workflow_id])
        return Settled(Verdict.OURS)

    async def _settle_touched(self, look: Look, workflow: Workflow, row: DocumentRow) -> Settled | None:
        """The bytes are those the ledger knows of; only their times or their place on the disk changed."""
        is_mended = workflow.flag is Flag.GONE or (workflow.flag is Flag.DAMAGED and row.foreign_body is None)
        revision = row.published_revision
        if is_mended:
            mended = await self._flag(workflow, Flag.NONE, "the document can be read again", look.digest)
            if mended is None:
                return None
            revision = max(revision, mended.revision) if workflow.origin is Origin.EXTERNAL else revision
        found = self._row(look, revision)
        if row.foreign_body is not None:
            found = replace(found, foreign_body=(await self._conflicting(look))[0])
            return Settled(Verdict.CONFLICT, found) if found.foreign_body else Settled(Verdict.UNSETTLED)
        return Settled(Verdict.OURS, found)

    async def _adopt_change(self, look: Look, workflow: Workflow) -> Settled | None:
        assert look.parsed is not None  # noqa: S101  a readable document that is not ours was parsed
        document, history = look.parsed.workflow, look.parsed.history
        entries = await self._history(workflow)
        known_history = history_dicts(entries)
        if _is_same(workflow, known_history, look.parsed):
            return await self._settle_unchanged(look, workflow)
        decision = adoption.adopt_change(
            workflow, document, history, known_history, at=self._clock.now(), actor=_WRITER
        )
        act = entries[-1] if entries and entries[-1].kind not in _OF_A_DOCUMENT else None
        if act is not None:
            why = f"overwritten by its writer after the {act.kind.value} at revision {act.revision}"
            after = decision.after.evolve(flag=Flag.OVERWRITTEN)
            decision = Decision(after=after, entry=replace(decision.entry, reason=why))
        committed = await self._commit(workflow, decision, _WRITER, look.digest)
        return None if committed is None else Settled(Verdict.CHANGED, self._row(look, committed.revision))

    async def _settle_unchanged(self, look: Look, workflow: Workflow) -> Settled | None:
        """Another writing of the same content: only a mark that no longer fits has to go."""
        revision = workflow.revision
        if workflow.flag in (Flag.DAMAGED, Flag.GONE):
            mended = await self._flag(workflow, Flag.NONE, "the document can be read again", look.digest)
            if mended is None:
                return None
            revision = mended.revision
        return Settled(Verdict.OURS, self._row(look, revision))

    async def _settle_conflict(self, look: Look, row: DocumentRow | None) -> Settled | None:
        """Two reads around a fresh read of the ledger must agree before a workflow of our own is flagged."""
        workflow = await self._store.read(look.workflow_id)
        body, is_same = await self._conflicting(look)
        if workflow is None or not is_same:
            return Settled(Verdict.UNSETTLED)
        if look.mark is not None and look.mark.is_of(self._store_id):
            if look.mark.revision <= workflow.revision:
                return None
            why = (
                f"the document is at revision {look.mark.revision}, the ledger at {workflow.revision}: "
                "the ledger is older than the document"
            )
        else:
            why = "another program wrote its document"
        if workflow.flag is not Flag.CONFLICT:
            flagged = await self._flag(workflow, Flag.CONFLICT, why, look.digest)
            if flagged is None:
                return None
        found = self._row(look, row.published_revision if row else 0)
        return Settled(Verdict.CONFLICT, replace(found, foreign_body=body))

    async def _conflicting(self, look: Look) -> tuple[bytes, bool]:
        try:
            body, _ = await self._read_again(look.name)
        except (OSError, DamagedDocumentError):
            return b"", False
        return body, hashlib.sha256(body).hexdigest() == look.digest

    async def _settle_damaged(self, look: Look, workflow: Workflow | None) -> Settled:
        why = look.damage or "it has neither workflow_id nor state"
        if workflow is None:
            return Settled(Verdict.DAMAGED, replace(self._row(look, 0), workflow_id="", problem=why))
        known = await self._store.document(look.key)
        if known is not None and _is_lost(known, look) and await self._publish_again(workflow):
            return Settled(Verdict.OURS)
        flagged = await self._mark(workflow, Flag.DAMAGED, why, look.digest)
        if flagged is None:
            return Settled(Verdict.UNSETTLED)
        is_external = flagged.origin is Origin.EXTERNAL
        revision = flagged.revision if is_external else (known.published_revision if known else 0)
        return Settled(Verdict.DAMAGED, replace(self._row(look, revision), problem=why))

    async def _publish_again(self, workflow: Workflow) -> bool:
        """Put a document of our own back whose bytes the disk lost; False where it is not ours to write."""
        if workflow.origin is not Origin.OWN or workflow.flag is not Flag.NONE or self._publisher is None:
            return False
        await self._publisher.publish([workflow.workflow_id], is_overwriting=True)
        return True

    async def _settle_missing(self, look: Look, workflow: Workflow | None) -> Settled:
        if workflow is None:
            await self._store.forget_documents([look.key])
            return Settled(Verdict.GONE)
        if workflow.flag is Flag.GONE:
            return Settled(Verdict.GONE)
        is_own = workflow.origin is Origin.OWN
        if is_own and self._publisher is not None and self._restored.get(look.workflow_id) != workflow.revision:
            return await self._restore(workflow, self._publisher)
        why = "its document was deleted again" if is_own else "its document was deleted"
        flagged = await self._mark(workflow, Flag.GONE, why, "")
        if flagged is None:
            return Settled(Verdict.UNSETTLED)
        self._restored.pop(look.workflow_id, None)
        gone = replace(look, signature=Signature(0, 0, 0))
        return Settled(Verdict.GONE, self._row(gone, flagged.revision))

    async def _restore(self, workflow: Workflow, publisher: Publisher) -> Settled:
        """Publish a deleted document of our own once more; what was wrong with the deleted one went with it."""
        restored = workflow
        if workflow.flag in (Flag.CONFLICT, Flag.DAMAGED):
            mended = await self._mark(workflow, Flag.NONE, f"the document in {workflow.flag.value} was removed", "")
            if mended is None:
                return Settled(Verdict.UNSETTLED)
            restored = mended
        self._restored[workflow.workflow_id] = restored.revision
        await publisher.publish([workflow.workflow_id])
        return Settled(Verdict.OURS)

    async def _mark(self, workflow: Workflow, mark: Flag, why: str, digest: str) -> Workflow | None:
        """Flag whatever revision is the newest; None where it cannot be done now."""
        newest: Workflow | None = workflow
        for _ in range(_ATTEMPTS):
            if newest is None:
                return None
            if newest.flag is mark:
                return newest
            flagged = await self._flag(newest, mark, why, digest)
            if flagged is not None:
                return flagged
            newest = await self._store.read(workflow.workflow_id)
        return None

    async def _flag(self, workflow: Workflow, mark: Flag, why: str, digest: str) -> Workflow | None:
        decision = adoption.flag(workflow, mark, why, at=self._clock.now(), actor=_SCANNER)
        return await self._commit(workflow, decision, _SCANNER, digest)

    async def _commit(self, before: Workflow | None, decision: Decision, actor: Actor, digest: str) -> Workflow | None:
        """Return the committed value, or None where the ledger moved on or does not take it now."""
        outcome = await self._store.commit(
            Change(
                before=before,
                after=decision.after.evolve(revision=before.revision + 1 if before else 1),
                entry=decision.entry,
                act=Act(actor=actor, reason=decision.entry.reason),
                request_id=uuid4().hex,
                payload_hash=digest,
                lock_policy=LockPolicy.PASS,
            )
        )
        return outcome.workflow if isinstance(outcome, Committed) else None

    async def _history(self, workflow: Workflow) -> list[Entry]:
        entries: list[Entry] = []
        after = 0
        while True:
            page = await self._store.entries(workflow.workflow_id, after, _ENTRIES_AT_ONCE, history_only=True)
            entries.extend(entry for entry in page if entry.revision <= workflow.revision)
            if len(page) < _ENTRIES_AT_ONCE:
                return entries
            after = page[-1].n

    def _row(self, look: Look, revision: int) -> DocumentRow:
        signature = look.signature or Signature(0, 0, 0)
        return DocumentRow(
            name=look.key,
            workflow_id=look.workflow_id,
            published_revision=revision,
            digest=look.digest,
            size=signature.size,
            mtime_ns=signature.mtime_ns,
            inode=signature.inode,
            looked_at=self._clock.now(),
        )


def _is_same(workflow: Workflow, known_history: Sequence[Any], parsed: ParsedDocument) -> bool:
    """Return whether a document says what the ledger says; compared as bytes, because NaN does not equal itself."""
    if encode(data_dict(workflow)) != encode(data_dict(parsed.workflow)):
        return False
    return encode(list(known_history)) == encode(list(parsed.history))


def _is_lost(row: DocumentRow, look: Look) -> bool:
    """Return whether bytes changed in a file that nobody wrote: a power cut took what was not synced."""
    return (
        look.signature is not None
        and (row.inode, row.mtime_ns) == (look.signature.inode, look.signature.mtime_ns)
        and bool(row.digest)
        and not row.problem
        and row.digest != look.digest
    )
