"""Locks of callers: taken, given up, taken over from the dead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from engine.errors import RefusedError
from engine.model.actor import Act
from engine.model.change import Decision, LockPolicy
from engine.model.entry import NewEntry
from engine.model.lock import Claim, Liveness, Lock
from engine.model.names import EntryKind, WorkflowEventType
from engine.model.workflow import Workflow
from engine.orchestrator.arguments import demand_optional_text, demand_seconds, demand_text
from engine.orchestrator.commands import Commands, demand_id
from engine.orchestrator.running import Running
from engine.rules import events
from engine.store.outcomes import Granted, GrantOutcome, Held, NoWorkflow
from engine.store.requests import LockRelease, LockRequest

_OWNER_AT_MOST: Final = 200


class Locking:
    """The locks of one running engine's callers."""

    def __init__(self, running: Running, commands: Commands) -> None:
        self._running = running
        self._commands = commands

    async def acquire(self, workflow_id: str, owner: str, timeout_s: float) -> bool:
        """Take a workflow's lock for ``timeout_s`` seconds; the running context is its holder from then on.

        Raises:
            StoreError: the store cannot be read or written.
        """
        return await self.take(workflow_id, owner, timeout_s) is not None

    async def take(self, workflow_id: str, owner: str, timeout_s: float) -> Claim | None:
        """Take a lock and return the claim it gives, None where another holds it or the request is none.

        Raises:
            StoreError: the store cannot be read or written.
        """
        running = self._running
        self._commands.demand_writable()
        act = Act(actor=running.caller)
        try:
            demand_id(workflow_id)
            demand_text("lock_owner", owner, at_most=_OWNER_AT_MOST)
            demand_seconds("timeout", timeout_s)
        except RefusedError as error:
            await self._commands.refuse("acquire", workflow_id, error, act)
            return None
        outcome = await self._granted(self._request(workflow_id, owner, timeout_s, act))
        if isinstance(outcome, NoWorkflow) and await running.read(workflow_id) is not None:
            outcome = await self._granted(self._request(workflow_id, owner, timeout_s, act))
        if isinstance(outcome, Held) and outcome.lock is not None and await self._is_dead(outcome.lock):
            dead_fence = outcome.lock.fence
            outcome = await self._granted(self._request(workflow_id, owner, timeout_s, act, dead_fence=dead_fence))
        if not isinstance(outcome, Granted):
            running.views.log.write("lock_refused", f"{owner} did not get the lock", about=workflow_id)
            return None
        claim = running.holding.took(outcome.lock)
        facts = {"owner": owner, "fence": claim.fence, "timeout": timeout_s}
        running.views.log.write("lock_acquired", f"{owner} took the lock", about=workflow_id, data=facts)
        await self._tell(workflow_id, WorkflowEventType.LOCK_ACQUIRED, facts)
        return claim

    async def release(self, workflow_id: str, owner: str | None) -> bool:
        """Give a lock up; False where it is another's, expired or none.

        Raises:
            StoreError: the store cannot be read or written.
        """
        running = self._running
        self._commands.demand_writable()
        try:
            demand_id(workflow_id)
            demand_optional_text("lock_owner", owner)
        except RefusedError as error:
            await self._commands.refuse("release", workflow_id, error, Act(actor=running.caller))
            return False
        claim = running.holding.grant(workflow_id, owner)
        return claim is not None and await self.give_up(claim)

    async def give_up(self, claim: Claim) -> bool:
        """Give up the grant of ``claim`` if it still stands.

        Raises:
            StoreError: the store cannot be read or written.
        """
        running = self._running
        release = LockRelease(
            workflow_id=claim.workflow_id, fence=claim.fence, now=running.instant(), act=Act(actor=running.caller)
        )
        is_released = await running.store.release(release)
        # One that ran out or was taken over is gone as well; its caller is one without a lock from now on.
        running.holding.gave_up(claim)
        if not is_released:
            return False
        facts = {"owner": claim.owner, "fence": claim.fence}
        running.views.log.write("lock_released", f"{claim.owner} gave the lock up", about=claim.workflow_id, data=facts)
        await self._tell(claim.workflow_id, WorkflowEventType.LOCK_RELEASED, facts)
        return True

    def _request(
        self, workflow_id: str, owner: str, timeout_s: float, act: Act, *, dead_fence: int | None = None
    ) -> LockRequest:
        return LockRequest(
            workflow_id=workflow_id,
            owner=owner,
            me=self._running.me,
            ttl_s=float(timeout_s),
            now=self._running.instant(),
            act=act,
            dead_fence=dead_fence,
        )

    async def _granted(self, request: LockRequest) -> GrantOutcome:
        """Ask for a lease; a caller that gives up waiting for the answer does not keep it."""
        asking = asyncio.ensure_future(self._running.store.grant(request))
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            asking.add_done_callback(self._give_back)
            raise

    def _give_back(self, asking: asyncio.Future[GrantOutcome]) -> None:
        if asking.cancelled() or asking.exception() is not None:
            return
        outcome = asking.result()
        if isinstance(outcome, Granted):
            release = LockRelease(
                workflow_id=outcome.lock.workflow_id,
                fence=outcome.lock.fence,
                now=self._running.instant(),
                act=Act(actor=self._running.caller, reason="its caller stopped waiting for it"),
            )
            self._running.spawn(self._running.store.release(release))

    async def _is_dead(self, lock: Lock) -> bool:
        """Return whether the holder of a lock is proved dead: another engine, never this one."""
        running = self._running
        if lock.incarnation == running.me.incarnation:
            return False
        for row in await running.store.engines():
            if row.engine.incarnation == lock.incarnation:
                return running.life(row)[0] is Liveness.DEAD
        return running.life(lock.incarnation)[0] is Liveness.DEAD

    async def _tell(self, workflow_id: str, event_type: WorkflowEventType, facts: dict[str, Any]) -> None:
        """Put an event about a lock into the outbox, where this engine tells its bus of them."""
        if not self._running.settings.has_extra_events:
            return
        try:
            await self._running.committer.run(
                workflow_id,
                _telling(event_type, facts, self._running),
                act=Act(actor=self._running.caller),
                payload=facts,
                lock_policy=LockPolicy.PASS,
            )
        except RefusedError as error:
            self._running.boundary("lock event", error)


def _telling(
    event_type: WorkflowEventType, facts: dict[str, Any], running: Running
) -> Callable[[Workflow, datetime], Decision]:
    def rule(workflow: Workflow, at: datetime) -> Decision:
        told = events.event(workflow, event_type, facts)
        return Decision(
            after=workflow, entry=NewEntry(kind=EntryKind.NOTE, at=at, actor=running.caller, events=(told,))
        )

    return rule
