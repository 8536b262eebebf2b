from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from conftest import Commit
from ledger_values import OPERATOR, START, creation, engine, flow, move

from engine.clock import ManualClock
from engine.errors import WorkflowErrorType
from engine.model.actor import Act
from engine.model.names import EntryKind, EventStatus
from engine.store.outcomes import Committed, EventId
from engine.store.protocol import Store
from engine.store.query import Filter, Query
from engine.store.requests import Attempt, Claimed, EventVerb, Verdict
from engine.stores.sqlite import SqliteStore

ACT = Act(actor=OPERATOR, reason="INC-7")
MINUTE = timedelta(seconds=60)


def event_id(entry_n: int, n: int = 1, workflow_id: str = "wf_direct_1") -> EventId:
    return EventId(workflow_id=workflow_id, entry_n=entry_n, n=n)


def tried(event: EventId, verdict: Verdict, *, at_s: float = 0, next_s: float | None = None) -> Attempt:
    return Attempt(
        id=event,
        verdict=verdict,
        at=START + timedelta(seconds=at_s),
        next_attempt_at=None if next_s is None else START + timedelta(seconds=next_s),
        error="bus down" if verdict is not Verdict.DELIVERED else None,
        error_type=WorkflowErrorType.EVENT_PUBLISH_ERROR if verdict is not Verdict.DELIVERED else None,
    )


def texts(claimed: Sequence[Claimed]) -> list[str]:
    return [str(found.id) for found in claimed]


async def balance(store: Store) -> dict[str, int]:
    counted = {name.removeprefix("events/"): number for name, number in (await store.counters("events/")).items()}
    accepted = (await store.counters("events_accepted")).get("events_accepted", 0)
    assert accepted == sum(counted.values())
    return {name: number for name, number in counted.items() if number}


async def test_a_commit_hands_its_events_to_its_own_engine_for_the_first_attempt(store: Store) -> None:
    outcome = await store.commit(creation(flow(), events=2))
    assert isinstance(outcome, Committed)
    assert [str(found) for found in outcome.event_ids] == ["wf_direct_1:1:1", "wf_direct_1:1:2"]
    body = outcome.event_bodies[0]
    assert body == {
        "event_id": "wf_direct_1:1:1",
        "category": "workflow",
        "event_type": "workflow.started",
        "source": "workflow_orchestrator",
        "severity": "info",
        "payload": {"workflow_id": "wf_direct_1", "workflow_type": "direct"},
        "timestamp": "2026-01-01T00:00:00.000000Z",
        "correlation_id": "wf_direct_1",
        "parent_event_id": None,
        "metadata": {},
    }
    assert await store.claim(START + timedelta(seconds=59), 10) == ()
    assert texts(await store.claim(START + MINUTE, 10)) == ["wf_direct_1:1:1"]
    assert await balance(store) == {"pending": 2}


async def test_followers_of_a_pending_event_are_not_handed_out(store: Store, commit: Commit) -> None:
    made = await commit(creation(flow()))
    outcome = await store.commit(move(made, "module_execution"))
    assert outcome.event_bodies == ()
    assert await store.has_earlier_pending(event_id(2))
    assert not await store.has_earlier_pending(event_id(1))


async def test_one_workflows_events_are_claimed_in_order_one_at_a_time(store: Store, commit: Commit) -> None:
    made = await commit(creation(flow()))
    await commit(move(made, "module_execution", events=2))
    await commit(creation(flow("wf_direct_2")))
    at = START + 2 * MINUTE
    assert texts(await store.claim(at, 10)) == ["wf_direct_1:1:1", "wf_direct_2:1:1"]
    assert await store.claim(at, 10) == ()
    await store.record_attempts([tried(event_id(1), Verdict.DELIVERED, at_s=120)])
    assert texts(await store.claim(at, 10)) == ["wf_direct_1:2:1"]
    await store.record_attempts([tried(event_id(2), Verdict.DELIVERED, at_s=120)])
    assert texts(await store.claim(at, 10)) == ["wf_direct_1:2:2"]
    assert await balance(store) == {"delivered": 2, "pending": 2}


async def test_a_failed_attempt_waits_and_holds_its_followers(store: Store, commit: Commit) -> None:
    made = await commit(creation(flow()))
    await commit(move(made, "module_execution"))
    await store.record_attempts([tried(event_id(1), Verdict.RETRY, next_s=5)])
    event = await store.event(event_id(1))
    assert (event.attempts, event.error, event.error_type) == (1, "bus down", "event_publish_error")
    assert await store.next_due(START) == START + timedelta(seconds=5)
    assert await store.claim(START + timedelta(seconds=4), 10) == ()
    claimed = await store.claim(START + timedelta(seconds=5), 10)
    assert [(str(found.id), found.attempts) for found in claimed] == [("wf_direct_1:1:1", 1)]
    assert (await store.row("wf_direct_1")).events_failing == 1
    assert (await store.counters("events_failing"))["events_failing"] == 1


