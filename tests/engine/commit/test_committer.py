from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from engine.clock import ManualClock, SystemClock
from engine.commit import Committer, payload_hash, raise_for
from engine.delivery import Delivery
from engine.errors import (
    InvalidValueError,
    LockHeldError,
    RequestReusedError,
    StaleLockError,
    StaleRevisionError,
    StoreError,
    TransitionRefusedError,
    UnknownOutcomeError,
    WorkflowErrorType,
    WorkflowExistsError,
    WorkflowNotFoundError,
)
from engine.model.actor import Act, Actor
from engine.model.change import Change, Decision, LockPolicy
from engine.model.entry import NewEntry
from engine.model.lock import Claim, Incarnation, Instant
from engine.model.names import EntryKind
from engine.model.workflow import Workflow
from engine.rules.creation import create
from engine.rules.lines import DIRECT
from engine.rules.rollback import roll_back
from engine.rules.transitions import transition
from engine.store.outcomes import Committed, Conflict, Fenced, Granted, Outcome, Refused, Unknown
from engine.store.requests import LockRequest
from engine.stores.sqlite import SqliteStore

ACTOR = Actor(name="svc:1")
CLOCK = ManualClock()


class Bus:
    def __init__(self) -> None:
        self.events: list[Any] = []

    async def publish(self, event: Any) -> None:
        self.events.append(event)


class Shop:
    """One engine's way of a change over one ledger."""

    def __init__(self, store: SqliteStore, me: Incarnation, **options: Any) -> None:
        self.store, self.me, self.bus = store, me, Bus()
        self.errors: list[WorkflowErrorType] = []
        self.delivery = Delivery(store, self.bus, CLOCK)
        self.committer = Committer(
            store, clock=CLOCK, delivery=self.delivery, count_error=self.errors.append, **options
        )

    async def create(self, workflow_id: str = "wf_1", request_id: str | None = None) -> Outcome:
        decision = create(
            workflow_id=workflow_id, line=DIRECT, user_input="q", timeout_s=300.0, at=CLOCK.now(), actor=ACTOR
        )
        return await self.committer.create(decision, act=Act(actor=ACTOR, request_id=request_id), payload=workflow_id)

    async def move(self, to_state: str, *, request_id: str | None = None, **options: Any) -> Outcome:
        return await self.committer.run(
            "wf_1",
            lambda workflow, at: transition(workflow, DIRECT, to_state, timeout_s=300.0, at=at, actor=ACTOR),
            act=Act(actor=ACTOR, request_id=request_id),
            payload={"to": to_state},
            **options,
        )

    async def count(self, **options: Any) -> Outcome:
        return await self.committer.run("wf_1", add_one, act=Act(actor=ACTOR), payload="add", **options)

    async def roll_back(self, **options: Any) -> Outcome:
        return await self.committer.run(
            "wf_1",
            lambda workflow, at: roll_back(workflow, DIRECT, None, at=at, actor=ACTOR),
            act=Act(actor=ACTOR),
            payload="rollback",
            **options,
        )


def add_one(workflow: Workflow, at: datetime) -> Decision:
    """A change that loses an update if two are computed from one revision."""
    metadata = {"n": workflow.metadata.get("n", 0) + 1}
    return Decision(after=workflow.evolve(metadata=metadata), entry=NewEntry(kind=EntryKind.NOTE, at=at, actor=ACTOR))


def note(workflow: Workflow, at: datetime) -> Decision:
    return Decision(after=workflow, entry=NewEntry(kind=EntryKind.NOTE, at=at, actor=ACTOR, reason="seen"))


OpenShop = Callable[..., Awaitable[Shop]]


@pytest.fixture
async def shop_of() -> AsyncIterator[OpenShop]:
    opened: list[Shop] = []

    async def open_shop(place: Path | None = None, **options: Any) -> Shop:
        store = SqliteStore(place and place / ".flowdeck" / "ledger.db", clock=CLOCK)
        me = Incarnation(
            incarnation=f"engine-{len(opened)}",
            kind="service",
            host="here",
            boot_id=CLOCK.boot_id(),
            pid=1,
            process_start="1",
            has_bus=True,
        )
        await store.open(me)
        opened.append(Shop(store, me, **options))
        return opened[-1]

    yield open_shop
    for shop in opened:
        await shop.committer.drain()
        await shop.delivery.stop()
        await shop.store.close()


