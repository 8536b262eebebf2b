"""Applying a plan: each item only if its revision and its lock still are what the plan saw."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable
from contextlib import suppress
from typing import Final

from engine.errors import (
    EngineError,
    EventNotFoundError,
    InvalidValueError,
    LockMovedOnError,
    ReasonRequiredError,
    RefusedError,
    StaleRevisionError,
    StoreError,
    StoreReadOnlyError,
    UnknownOutcomeError,
    WorkflowErrorType,
    WorkflowNotFoundError,
)
from engine.model.actor import Act, Actor
from engine.model.change import LockPolicy
from engine.model.lock import Liveness
from engine.model.names import EventStatus
from engine.observation.embedding import Engine
from engine.observation.lives import lock_views
from engine.observation.views import LockView
from engine.operations.event_items import read_event_id, store_verb
from engine.operations.plan import Applied, ItemOutcome, Plan, PlanItem, Verb
from engine.operations.skips import code_of
from engine.operations.unlocking import UNLOCKED, needs_steal
from engine.operations.verbs import EVENT_VERBS, WORDS, bind_rule, payload_of
from engine.operations.words import few
from engine.rules.locks import is_held
from engine.store.outcomes import Committed, Conflict, Fenced, Outcome, Refused, Unknown
from engine.store.query import Filter, Query
from engine.store.requests import LockRelease, Refusal

_AT_ONCE: Final = 64
"""Items under way together; their commits share transactions."""

_ENTRIES_LOOKED_AT: Final = 200
"""Newest audit entries of a workflow in which a repetition of a request is looked for."""

_REQUEST_ID_AT_MOST: Final = 200
_REASON_AT_MOST: Final = 2_000


def plan_id(plan: Plan, actor: Actor) -> str:
    """Return the request id of a plan: the same for the same plan, another for any later one."""
    facts = (
        actor.name,
        actor.facts.get("pid", ""),
        plan.read_at.isoformat(),
        repr(plan.request),
        [(item.id, item.revision, item.lock_fence, item.before) for item in plan.items],
    )
    return "plan-" + hashlib.sha256(repr(facts).encode("utf-8", "backslashreplace")).hexdigest()[:24]


class Applying:
    """One application of one plan."""

    def __init__(self, engine: Engine, actor: Actor, plan: Plan, reason: str | None, request_id: str | None) -> None:
        self._engine = engine
        self._plan = plan
        self._verb = plan.request.verb
        self._reason = (reason or "").strip() or None
        self._is_repeatable = request_id is not None
        self._request_id = plan_id(plan, actor) if request_id is None else request_id
        self._actor = actor

    async def apply(self) -> Applied:
        """Do it; see :meth:`engine.operations.operations.Operations.apply`."""
        await self._check()
        outcomes: list[ItemOutcome] = []
        for start in range(0, len(self._plan.items), _AT_ONCE):
            part = self._plan.items[start : start + _AT_ONCE]
            outcomes += await asyncio.gather(*map(self._one, part))
        return Applied(plan=self._plan, request_id=self._request_id, outcomes=tuple(outcomes))

    async def _check(self) -> None:
        if self._engine.mode != "live":
            raise StoreReadOnlyError(self._engine.mode_reason or self._engine.mode)
        if not self._request_id.isprintable() or not 0 < len(self._request_id) <= _REQUEST_ID_AT_MOST:
            raise InvalidValueError("request-id", f"it takes 1 to {_REQUEST_ID_AT_MOST} printable characters")
        length = len(self._reason or "")
        try:
            (self._reason or "").encode()
        except UnicodeEncodeError:
            raise InvalidValueError("reason", "it is not valid text") from None
        if length > _REASON_AT_MOST:
            raise InvalidValueError("reason", f"it takes {_REASON_AT_MOST} characters at most")
        if length < self._plan.reason_at_least and (self._plan.is_reason_required or self._reason):
            error = ReasonRequiredError(WORDS[self._verb].title, self._plan.reason_at_least)
            await self._record_all(error)
            raise error

    async def _one(self, item: PlanItem) -> ItemOutcome:
        """Do one item; whatever stands in its way becomes its outcome, so that no other item is held up."""
        if item.skipped and not (self._is_repeatable and item.revision):
            await self._record_skip(item)
            return ItemOutcome(id=item.id, code="skipped", sentence=f"{item.id} was skipped: {item.skipped}.")
        try:
            return await self._act(item)
        except RefusedError as error:
            await self._record(item, str(error), error)
            return ItemOutcome(id=item.id, code=code_of(error), sentence=str(error))
        except StoreReadOnlyError as error:
            return ItemOutcome(id=item.id, code="refused", sentence=str(error))
        except StoreError as error:
            return ItemOutcome(id=item.id, code="unknown", sentence=f"{item.id}: {error}")

    def _act(self, item: PlanItem) -> Awaitable[ItemOutcome]:
        if self._verb in EVENT_VERBS:
            return self._move_event(item)
        return self._unlock(item) if self._verb is Verb.UNLOCK else self._commit(item)

    def _deed(self, request_id: str) -> Act:
        return Act(actor=self._actor, reason=self._reason, request_id=request_id)

    async def _commit(self, item: PlanItem) -> ItemOutcome:
        """Commit a workflow verb under the plan's guard; the rule runs again, on the revision that was shown."""
        wanted = self._plan.request.if_revisions.get(item.id, item.revision)
        outcome = await self._engine.committer.run(
            item.id,
            bind_rule(self._plan.request, self._engine.find_line, self._actor, self._reason),
            act=self._deed(self._request_id),
            payload=payload_of(self._plan.request, item.id),
            expect_revision=wanted,
            lock_policy=LockPolicy.PASS,
            lock_fence=item.lock_fence,
        )
        committed = _settled(item.id, self._request_id, outcome)
        entry = committed.entry
        again = ", by this very request before; nothing happened twice" if committed.is_replay else ""
        return ItemOutcome(
            id=item.id,
            code="done",
            sentence=(
                f"{item.id} was {WORDS[self._verb].done}: {entry.from_state} > {entry.to_state}, "
                f"revision {entry.revision}{again}.{await self._passed(item)}"
            ),
            revision=entry.revision,
        )

    async def _passed(self, item: PlanItem) -> str:
        """Return what was passed over, as sentences: a lock whose owner may live, results that are missing."""
        view = await self._held(item.id) if item.lock_fence else None
        said = ""
        if view is not None and view.liveness is not Liveness.DEAD:
            refused = "its writes are refused from now on" if view.is_void else "it stays"
            said = f" It passed the lock of {view.lock.owner}, which is {view.liveness.value}; {refused}."
        if item.missing:
            said += f" It has no result of {few(list(item.missing))}; later states need it."
        return said

    async def _unlock(self, item: PlanItem) -> ItemOutcome:
        store = self._engine.store
        if await self._was_done(item.id, self._request_id):
            return _unlocked(item, ", by this very request before; nothing happened twice")
        row = await store.row(item.id)
        if row is None:
            raise WorkflowNotFoundError(item.id)
        if row.revision != self._plan.request.if_revisions.get(item.id, item.revision):
            raise StaleRevisionError(item.id, item.revision, row.revision)
        if item.skipped:
            raise RefusedError(f"{item.id} was not unlocked: {item.skipped}. Nothing was changed.")
        view = await self._held(item.id)
        is_released = await store.release(
            LockRelease(
                workflow_id=item.id,
                fence=item.lock_fence,
                now=self._engine.instant(),
                act=self._deed(self._request_id),
                is_forced=True,
                is_steal=needs_steal(self._engine, view),
            )
        )
        if not is_released:
            raise LockMovedOnError(item.id)
        return _unlocked(item, "")

    async def _held(self, workflow_id: str) -> LockView | None:
        """Return the lock as it is held now, None where it is not."""
        lock = await self._engine.store.lock(workflow_id)
        if lock is None or not is_held(lock, self._engine.instant()):
            return None
        return (await lock_views(self._engine, (lock,)))[0]

    async def _move_event(self, item: PlanItem) -> ItemOutcome:
        event_id = read_event_id(item.id)
        event = None if event_id is None else await self._engine.store.event(event_id)
        if event_id is None or event is None:
            raise EventNotFoundError(item.id)
        request_id = f"{self._request_id}/{event_id.entry_n}:{event_id.n}"
        if await self._was_done(event_id.workflow_id, request_id):
            sentence = f"{item.id} was moved by this very request before; nothing happened twice."
            return ItemOutcome(id=item.id, code="done", sentence=sentence)
        if event.status != item.before:
            raise EventNotFoundError(item.id, f"it is {event.status.value} now, you saw it {item.before}")
        verb = store_verb(self._verb, item.before)
        refusals = await self._engine.store.move_events(
            (event_id,), verb, self._engine.clock.now(), self._deed(request_id)
        )
        if refusals[0]:
            raise RefusedError(refusals[0])
        now = "purged" if item.after == EventStatus.PURGED else WORDS[self._verb].done
        return ItemOutcome(id=item.id, code="done", sentence=f"{item.id} is {now}.")

    async def _was_done(self, workflow_id: str, request_id: str) -> bool:
        """Return whether this request was carried out before: locks and events write no commit to settle by."""
        newest = Query(filter=Filter(ids=(workflow_id,)), limit=_ENTRIES_LOOKED_AT)
        entries = (await self._engine.store.page_audit(newest)).rows
        return any(entry.request_id == request_id and entry.outcome == "committed" for entry in entries)

    async def _record_skip(self, item: PlanItem) -> None:
        """Record a skipped item only where the whole act came to nothing: a batch's skips were shown and left."""
        if self._plan.doable or item.skip_code == "not_found":
            return
        await self._record(item, f"{item.id}: {item.skipped}. Nothing was changed.", None)

    async def _record_all(self, error: RefusedError) -> None:
        """Write the refusal of a whole plan: into the one workflow's chain, or once for all of them."""
        items = self._plan.items
        if len(items) == 1:
            await self._record(items[0], str(error), error)
        else:
            await self._record(PlanItem(id=""), f"{self._plan.title}: {error}", error)

    async def _record(self, item: PlanItem, why: str, error: EngineError | None) -> None:
        """Write a refused attempt into the audit; that it cannot be written changes nothing about the refusal."""
        if isinstance(error, WorkflowNotFoundError):
            return
        kind = WorkflowErrorType.STATE_TRANSITION_ERROR if error is None else error.error_type
        refusal = Refusal(
            workflow_id=item.id.split(":", 1)[0],
            verb=self._verb.value,
            at=self._engine.clock.now(),
            act=self._deed(self._request_id),
            why=why,
            error_type=kind,
        )
        with suppress(StoreError):
            await self._engine.store.record_refusal(refusal)


def _settled(workflow_id: str, request_id: str, outcome: Outcome) -> Committed:
    """Return what was committed.

    Raises:
        RefusedError: what stood in the way.
        UnknownOutcomeError: nobody can say whether it happened.
    """
    match outcome:
        case Committed():
            return outcome
        case Conflict(expected=expected, found=found):
            raise StaleRevisionError(workflow_id, expected, found)
        case Fenced(error=error) | Refused(error=error):
            raise error
        case Unknown(cause=cause):
            raise UnknownOutcomeError(workflow_id, request_id, cause)


def _unlocked(item: PlanItem, again: str) -> ItemOutcome:
    owner = item.before.removeprefix("locked by ")
    whose = f" from {owner}" if owner != UNLOCKED else ""
    return ItemOutcome(
        id=item.id,
        code="done",
        sentence=f"{item.id} was unlocked{whose}{again}; late writes under that lock are refused.",
        revision=item.revision,
    )
