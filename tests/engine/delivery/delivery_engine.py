from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from engine.clock import ManualClock, SystemClock
from engine.commit import Committer
from engine.delivery import Delivery
from engine.errors import WorkflowErrorType
from engine.model.actor import Act, Actor
from engine.model.change import Decision
from engine.model.entry import NewEntry
from engine.model.lock import Incarnation, Instant
from engine.model.names import EntryKind, EventStatus
from engine.rules.creation import create
from engine.rules.lines import DIRECT
from engine.rules.transitions import cancel, transition
from engine.store.outcomes import Granted, Outcome
from engine.store.requests import LockRelease, LockRequest
from engine.stores.sqlite import SqliteStore

ACTOR = Actor(name="svc:1")


async def until(is_so: Callable[[], Any]) -> None:
    """Give threads and the loop time until a condition holds; only a broken build waits the 5 s."""
    real = SystemClock()
    end = real.monotonic() + 5
    while not is_so():
        assert real.monotonic() < end, "it never came about"
        await real.sleep(0.001)


async def idle() -> None:
    """Let everything that can happen without time passing happen: the store runs inline, so turns are enough."""
    for _ in range(100):
        await SystemClock().sleep(0)


async def inline(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run a store's blocking call on the loop."""
    return function(*arguments)


@dataclass
class Engine:
    """A store, a bus, and what lies between; ``seen`` is what the bus took."""

    store: SqliteStore
    me: Incarnation
    clock: ManualClock
    delivery: Delivery
    committer: Committer
    told: list[tuple[str, EventStatus]] = field(default_factory=list)
    dead: list[tuple[str, str | None]] = field(default_factory=list)
    errors: list[WorkflowErrorType] = field(default_factory=list)

    async def create(self, workflow_id: str = "wf_1") -> Outcome:
        decision = create(
            workflow_id=workflow_id,
            line=DIRECT,
            user_input="Grüße",
            target_module="m",
            timeout_s=300.0,
            at=self.clock.now(),
            actor=ACTOR,
        )
        return await self.committer.create(decision, act=Act(actor=ACTOR), payload=workflow_id)

    async def move(self, to_state: str, workflow_id: str = "wf_1", **options: Any) -> Outcome:
        return await self.committer.run(
            workflow_id,
            lambda workflow, at: transition(workflow, DIRECT, to_state, timeout_s=300.0, at=at, actor=ACTOR),
            act=Act(actor=ACTOR),
            payload=to_state,
            **options,
        )

    async def cancel(self, workflow_id: str = "wf_1") -> Outcome:
        return await self.committer.run(
            workflow_id,
            lambda workflow, at: cancel(workflow, DIRECT, reason="enough", at=at, actor=ACTOR),
            act=Act(actor=ACTOR),
            payload="cancel",
        )

    async def note(self, workflow_id: str = "wf_1") -> Outcome:
        return await self.committer.run(
            workflow_id,
            lambda workflow, at: Decision(after=workflow, entry=NewEntry(kind=EntryKind.NOTE, at=at, actor=ACTOR)),
            act=Act(actor=ACTOR),
            payload="note",
        )

    async def lock(self, workflow_id: str = "wf_1") -> None:
        """Take and give back a lock, whose entries no committer sees."""
        now, act = Instant(self.clock.now(), self.clock.monotonic(), self.clock.boot_id()), Act(actor=ACTOR)
        request = LockRequest(workflow_id=workflow_id, owner="w", me=self.me, ttl_s=60.0, now=now, act=act)
        granted = await self.store.grant(request)
        assert isinstance(granted, Granted)
        assert await self.store.release(
            LockRelease(workflow_id=workflow_id, fence=granted.lock.fence, now=now, act=act)
        )

    async def status(self) -> dict[str, int]:
        await self.delivery.flush()
        counters = await self.store.counters("events")
        return {name.removeprefix("events/"): n for name, n in counters.items() if n and name.startswith("events/")}

    async def stop(self) -> None:
        await self.committer.drain()
        await self.delivery.stop()
        await self.store.close()


MakeEngine = Callable[..., Awaitable[Engine]]


class ListBus:
    """The simplest bus a caller writes: it appends. ``fails`` errors are raised first, one a call."""

    def __init__(self, *fails: BaseException) -> None:
        self.fails = list(fails)
        self.is_down = False
        self.tries: list[str] = []
        self.events: list[Any] = []

    async def publish(self, event: Any) -> None:
        self.tries.append(event.event_id)
        if self.is_down:
            raise ConnectionError("bus down")
        if self.fails:
            raise self.fails.pop(0)
        self.events.append(event)

    @property
    def types(self) -> list[str]:
        return [event.event_type.removeprefix("workflow.") for event in self.events]

    @property
    def ids(self) -> list[str]:
        return [event.event_id for event in self.events]