@pytest.fixture
async def shop(shop_of: OpenShop) -> Shop:
    return await shop_of()


async def test_a_change_is_read_decided_committed_and_delivered(shop: Shop) -> None:
    created = await shop.create()
    moved = await shop.move("module_execution")
    assert isinstance(created, Committed)
    assert isinstance(moved, Committed)
    assert (created.workflow.revision, moved.workflow.revision) == (1, 2)
    assert (await shop.store.read("wf_1")) == moved.workflow
    assert [event.event_type for event in shop.bus.events] == ["workflow.started", "workflow.state_changed"]


async def test_an_entry_alone_leaves_the_revision(shop: Shop) -> None:
    published: list[str] = []

    async def publish(ids: Any) -> None:
        published.extend(ids)

    shop.committer._publish = publish
    await shop.create()
    noted = await shop.committer.run("wf_1", note, act=Act(actor=ACTOR), payload="note")
    assert isinstance(noted, Committed)
    assert (noted.workflow.revision, noted.entry.n) == (1, 2)
    assert published == ["wf_1"], "an entry alone gives nothing to publish"
    assert isinstance(await shop.move("module_execution", expect_revision=1), Committed)


async def test_an_unknown_workflow_is_not_found(shop: Shop) -> None:
    with pytest.raises(WorkflowNotFoundError):
        await shop.move("module_execution")


async def test_a_rules_refusal_changes_nothing(shop: Shop) -> None:
    await shop.create()
    with pytest.raises(TransitionRefusedError):
        await shop.move("completed")
    workflow = await shop.store.read("wf_1")
    assert workflow is not None
    assert (workflow.state, workflow.revision) == ("initialized", 1)


async def test_another_revision_than_expected_is_a_conflict_that_says_both(shop: Shop) -> None:
    await shop.create()
    await shop.move("module_execution")
    outcome = await shop.move("response_generation", expect_revision=1)
    assert outcome == Conflict(1, 2)
    with pytest.raises(StaleRevisionError, match="it is at revision 2, you saw 1"):
        raise_for(outcome, "wf_1")


async def test_fifty_callers_of_one_engine_lose_no_update(shop: Shop) -> None:
    await shop.create()
    outcomes = await asyncio.gather(*(shop.count() for _ in range(50)))
    assert all(isinstance(outcome, Committed) for outcome in outcomes)
    workflow = await shop.store.read("wf_1")
    assert workflow is not None
    assert (workflow.metadata, workflow.revision) == ({"n": 50}, 51)


async def test_two_engines_racing_lose_no_update(shop_of: OpenShop, tmp_path: Path) -> None:
    shops = [await shop_of(tmp_path), await shop_of(tmp_path)]
    await shops[0].create()

    async def many(shop: Shop) -> list[Outcome]:
        return [await shop.count() for _ in range(40)]

    outcomes = [outcome for each in await asyncio.gather(*map(many, shops)) for outcome in each]
    committed = sum(isinstance(outcome, Committed) for outcome in outcomes)
    assert {type(outcome) for outcome in outcomes} <= {Committed, Conflict}
    assert committed > 40
    workflow = await shops[0].store.read("wf_1")
    assert workflow is not None
    assert workflow.metadata == {"n": committed}


async def test_what_is_remembered_is_never_the_ground_of_a_refusal(shop_of: OpenShop, tmp_path: Path) -> None:
    one, two = await shop_of(tmp_path), await shop_of(tmp_path)
    await one.create()
    await two.move("module_execution")
    assert isinstance(await one.move("response_generation"), Committed), "refused on the revision it remembered"
    assert await one.move("completed", expect_revision=1) == Conflict(1, 3)
    assert isinstance(await two.move("completed", expect_revision=3), Committed)


async def test_after_three_re_reads_the_conflict_is_given_back(shop_of: OpenShop, tmp_path: Path) -> None:
    one, two = await shop_of(tmp_path), await shop_of(tmp_path)
    await one.create()
    runs = 0
    commit = one.store.commit

    async def overtaken(change: Change) -> Outcome:
        nonlocal runs
        runs += 1
        await two.count()
        return await commit(change)

    one.store.commit = overtaken  # type: ignore[method-assign]
    outcome = await one.count()
    assert isinstance(outcome, Conflict)
    assert runs == 1 + 3, "once on what was remembered, and after three re-reads"


