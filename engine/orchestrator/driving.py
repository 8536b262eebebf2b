"""Driving a workflow with the caller's adapters: under a lock that is renewed, to the end of the line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

from engine.commit import Rule, raise_for
from engine.errors import (
    InvalidValueError,
    LockHeldError,
    RefusedError,
    StaleLockError,
    StoreError,
    WorkflowNotFoundError,
)
from engine.model.actor import Act
from engine.model.lock import Claim
from engine.model.names import is_plain_id
from engine.model.times import format_time
from engine.model.workflow import Workflow
from engine.orchestrator.commands import Commands, demand_id
from engine.orchestrator.locking import Locking
from engine.orchestrator.running import Running
from engine.orchestrator.settings import first_given
from engine.rules.lines import known_line
from engine.rules.locks import is_held
from engine.runner import Runner

LEASE_TTL_S: Final = 300.0
"""How long a driven workflow's lock outlives its driver."""

_RENEWALS_PER_TTL: Final = 3


class Driving:
    """The driver of one running engine."""

    def __init__(self, running: Running, commands: Commands, locking: Locking) -> None:
        self._running = running
        self._commands = commands
        self._locking = locking

    async def execute(
        self, workflow_id: str, workflow_type: str, adapters: Mapping[str, object | None]
    ) -> dict[str, Any]:
        """Drive a workflow of one type; adapters that are None are the constructor's.

        Returns:
            ``workflow_id success state response error``; ``success`` means that it completed. What was refused,
            such as a missing adapter or another's lock, is told in ``error`` and changes nothing.

        Raises:
            StoreError: the store cannot be read or written, or it is unknown whether it was.
        """
        running = self._running
        self._commands.demand_writable()
        act = Act(actor=running.caller)
        found: Workflow | None = None
        try:
            demand_id(workflow_id)
            found = await running.read(workflow_id)
            if found is None:
                raise WorkflowNotFoundError(workflow_id)
            if found.workflow_type != workflow_type:
                raise InvalidValueError(
                    workflow_id, f"it is a {found.workflow_type} workflow, not a {workflow_type} one"
                )
            line = known_line(workflow_type)
            async with self._held(workflow_id) as claim:
                driven = _Driven(running, self._locking, claim)
                given = first_given(adapters, running.settings.adapters)
                runner = Runner(driven, line, given, clock=running.clock, actor=running.caller)
                ended = await runner.run()
        except RefusedError as error:
            await self._commands.refuse("execute", workflow_id, error, act, before=found)
            left = await running.store.read(workflow_id) if is_plain_id(workflow_id) else None
            return _outcome(workflow_id, left, error=str(error))
        return _outcome(workflow_id, ended, error=ended.error)

    @asynccontextmanager
    async def _held(self, workflow_id: str) -> AsyncIterator[_Lease]:
        """Hold the workflow's lock meanwhile: the caller's where it has one, else one of the driver's own."""
        running = self._running
        claim = running.holding.claim(workflow_id)
        if claim is not None:
            yield _Lease(claim, is_own=False)
            return
        owner = running.caller.name
        claim = await self._locking.take(workflow_id, owner, LEASE_TTL_S)
        if claim is None:
            lock = await running.store.lock(workflow_id)
            if lock is None or not is_held(lock, running.instant()):
                raise StaleLockError(workflow_id, "another engine was faster")
            raise LockHeldError(workflow_id, lock.owner, format_time(lock.expires_at))
        lease = _Lease(claim, is_own=True)
        renewing = asyncio.ensure_future(self._renew(lease))
        try:
            yield lease
        finally:
            renewing.cancel()
            await self._locking.give_up(lease.claim)

    async def _renew(self, lease: _Lease) -> None:
        """Keep the driver's own grant from running out while it works."""
        running = self._running
        while True:
            await running.clock.sleep(LEASE_TTL_S / _RENEWALS_PER_TTL)
            now = running.instant()
            try:
                await running.store.renew(
                    lease.claim.workflow_id,
                    lease.claim.fence,
                    LEASE_TTL_S,
                    now.at + timedelta(seconds=LEASE_TTL_S),
                    now.monotonic + LEASE_TTL_S,
                )
            except StoreError as error:
                running.boundary("lock renewal", error)


class _Lease:
    """The claim a driver writes under; its own is taken anew after a rollback made it void."""

    def __init__(self, claim: Claim, *, is_own: bool) -> None:
        self.claim = claim
        self.is_own = is_own


class _Driven:
    """A workflow's side of the engine, for the runner."""

    def __init__(self, running: Running, locking: Locking, lease: _Lease) -> None:
        self._running = running
        self._locking = locking
        self._lease = lease
        self._workflow_id = lease.claim.workflow_id

    async def read(self) -> Workflow:
        """Return the workflow as it stands; see ``engine.runner.Driven``."""
        workflow = await self._running.store.read(self._workflow_id)
        if workflow is None:
            raise WorkflowNotFoundError(self._workflow_id)
        if self._lease.is_own and workflow.is_open and workflow.generation != self._lease.claim.generation:
            claim = await self._locking.take(self._workflow_id, self._lease.claim.owner, LEASE_TTL_S)
            if claim is None:
                raise StaleLockError(self._workflow_id, "it was moved on, and another took its lock")
            self._lease.claim = claim
        return workflow

    async def commit(self, rule: Rule) -> Workflow:
        """Make a decision true; see ``engine.runner.Driven``."""
        outcome = await self._running.committer.run(
            self._workflow_id,
            rule,
            act=Act(actor=self._running.caller),
            payload={"verb": "drive"},
            claim=self._lease.claim,
        )
        return raise_for(outcome, self._workflow_id).workflow

    async def until(self, is_so: Callable[[Workflow], bool]) -> None:
        """Return once the workflow is as wanted; see ``engine.runner.Driven``."""
        with self._running.signals.listening(self._workflow_id) as moved:
            while True:
                moved.clear()
                workflow = await self._running.store.read(self._workflow_id)
                if workflow is None or is_so(workflow):
                    return
                await moved.wait()


def _outcome(workflow_id: str, workflow: Workflow | None, *, error: str | None) -> dict[str, Any]:
    is_done = workflow is not None and workflow.state == known_line(workflow.workflow_type).final
    return {
        "workflow_id": workflow_id,
        "success": is_done,
        "state": None if workflow is None else workflow.state,
        "response": None if workflow is None else workflow.final_answer,
        "error": error,
    }
