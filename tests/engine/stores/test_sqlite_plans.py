"""How SQLite goes about the questions that lists ask: never by reading or sorting everything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import apsw
import pytest
from conftest import OpenStore
from ledger_values import START, creation, engine, flow

from engine.model.names import EventStatus, Flag, Phase
from engine.store.query import Filter, Query, Sort
from engine.stores.sqlite import SqliteStore

Ask = Callable[[SqliteStore], Awaitable[Any]]


async def _steps(store: SqliteStore, ask: Ask) -> list[str]:
    """Return the steps of SQLite's plans for every statement that ``ask`` runs."""
    statements: list[tuple[str, Any]] = []

    def trace(_: object, statement: str, values: Any) -> bool:
        statements.append((statement, values))
        return True

    connections = [opened for _, opened in store._closing]
    for connection in connections:
        connection.exec_trace = trace
    await ask(store)
    for connection in connections:
        connection.exec_trace = None
    asked = [(text, values) for text, values in statements if text.lstrip().startswith(("SELECT", "UPDATE"))]
    assert asked

    def explain(connection: apsw.Connection) -> list[str]:
        return [
            row[3]
            for text, values in asked
            for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", values).fetchall()
        ]

    return await store._read(explain)


def _reads_everything(step: str) -> bool:
    is_small = any(name in step for name in ("json_each", "CONSTANT ROW", "subquery"))
    return step.startswith("SCAN") and "USING" not in step and not is_small


@pytest.fixture
async def store(open_ledger: OpenStore) -> SqliteStore:
    opened: SqliteStore = await open_ledger()
    for n in range(3):
        await opened.commit(creation(flow(f"wf_{n}")))
    return opened


@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize("sort", list(Sort))
async def test_a_page_walks_an_index_in_order(store: SqliteStore, sort: Sort, is_reversed: bool) -> None:
    cursor = (await store.page_flows(Query(sort=sort, limit=1))).next
    for after in (None, cursor):
        query = Query(sort=sort, is_reversed=is_reversed, after=after)
        steps = await _steps(store, lambda opened, query=query: opened.page_flows(query))
        assert not [step for step in steps if _reads_everything(step) or "TEMP B-TREE" in step]


@pytest.mark.parametrize(
    "chosen",
    [
        Filter(owners=("svc",)),
        Filter(flags=(Flag.CONFLICT,)),
        Filter(error_types=("timeout",)),
        Filter(ids=("wf_1",)),
        Filter(is_problem=True),
        Filter(states=("failed",)),
        Filter(phases=(Phase.FAILED,), older_than_s=60.0),
    ],
)
@pytest.mark.parametrize("sort", [Sort.PROBLEM, Sort.CREATED])
async def test_what_selects_few_rows_finds_them_by_an_index(store: SqliteStore, chosen: Filter, sort: Sort) -> None:
    for ask in (
        lambda opened: opened.page_flows(Query(filter=chosen, sort=sort)),
        lambda opened: opened.count_flows(Query(filter=chosen)),
    ):
        assert not [step for step in await _steps(store, ask) if _reads_everything(step)]


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: store.claim(START, 10),
        lambda store: store.next_due(START),
        lambda store: store.overdue(START, 10),
        lambda store: store.next_deadline(),
        lambda store: store.version(),
        lambda store: store.row("wf_1"),
        lambda store: store.read("wf_1"),
        lambda store: store.expired_locks("boot", 1.0, START, 10),
        lambda store: store.page_locks(Query()),
        lambda store: store.page_audit(Query()),
        lambda store: store.page_audit(Query(filter=Filter(has_locks=True))),
        lambda store: store.page_audit(Query(filter=Filter(ids=("wf_1",)))),
        lambda store: store.page_events(("pending",), Query()),
        lambda store: store.page_events(("pending",), Query(), failing_only=True),
        lambda store: store.page_events(("pending", "dead"), Query()),
        lambda store: store.page_events(tuple(EventStatus), Query(filter=Filter(ids=("wf_1",)))),
        lambda store: store.counters("errors/"),
        lambda store: store.last_history("wf_1", 10),
        lambda store: store.adopt_events(["01X"]),
    ],
)
async def test_what_is_asked_often_is_answered_from_an_index(store: SqliteStore, ask: Ask) -> None:
    assert not [step for step in await _steps(store, ask) if _reads_everything(step)]


async def test_a_commit_reads_nothing_but_its_own_rows(store: SqliteStore) -> None:
    steps = await _steps(store, lambda opened: opened.commit(creation(flow("wf_new"))))
    assert not [step for step in steps if step.startswith("SCAN")]


async def test_a_memory_ledger_is_backed_up_too(tmp_path: Any, clock: Any) -> None:
    store = SqliteStore(None, clock=clock)
    await store.open(engine())
    await store.commit(creation(flow()))
    await store.backup(tmp_path / "copy.db")
    assert await store.check() == ()
    await store.close()
    assert (tmp_path / "copy.db").stat().st_size > 4096