async def test_a_dead_letter_frees_its_followers(store: Store, commit: Commit) -> None:
    made = await commit(creation(flow()))
    await commit(move(made, "module_execution"))
    await store.record_attempts([tried(event_id(1), Verdict.RETRY, next_s=5)])
    await store.record_attempts([tried(event_id(1), Verdict.DEAD, at_s=5)])
    assert not await store.has_earlier_pending(event_id(2))
    assert texts(await store.claim(START + timedelta(seconds=5), 10)) == ["wf_direct_1:2:1"]
    assert await balance(store) == {"dead": 1, "pending": 1}
    assert (await store.counters("events_failing"))["events_failing"] == 0


async def test_a_returned_claim_counts_no_attempt_and_is_free_again(store: Store, commit: Commit) -> None:
    await commit(creation(flow()))
    await store.record_attempts([tried(event_id(1), Verdict.RETURNED)])
    assert texts(await store.claim(START, 10)) == ["wf_direct_1:1:1"]
    event = await store.event(event_id(1))
    assert (event.attempts, event.error) == (0, None)


async def test_a_late_outcome_of_a_settled_event_changes_no_count(store: Store, commit: Commit) -> None:
    await commit(creation(flow()))
    for verdict in (Verdict.DELIVERED, Verdict.DELIVERED, Verdict.RETRY, Verdict.DEAD):
        await store.record_attempts([tried(event_id(1), verdict)])
    assert await balance(store) == {"delivered": 1}
    await store.record_attempts([tried(event_id(9), Verdict.DELIVERED)])
    assert await balance(store) == {"delivered": 1}


async def test_events_without_any_bus_are_recorded_and_owed_to_nobody(clock: ManualClock) -> None:
    store = SqliteStore(None, clock=clock)
    await store.open(engine(has_bus=False))
    await store.commit(creation(flow()))
    assert await balance(store) == {"recorded": 1}
    assert await store.next_due(START) is None
    refused = await store.move_events([event_id(1)], EventVerb.RETRY, START, ACT)
    assert "owed to nobody" in refused[0]
    await store.close()


async def test_a_bus_that_comes_later_is_told_by_the_heartbeat(clock: ManualClock) -> None:
    store = SqliteStore(None, clock=clock)
    await store.open(engine(has_bus=False))
    await store.heartbeat({"has_bus": True})
    await store.commit(creation(flow()))
    assert await balance(store) == {"pending": 1}
    assert (await store.engines())[0].engine.has_bus
    await store.close()


@pytest.mark.parametrize("retry_s", [0.0, 5.0])
async def test_the_next_due_time_minds_claims(store: Store, commit: Commit, retry_s: float) -> None:
    await commit(creation(flow()))
    assert await store.next_due(START) == START + MINUTE
    await store.record_attempts([tried(event_id(1), Verdict.RETRY, next_s=retry_s)])
    assert await store.next_due(START) == START + timedelta(seconds=retry_s)
    await store.record_attempts([tried(event_id(1), Verdict.DELIVERED)])
    assert await store.next_due(START) is None


async def test_an_operator_retries_drops_and_purges_with_an_audit(store: Store, commit: Commit) -> None:
    made = await commit(creation(flow()))
    await commit(move(made, "module_execution"))
    await store.record_attempts([tried(event_id(1), Verdict.RETRY, next_s=900)])
    assert await store.move_events([event_id(1)], EventVerb.RETRY, START, ACT) == ("",)
    assert await store.next_due(START) == START
    assert (await store.event(event_id(1))).attempts == 1

    assert await store.move_events([event_id(1)], EventVerb.DROP, START, ACT) == ("",)
    assert (await store.event(event_id(1))).cause == "dropped"
    assert texts(await store.claim(START, 10)) == ["wf_direct_1:2:1"]

    assert await store.move_events([event_id(1)], EventVerb.RETRY, START, ACT) == ("",)
    revived = await store.event(event_id(1))
    assert (revived.status, revived.attempts, revived.cause) == (EventStatus.PENDING, 0, None)

    assert await store.move_events([event_id(1)], EventVerb.DROP, START, ACT) == ("",)
    assert await store.move_events([event_id(1)], EventVerb.PURGE, START, ACT) == ("",)
    assert (await store.event(event_id(1))).body is None
    assert await balance(store) == {"pending": 1, "purged": 1}
    kinds = [entry.kind for entry in await store.entries("wf_direct_1") if entry.is_audit]
    assert kinds == [
        EntryKind.EVENT_RETRIED,
        EntryKind.EVENT_DROPPED,
        EntryKind.EVENT_RETRIED,
        EntryKind.EVENT_DROPPED,
        EntryKind.EVENT_PURGED,
    ]


