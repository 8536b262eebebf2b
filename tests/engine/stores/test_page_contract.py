"""Pages against a brute-force oracle on a seeded random set of workflows."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from conftest import Commit
from ledger_values import START, creation, engine, flow, given_up, move, note, wanted_lock

from engine.clock import ManualClock
from engine.errors import InvalidValueError, WorkflowErrorType
from engine.model.names import Flag, Origin, Phase
from engine.model.workflow import Workflow
from engine.store.outcomes import EventId
from engine.store.protocol import Store
from engine.store.query import Filter, FlowRow, Page, Query, Sort
from engine.store.requests import Attempt, Verdict
from engine.stores.sqlite import SqliteStore

NOW = START + timedelta(hours=2)
COUNT = 90
STATES = ("initialized", "module_execution", "response_generation", "completed", "failed", "cancelled")
WORDS = ("Straße", "timeout", "Ärger", "rag", "x_y%z", "zwölf")
OWNERS = ("svc:41", "svc:4", "ops@host")


@dataclass
class Known:
    """A workflow with what pages show beside it."""

    workflow: Workflow
    n: int
    owner: str = ""
    lock_expires_at: datetime | None = None
    is_failing: bool = False

    @property
    def text(self) -> str:
        flow_ = self.workflow
        return "\n".join((flow_.workflow_id, flow_.user_input, flow_.error or "", flow_.target_module)).casefold()

    @property
    def is_timed(self) -> bool:
        return self.workflow.deadline_at is not None and self.workflow.paused_at is None


@pytest.fixture(params=[1, 2])
async def known(request: pytest.FixtureRequest, store: Store, clock: ManualClock) -> list[Known]:
    return await _populate(store, clock, request.param)


async def _populate(store: Store, clock: ManualClock, seed: int) -> list[Known]:
    """Commit a random set of workflows, locks and failing events, judged at ``NOW``."""
    chance = random.Random(seed)
    await clock.advance((NOW - START).total_seconds())
    everyone = []
    for n in range(COUNT):
        made = _random_flow(chance, n)
        await store.commit(creation(made))
        one = Known(made, n)
        everyone.append(one)
        if chance.random() < 0.2:
            one.owner = chance.choice(OWNERS)
            request_ = wanted_lock(clock, made.workflow_id, one.owner, me=engine("01L"), ttl_s=chance.choice((60.0, 0)))
            lock = (await store.grant(request_)).lock
            one.lock_expires_at = lock.expires_at
            if chance.random() < 0.3:
                await store.release(given_up(clock, lock, is_forced=True))
                one.owner = ""
        if chance.random() < 0.1:
            one.is_failing = True
            await store.record_attempts([_failed_attempt(made.workflow_id)])
    return everyone


def _random_flow(chance: random.Random, n: int) -> Workflow:
    state = chance.choice(STATES)
    phase = {"failed": Phase.FAILED, "completed": Phase.DONE, "cancelled": Phase.DONE}.get(state, Phase.OPEN)
    entered = NOW - timedelta(minutes=chance.choice((0, 1, 5, 29, 30, 31, 90, chance.randint(0, 100))))
    is_timed = phase is Phase.OPEN and chance.random() < 0.6
    return flow(
        f"wf_{chance.randint(0, 9)}_{n}",
        state=state,
        phase=phase,
        workflow_type=chance.choice(("direct", "intelligent", "odd/type")),
        created_at=NOW - timedelta(minutes=chance.randint(0, 20)),
        updated_at=NOW - timedelta(minutes=chance.randint(0, 20)),
        entered_at=entered,
        deadline_at=NOW + timedelta(minutes=chance.randint(-9, 9)) if is_timed else None,
        paused_at=entered if is_timed and chance.random() < 0.2 else None,
        user_input=" ".join(chance.choices(WORDS, k=3)),
        target_module=chance.choice(("mod_a", "mod_b")),
        error="boom ERROR" if phase is Phase.FAILED else None,
        error_type=chance.choice(tuple(WorkflowErrorType)).value if phase is Phase.FAILED else None,
        flag=chance.choice((Flag.NONE,) * 9 + (Flag.CONFLICT, Flag.GONE)),
        origin=chance.choice(tuple(Origin)),
    )


def _failed_attempt(workflow_id: str) -> Attempt:
    event = EventId(workflow_id=workflow_id, entry_n=1, n=1)
    return Attempt(id=event, verdict=Verdict.RETRY, at=NOW, next_attempt_at=NOW)


def _selects(chosen: Filter, one: Known) -> bool:
    workflow = one.workflow
    age_s = (NOW - workflow.entered_at).total_seconds()
    owners = chosen.owners
    return all(
        (
            not chosen.types or workflow.workflow_type in chosen.types,
            not chosen.states or workflow.state in chosen.states,
            not chosen.phases or workflow.phase in chosen.phases,
            not chosen.error_types or workflow.error_type in chosen.error_types,
            not chosen.flags or workflow.flag in chosen.flags,
            not chosen.ids or workflow.workflow_id in chosen.ids,
            not owners or any(one.owner == name or one.owner.startswith(f"{name}:") for name in owners),
            all(part in one.text for part in chosen.text),
            not any(part in one.text for part in chosen.not_text),
            chosen.pattern is None or re.search(chosen.pattern, one.text, re.IGNORECASE) is not None,
            chosen.older_than_s is None or age_s >= chosen.older_than_s,
            chosen.younger_than_s is None or age_s <= chosen.younger_than_s,
            not chosen.is_problem or _is_problem(one),
        )
    )


def _is_problem(one: Known) -> bool:
    workflow = one.workflow
    is_overdue = workflow.is_open and one.is_timed and workflow.deadline_at <= NOW
    is_expired = bool(one.owner) and one.lock_expires_at <= NOW
    return bool(workflow.flag) or workflow.phase is Phase.FAILED or is_overdue or is_expired or one.is_failing


def _order(sort: Sort) -> Callable[[Known], Any]:
    def micros(at: datetime) -> float:
        return (at - START) / timedelta(microseconds=1)

    def problem(one: Known) -> tuple[Any, ...]:
        workflow = one.workflow
        entered = micros(workflow.entered_at)
        if workflow.is_open:
            if not one.is_timed:
                return (3, entered, one.n)
            return (0 if workflow.deadline_at <= NOW else 2, micros(workflow.deadline_at), one.n)
        is_recent = workflow.entered_at > NOW - timedelta(minutes=30)
        group = {Phase.FAILED: 1 if is_recent else 4, Phase.DONE: 5}[workflow.phase]
        return (group, -entered, -one.n)

    def age(one: Known) -> tuple[Any, ...]:
        sign = 1 if one.workflow.is_open else -1
        return (list(Phase).index(one.workflow.phase), sign * micros(one.workflow.entered_at), sign * one.n)

    return {
        Sort.PROBLEM: problem,
        Sort.STATE_AGE: age,
        Sort.CREATED: lambda one: (-micros(one.workflow.created_at), -one.n),
        Sort.UPDATED: lambda one: (-micros(one.workflow.updated_at), -one.n),
        Sort.ID: lambda one: one.workflow.workflow_id,
    }[sort]


FILTERS = (
    Filter(),
    Filter(types=("direct",)),
    Filter(types=("odd/type",), states=("failed", "completed")),
    Filter(states=("module_execution",)),
    Filter(phases=(Phase.FAILED, Phase.DONE)),
    Filter(error_types=("timeout", "unknown_error")),
    Filter(owners=("svc",)),
    Filter(owners=("svc:4", "ops@host"), phases=(Phase.OPEN,)),
    Filter(flags=(Flag.CONFLICT,)),
    Filter(flags=(Flag.NONE, Flag.GONE)),
    Filter(text=("straße".casefold(), "ärger")),
    Filter(text=("%z",), not_text=("timeout",), states=("completed", "initialized")),
    Filter(not_text=("mod_a",)),
    Filter(pattern=r"ÄRGER rag|wf_[13]_"),
    Filter(text=("boom",), error_types=("timeout",)),
    Filter(older_than_s=1800.0),
    Filter(younger_than_s=300.0, types=("intelligent",)),
    Filter(is_problem=True),
    Filter(is_problem=True, text=("rag",), types=("direct", "intelligent")),
    Filter(ids=("wf_1_1", "nope"), is_problem=True),
)


@pytest.mark.parametrize("sort", list(Sort))
async def test_pages_agree_with_the_oracle_in_both_directions(store: Store, known: list[Known], sort: Sort) -> None:
    for chosen in FILTERS:
        expected = [one.workflow.workflow_id for one in sorted(known, key=_order(sort)) if _selects(chosen, one)]
        for limit in (1000, 7):
            query = Query(filter=chosen, sort=sort, limit=limit, at=NOW)
            assert await _forward(store, query) == expected, (chosen, limit)
            assert await _backward(store, query) == expected, (chosen, limit)
        assert await store.count_flows(Query(filter=chosen, at=NOW)) == len(expected), chosen
        assert await store.count_flows(Query(filter=chosen, at=NOW), cap=3) == min(3, len(expected))


async def _forward(store: Store, query: Query) -> list[str]:
    found: list[str] = []
    after: str | None = None
    while True:
        page = await store.page_flows(_from(query, after))
        assert len(page.rows) == query.limit or page.next is None
        assert (page.start is None) == (after is None)
        found += [row.workflow_id for row in page.rows]
        if page.next is None:
            return found
        after = page.next


async def _backward(store: Store, query: Query) -> list[str]:
    found: list[str] = []
    after: str | None = None
    while True:
        page = await store.page_flows(_from(query, after, is_reversed=True))
        assert (page.next is None) == (after is None)
        found[:0] = [row.workflow_id for row in page.rows]
        if page.start is None:
            return found
        after = page.start


def _from(query: Query, after: str | None, *, is_reversed: bool = False) -> Query:
    return Query(
        filter=query.filter, sort=query.sort, limit=query.limit, at=query.at, after=after, is_reversed=is_reversed
    )


async def test_reading_back_from_a_page_shows_the_page_before_it(store: Store, known: list[Known]) -> None:
    del known
    query = Query(limit=10, at=NOW)
    first = await store.page_flows(query)
    second = await store.page_flows(_from(query, first.next))
    assert (await store.page_flows(_from(query, second.start, is_reversed=True))).rows == first.rows
    assert (await store.page_flows(_from(query, second.next, is_reversed=True))).rows == second.rows


async def test_a_list_that_is_read_goes_on_as_it_began_while_time_passes(store: Store, commit: Commit) -> None:
    for name, minutes, phase in (("new", 1, Phase.FAILED), ("aging", 29, Phase.FAILED), ("open", 5, Phase.OPEN)):
        entered_at = NOW - timedelta(minutes=minutes)
        await commit(creation(flow(name, state=phase.value, phase=phase, entered_at=entered_at)))
    seen: list[str] = []
    after: str | None = None
    for minutes in (0, 5, 10):
        page = await store.page_flows(Query(limit=1, at=NOW + timedelta(minutes=minutes), after=after))
        seen += [row.workflow_id for row in page.rows]
        after = page.next
    assert (seen, after) == (["new", "aging", "open"], None)


async def test_what_runs_over_its_deadline_while_it_is_read_is_met_once(store: Store, commit: Commit) -> None:
    for name, minutes in (("late", -5), ("soon", 3), ("later", 30)):
        await commit(creation(flow(name, entered_at=START, deadline_at=NOW + timedelta(minutes=minutes))))
    await commit(creation(flow("failed", state="failed", phase=Phase.FAILED, entered_at=NOW)))
    seen: list[str] = []
    after: str | None = None
    for minutes in (0, 5, 10, 15):
        page = await store.page_flows(Query(limit=1, at=NOW + timedelta(minutes=minutes), after=after))
        seen += [row.workflow_id for row in page.rows]
        after = page.next
    assert (seen, after) == (["late", "failed", "soon", "later"], None)
    anew = await store.page_flows(Query(at=NOW + timedelta(minutes=5)))
    assert [row.workflow_id for row in anew.rows] == ["late", "soon", "failed", "later"]


@pytest.mark.parametrize("sort", list(Sort))
async def test_a_text_search_is_bounded_says_so_and_goes_on(clock: ManualClock, sort: Sort) -> None:
    store = SqliteStore(None, clock=clock, searched_at_most=20)
    await store.open(engine())
    known = await _populate(store, clock, 6)
    chosen = Filter(text=("zwölf",))
    expected = [one.workflow.workflow_id for one in sorted(known, key=_order(sort)) if _selects(chosen, one)]
    for is_reversed in (False, True):
        seen: list[str] = []
        after: str | None = None
        pages: list[Page[FlowRow]] = []
        while after is not None or not pages:
            query = Query(filter=chosen, sort=sort, after=after, is_reversed=is_reversed, at=NOW)
            page = await store.page_flows(query)
            pages.append(page)
            ids = [row.workflow_id for row in page.rows]
            seen = [*ids, *seen] if is_reversed else [*seen, *ids]
            after = page.start if is_reversed else page.next
        assert seen == expected
        assert sum(page.searched or 0 for page in pages) >= COUNT
        assert all((page.searched or 0) <= 20 for page in pages)
    assert (await store.page_flows(Query(limit=5))).searched is None
    await store.close()


async def test_rows_carry_what_lists_show(store: Store, commit: Commit) -> None:
    made = flow(
        state="failed",
        phase=Phase.FAILED,
        error="e" * 300,
        error_type="timeout",
        entered_at=START + timedelta(seconds=3),
        attempt=2,
        is_forced=True,
        generation=3,
    )
    await commit(creation(made))
    row = await store.row("wf_direct_1")
    assert row is not None
    assert (row.error, row.error_type, row.attempt, row.is_forced) == ("e" * 200, "timeout", 2, True)
    assert (row.ended_at, row.generation, row.revision) == (made.entered_at, 3, 1)
    assert row.position == await store.version()
    assert await store.row("nothing") is None


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (Query(after="garbage"), "cursor"),
        (Query(after="AAAA"), "cursor"),
        (Query(limit=0), "at least 1"),
        (Query(filter=Filter(pattern="(")), "regular expression"),
    ],
)
async def test_what_is_no_question_is_refused_with_a_sentence(store: Store, query: Query, said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        await store.page_flows(query)


async def test_a_cursor_of_another_list_is_refused(store: Store, known: list[Known]) -> None:
    del known
    cursor = (await store.page_flows(Query(limit=60, at=NOW))).next
    with pytest.raises(InvalidValueError, match="cursor"):
        await store.page_flows(Query(sort=Sort.ID, after=cursor))


async def test_the_audit_leaves_out_what_locks_go_through_every_day_unless_it_is_asked_for(
    store: Store, commit: Commit, clock: ManualClock
) -> None:
    made = await commit(creation(flow("wf_1")))
    await commit(note(made, "remark"))
    for _ in range(3):
        lock = (await store.grant(wanted_lock(clock, "wf_1"))).lock
        await store.release(given_up(clock, lock))
        await clock.advance(1)
    lock = (await store.grant(wanted_lock(clock, "wf_1"))).lock
    await store.release(given_up(clock, lock, is_forced=True))
    await clock.advance(1)
    lock = (await store.grant(wanted_lock(clock, "wf_1"))).lock
    await store.release(given_up(clock, lock, is_forced=True, is_steal=True))
    for ids in ((), ("wf_1",)):

        async def kinds(chosen: Filter) -> list[str]:
            rows = (await store.page_audit(Query(filter=chosen))).rows
            return [entry.kind.value for entry in rows]

        assert await kinds(Filter(ids=ids)) == ["lock.stolen", "unlock", "note"]
        everything = await kinds(Filter(ids=ids, has_locks=True))
        assert len(everything) == 11
        assert everything.count("lock.acquired") == 5
        assert everything.count("lock.released") == 3


async def test_audit_is_listed_newest_first_over_all_workflows(store: Store, commit: Commit) -> None:
    for n in range(6):
        made = await commit(creation(flow(f"wf_{n % 3}_{n}", updated_at=START + timedelta(seconds=n))))
        await commit(note(made, f"remark {n}"))
        await commit(move(made, "module_execution"))

    async def listed(query: Query) -> list[str | None]:
        return [entry.reason for entry in (await store.page_audit(query)).rows]

    everything = [f"remark {n}" for n in (5, 4, 3, 2, 1, 0)]
    assert await listed(Query()) == everything
    assert await listed(Query(filter=Filter(text=("remark 3",)))) == ["remark 3"]
    assert await listed(Query(filter=Filter(ids=("wf_1_1", "wf_1_4")))) == ["remark 4", "remark 1"]
    first = await store.page_audit(Query(limit=4))
    assert await listed(Query(limit=4, after=first.next)) == everything[4:]
    assert await listed(Query(limit=2, is_reversed=True)) == everything[4:]
