"""Whatever other hands do in the directory, the ledger comes to say it, and no file is changed by looking."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from document_place import HurriedClock, Place, incarnation
from document_texts import CORPUS, direct, move, put, text

from engine.documents.scanner import Scanner
from engine.model.names import EntryKind, Flag, Origin
from engine.model.view import data_dict, history_dicts
from engine.stores.sqlite import SqliteStore


def hashes(directory: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir() if path.is_file()}


def hurried(place: Place) -> HurriedClock:
    assert isinstance(place.clock, HurriedClock)
    return place.clock


async def kinds(place: Place, workflow_id: str = "wf_direct_1") -> list[EntryKind]:
    return [entry.kind for entry in await place.store.entries(workflow_id)]


async def published(place: Place) -> None:
    await place.create()
    await place.publisher.publish(["wf_direct_1"])


async def test_an_unknown_document_is_adopted_with_its_history_verbatim(place: Place) -> None:
    document = direct(state_history=[move("initialized", "module_execution", 3, duration=1.5, odd=True)])
    place.put(document)
    report = await place.scan()
    assert (report.files, report.adopted) == (1, 1)
    workflow = await place.workflow()
    assert (workflow.origin, workflow.revision, workflow.deadline_at) == (Origin.EXTERNAL, 1, None)
    assert history_dicts(await place.store.entries("wf_direct_1")) == document["state_history"]


async def test_the_corpus_is_listed_and_exactly_what_is_damaged_is_damaged(place: Place) -> None:
    corpus = Path(os.environ.get("FLOWDECK_CORPUS", CORPUS))
    manifest = json.loads((corpus / "MANIFEST.json").read_bytes())
    for name in manifest:
        shutil.copy(corpus / name, place.directory)
    shutil.copy(corpus / "MANIFEST.json", place.directory)
    before = hashes(place.directory)
    report = await place.scan()
    damaged = {name for name, row in (await place.store.documents()).items() if row.problem}
    expected = {
        name
        for name, facts in manifest.items()
        if "damaged" in facts or facts.get("valid_json") is False or "impossible state" in facts["how"]
    }
    assert damaged == expected
    assert (report.damaged, report.skipped, report.adopted) == (2, 1, len(manifest) - 2)
    assert hashes(place.directory) == before
    again = await place.scan()
    assert (again.adopted, again.changed, again.damaged, again.skipped) == (0, 0, 0, 0)


async def test_a_damaged_document_is_a_row_with_its_reason(place: Place) -> None:
    place.path().write_bytes(b'{"workflow_id": "wf_direct_1", "sta')
    await place.scan()
    row = await place.store.row("wf_direct_1")
    assert row is not None
    assert (row.flag, row.state) == (Flag.DAMAGED, "")
    assert row.error is not None
    assert "it breaks off in the middle" in row.error


async def test_a_document_is_damaged_only_after_two_equal_looks(place: Place) -> None:
    place.path().write_bytes(text(direct())[:100])

    def finish_writing(seconds: float) -> None:
        if seconds == 0.5:
            place.path().write_bytes(text(direct()))

    hurried(place).on_sleep = finish_writing
    report = await place.scan()
    assert (report.damaged, report.adopted) == (0, 1)
    assert await kinds(place) == [EntryKind.ADOPTED]


async def test_a_document_still_being_written_slowly_is_not_damaged_yet(place: Place) -> None:
    place.path().write_bytes(text(direct())[:100])

    def go_on_writing(seconds: float) -> None:
        if seconds == 0.5:
            place.path().write_bytes(text(direct())[:200])

    hurried(place).on_sleep = go_on_writing
    assert (await place.scan()).damaged == 0
    assert await place.store.document("wf_direct_1.json") is None
    hurried(place).on_sleep = lambda _: None
    assert (await place.scan()).damaged == 1


async def test_a_damaged_document_that_can_be_read_again_is_adopted(place: Place) -> None:
    place.path().write_bytes(b"{")
    await place.scan()
    place.put(direct())
    assert (await place.scan()).adopted == 1
    row = await place.store.document("wf_direct_1.json")
    assert row is not None
    assert row.problem == ""


async def test_a_changed_external_document_is_an_external_move(place: Place) -> None:
    place.put(direct())
    await place.scan()
    history = [*direct()["state_history"], move("module_execution", "response_generation", 2)]
    place.put(direct(state="response_generation", state_history=history))
    assert (await place.scan()).changed == 1
    workflow = await place.workflow()
    assert (workflow.state, workflow.revision, workflow.flag) == ("response_generation", 2, Flag.NONE)
    assert await kinds(place) == [EntryKind.ADOPTED, EntryKind.EXTERNAL]
    assert history_dicts(await place.store.entries("wf_direct_1")) == history


async def test_another_writing_of_the_same_content_is_no_change(place: Place) -> None:
    place.put(direct())
    await place.scan()
    place.path().write_bytes(json.dumps(direct()).encode())
    assert (await place.scan()).changed == 0
    assert (await place.workflow()).revision == 1


async def test_an_external_document_that_breaks_and_mends_is_flagged_meanwhile(place: Place) -> None:
    place.put(direct())
    await place.scan()
    place.path().write_bytes(text(direct())[:200])
    await place.scan()
    assert (await place.workflow()).flag is Flag.DAMAGED
    assert not await place.store.unpublished(10)
    place.put(direct())
    await place.scan()
    assert (await place.workflow()).flag is Flag.NONE
    assert (await place.workflow()).state == "module_execution"


async def test_a_deleted_external_document_is_gone_and_comes_back(place: Place) -> None:
    place.put(direct())
    await place.scan()
    place.path().unlink()
    assert (await place.scan()).gone == 1
    assert (await place.workflow()).flag is Flag.GONE
    assert not place.path().exists()
    assert (await place.scan()).gone == 0
    place.put(direct())
    await place.scan()
    assert (await place.workflow()).flag is Flag.NONE


async def test_a_document_that_is_deleted_and_made_anew_in_one_breath_is_not_gone(place: Place) -> None:
    place.put(direct())
    await place.scan()
    place.path().unlink()

    def make_anew(seconds: float) -> None:
        if seconds == 0.5:
            place.put(direct())

    hurried(place).on_sleep = make_anew
    assert (await place.scan()).gone == 0
    assert await kinds(place) == [EntryKind.ADOPTED]


async def test_our_own_documents_are_ours(place: Place) -> None:
    await published(place)
    report = await place.scan()
    assert (report.files, report.adopted, report.changed, report.conflicts) == (1, 0, 0, 0)
    fresh = await place.new_scanner().scan()
    assert (fresh.files, fresh.adopted, fresh.changed, fresh.conflicts) == (1, 0, 0, 0)
    assert (await place.workflow()).revision == 1


async def test_an_older_document_of_ours_is_published_again(place: Place) -> None:
    await published(place)
    older = place.path().read_bytes()
    await place.move("module_execution")
    await place.publisher.publish(["wf_direct_1"])
    place.path().write_bytes(older)
    await place.scan()
    assert place.mark().revision == 2
    assert (await place.workflow()).flag is Flag.NONE


async def test_another_hands_version_of_our_own_document_is_a_conflict(place: Place) -> None:
    await published(place)
    foreign = place.put(direct(user_input="mine")).read_bytes()
    assert (await place.scan()).conflicts == 1
    workflow = await place.workflow()
    assert (workflow.flag, workflow.origin, workflow.state) == (Flag.CONFLICT, Origin.OWN, "initialized")
    row = await place.store.document("wf_direct_1.json")
    assert row is not None
    assert row.foreign_body == foreign
    await place.move("module_execution")
    await place.publisher.publish(["wf_direct_1"])
    assert place.path().read_bytes() == foreign
    assert not await place.store.unpublished(10)


async def test_a_conflict_ends_when_the_ledgers_document_is_back(place: Place) -> None:
    await published(place)
    ours = place.path().read_bytes()
    place.put(direct(user_input="mine"))
    await place.scan()
    place.path().write_bytes(ours)
    await place.scan()
    assert (await place.workflow()).flag is Flag.NONE
    assert place.mark().revision == (await place.workflow()).revision


async def test_a_conflict_needs_two_equal_reads(place: Place) -> None:
    await published(place)
    place.put(direct(user_input="mine"))
    real = place.scanner._reconciler._read_again

    async def read_while_it_changes(name: str) -> Any:
        put(place.directory, direct(user_input="mine again"))
        return await real(name)

    place.scanner._reconciler._read_again = read_while_it_changes
    report = await place.scan()
    assert (report.conflicts, report.unsettled) == (0, 1)
    assert (await place.workflow()).flag is Flag.NONE
    place.scanner._reconciler._read_again = real
    assert (await place.scan()).conflicts == 1


async def test_a_conflict_that_the_publisher_meets_first_is_flagged_by_its_hint(place: Place) -> None:
    await published(place)
    place.put(direct(user_input="mine"))
    await place.move("module_execution")
    await place.publisher.publish(["wf_direct_1"])
    await place.until_flagged(Flag.CONFLICT)


async def test_a_document_newer_than_the_ledger_is_a_conflict(place: Place, tmp_path: Path) -> None:
    await published(place)
    backup = tmp_path / "backup.db"
    await place.store.backup(backup)
    await place.move("module_execution")
    await place.publisher.publish(["wf_direct_1"])
    restored = SqliteStore(backup, clock=place.clock)
    me = place.facts
    await restored.open(incarnation("03"))
    scanner = Scanner(restored, place.directory, me.store_id, None, place.clock)
    assert (await scanner.scan()).conflicts == 1
    workflow = await restored.read("wf_direct_1")
    assert workflow is not None
    assert workflow.flag is Flag.CONFLICT
    await restored.close()


async def test_a_deleted_document_of_our_own_is_published_once_more_and_then_flagged(place: Place) -> None:
    await published(place)
    await place.scan()
    place.path().unlink()
    await place.scan()
    assert place.mark().revision == 1
    await place.scan()
    place.path().unlink()
    assert (await place.scan()).gone == 1
    assert (await place.workflow()).flag is Flag.GONE
    await place.publisher.catch_up()
    assert not place.path().exists()
    await place.move("module_execution")
    await place.publisher.publish(["wf_direct_1"])
    await place.scan()
    assert (await place.workflow()).flag is Flag.NONE


async def test_a_damaged_document_of_our_own_is_left_and_published_again_once_removed(place: Place) -> None:
    await published(place)
    place.path().write_bytes(b"{ broken by hand")
    await place.scan()
    assert (await place.workflow()).flag is Flag.DAMAGED
    await place.move("module_execution")
    await place.publisher.publish(["wf_direct_1"])
    assert place.path().read_bytes() == b"{ broken by hand"
    place.path().unlink()
    await place.scan()
    assert (await place.workflow()).flag is Flag.NONE
    assert place.mark().revision == (await place.workflow()).revision


@pytest.mark.parametrize("lost", [lambda data: b"\0" * len(data), lambda data: data.replace(b'"direct"', b'"dircet"')])
async def test_bytes_that_changed_though_nobody_wrote_are_published_again(
    place: Place, lost: Callable[[bytes], bytes]
) -> None:
    await published(place)
    await place.publisher.record()
    status = place.path().stat()
    place.path().write_bytes(lost(place.path().read_bytes()))
    os.utime(place.path(), ns=(status.st_atime_ns, status.st_mtime_ns))
    quick = await place.scan()
    thorough = await place.scanner.scan(is_thorough=True)
    assert (quick.damaged, thorough.damaged, thorough.conflicts) == (0, 0, 0)
    assert place.mark().revision == 1
    assert (await place.workflow()).flag is Flag.NONE


async def test_a_writer_that_overwrites_an_operators_act_is_said(place: Place) -> None:
    place.put(direct())
    await place.scan()
    await place.roll_back()
    await place.publisher.publish(["wf_direct_1"])
    await place.scan()
    assert (await place.workflow()).flag is Flag.NONE
    place.put(direct(user_input="on I go"))
    assert (await place.scan()).changed == 1
    workflow = await place.workflow()
    assert (workflow.flag, workflow.state) == (Flag.OVERWRITTEN, "module_execution")
    newest = (await place.store.entries("wf_direct_1"))[-1]
    assert newest.reason == "overwritten by its writer after the rollback at revision 2"


async def test_a_writer_that_wrote_before_an_act_was_published_is_not_overwritten(place: Place) -> None:
    place.put(direct())
    await place.scan()
    await place.roll_back()
    foreign = place.put(direct(user_input="on I go")).read_bytes()
    await place.publisher.publish(["wf_direct_1"])
    assert place.path().read_bytes() == foreign
    await place.until_flagged(Flag.OVERWRITTEN)


async def test_the_first_transition_of_a_caller_makes_a_document_ours(place: Place) -> None:
    place.put(direct())
    await place.scan()
    await place.move("response_generation")
    await place.publisher.publish(["wf_direct_1"])
    assert place.mark().revision == 2
    await place.scan()
    workflow = await place.workflow()
    assert (workflow.origin, workflow.flag) == (Origin.OWN, Flag.NONE)


async def test_every_odd_file_is_a_damaged_row_and_stays_as_it_is(place: Place) -> None:
    directory = place.directory
    (directory / "link.json").symlink_to("/etc/hostname")
    (directory / "tree.json").mkdir()
    os.mkfifo(directory / "pipe.json")
    (directory / "bad name.json").write_bytes(text(direct()))
    raw = directory / os.fsdecode(b"wf\xff\x1b[2J.json")
    raw.write_bytes(b"{}")
    (directory / "wf_direct_9.json").write_bytes(text(direct()))
    with (directory / "huge.json").open("wb") as huge:
        huge.truncate(20 * 1024**3)
    (directory / "notes.txt").write_bytes(b"not looked at")
    place.put(direct())
    report = await place.scan()
    rows = {name: row.problem for name, row in (await place.store.documents()).items() if row.problem}
    assert rows == {
        "link.json": "it is a symbolic link, not a file",
        "tree.json": "it is a directory, not a file",
        "pipe.json": "it is a FIFO, not a file",
        "bad name.json": "its name is not a workflow id followed by .json",
        r"wf\xff\x1b[2J.json": "its name is not a workflow id followed by .json",
        "wf_direct_9.json": "its workflow_id is 'wf_direct_1', which is not the file's name",
        "huge.json": "it is 21,474,836,480 bytes long; documents over 16,777,216 bytes are not read",
    }
    assert (report.damaged, report.adopted) == (7, 1)
    assert stat.S_ISFIFO((directory / "pipe.json").stat().st_mode)
    for name in ("link.json", "pipe.json"):
        (directory / name).unlink()
    raw.unlink()
    await place.scan()
    left = {name for name, row in (await place.store.documents()).items() if row.problem}
    assert left == {"tree.json", "bad name.json", "wf_direct_9.json", "huge.json"}


async def test_an_object_that_is_no_workflow_is_remembered_as_skipped(place: Place) -> None:
    (place.directory / "MANIFEST.json").write_bytes(b'{"a": 1}')
    assert (await place.scan()).skipped == 1
    row = await place.store.document("MANIFEST.json")
    assert row is not None
    assert (row.workflow_id, row.problem) == ("", "")
    assert (await place.scan()).skipped == 0
    (place.directory / "MANIFEST.json").unlink()
    await place.scan()
    assert await place.store.document("MANIFEST.json") is None


async def test_only_changed_files_are_read(place: Place) -> None:
    for n in range(50):
        place.put(direct(f"wf_direct_{n}"))
    await place.scan()
    real, looked = place.scanner._run_blocking, []

    async def recording(call: Any, /, *args: Any) -> Any:
        if call.__name__ == "look_now":
            looked.extend(args[1])
        return await real(call, *args)

    place.scanner._run_blocking = recording
    place.put(direct("wf_direct_7", user_input="new"))
    await place.scan()
    assert looked == ["wf_direct_7.json"]


async def test_a_file_changed_within_one_tick_of_the_disks_clock_is_looked_at_again(place: Place) -> None:
    place.put(direct(user_input="aaaa"))
    now_ns = int(place.clock.now().timestamp() * 1e9)
    os.utime(place.path(), ns=(now_ns, now_ns))
    await place.scan()
    with place.path().open("r+b") as file:
        file.write(text(direct(user_input="bbbb")))
    os.utime(place.path(), ns=(now_ns, now_ns))
    await place.scan()
    assert (await place.workflow()).user_input == "bbbb"


async def test_a_look_settles_the_names_it_is_given_and_no_others(place: Place) -> None:
    place.put(direct())
    place.put(direct("wf_direct_2"))
    await place.scanner.look(["wf_direct_1.json", "wf_none.json", "../x.json", ".hidden.json"])
    assert (await place.workflow()).revision == 1
    assert await place.store.read("wf_direct_2") is None


async def test_a_look_at_a_damaged_document_believes_it_after_the_second_look(place: Place) -> None:
    place.path().write_bytes(b"{")
    await place.scanner.look(["wf_direct_1.json"])
    async with asyncio.timeout(5):
        while await place.store.document("wf_direct_1.json") is None:
            await place.clock.sleep(0)
    row = await place.store.document("wf_direct_1.json")
    assert row is not None
    assert row.problem


async def test_looks_and_scans_at_one_time_adopt_each_document_once(place: Place) -> None:
    names = [f"wf_direct_{n}" for n in range(60)]
    for name in names:
        place.put(direct(name))
    looks = [place.scanner.look(f"{name}.json" for name in names[start:]) for start in range(0, 60, 7)]
    await asyncio.gather(place.scan(), *looks, place.scan())
    for name in names:
        assert await kinds(place, name) == [EntryKind.ADOPTED]


async def test_two_scanners_of_one_store_adopt_each_document_once(place: Place) -> None:
    for n in range(40):
        place.put(direct(f"wf_direct_{n}"))
    other = await Place.open(place.directory, "02")
    first, second = await asyncio.gather(place.scan(), other.scan())
    assert first.adopted + second.adopted == 40
    assert {tuple(await kinds(place, f"wf_direct_{n}")) for n in range(40)} == {(EntryKind.ADOPTED,)}
    await other.close()


async def test_a_store_in_memory_is_filled_from_documents_and_nothing_is_written(tmp_path: Path) -> None:
    put(tmp_path, direct())
    put(tmp_path, direct("wf_direct_2", flowdeck={"revision": 4, "store": "x"}))
    clock = HurriedClock()
    store = SqliteStore(None, clock=clock)
    facts = await store.open(incarnation("01"))
    before = hashes(tmp_path)
    scanner = Scanner(store, tmp_path, facts.store_id, None, clock)
    assert (await scanner.scan()).adopted == 2
    workflow = await store.read("wf_direct_2")
    assert workflow is not None
    assert data_dict(workflow)["state"] == "module_execution"
    assert hashes(tmp_path) == before
    await store.close()


async def test_a_missing_directory_is_a_problem_and_makes_nothing_gone(place: Place) -> None:
    place.put(direct())
    await place.scan()
    moved = place.directory.with_name("moved")
    place.directory.rename(moved)
    report = await place.scanner.scan()
    await place.scanner.look(["wf_direct_1.json"])
    moved.rename(place.directory)
    assert "No such file" in report.problem
    assert (await place.workflow()).flag is Flag.NONE


async def test_the_period_grows_with_what_a_scan_costs(place: Place) -> None:
    report = await place.scan()
    assert report.period_s == 2.0
    assert type(report)(at=report.at, took_s=1, cpu_s=0.5).period_s == 200.0
