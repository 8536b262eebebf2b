"""Delivery: first attempts with the commit, everything later by one background loop, in order per workflow."""

from __future__ import annotations

import asyncio
import random as randomness
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final

from engine.bus import Bus, RunBlocking
from engine.clock import Clock
from engine.delivery.gate import Failure, Gate
from engine.delivery.order import Memory, Order, Work, works_of
from engine.delivery.recorder import Recorder
from engine.delivery.verdict import RetryPolicy
from engine.delivery.windows import EventWindow, RetryWindow, WaitingEvent, read_body
from engine.errors import StoreError, WorkflowErrorType
from engine.model.entry import NewEvent
from engine.model.names import EventStatus
from engine.model.plain import encode
from engine.store.outcomes import Committed, EventId
from engine.store.protocol import EventStore
from engine.store.requests import Attempt, Claimed, Verdict

OnPublished = Callable[[dict[str, Any], EventStatus], None]
"""Told of each attempt: the event, and delivered, pending (failed, will be tried again), dead or recorded (no bus)."""

OnDead = Callable[[dict[str, Any], Attempt], None]
"""Told of each dead letter: the event and the attempt that ended it, with its error and cause."""

POLL_S: Final = 2.0
"""How often the outbox is looked at where nothing wakes the loop: other engines die, operators say retry now."""

IN_DELIVERY: Final = 100
"""How many workflows the loop delivers for at once."""

BLOCKED_S: Final = 0.05
"""First pause where events are due but wait for earlier ones; doubled up to :data:`POLL_S`."""

STORE_PAUSE_S: Final = 5.0
"""Pause after the store could not be asked."""


