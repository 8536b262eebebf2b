"""The supervisor: whoever holds the store's role fires deadlines, sweeps locks and clears up after dead engines.

Every engine that may supervise runs this loop; the lease ``supervisor`` lets one of them work. Nothing here depends
on that for safety: each act is a commit or a release that compares first, so that two sweeps at once still act once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

from engine.clock import Clock
from engine.commit import Committer, Rule
from engine.errors import NotOverdueError, RefusedError, UnknownLineError
from engine.model.actor import Act, Actor, policy
from engine.model.change import Decision, LockPolicy
from engine.model.line import Line
from engine.model.lock import Incarnation, Instant, Liveness
from engine.model.times import format_optional
from engine.model.workflow import Workflow
from engine.rules import timeouts
from engine.store.outcomes import Committed
from engine.store.protocol import Store
from engine.store.query import EngineRow
from engine.store.requests import LockRelease, Retention
from engine.structured_log import StructuredLog

SUPERVISOR: Final = "supervisor"
SCANNER: Final = "scanner"

LEASE_TTL_S: Final = 10.0
CLOCK_JUMP_S: Final = 30.0
"""More than this between wall and monotonic clock since the last turn is a jump (source: semantics, Timeouts)."""

_BATCH: Final = 200
_DEAD_EVERY_S: Final = 5.0
_PRUNE_EVERY_S: Final = 600.0
_SHORTEST_TURN_S: Final = 0.02
_RUN_AGAIN_AFTER_S: Final = 1.0

Probe = Callable[[EngineRow], tuple[Liveness, str]]
"""What is known of an engine's life."""

FindLine = Callable[[str], Line | None]


class Boundary(Protocol):
    """Told of what went wrong in a background turn."""

    def __call__(self, where: str, error: Exception) -> None:
        """Count and log ``error``; must not raise."""
        ...


class Role:
    """A store-wide role, held by at most one engine: asked for, kept while it lasts, given up."""

    def __init__(self, name: str, store: Store, clock: Clock, me: Incarnation, probe: Probe) -> None:
        self.name = name
        self._store = store
        self._clock = clock
        self._me = me
        self._probe = probe
        self._held_until: datetime | None = None

    @property
    def is_held(self) -> bool:
        """Whether this engine had the role when it last asked."""
        return self._held_until is not None

    async def hold(self) -> bool:
        """Take or keep the role; the lease is written again only when half of it is gone.

        Raises:
            StoreError: the store cannot be read or written.
        """
        now = self._clock.now()
        if self._held_until is not None and self._held_until - now > timedelta(seconds=LEASE_TTL_S / 2):
            return True
        dead: tuple[str, ...] = ()
        if self._held_until is None:
            holder = await self._other_holder(now)
            if holder is not None:
                if not await self._is_dead(holder):
                    return False
                dead = (holder,)
        lease = await self._store.lead(self.name, LEASE_TTL_S, now, dead=dead)
        self._held_until = lease.expires_at if lease else None
        return lease is not None

    async def resign(self) -> None:
        """Give the role up, if it is held.

        Raises:
            StoreError: the store cannot be written.
        """
        if self._held_until is not None:
            self._held_until = None
            await self._store.resign(self.name)

    def let_go(self) -> None:
        """Stop caring for the role and leave it as it is: this engine goes on with it elsewhere."""
        self._held_until = None

    async def last_held_until(self) -> datetime | None:
        """Return when the present or last lease of anyone ends, None if there is no trace of one."""
        for lease in await self._store.leases():
            if lease.name == self.name:
                return lease.expires_at
        return None

    async def _other_holder(self, now: datetime) -> str | None:
        for lease in await self._store.leases():
            if lease.name == self.name and lease.incarnation != self._me.incarnation and lease.expires_at > now:
                return lease.incarnation
        return None

    async def _is_dead(self, incarnation: str) -> bool:
        for row in await self._store.engines():
            if row.engine.incarnation == incarnation:
                return self._probe(row)[0] is Liveness.DEAD
        return False