async def test_a_revived_dead_letter_goes_before_its_followers_again(store: Store, commit: Commit) -> None:
    made = await commit(creation(flow()))
    await commit(move(made, "module_execution"))
    await store.record_attempts([tried(event_id(1), Verdict.DEAD)])
    await store.move_events([event_id(1)], EventVerb.RETRY, START, ACT)
    assert texts(await store.claim(START, 10)) == ["wf_direct_1:1:1"]
    await store.record_attempts([tried(event_id(1), Verdict.DELIVERED)])
    assert texts(await store.claim(START, 10)) == ["wf_direct_1:2:1"]


async def test_an_event_that_is_not_where_the_verb_needs_it_is_refused_with_a_sentence(
    store: Store, commit: Commit
) -> None:
    await commit(creation(flow()))
    await commit(creation(flow("wf_direct_2")))
    await store.record_attempts([tried(event_id(1), Verdict.DELIVERED)])
    ids = [event_id(1), event_id(7), event_id(1, workflow_id="wf_direct_2")]
    said = await store.move_events(ids, EventVerb.DROP, START, ACT)
    assert said == (
        "wf_direct_1:1:1: it was delivered already. Nothing was changed.",
        "wf_direct_1:7:1: there is no such event. Nothing was changed.",
        "",
    )
    purge = await store.move_events([event_id(1)], EventVerb.PURGE, START, ACT)
    assert purge == ("wf_direct_1:1:1: it was delivered already. Nothing was changed.",)


async def test_a_dropped_event_that_arrives_after_all_is_delivered(store: Store, commit: Commit) -> None:
    await commit(creation(flow()))
    await store.move_events([event_id(1)], EventVerb.DROP, START, ACT)
    await store.record_attempts([tried(event_id(1), Verdict.DELIVERED)])
    assert await balance(store) == {"delivered": 1}


async def test_the_newest_goes_to_the_dead_letter_when_too_many_fail(store: Store, commit: Commit) -> None:
    names = [f"wf_{n:04}" for n in range(1002)]
    await asyncio.gather(*(commit(creation(flow(name))) for name in names))
    attempts = [tried(event_id(1, workflow_id=name), Verdict.RETRY, next_s=5) for name in names[:1000]]
    await store.record_attempts(attempts)
    assert await balance(store) == {"pending": 1002}
    attempts = [tried(event_id(1, workflow_id=name), Verdict.RETRY, next_s=5) for name in names[1000:]]
    await store.record_attempts(attempts)
    assert await balance(store) == {"pending": 1000, "dead": 2}
    for name in names[1000:]:
        event = await store.event(event_id(1, workflow_id=name))
        assert (event.status, event.cause) == (EventStatus.DEAD, "retry_queue_full")
    assert (await store.counters("errors/"))["errors/event_publish_error"] == 2


async def test_pending_events_are_listed_by_next_attempt_and_others_newest_first(store: Store, commit: Commit) -> None:
    for n in range(4):
        await commit(creation(flow(f"wf_{n}"), events=2))
    for n, next_s in ((0, 30), (1, 10), (2, 20)):
        await store.record_attempts([tried(event_id(1, workflow_id=f"wf_{n}"), Verdict.RETRY, next_s=next_s)])
    await store.record_attempts([tried(event_id(1, workflow_id="wf_3"), Verdict.DEAD)])

    async def listed(statuses: Sequence[str], query: Query | None = None, *, failing_only: bool = False) -> list[str]:
        page = await store.page_events(statuses, query or Query(), failing_only=failing_only)
        return [str(row.id) for row in page.rows]

    pending = await listed(("pending",))
    assert pending[:4] == ["wf_3:1:2", "wf_1:1:1", "wf_2:1:1", "wf_0:1:1"]
    assert sorted(pending[4:]) == ["wf_0:1:2", "wf_1:1:2", "wf_2:1:2"]
    assert await listed(("pending",), failing_only=True) == ["wf_1:1:1", "wf_2:1:1", "wf_0:1:1"]
    await store.record_attempts([tried(event_id(1, 2, "wf_3"), Verdict.DEAD)])
    assert await listed(("dead",)) == ["wf_3:1:2", "wf_3:1:1"]
    everything = await listed(tuple(EventStatus))
    assert everything == [f"wf_{n}:1:{k}" for n in (3, 2, 1, 0) for k in (2, 1)]
    assert await listed(tuple(EventStatus), Query(filter=Filter(ids=("wf_2",)))) == ["wf_2:1:2", "wf_2:1:1"]
    assert await listed(("pending", "dead"), Query(limit=3)) == everything[:3]
    first = await store.page_events(("pending",), Query(limit=4))
    rest = await store.page_events(("pending",), Query(limit=4, after=first.next))
    assert [str(row.id) for row in (*first.rows, *rest.rows)] == pending[1:]
    assert rest.next is None
    assert await listed(("pending",), Query(filter=Filter(text=("bus down",)))) == ["wf_1:1:1", "wf_2:1:1", "wf_0:1:1"]