class Delivery:
    """Hands committed events to the caller's bus: at least once, in order per workflow, never failing a change.

    May be made outside a loop; :meth:`start` begins the background work. Without a bus nothing is delivered and
    events only pass through :attr:`event_queue`.

    Args:
        store: the outbox.
        bus: the caller's object, or None.
        clock: all waiting and all time limits.
        max_retries: tries after the first, then dead letter.
        retry_base_s: see ``engine.rules.publishing.retry_delay_s``.
        attempt_timeout_s: an attempt that takes longer counts as failed.
        on_published: told of each attempt.
        on_dead: told of each dead letter.
        count_error: told of ``event_publish_error`` once for each dead letter, and of a failing store.
        random: a draw from [0, 1) for the spread of retries.
        run_blocking: where a synchronous bus runs; None gives it a thread of its own.
        stop_grace_s: how long :meth:`stop` lets deliveries under way end.

    Attributes:
        event_queue: the newest published (without a bus: recorded) events, 10,000 at most.
        event_retry_queue: this engine's events that wait for a retry, 1,000 at most.

    Raises:
        InvalidValueError: the bus has no method ``publish``.
    """

    def __init__(  # noqa: PLR0913  the policy of delivery, all keywords
        self,
        store: EventStore,
        bus: object | None,
        clock: Clock,
        *,
        max_retries: int = 3,
        retry_base_s: float = 5.0,
        attempt_timeout_s: float = 10.0,
        on_published: OnPublished | None = None,
        on_dead: OnDead | None = None,
        count_error: Callable[[WorkflowErrorType], None] = lambda _: None,
        random: Callable[[], float] = randomness.random,
        run_blocking: RunBlocking | None = None,
        stop_grace_s: float = 1.0,
    ) -> None:
        self.event_queue = EventWindow()
        self.event_retry_queue = RetryWindow()
        self._store = store
        self._clock = clock
        self._policy = RetryPolicy(max_retries=max_retries, base_s=retry_base_s, draw=random)
        self._on_published = on_published
        self._on_dead = on_dead
        self._count_error = count_error
        self._stop_grace_s = stop_grace_s
        self._attempt_timeout_s = attempt_timeout_s
        self._run_blocking = run_blocking
        self._gate: Gate | None = None
        if bus is not None:
            self.attach(bus)
        self._recorder = Recorder(store, clock, count_error)
        self._orders: dict[str, Order] = {}
        self._memory = Memory()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None
        self._wakened: asyncio.Event | None = None
        self._is_stopped = False
        self._blocked_s = BLOCKED_S

    @property
    def has_bus(self) -> bool:
        """Whether there is anybody to deliver to."""
        return self._gate is not None

    @property
    def breaker_open_s(self) -> float:
        """Seconds for which the bus's breaker stays open; 0 where it is closed or there is no bus."""
        return 0.0 if self._gate is None else self._gate.opens_for_s

    def attach(self, bus: object) -> None:
        """Deliver to ``bus`` from now on; :meth:`start` once more begins the background work.

        Raises:
            InvalidValueError: it has no method ``publish``.
        """
        self._gate = Gate(Bus(bus, run_blocking=self._run_blocking), self._clock, self._attempt_timeout_s)

    def start(self) -> None:
        """Begin to serve the outbox on the running loop; again is fine, also on a new loop after the old one ended."""
        running = asyncio.get_running_loop()
        self._is_stopped = False
        self._recorder.start()
        if self._gate is None or (
            self._loop is not None and not self._loop.done() and self._loop.get_loop() is running
        ):
            return
        if self._loop is not None and self._loop.get_loop() is not running:
            self._orders.clear()
            self._tasks.clear()
        self._wakened = asyncio.Event()
        self._loop = running.create_task(self._serve(self._gate, self._wakened), name="flowdeck-delivery")

    async def stop(self) -> None:
        """End the background work within the grace time and record what was delivered; twice is fine.

        What was not delivered stays in the outbox, claims are given back.
        """
        self._is_stopped = True
        running = asyncio.get_running_loop()
        loop, self._loop = self._loop, None
        if loop is not None and loop.get_loop() is running:
            loop.cancel()
            await asyncio.wait((loop,))
        under_way = {task for task in self._tasks if task.get_loop() is running}
        if under_way:
            _, slow = await asyncio.wait(under_way, timeout=self._stop_grace_s)
            for task in slow:
                task.cancel()
            if slow:
                await asyncio.wait(slow, timeout=self._stop_grace_s)
        for order in tuple(self._orders.values()):
            if not order.is_running:
                self._leave(order)
        await self._recorder.stop()
        if self._gate is not None:
            self._gate.bus.close()

    def wake(self) -> None:
        """Look at the outbox now: something in it may have become due, or have been handed to this engine."""
        if self._wakened is not None:
            self._wakened.set()

    async def flush(self) -> None:
        """Record the outcomes of all attempts made so far."""
        await self._recorder.flush()

    async def look_again(self, workflow_id: str) -> None:
        """Bring :attr:`event_retry_queue` up to date: an operator or another engine moved this workflow's events.

        Raises:
            StoreError: the store cannot be read.
        """
        for waiting in self.event_retry_queue:
            if waiting.id.workflow_id != workflow_id:
                continue
            row = await self._store.event(waiting.id)
            if row is None or row.status is not EventStatus.PENDING:
                self.event_retry_queue.discard(waiting.id)
        self.wake()

    def accept(self, committed: Committed, events: Sequence[NewEvent]) -> Callable[[], Awaitable[None]]:
        """Take the events of a commit, whose order counts from here on, and return their first attempt.

        Call it at once after the commit and await its result when the document is published. The first attempt
        returns when each event was tried once; where an earlier event of the workflow is in delivery or waiting,
        it returns at once and the deliverer goes on in order. It raises nothing.
        """
        entry = committed.entry
        works = works_of(committed, tuple(events))
        if self._gate is None:
            for work in works:
                self.event_queue.append(work.body)
                self._tell(work, EventStatus.RECORDED)
            return _nothing
        if not works:
            self._passed(entry.workflow_id, entry.n)
            return _nothing
        order = self._orders.get(entry.workflow_id)
        is_taken = any(self._memory.was_tried(work.id) or (order is not None and order.find(work.id)) for work in works)
        if is_taken:
            return _nothing  # the loop claimed them before their commit came back
        if order is None:
            order = self._orders[entry.workflow_id] = Order(entry.workflow_id)
        order.add(works)
        return partial(self._first_attempt, self._gate, order, entry.n)

    async def _first_attempt(self, gate: Gate, order: Order, entry_n: int) -> None:
        order.release(entry_n)
        if order.is_running:
            return
        await self._advance(gate, order, entry_n)
        if order.next(None) is not None:
            self._spawn(self._advance(gate, order))

    async def _advance(self, gate: Gate, order: Order, until: int | None = None) -> None:
        """Deliver what is ready, in order; where it cannot go on, the rest is left to the outbox."""
        if order.is_running:
            return
        order.is_running = True
        try:
            while (work := order.next(until)) is not None:
                if not (await self._is_next(work) and await self._try(gate, work)):
                    self._leave(order)
                    return
                order.works.remove(work)
                if work.is_last:
                    self._memory.done_up_to(order.workflow_id, work.id.entry_n)
        finally:
            order.is_running = False
            if not order.works and self._orders.get(order.workflow_id) is order:
                del self._orders[order.workflow_id]

    async def _is_next(self, work: Work) -> bool:
        """Return whether no earlier event of the workflow is pending, here or in another engine."""
        if work.is_claimed or self._memory.is_done_before(work.id):
            return True
        try:
            is_blocked = await self._store.has_earlier_pending(work.id)
            if is_blocked and self._recorder.has_unrecorded(work.id.workflow_id):
                await self._recorder.flush()
                is_blocked = await self._store.has_earlier_pending(work.id)
        except StoreError:
            self._count_error(WorkflowErrorType.RESOURCE_ERROR)
            return False
        if not is_blocked:
            self._memory.done_up_to(work.id.workflow_id, work.id.entry_n - 1)
        return not is_blocked

    async def _try(self, gate: Gate, work: Work) -> bool:
        """Make one attempt; return whether the next event may follow."""
        if self._is_stopped or not gate.admit():
            return False
        failure = await gate.attempt(work.body)
        self._memory.tried(work.id)
        if failure is None:
            self._recorder.note(Attempt(id=work.id, verdict=Verdict.DELIVERED, at=self._clock.now()))
            self.event_retry_queue.discard(work.id)
            self.event_queue.append(work.body)
            self._tell(work, EventStatus.DELIVERED)
            return True
        attempt = self._failed(work, failure)
        self._recorder.note(attempt)
        work.is_claimed = False
        is_dead = attempt.verdict is Verdict.DEAD
        if is_dead:
            self._count_error(WorkflowErrorType.EVENT_PUBLISH_ERROR)
            if self._on_dead is not None:
                self._on_dead(read_body(work.body), attempt)
        self._tell(work, EventStatus.DEAD if is_dead else EventStatus.PENDING)
        await self._recorder.flush()
        return is_dead

    def _failed(self, work: Work, failure: Failure) -> Attempt:
        """Return what a failed attempt comes to; the retry window shows what waits."""
        window = self.event_retry_queue
        has_room = work.id in window or not window.is_full
        attempt = self._policy.judge(work, failure, at=self._clock.now(), has_room=has_room)
        if attempt.next_attempt_at is None:
            window.discard(work.id)
        else:
            window.put(
                WaitingEvent(
                    id=work.id,
                    body=work.body,
                    attempts=work.attempts + 1,
                    next_attempt_at=attempt.next_attempt_at,
                    error=failure.error,
                )
            )
        return attempt

    def _leave(self, order: Order) -> None:
        """Leave a workflow's events to the outbox, from where they are claimed one by one when they are due."""
        at = self._clock.now()
        for work in order.works:
            if work.is_claimed:
                self._recorder.note(Attempt(id=work.id, verdict=Verdict.RETURNED, at=at, next_attempt_at=at))
        order.works.clear()
        if self._orders.get(order.workflow_id) is order:
            del self._orders[order.workflow_id]
        self.wake()

    def _passed(self, workflow_id: str, entry_n: int) -> None:
        """Note an entry without events, so that the next one is known to follow what was delivered."""
        if self._memory.is_done_before(EventId(workflow_id=workflow_id, entry_n=entry_n, n=0)):
            self._memory.done_up_to(workflow_id, entry_n)

    def _tell(self, work: Work, status: EventStatus) -> None:
        if self._on_published is not None:
            self._on_published(read_body(work.body), status)

    async def _serve(self, gate: Gate, wakened: asyncio.Event) -> None:
        """Claim what is due, whoever committed it, until stopped."""
        while True:
            wakened.clear()
            try:
                pause_s = await self._turn(gate)
            except StoreError:
                self._count_error(WorkflowErrorType.RESOURCE_ERROR)
                pause_s = STORE_PAUSE_S
            except Exception:  # noqa: BLE001  one turn's failure must not end delivery
                self._count_error(WorkflowErrorType.UNKNOWN_ERROR)
                pause_s = STORE_PAUSE_S
            if pause_s > 0:
                await self._pause(pause_s, wakened)

    async def _turn(self, gate: Gate) -> float:
        """Claim and set going what is due; return the seconds until it is worth looking again."""
        if gate.is_open:
            return gate.opens_for_s or POLL_S
        room = (1 if gate.is_probing else IN_DELIVERY) - len(self._tasks)
        if room <= 0:
            return POLL_S  # a delivery that ends wakes the loop
        await self._recorder.flush()
        now = self._clock.now()
        due = await self._store.next_due(now)
        if due is None:
            return POLL_S
        if due > now:
            return min(POLL_S, (due - now).total_seconds())
        tried = self._memory.begin_claim(set(self._recorder.unrecorded))
        claimed = await self._store.claim(now, room)
        taken = [self._take(gate, each) for each in claimed if each.id not in tried]
        if any(taken):
            self._blocked_s = BLOCKED_S
            return 0.0
        pause_s, self._blocked_s = self._blocked_s, min(self._blocked_s * 2, POLL_S)
        return pause_s

    def _take(self, gate: Gate, claimed: Claimed) -> bool:
        """Put a claimed event, the oldest pending one of its workflow, into its order; False if it is there."""
        workflow_id = claimed.id.workflow_id
        order = self._orders.get(workflow_id)
        if order is None:
            order = self._orders[workflow_id] = Order(workflow_id)
        known = order.find(claimed.id)
        if known is not None:
            known.is_claimed = True
            return False
        body, attempts = encode(claimed.body), claimed.attempts
        order.add([Work(id=claimed.id, body=body, attempts=attempts, is_ready=True, is_claimed=True)])
        self._memory.done_up_to(workflow_id, claimed.id.entry_n - 1)
        self._spawn(self._advance(gate, order))
        return True

    async def _pause(self, seconds: float, wakened: asyncio.Event) -> None:
        running = asyncio.get_running_loop()
        waits = (running.create_task(wakened.wait()), running.create_task(self._clock.sleep(seconds)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.wake()


async def _nothing() -> None:
    """Stand for a first attempt that is not this call's to make."""