async def test_a_repeated_request_gives_the_first_outcome_and_delivers_nothing_again(shop: Shop) -> None:
    first_creation = await shop.create(request_id="r0")
    again = await shop.create(request_id="r0")
    first = await shop.move("module_execution", request_id="r1")
    second = await shop.move("module_execution", request_id="r1")
    assert isinstance(first, Committed)
    assert isinstance(second, Committed)
    assert isinstance(first_creation, Committed)
    assert isinstance(again, Committed)
    assert (first.is_replay, second.is_replay, again.is_replay) == (False, True, True)
    assert second.entry == first.entry
    assert len(shop.bus.events) == 2
    workflow = await shop.store.read("wf_1")
    assert workflow is not None
    assert workflow.revision == 2


async def test_a_repeated_request_is_known_although_its_revision_has_passed(shop: Shop) -> None:
    await shop.create()
    await shop.move("module_execution", request_id="r1", expect_revision=1)
    again = await shop.move("module_execution", request_id="r1", expect_revision=1)
    assert isinstance(again, Committed)
    assert again.is_replay


async def test_a_request_id_used_for_something_else_is_refused(shop: Shop) -> None:
    await shop.create()
    await shop.move("module_execution", request_id="r1")
    for to_state in ("response_generation", "initialized"):
        outcome = await shop.move(to_state, request_id="r1")
        assert isinstance(outcome, Refused)
        with pytest.raises(RequestReusedError):
            raise_for(outcome, "wf_1", "r1")


async def test_a_second_creation_of_an_id_is_refused(shop: Shop) -> None:
    await shop.create()
    with pytest.raises(WorkflowExistsError):
        raise_for(await shop.create(), "wf_1")


async def test_a_cancelled_caller_leaves_nothing_half_done(shop: Shop) -> None:
    reached, release, published = asyncio.Event(), asyncio.Event(), []

    async def publish(ids: Any) -> None:
        reached.set()
        await release.wait()
        published.extend(ids)

    await shop.create()
    shop.committer._publish = publish
    moving = asyncio.ensure_future(shop.move("module_execution"))
    await reached.wait()
    for _ in range(10):
        await SystemClock().sleep(0)
    moving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await moving
    release.set()
    await shop.committer.drain()
    assert published == ["wf_1"]
    assert [event.event_type for event in shop.bus.events][1:] == ["workflow.state_changed"]


async def test_a_caller_cancelled_while_the_commit_is_under_way_leaves_nothing_half_done(shop: Shop) -> None:
    await shop.create()
    reached, release = asyncio.Event(), asyncio.Event()
    commit = shop.store.commit

    async def slow(change: Change) -> Outcome:
        reached.set()
        await release.wait()
        return await commit(change)

    shop.store.commit = slow  # type: ignore[method-assign]
    moving = asyncio.ensure_future(shop.move("module_execution"))
    await reached.wait()
    moving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await moving
    release.set()
    await shop.committer.drain()
    workflow = await shop.store.read("wf_1")
    assert workflow is not None
    assert workflow.state == "module_execution"
    assert len(shop.bus.events) == 2


async def test_a_document_that_cannot_be_published_fails_no_change(shop: Shop) -> None:
    async def publish(_: Any) -> None:
        raise OSError(28, "No space left on device")

    shop.committer._publish = publish
    assert isinstance(await shop.create(), Committed)
    assert shop.errors == [WorkflowErrorType.RESOURCE_ERROR]
    assert len(shop.bus.events) == 1


async def test_publishing_behind_lets_the_caller_return_first(shop_of: OpenShop) -> None:
    release, published = asyncio.Event(), []

    async def publish(ids: Any) -> None:
        await release.wait()
        published.extend(ids)

    shop = await shop_of(publish=publish, publishes_behind=True)
    await asyncio.wait_for(shop.create(), 5)
    assert published == []
    release.set()
    await shop.committer.drain()
    assert published == ["wf_1"]