class Supervisor:
    """The loop of one engine that may supervise; it works while it holds the role.

    Attributes:
        role: whether this engine supervises now.
        jumped_at: when the clock last jumped, None if it never did.
    """

    def __init__(  # noqa: PLR0913  the supervisor touches each of these and owns none
        self,
        store: Store,
        committer: Committer,
        clock: Clock,
        me: Incarnation,
        *,
        find_line: FindLine,
        probe: Probe,
        forget_engine: Callable[[str], None],
        log: StructuredLog,
        boundary: Boundary,
        check_interval_s: float,
    ) -> None:
        """Prepare the loop.

        Args:
            store: the store to watch.
            committer: makes time-outs true.
            clock: the engine's time.
            me: this engine.
            find_line: the line of a workflow type.
            probe: what is known of another engine's life.
            forget_engine: removes what proved the life of an engine that is dead.
            log: told of what is swept.
            boundary: told of turns that failed.
            check_interval_s: the longest time between two sweeps.
        """
        self.role = Role(SUPERVISOR, store, clock, me, probe)
        self.jumped_at: datetime | None = None
        self._store = store
        self._committer = committer
        self._clock = clock
        self._me = me
        self._find_line = find_line
        self._probe = probe
        self._forget_engine = forget_engine
        self._log = log
        self._boundary = boundary
        self._check_interval_s = check_interval_s
        self._seen = self._moment()
        self._owes_grace = False
        self._untimeable: set[str] = set()
        self._next_dead_at = self._next_prune_at = clock.monotonic()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                await self.turn()
                wait_s = await self._until_next()
            except Exception as error:  # noqa: BLE001  one sweep's failure must not end the watch
                self._boundary("supervisor", error)
                wait_s = self._check_interval_s
            await self._clock.sleep(wait_s)

    async def turn(self) -> None:
        """Look once and do what is due.

        Raises:
            StoreError: the store cannot be read or written; the next turn tries again.
        """
        if self._has_jumped():
            return
        was_held = self.role.is_held
        last = None if was_held else await self.role.last_held_until()
        if not await self.role.hold():
            return
        if not was_held:
            self._owes_grace = last is None or self._clock.now() - last > timedelta(seconds=self._check_interval_s)
        await self._give_grace()
        await self._time_out()
        await self._expire_locks()
        monotonic = self._clock.monotonic()
        if monotonic >= self._next_dead_at:
            self._next_dead_at = monotonic + _DEAD_EVERY_S
            await self._bury_the_dead()
        if monotonic >= self._next_prune_at:
            self._next_prune_at = monotonic + _PRUNE_EVERY_S
            await self._store.prune(Retention())

    async def _until_next(self) -> float:
        """Return the seconds to wait: until the next deadline, the check interval or the lease's renewal."""
        if not self.role.is_held:
            return self._check_interval_s
        longest_s = min(self._check_interval_s, LEASE_TTL_S / 3)
        deadline = await self._store.next_deadline()
        left_s = longest_s if deadline is None else (deadline - self._clock.now()).total_seconds()
        # What is overdue after a sweep could not be timed out; it must not make the loop spin.
        return longest_s if left_s <= 0 else max(_SHORTEST_TURN_S, min(longest_s, left_s))

    def _moment(self) -> Instant:
        return Instant(self._clock.now(), self._clock.monotonic(), self._clock.boot_id())

    def _has_jumped(self) -> bool:
        """Compare both clocks with the last turn; after a jump this turn is left out and grace is owed."""
        before, self._seen = self._seen, self._moment()
        wall_s = (self._seen.at - before.at).total_seconds()
        jump_s = wall_s - (self._seen.monotonic - before.monotonic)
        if abs(jump_s) <= CLOCK_JUMP_S:
            return False
        self.jumped_at = self._seen.at
        self._owes_grace = self._owes_grace or jump_s > 0
        self._log.write(
            "clock_jump",
            f"the wall clock jumped by {jump_s:.0f} s; deadlines rest for one turn",
            level="WARNING",
            data={"jump_s": jump_s},
        )
        return True

    async def _give_grace(self) -> None:
        """After a time without supervision give what is overdue a new, recorded deadline instead of failing it."""
        if not self._owes_grace:
            return
        granted = await self._sweep_overdue(lambda workflow, at: timeouts.grace(workflow, at=at), policy("grace"))
        self._owes_grace = False
        if granted:
            message = f"{granted} overdue workflows were given time after a gap in supervision"
            self._log.write("grace", message, level="WARNING", data={"count": granted})

    async def _time_out(self) -> None:
        """Fire every deadline that passed."""

        def rule(workflow: Workflow, at: datetime) -> Decision:
            line = self._find_line(workflow.workflow_type)
            if line is None:
                raise UnknownLineError(workflow.workflow_type)
            return timeouts.time_out(workflow, line, at=at)

        await self._sweep_overdue(rule, policy("timeout"))

    async def _sweep_overdue(self, rule: Rule, actor: Actor) -> int:
        """Apply ``rule`` to everything overdue, batch by batch while the role is held; returns how often it acted."""
        acted = 0
        while True:
            limit = _BATCH + len(self._untimeable)
            overdue = await self._store.overdue(self._clock.now(), limit)
            ids = [workflow_id for workflow_id in overdue if workflow_id not in self._untimeable]
            outcomes = await asyncio.gather(*(self._apply(workflow_id, rule, actor) for workflow_id in ids))
            acted += sum(outcomes)
            if len(overdue) < limit or not any(outcomes) or not await self.role.hold():
                return acted

    async def _apply(self, workflow_id: str, rule: Rule, actor: Actor) -> bool:
        """Commit ``rule`` if the deadline still stands as passed; False where it moved on or cannot be timed."""

        def if_still_overdue(workflow: Workflow, at: datetime) -> Decision:
            if workflow.deadline_at is None or workflow.deadline_at > at:
                raise NotOverdueError(workflow_id, workflow.state, format_optional(workflow.deadline_at))
            return rule(workflow, at)

        try:
            outcome = await self._committer.run(
                workflow_id,
                if_still_overdue,
                act=Act(actor=actor),
                payload={"verb": actor.name},
                lock_policy=LockPolicy.PASS,
            )
        except UnknownLineError as error:
            self._untimeable.add(workflow_id)
            self._boundary("deadline", error)
            return False
        except RefusedError:
            return False
        return isinstance(outcome, Committed)

    async def _expire_locks(self) -> None:
        """Empty the lock rows whose time ran out; they blocked nobody any more, now they are gone from view."""
        now = Instant(self._clock.now(), self._clock.monotonic(), self._clock.boot_id())
        act = Act(actor=policy("lock_expiry"))
        expired = await self._store.expired_locks(now.boot_id, now.monotonic, now.at, _BATCH)
        releases = [
            LockRelease(workflow_id=lock.workflow_id, fence=lock.fence, now=now, act=act, is_expiry=True)
            for lock in expired
        ]
        released = await asyncio.gather(*(self._store.release(release) for release in releases))
        for lock, is_released in zip(expired, released, strict=True):
            if is_released:
                self._log.write(
                    "lock_expired",
                    f"the lock of {lock.owner} ran out",
                    level="WARNING",
                    about=lock.workflow_id,
                    data={"owner": lock.owner, "fence": lock.fence},
                )

    async def _bury_the_dead(self) -> None:
        """Take over what engines left behind that are proved dead: their events; then say that they ended."""
        rows = [row for row in await self._store.engines() if row.ended_at is None]
        for row in rows:
            if row.engine.incarnation == self._me.incarnation:
                continue
            verdict, evidence = self._probe(row)
            if verdict is not Liveness.DEAD:
                continue
            dead = row.engine.incarnation
            adopted = await self._store.adopt_events([dead])
            await self._store.end_engine(dead)
            self._forget_engine(dead)
            self._log.write(
                "engine_dead",
                f"{row.engine.kind} {row.engine.pid} on {row.engine.host} is dead: {evidence}",
                level="WARNING",
                data={"incarnation": dead, "adopted_events": adopted},
            )


async def keep_running(name: str, work: Callable[[], Awaitable[None]], clock: Clock, boundary: Boundary) -> None:
    """Run a background loop, and run it again after a failure, until cancelled."""
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001  the failure of one turn must not end the work for good
            boundary(name, error)
        await clock.sleep(_RUN_AGAIN_AFTER_S)
