from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from making import MakeEngine

from engine import ProductionWorkflowOrchestrator, StoreError, StoreUnsafeError
from engine.errors import InvalidValueError

CORPUS = Path(__file__).parents[2] / "corpus"
MANIFEST = json.loads((CORPUS / "MANIFEST.json").read_text(encoding="utf-8"))


def readable() -> set[str]:
    return {name.removesuffix(".json") for name, facts in MANIFEST.items() if "damaged" not in facts}


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Let permissions count: root passes them all."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def snapshot(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


async def test_a_service_makes_its_directory_with_its_parents(make_engine: MakeEngine, tmp_path: Path) -> None:
    engine = make_engine(persistence_dir=tmp_path / "a" / "b")
    await engine.start()
    assert engine.mode == "live"
    assert engine.directory == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b" / ".flowdeck" / "ledger.db").is_file()


@pytest.mark.parametrize("kind", ["console", "cli"])
async def test_a_console_makes_no_directory_for_a_misspelt_place(
    make_engine: MakeEngine, tmp_path: Path, kind: str
) -> None:
    with pytest.raises(StoreUnsafeError, match=r"There is no directory .*mispelt.*Nothing was created"):
        await make_engine(store=tmp_path / "mispelt", kind=kind).start()
    assert not (tmp_path / "mispelt").exists()


async def test_a_file_is_no_store(make_engine: MakeEngine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreUnsafeError, match="is a file, not a directory"):
        await make_engine(store=tmp_path / "file").start()
    with pytest.raises(StoreUnsafeError, match="cannot be made"):
        await make_engine(store=tmp_path / "file" / "below").start()
    assert (tmp_path / "file").read_text() == "x"


