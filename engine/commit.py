"""The one way of a change: read, rule, commit, then publication, observers and delivery, in that order."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import uuid4
from weakref import WeakValueDictionary

from engine.clock import Clock
from engine.delivery import Delivery
from engine.errors import (
    EngineError,
    InvalidValueError,
    RefusedError,
    RequestReusedError,
    StaleRevisionError,
    StoreError,
    UnknownOutcomeError,
    WorkflowErrorType,
    WorkflowExistsError,
    WorkflowNotFoundError,
)
from engine.model.actor import Act
from engine.model.change import Change, Decision, LockPolicy
from engine.model.entry import NewEntry, NewEvent
from engine.model.lock import Claim
from engine.model.names import Phase
from engine.model.plain import encode
from engine.model.workflow import Workflow
from engine.store.outcomes import Committed, Conflict, Fenced, Outcome, Refused, Unknown
from engine.store.protocol import WorkflowStore

Rule = Callable[[Workflow, datetime], Decision]
"""A pure function of the workflow as read and of the time; it may run again on a newer revision."""

Publish = Callable[[Sequence[str]], Awaitable[None]]
"""Returns when the newest revisions of these workflows are on disk, or their failure is taken care of."""

Observe = Callable[[Workflow | None, Committed], None]
"""Told of each change this committer made: the value before (None: created) and what was committed."""

RE_READS: Final = 3
"""How often a change without ``expect_revision`` is computed again after another one came first."""

ResultT = TypeVar("ResultT")


class Committer:
    """Makes decisions of rules true, each once, and sees to what follows from it.

    A change follows through once its commit was issued: the caller may be cancelled, publication and delivery
    happen all the same. No lock is held while events are delivered, so a subscriber may call back.

    Attributes:
        on_committed: observers, called after publication and before delivery; where changes of one workflow
            overlap, a newer revision may come first.
    """

    def __init__(  # noqa: PLR0913  what a change leads to, all keywords
        self,
        store: WorkflowStore,
        *,
        clock: Clock,
        publish: Publish | None = None,
        publishes_behind: bool = False,
        delivery: Delivery | None = None,
        on_committed: Sequence[Observe] = (),
        count_error: Callable[[WorkflowErrorType], None] = lambda _: None,
        is_told: Callable[[NewEvent], bool] = lambda _: True,
        new_id: Callable[[], str] = lambda: uuid4().hex,
        cache_size: int = 1_024,
    ) -> None:
        self.on_committed: list[Observe] = list(on_committed)
        self._store = store
        self._clock = clock
        self._publish = publish
        self._publishes_behind = publishes_behind
        self._delivery = delivery
        self._count_error = count_error
        self._is_told = is_told
        self._new_id = new_id
        self._newest = _Newest(cache_size)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(  # noqa: PLR0913  one change has this many facts, all but the first three optional
        self,
        workflow_id: str,
        rule: Rule,
        *,
        act: Act,
        payload: object,
        expect_revision: int | None = None,
        claim: Claim | None = None,
        lock_policy: LockPolicy = LockPolicy.OBEY,
        lock_fence: int | None = None,
    ) -> Outcome:
        """Apply ``rule`` to the newest revision and commit what it decides.

        Without ``expect_revision`` a change that came second is computed again, :data:`RE_READS` times at most.
        A repeated request id gives its first outcome, whatever the rule would say now.

        Args:
            workflow_id: the workflow to change.
            rule: what to do with it.
            act: who, why and, if repetitions must not act twice, the request id.
            payload: what was asked, plain JSON; another payload under the same request id is refused.
            expect_revision: the revision the caller saw; any other gives :class:`Conflict`.
            claim: the caller's grant; its generation is refreshed by the holder's own rollback, retry or force.
            lock_policy: whether locks are obeyed.
            lock_fence: a plan's guard, see :class:`Change`.

        Raises:
            WorkflowNotFoundError: there is no such workflow.
            RefusedError: what the rule raised; nothing was changed.
            StoreError: the store cannot be read or written.
        """
        request_id, asked = act.request_id or self._new_id(), payload_hash(payload)

        def change(before: Workflow, decision: Decision) -> Change:
            return Change(
                before=before,
                after=_numbered(before, decision.after),
                entry=self._told(decision.entry),
                act=act,
                request_id=request_id,
                payload_hash=asked,
                lock_policy=lock_policy,
                claim=claim,
                lock_fence=lock_fence,
            )

        async with self._turns.setdefault(workflow_id, asyncio.Lock()):
            try:
                outcome, follow_up = await self._compete(workflow_id, rule, change, expect_revision)
            except RefusedError:
                earlier = await self._earlier(workflow_id, act.request_id, asked)
                if earlier is None:
                    raise
                return earlier
        if isinstance(outcome, Conflict):
            return await self._earlier(workflow_id, act.request_id, asked) or outcome
        return await self._followed(outcome, follow_up)

    async def create(self, decision: Decision, *, act: Act, payload: object) -> Outcome:
        """Commit a new workflow (a creation or adoption); the arguments are those of :meth:`run`.

        Raises:
            StoreError: the store cannot be written.
        """
        change = Change(
            before=None,
            after=decision.after.evolve(revision=1),
            entry=self._told(decision.entry),
            act=act,
            request_id=act.request_id or self._new_id(),
            payload_hash=payload_hash(payload),
        )
        outcome, follow_up = await asyncio.shield(self._spawn(self._commit(change)))
        return await self._followed(outcome, follow_up)

    def forget(self, workflow_id: str) -> None:
        """Drop what is remembered of a workflow: another process changed it. Only saves a conflict."""
        self._newest.drop(workflow_id)

    async def drain(self) -> None:
        """Wait until every change under way is committed, published and first delivered."""
        loop = asyncio.get_running_loop()
        while under_way := [task for task in self._tasks if task.get_loop() is loop]:
            await asyncio.wait(under_way)

    async def _compete(
        self,
        workflow_id: str,
        rule: Rule,
        change: Callable[[Workflow, Decision], Change],
        expect_revision: int | None,
    ) -> tuple[Outcome, asyncio.Task[None] | None]:
        """Read, decide and commit until it is decided; a refusal counts only on what the store holds now."""
        before = self._newest.get(workflow_id)
        is_fresh = before is None
        re_reads = 0
        while True:
            if before is None:
                before, is_fresh = await self._store.read(workflow_id), True
                if before is None:
                    raise WorkflowNotFoundError(workflow_id)
            outcome: Outcome
            if expect_revision is not None and before.revision != expect_revision:
                outcome = Conflict(expect_revision, before.revision)
            else:
                try:
                    decision = rule(before, self._clock.now())
                except RefusedError:
                    if is_fresh:
                        raise
                    before = None
                    continue
                outcome, follow_up = await asyncio.shield(self._spawn(self._commit(change(before, decision))))
                if not isinstance(outcome, Conflict):
                    return outcome, follow_up
            if re_reads == RE_READS or (is_fresh and expect_revision is not None):
                return outcome, None
            re_reads += 1
            before = None

    async def _commit(self, change: Change) -> tuple[Outcome, asyncio.Task[None] | None]:
        """Commit and, if that made something true, set going what follows; runs shielded from the caller."""
        try:
            outcome = await self._store.commit(change)
        except StoreError:
            self._count_error(WorkflowErrorType.RESOURCE_ERROR)
            raise
        if isinstance(outcome, Unknown):
            outcome = await self._settled(change, outcome)
        if isinstance(outcome, Unknown):
            self._count_error(WorkflowErrorType.RESOURCE_ERROR)
        if not isinstance(outcome, Committed):
            self._newest.drop(change.workflow_id)
            return outcome, None
        self._newest.put(outcome.workflow)
        if outcome.is_replay:
            return outcome, None
        _refresh(change)
        deliver = None if self._delivery is None else self._delivery.accept(outcome, change.entry.events)
        return outcome, self._spawn(self._follow(change.before, outcome, deliver))

    def _told(self, entry: NewEntry) -> NewEntry:
        """Return ``entry`` without the events that this engine keeps from the bus."""
        events = tuple(event for event in entry.events if self._is_told(event))
        return entry if len(events) == len(entry.events) else replace(entry, events=events)

    async def _settled(self, change: Change, unknown: Unknown) -> Outcome:
        """Return what became of a change whose commit failed half-way, by its request id."""
        try:
            committed = await self._store.settle(change.workflow_id, change.request_id)
        except StoreError:
            return unknown
        if committed is None or committed.entry.payload_hash != change.payload_hash:
            return unknown
        return replace(committed, is_replay=False)

    async def _follow(
        self, before: Workflow | None, committed: Committed, deliver: Callable[[], Awaitable[None]] | None
    ) -> None:
        """Publish the document, tell the observers, deliver the events; none of it can undo the change.

        Observers come before delivery: a subscriber may ask for, or wait for, what they keep.
        """
        after = committed.workflow
        try:
            if self._publish is not None and (before is None or after.revision != before.revision):
                publication = self._published(after.workflow_id)
                if self._publishes_behind:
                    self._spawn(publication)
                else:
                    await publication
            for observe in self.on_committed:
                observe(before, committed)
        finally:
            if deliver is not None:
                await deliver()

    async def _published(self, workflow_id: str) -> None:
        """Publish a document; a failure is counted, since the change is true and publication is tried again."""
        assert self._publish is not None  # noqa: S101  the caller asked
        try:
            await self._publish((workflow_id,))
        except (EngineError, OSError):
            self._count_error(WorkflowErrorType.RESOURCE_ERROR)

    @staticmethod
    async def _followed(outcome: Outcome, follow_up: asyncio.Task[None] | None) -> Outcome:
        if follow_up is not None:
            await asyncio.shield(follow_up)
        return outcome

    async def _earlier(self, workflow_id: str, request_id: str | None, asked: str) -> Outcome | None:
        """Return the outcome a caller's request id had before, None if it is new."""
        if request_id is None:
            return None
        committed = await self._store.settle(workflow_id, request_id)
        if committed is None:
            return None
        if committed.entry.payload_hash != asked:
            return Refused(RequestReusedError(workflow_id, request_id))
        return replace(committed, is_replay=True)

    def _spawn(self, work: Coroutine[Any, Any, ResultT]) -> asyncio.Task[ResultT]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def raise_for(outcome: Outcome, workflow_id: str, request_id: str | None = None) -> Committed:
    """Return ``outcome`` where it is :class:`Committed`, else raise the error it stands for.

    Raises:
        StaleRevisionError: another change came first.
        WorkflowExistsError: a creation met a workflow of that id.
        LockHeldError: another holder has the lock.
        StaleLockError: the claim no longer counts.
        RequestReusedError: the request id was used for something else.
        UnknownOutcomeError: nobody can say whether it happened.
    """
    if isinstance(outcome, Committed):
        return outcome
    if isinstance(outcome, Fenced | Refused):
        raise outcome.error
    if isinstance(outcome, Unknown):
        raise UnknownOutcomeError(workflow_id, request_id or "(none was given)", outcome.cause)
    if outcome.expected == 0:
        raise WorkflowExistsError(workflow_id)
    if outcome.found == 0:
        raise WorkflowNotFoundError(workflow_id)
    raise StaleRevisionError(workflow_id, outcome.expected, outcome.found)


