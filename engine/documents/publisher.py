"""The publisher: every workflow's newest revision as a document on disk, many callers sharing one batch."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

from engine.clock import Clock
from engine.documents.files import Signature, document_name, open_directory, remove_stale_temporaries
from engine.documents.publication import Draft, Failed, Foreign, Known, Published, Result, publish_now
from engine.documents.stripes import HeldStripes, Stripes
from engine.errors import StoreError, WorkflowErrorType
from engine.model.names import Flag, is_plain_id
from engine.model.view import history_dicts
from engine.model.workflow import Workflow
from engine.store.protocol import Store
from engine.store.query import DocumentRow

_BATCH: Final = 64
_RECORD_AFTER_S: Final = 0.05
"""Publications are recorded in the store together, this long after the first of them."""

_REMEMBERED: Final = 20_000
_LONGEST_HISTORY: Final = 5_000
"""More entries than fit into the size up to which a document holds its whole history."""

_UNPUBLISHED_AT_ONCE: Final = 1_000
_FIRST_RETRY_S: Final = 0.5
_LAST_RETRY_S: Final = 30.0
_STOP_WITHIN_S: Final = 1.5
_LEFT_ALONE: Final = (Flag.CONFLICT, Flag.DAMAGED)


class RunBlocking(Protocol):
    """How a blocking call is run: in a thread, or inline where tests own the time."""

    def __call__(self, call: Callable[..., Any], /, *args: Any) -> Awaitable[Any]:
        """Run ``call(*args)`` and return its result."""
        ...


class Publisher:
    """Writes documents after their commits, under the stripes of their ids.

    One task owns every batch: a caller that is cancelled leaves its publication running. Failures never reach a
    caller: they are counted as ``resource_error``, kept in :attr:`failing` and tried again.

    Attributes:
        on_failed: called with the workflows whose newest revision could not be written, and why; each is tried again.
        on_foreign: called with the file names in whose place another program's version was found; those were left
            as they are.
    """

    def __init__(
        self, store: Store, directory: Path, store_id: str, clock: Clock, run_blocking: RunBlocking = asyncio.to_thread
    ) -> None:
        self.on_failed: Callable[[Mapping[str, str]], None] | None = None
        self.on_foreign: Callable[[Sequence[str]], None] | None = None
        self._store = store
        self._directory = directory
        self._store_id = store_id
        self._clock = clock
        self._run_blocking = run_blocking
        self._stripes = Stripes(directory / ".flowdeck" / "stripes", clock)
        self._pending: dict[str, list[asyncio.Future[None]]] = {}
        self._overwriting: set[str] = set()
        self._failing: dict[str, str] = {}
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._unrecorded: dict[str, DocumentRow] = {}
        self._recording = asyncio.Lock()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._retry_s = _FIRST_RETRY_S
        self._is_stopped = False

    @property
    def failing(self) -> Mapping[str, str]:
        """Why, by workflow id, a newest revision is not on disk and waits for another try."""
        return dict(self._failing)

    def known(self, name: str) -> Known | None:
        """Return what this publisher last put under a file name, as far as it remembers."""
        return self._known.get(name)

    async def start(self) -> None:
        """Prepare the directory: lock files, and no leftovers of dead processes. Failures show when publishing."""
        self._is_stopped = False
        with suppress(OSError):
            await self._run_blocking(self._prepare)

    async def publish(self, workflow_ids: Iterable[str], *, is_overwriting: bool = False) -> None:
        """Return when the newest revision of each is on disk, or its failure is counted; never raises for one.

        Workflows whose document is in conflict or damaged are left alone. ``is_overwriting`` replaces whatever is in
        the documents' places: the operator saw it and decided.
        """
        if self._is_stopped:
            return
        loop = asyncio.get_running_loop()
        waiting = []
        for workflow_id in workflow_ids:
            if is_plain_id(workflow_id):
                waiting.append(loop.create_future())
                self._pending.setdefault(workflow_id, []).append(waiting[-1])
                if is_overwriting:
                    self._overwriting.add(workflow_id)
        if waiting:
            self._ensure("publish", self._publish_pending)
            await asyncio.gather(*waiting)

    async def catch_up(self) -> int:
        """Publish what a crash or failure left unpublished; returns how many documents were due.

        Raises:
            StoreError: the store cannot say what is due.
        """
        done: set[str] = set()
        while True:
            await self.record()
            due = [each for each in await self._store.unpublished(_UNPUBLISHED_AT_ONCE) if each not in done]
            if not due:
                return len(done)
            await self.publish(due)
            done.update(due)

    async def record(self) -> None:
        """Write what was published into the store now; what cannot be written waits for the next time."""
        async with self._recording:
            rows = dict(self._unrecorded)
            if not rows:
                return
            with suppress(StoreError):
                await self._store.record_documents(list(rows.values()))
                for name, row in rows.items():
                    if self._unrecorded.get(name) is row:
                        del self._unrecorded[name]

    async def stop(self) -> None:
        """Try once more what is pending, record it, end all tasks. Twice is fine."""
        self._is_stopped = True
        publishing = self._tasks.get("publish")
        if publishing is not None:
            await asyncio.wait({publishing}, timeout=_STOP_WITHIN_S)
        ending = list(self._tasks.values())
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        self._tasks.clear()
        await self.record()

    def _prepare(self) -> None:
        self._stripes.prepare()
        with open_directory(self._directory) as dir_fd:
            remove_stale_temporaries(dir_fd, self._clock.now().timestamp())

    def _ensure(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have the task ``name`` running; it ends by itself when it has nothing to do."""
        task = self._tasks.get(name)
        if task is not None and task.done() and not task.cancelled():
            task.result()
        if task is None or task.done():
            self._tasks[name] = asyncio.get_running_loop().create_task(work(), name=f"documents-{name}")

    async def _publish_pending(self) -> None:
        waiting: list[asyncio.Future[None]] = []
        try:
            while self._pending:
                batch = list(islice(self._pending, _BATCH))
                waiting = [future for each in batch for future in self._pending.pop(each)]
                overwriting = self._overwriting.intersection(batch)
                self._overwriting -= overwriting
                await self._publish_batch(batch, overwriting)
                _release(waiting)
        finally:
            # Whatever ended this task, nobody may wait for it for ever; the next start catches up.
            _release(waiting)
            for futures in self._pending.values():
                _release(futures)
            self._pending.clear()

    async def _publish_batch(self, workflow_ids: Sequence[str], overwriting: set[str]) -> None:
        results: list[Result]
        try:
            held = await self._hold(workflow_ids)
            try:
                drafts = await self._drafts(workflow_ids, overwriting)
                results = await self._write(drafts, held)
                results = await self._ask_ledger(drafts, results, held)
            finally:
                held.leave()
        except (OSError, StoreError) as error:
            results = [Failed(each, str(error)) for each in workflow_ids]
        await self._take(workflow_ids, results)

    async def _hold(self, workflow_ids: Sequence[str]) -> HeldStripes:
        try:
            return await self._stripes.acquire(workflow_ids)
        except FileNotFoundError:
            # Lock files may be removed, a store may not: a ledger that went with them says so before any are made.
            await self._store.version()
            await self._run_blocking(self._stripes.prepare)
            return await self._stripes.acquire(workflow_ids)

    async def _write(self, drafts: Sequence[Draft], held: HeldStripes) -> list[Result]:
        results: list[Result] = await self._run_blocking(publish_now, self._directory, drafts, self._store_id, held)
        return results

    async def _ask_ledger(self, drafts: Sequence[Draft], results: Sequence[Result], held: HeldStripes) -> list[Result]:
        """Try those again whose place holds what the ledger knows though this publisher does not."""
        expected = {}
        for draft, result in zip(drafts, results, strict=True):
            if isinstance(result, Foreign):
                row = await self._store.document(document_name(result.workflow_id))
                if row is not None and _is_in_ledger(row, result.workflow_id):
                    expected[result.workflow_id] = draft.expecting(_known_by(row))
        again = await self._write(list(expected.values()), held) if expected else []
        return [each for each in results if each.workflow_id not in expected] + again

    async def _drafts(self, workflow_ids: Sequence[str], overwriting: set[str]) -> list[Draft]:
        workflows = await self._store.read_many(workflow_ids)
        due = [each for each in workflows if each.workflow_id in overwriting or each.flag not in _LEFT_ALONE]
        return list(await asyncio.gather(*(self._draft(each, each.workflow_id in overwriting) for each in due)))

    async def _draft(self, workflow: Workflow, is_overwriting: bool) -> Draft:
        """Return the draft of what was read; entries of a later revision wait for theirs."""
        entries, older = await self._store.last_history(workflow.workflow_id, _LONGEST_HISTORY)
        return Draft(
            workflow=workflow,
            history=history_dicts(entry for entry in entries if entry.revision <= workflow.revision),
            older=older,
            known=self._known.get(document_name(workflow.workflow_id)),
            is_overwriting=is_overwriting,
        )

    async def _take(self, workflow_ids: Iterable[str], results: Iterable[Result]) -> None:
        foreign: list[str] = []
        failed: dict[str, str] = {}
        for workflow_id in workflow_ids:
            self._failing.pop(workflow_id, None)
        for result in results:
            if isinstance(result, Published):
                self._remember(result)
            elif isinstance(result, Foreign):
                foreign.append(document_name(result.workflow_id))
            else:
                self._failing[result.workflow_id] = failed[result.workflow_id] = result.why
        if self._unrecorded:
            self._ensure("record", self._record_soon)
        if not self._failing:
            self._retry_s = _FIRST_RETRY_S
        elif not self._is_stopped:
            self._ensure("retry", self._retry_failing)
        await self._tell(foreign, failed)

    async def _tell(self, foreign: Sequence[str], failed: Mapping[str, str]) -> None:
        if foreign and self.on_foreign is not None:
            self.on_foreign(foreign)
        if failed and self.on_failed is not None:
            self.on_failed(failed)
        with suppress(StoreError):
            for _ in failed:
                await self._store.count_error(WorkflowErrorType.RESOURCE_ERROR.value)

    def _remember(self, result: Published) -> None:
        name, known = document_name(result.workflow_id), result.known
        if self._known.get(name) == known:
            return
        self._known[name] = known
        self._known.move_to_end(name)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        self._unrecorded[name] = DocumentRow(
            name=name,
            workflow_id=result.workflow_id,
            published_revision=known.revision,
            digest=known.digest,
            size=known.signature.size,
            mtime_ns=known.signature.mtime_ns,
            inode=known.signature.inode,
            looked_at=self._clock.now(),
        )

    async def _record_soon(self) -> None:
        while self._unrecorded:
            await self._clock.sleep(_RECORD_AFTER_S)
            await self.record()

    async def _retry_failing(self) -> None:
        while self._failing:
            await self._clock.sleep(self._retry_s)
            self._retry_s = min(2 * self._retry_s, _LAST_RETRY_S)
            await self.publish(list(self._failing))


def _release(waiting: Iterable[asyncio.Future[None]]) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(None)


def _is_in_ledger(row: DocumentRow, workflow_id: str) -> bool:
    """Return whether the version a row tells of is the ledger's own or was taken into it."""
    return row.workflow_id == workflow_id and bool(row.digest) and not row.problem and row.foreign_body is None


def _known_by(row: DocumentRow) -> Known:
    signature = Signature(row.size, row.mtime_ns, row.inode)
    return Known(signature=signature, digest=row.digest, revision=row.published_revision)