async def test_a_link_to_nothing_is_no_store(make_engine: MakeEngine, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    with pytest.raises(StoreUnsafeError, match="is a link to nothing"):
        await make_engine(store=tmp_path / "link").start()
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("url", ["postgresql://ops:secret@db/flows", "postgres://ops:secret@db/flows"])
def test_a_postgres_url_is_refused_with_a_sentence_that_keeps_the_password(url: str) -> None:
    with pytest.raises(StoreUnsafeError, match="has no PostgreSQL store yet") as refused:
        ProductionWorkflowOrchestrator(store=url)
    assert "secret" not in str(refused.value)
    assert "db/flows" in str(refused.value)


def test_an_unknown_kind_of_place_is_refused() -> None:
    with pytest.raises(StoreUnsafeError, match="no store this Flowdeck knows"):
        ProductionWorkflowOrchestrator(store="mysql://db/flows")


@pytest.mark.usefixtures("unprivileged")
async def test_a_directory_without_read_permission_is_refused() -> None:
    place = Path("/tmp") / f"flowdeck-closed-{os.getpid()}"  # noqa: S108  a directory of this user's own
    place.mkdir(mode=0o000)
    try:
        engine = ProductionWorkflowOrchestrator(store=place, kind="console")
        with pytest.raises(StoreUnsafeError, match="permission denied"):
            await engine.start()
        await engine.cleanup()
    finally:
        place.rmdir()


async def test_read_only_without_a_ledger_shows_the_documents_and_writes_nothing(
    make_engine: MakeEngine, tmp_path: Path
) -> None:
    place = tmp_path / "copy"
    shutil.copytree(CORPUS, place)
    before = snapshot(place)
    engine = make_engine(store=place, kind="console", is_read_only=True)
    await engine.start()
    assert engine.mode == "documents only"
    assert "ledger" in engine.mode_reason
    await engine.rescan()
    listed = await engine.list_workflows(limit=1000)
    assert {each["workflow_id"] for each in listed} == readable()
    with pytest.raises(StoreError):
        await engine.cancel_workflow(listed[0]["workflow_id"])
    with pytest.raises(StoreError):
        await engine.acquire_workflow_lock(listed[0]["workflow_id"])
    with pytest.raises(StoreError):
        await engine.create_direct_workflow("q", "erp")
    await engine.cleanup()
    assert snapshot(place) == before


async def test_read_only_with_a_ledger_reads_it_and_writes_nothing(make_engine: MakeEngine, tmp_path: Path) -> None:
    service = make_engine()
    workflow_id = await service.create_direct_workflow("q", "erp")
    console = make_engine(store=tmp_path / "store", kind="console", is_read_only=True)
    found = await console.get_workflow(workflow_id)
    assert found is not None
    assert (console.mode, console.mode_reason != "") == ("read-only", True)
    with pytest.raises(StoreError, match="read-only"):
        await console.transition_state(workflow_id, "module_execution")
    assert await service.transition_state(workflow_id, "module_execution")
    again = await console.wait_for(workflow_id, "module_execution", timeout=5)
    assert again is not None


async def test_the_corpus_is_adopted_and_not_one_byte_of_it_changes(make_engine: MakeEngine, tmp_path: Path) -> None:
    place = tmp_path / "copy"
    shutil.copytree(CORPUS, place)
    before = snapshot(place)
    engine = make_engine(store=place)
    await engine.start()
    report = await engine.rescan()
    assert report is not None
    assert {each["workflow_id"] for each in await engine.list_workflows(limit=1000)} == readable()
    assert (await engine.store.counters("documents/"))["documents/problem"] == 2
    after = snapshot(place)
    assert {name: data for name, data in after.items() if not name.startswith(".flowdeck")} == before
    for listed in await engine.list_workflows(limit=1000):
        facts = MANIFEST[f"{listed['workflow_id']}.json"]
        assert (listed["state"], len(listed["steps"])) == (facts["state"], facts["steps"])
        assert len(await engine.state_history_of(listed["workflow_id"])) == facts["history"]


async def test_a_ledger_elsewhere_leaves_the_directory_without_one(make_engine: MakeEngine, tmp_path: Path) -> None:
    (tmp_path / "local").mkdir()
    engine = make_engine(ledger_dir=tmp_path / "local" / "ledger")
    workflow_id = await engine.create_direct_workflow("q", "erp")
    assert (tmp_path / "local" / "ledger" / "ledger.db").is_file()
    assert not (tmp_path / "store" / ".flowdeck" / "ledger.db").exists()
    assert (tmp_path / "store" / f"{workflow_id}.json").is_file()


async def test_a_failed_start_is_tried_again_by_the_next_call(make_engine: MakeEngine, tmp_path: Path) -> None:
    (tmp_path / "later").write_text("in the way")
    engine = make_engine(store=tmp_path / "later")
    with pytest.raises(StoreUnsafeError):
        await engine.create_direct_workflow("q", "erp")
    (tmp_path / "later").unlink()
    assert await engine.create_direct_workflow("q", "erp")


@pytest.mark.parametrize(
    "options",
    [
        {"state_timeout": 0},
        {"state_timeout": float("nan")},
        {"state_timeout": 1e12},
        {"state_timeout": 10**400},
        {"check_interval": -1},
        {"retry_interval": "soon"},
        {"max_retries": -1},
        {"max_retries": 1.5},
        {"kind": "robot"},
        {"publish": "never"},
    ],
)
def test_a_setting_out_of_its_range_is_refused_at_once(options: dict[str, object]) -> None:
    with pytest.raises(InvalidValueError, match=next(iter(options))):
        ProductionWorkflowOrchestrator(**options)  # type: ignore[arg-type]


async def test_consoles_scan_only_where_no_service_does(make_engine: MakeEngine, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    console = make_engine(kind="console")
    await console.start()

    async def scanner() -> str | None:
        return next((each.incarnation for each in await console.store.leases() if each.name == "scanner"), None)

    async def becomes(expected: str) -> None:
        while await scanner() != expected:
            await console.clock.sleep(0.05)

    async with asyncio.timeout(15):
        await becomes(console.me.incarnation)
        service = make_engine()
        await service.start()
        await becomes(service.me.incarnation)
        await service.cleanup()
        await becomes(console.me.incarnation)