def payload_hash(payload: object) -> str:
    """Return the hex SHA-256 by which a repetition of a request is told from another one.

    Raises:
        InvalidValueError: ``payload`` has no JSON shape.
    """
    try:
        return hashlib.sha256(encode(payload)).hexdigest()
    except ValueError as error:
        raise InvalidValueError("payload", str(error)) from error


class _Newest:
    """The newest revisions this process knows: a bounded, least recently used memory.

    It may lag behind the store; a commit compares revisions, so that costs a second read and nothing else.
    Finished workflows are not kept: nothing changes them but an operator.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._known: OrderedDict[str, Workflow] = OrderedDict()

    def get(self, workflow_id: str) -> Workflow | None:
        known = self._known.get(workflow_id)
        if known is not None:
            self._known.move_to_end(workflow_id)
        return known

    def put(self, workflow: Workflow) -> None:
        known = self._known.get(workflow.workflow_id)
        if known is not None and known.revision >= workflow.revision:
            return
        self._known[workflow.workflow_id] = workflow
        self._known.move_to_end(workflow.workflow_id)
        if workflow.phase is Phase.DONE:
            self.drop(workflow.workflow_id)
        while len(self._known) > self._size:
            self._known.popitem(last=False)

    def drop(self, workflow_id: str) -> None:
        self._known.pop(workflow_id, None)


def _numbered(before: Workflow, after: Workflow) -> Workflow:
    """Return ``after`` with its revision: the next one, or the same where only an entry is written."""
    if after is before or after == before:
        return before
    return after.evolve(revision=before.revision + 1)


def _refresh(change: Change) -> None:
    """Let a holder go on under its grant after its own act raised the generation, as the store does."""
    claim, before = change.claim, change.before
    if claim is not None and before is not None and claim.generation == before.generation:
        claim.generation = change.after.generation
