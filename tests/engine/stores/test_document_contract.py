from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from conftest import Commit
from ledger_values import START, creation, flow, move

from engine.model.names import EntryKind, Flag, Origin, Phase
from engine.store.protocol import Store
from engine.store.query import DocumentRow, Filter, Query


def document(name: str = "wf_direct_1.json", **facts: object) -> DocumentRow:
    row = DocumentRow(
        name=name,
        workflow_id=name.removesuffix(".json"),
        published_revision=1,
        digest="d" * 64,
        size=10,
        mtime_ns=2**60,
        inode=2**40,
        looked_at=START,
    )
    return replace(row, **facts)


def damaged(name: str) -> DocumentRow:
    return document(name, workflow_id="", published_revision=0, problem=f"{name} is torn")


async def test_documents_are_kept_as_recorded_and_forgotten(store: Store) -> None:
    one = document(foreign_body=b"\x00\xff")
    two = document("other.json", workflow_id="")
    await store.record_documents([one, two])
    assert await store.document("wf_direct_1.json") == one
    assert await store.documents() == {"wf_direct_1.json": replace(one, foreign_body=None), "other.json": two}
    await store.forget_documents(["wf_direct_1.json", "missing.json"])
    assert list(await store.documents()) == ["other.json"]
    assert await store.document("wf_direct_1.json") is None


async def test_documents_are_told_a_portion_at_a_time_in_name_order(store: Store) -> None:
    names = [f"wf_{n}.json" for n in range(5)]
    await store.record_documents([document(name) for name in reversed(names)])
    assert list(await store.documents(limit=2)) == names[:2]
    assert list(await store.documents(names[1], 2)) == names[2:4]
    assert list(await store.documents(names[3])) == names[4:]


async def test_a_damaged_document_is_a_row_and_counted(store: Store, commit: Commit) -> None:
    await commit(creation(flow()))
    await store.record_documents([damaged("b.json"), damaged("a.json"), document()])
    page = await store.page_flows(Query())
    assert [row.workflow_id for row in page.rows] == ["a", "b", "wf_direct_1"]
    assert (page.rows[0].flag, page.rows[0].state, page.rows[0].error) == (Flag.DAMAGED, "", "a.json is torn")
    assert await store.row("a") == page.rows[0]
    assert await store.count_flows(Query()) == 3
    assert (await store.counters("documents/"))["documents/problem"] == 2
    await store.record_documents([document("a.json")])
    await store.forget_documents(["b.json"])
    assert (await store.counters("documents/"))["documents/problem"] == 0
    assert await store.row("a") is None


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (Filter(flags=(Flag.DAMAGED,)), ["a", "b"]),
        (Filter(text=("b.json",)), ["b"]),
        (Filter(ids=("a", "wf_direct_1")), ["a", "wf_direct_1"]),
        (Filter(is_problem=True), ["a", "b"]),
        (Filter(states=("initialized",)), ["wf_direct_1"]),
        (Filter(phases=(Phase.FAILED,)), []),
        (Filter(pattern="^a"), ["a"]),
        (Filter(not_text=("torn",)), ["wf_direct_1"]),
    ],
)
async def test_filters_choose_among_damaged_documents(
    store: Store, commit: Commit, chosen: Filter, expected: list[str]
) -> None:
    await commit(creation(flow()))
    await store.record_documents([damaged("b.json"), damaged("a.json")])
    page = await store.page_flows(Query(filter=chosen))
    assert [row.workflow_id for row in page.rows] == expected
    assert await store.count_flows(Query(filter=chosen)) == len(expected)


async def test_what_is_not_on_disk_in_its_newest_revision_is_owed(store: Store, commit: Commit) -> None:
    made = await commit(creation(flow()))
    assert await store.unpublished(10) == ("wf_direct_1",)
    await store.record_documents([document(published_revision=1)])
    assert await store.unpublished(10) == ()
    await commit(move(made, "module_execution"))
    assert await store.unpublished(10) == ("wf_direct_1",)


@pytest.mark.parametrize("flag", [Flag.CONFLICT, Flag.DAMAGED])
async def test_a_document_in_conflict_is_not_owed(store: Store, commit: Commit, flag: Flag) -> None:
    made = await commit(creation(flow()))
    await commit(move(made, made.state, kind=EntryKind.FLAGGED, values={"flag": flag}))
    assert await store.unpublished(10) == ()


async def test_what_an_external_document_said_itself_is_not_owed_but_an_operators_act_on_it_is(
    store: Store, commit: Commit
) -> None:
    made = await commit(creation(flow(origin=Origin.EXTERNAL), kind=EntryKind.ADOPTED))
    made = await commit(move(made, "module_execution", kind=EntryKind.EXTERNAL))
    assert await store.unpublished(10) == ()
    made = await commit(move(made, "initialized", kind=EntryKind.ROLLBACK))
    assert await store.unpublished(10) == ("wf_direct_1",)
    made = await commit(move(made, "module_execution", kind=EntryKind.EXTERNAL))
    await store.record_documents([document(published_revision=3)])
    assert await store.unpublished(10) == ()


async def test_an_older_look_that_arrives_late_hides_no_newer_publication(store: Store) -> None:
    newer = document(published_revision=5, looked_at=START + timedelta(seconds=1))
    await store.record_documents([newer])
    await store.record_documents([document(published_revision=4)])
    assert await store.document("wf_direct_1.json") == newer