async def test_observers_hear_of_a_change_after_its_document_and_before_its_events(shop: Shop) -> None:
    order: list[Any] = []

    async def publish(_: Any) -> None:
        order.append("document")

    def observe(before: Workflow | None, committed: Committed) -> None:
        order.append((before and before.revision, committed.workflow.revision, len(shop.bus.events)))

    shop.committer._publish = publish
    shop.committer.on_committed.append(observe)
    await shop.create(request_id="r0")
    await shop.create(request_id="r0")
    await shop.move("module_execution")
    assert order == ["document", (None, 1, 0), "document", (1, 2, 1)]


async def _grant(shop: Shop, owner: str) -> Claim:
    now = Instant(CLOCK.now(), CLOCK.monotonic(), CLOCK.boot_id())
    request = LockRequest(workflow_id="wf_1", owner=owner, me=shop.me, ttl_s=300.0, now=now, act=Act(actor=ACTOR))
    granted = await shop.store.grant(request)
    assert isinstance(granted, Granted)
    lock = granted.lock
    return Claim(
        workflow_id="wf_1",
        owner=owner,
        incarnation=lock.incarnation,
        fence=lock.fence,
        generation=lock.generation,
    )


async def test_a_holders_own_rollback_refreshes_its_grant_and_no_copy_of_it(shop: Shop) -> None:
    await shop.create()
    claim = await _grant(shop, "worker")
    late = replace(claim)
    await shop.move("module_execution", claim=claim)
    assert isinstance(await shop.roll_back(claim=claim), Committed)
    assert (claim.generation, late.generation) == (2, 1)
    assert isinstance(await shop.move("module_execution", claim=claim), Committed)
    with pytest.raises(StaleLockError):
        raise_for(await shop.move("response_generation", claim=late), "wf_1")


async def test_an_operators_rollback_refreshes_nobodys_grant(shop: Shop) -> None:
    await shop.create()
    claim = await _grant(shop, "worker")
    await shop.move("module_execution", claim=claim)
    with pytest.raises(LockHeldError):
        raise_for(await shop.roll_back(), "wf_1")
    assert isinstance(await shop.roll_back(lock_policy=LockPolicy.PASS), Committed)
    assert claim.generation == 1, "it was given by nobody"
    outcome = await shop.move("module_execution", claim=claim)
    assert isinstance(outcome, Fenced)


async def test_a_commit_that_may_have_happened_is_settled_by_its_request_id(shop: Shop) -> None:
    await shop.create()
    commit = shop.store.commit

    async def synced_without_an_answer(change: Change) -> Outcome:
        await commit(change)
        return Unknown("EIO")

    shop.store.commit = synced_without_an_answer  # type: ignore[method-assign]
    outcome = await shop.move("module_execution")
    assert isinstance(outcome, Committed)
    assert outcome.workflow.state == "module_execution"
    assert len(shop.bus.events) == 2


async def test_what_nobody_can_settle_stays_unknown_and_says_how_to_ask_again(shop: Shop) -> None:
    await shop.create()

    async def fails(_: Change) -> Outcome:
        return Unknown("EIO")

    async def cannot_say(*_: Any) -> None:
        raise StoreError("gone")

    shop.store.commit = fails  # type: ignore[method-assign]
    assert await shop.move("module_execution") == Unknown("EIO")
    shop.store.settle = cannot_say  # type: ignore[method-assign]
    outcome = await shop.move("module_execution", request_id="r7")
    with pytest.raises(UnknownOutcomeError, match="same request id r7"):
        raise_for(outcome, "wf_1", "r7")


async def test_the_memory_of_newest_revisions_is_bounded(shop_of: OpenShop) -> None:
    shop = await shop_of(cache_size=2)
    for n in range(4):
        await shop.create(f"wf_{n}")
    assert len(shop.committer._newest._known) == 2
    assert isinstance(await shop.count(), Committed)


def test_a_payload_without_a_json_shape_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="payload"):
        payload_hash(object())
    assert payload_hash({"a": float("nan")}) == payload_hash({"a": float("nan")})


def test_a_creation_that_came_second_and_a_change_of_nothing_have_their_own_errors() -> None:
    with pytest.raises(WorkflowExistsError):
        raise_for(Conflict(0, 3), "wf_1")
    with pytest.raises(WorkflowNotFoundError):
        raise_for(Conflict(3, 0), "wf_1")
