"""Every workflow's newest revision is on disk when its publication returns."""

from __future__ import annotations

import asyncio
import fcntl
import os
import resource
import shutil
from pathlib import Path
from typing import Any

import pytest
from document_place import Place
from document_texts import direct, text

from engine.clock import SystemClock
from engine.documents.files import signature_of
from engine.documents.stripes import COUNT
from engine.model.names import Flag


async def test_the_document_is_on_disk_when_publishing_returns(place: Place) -> None:
    await place.create()
    await place.publisher.publish(["wf_direct_1"])
    assert place.mark().revision == 1
    assert place.on_disk()["state"] == "initialized"
    await place.move("module_execution")
    await place.publisher.publish(["wf_direct_1"])
    assert place.mark().revision == 2
    assert [each["to_state"] for each in place.on_disk()["state_history"]] == ["module_execution"]


async def test_a_document_never_tells_of_moves_its_revision_has_not_made(place: Place) -> None:
    await place.create()
    real = place.store.read_many

    async def read_before_a_move(workflow_ids: Any) -> Any:
        found = await real(workflow_ids)
        await place.move("module_execution")
        return found

    place.store.read_many = read_before_a_move
    await place.publisher.publish(["wf_direct_1"])
    place.store.read_many = real
    assert (place.on_disk()["state"], place.on_disk()["state_history"]) == ("initialized", [])


async def test_a_revision_that_is_on_disk_is_not_written_again(place: Place) -> None:
    await place.create()
    await place.publisher.publish(["wf_direct_1"])
    before = signature_of(place.path().stat())
    await place.publisher.publish(["wf_direct_1"])
    assert signature_of(place.path().stat()) == before


async def test_callers_at_one_time_share_writes(place: Place) -> None:
    await place.create()
    turns = 0
    hop = place.publisher._run_blocking

    def counting(call: Any, /, *args: Any) -> Any:
        nonlocal turns
        turns += 1
        return hop(call, *args)

    place.publisher._run_blocking = counting
    await asyncio.gather(*(place.publisher.publish(["wf_direct_1"]) for _ in range(50)))
    assert turns <= 2


async def test_unknown_ids_and_no_ids_are_no_trouble(place: Place) -> None:
    await place.publisher.publish(["wf_none", "../../etc/passwd", ""])
    await place.publisher.publish([])
    assert place.publisher.failing == {}


async def test_two_processes_never_leave_an_older_document_behind(tmp_path: Path) -> None:
    place = await Place.open(tmp_path, "01", SystemClock())
    other = await Place.open(tmp_path, "02", SystemClock())
    ids = [f"wf_direct_{n}" for n in range(40)]
    for workflow_id in ids:
        await place.create(workflow_id)

    async def drive(one: Place, each: str) -> None:
        for _ in range(5):
            while True:
                try:
                    await one.bump(each)
                    break
                except AssertionError:
                    continue
            await one.publisher.publish([each])

    await asyncio.gather(*(drive(one, each) for one in (place, other) for each in ids))
    assert {each: place.mark(each).revision for each in ids} == dict.fromkeys(ids, 11)
    assert place.publisher.failing == other.publisher.failing == {}
    await place.close()
    await other.close()


async def test_a_failure_is_counted_and_tried_again(place: Place) -> None:
    await place.create(user_input="x" * 10_000)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    real_write = place.publisher._write
    is_full = True

    async def write(*args: Any) -> Any:
        """Write on a disk where no file may grow beyond 4 KiB: a short write, then an error."""
        if is_full:
            resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, limit[1]))
        try:
            return await real_write(*args)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)

    place.publisher._write = write
    await place.publisher.publish(["wf_direct_1"])
    assert place.publisher.failing == {"wf_direct_1": "File too large"}
    assert not place.path().exists()
    is_full = False
    async with asyncio.timeout(5):
        while place.publisher.failing:
            await place.clock.sleep(0)
    assert place.mark().revision == 1
    assert (await place.store.counters("errors/resource_error"))["errors/resource_error"] >= 1


async def test_a_missing_directory_fails_no_caller(place: Place) -> None:
    await place.create()
    moved = place.directory.with_name("moved")
    place.publisher._retry_s = 1e9
    place.directory.rename(moved)
    await place.publisher.publish(["wf_direct_1"])
    assert list(place.publisher.failing) == ["wf_direct_1"]
    moved.rename(place.directory)


@pytest.mark.parametrize("mark", [Flag.CONFLICT, Flag.DAMAGED])
async def test_a_document_in_conflict_or_damaged_is_left_alone(place: Place, mark: Flag) -> None:
    await place.create()
    await place.flag(mark)
    await place.publisher.publish(["wf_direct_1"])
    assert not place.path().exists()
    await place.publisher.publish(["wf_direct_1"], is_overwriting=True)
    assert place.mark().revision == 2


async def test_another_programs_version_is_left_and_reported(place: Place) -> None:
    told: list[str] = []
    place.publisher.on_foreign = told.extend
    await place.create()
    await place.publisher.publish(["wf_direct_1"])
    foreign = place.put(direct(user_input="mine")).read_bytes()
    await place.move("module_execution")
    await place.publisher.publish(["wf_direct_1"])
    assert place.path().read_bytes() == foreign
    assert told == ["wf_direct_1.json"]
    await place.publisher.publish(["wf_direct_1"], is_overwriting=True)
    assert place.mark().revision == 2


async def test_a_link_in_the_documents_place_is_left_and_reported(place: Place) -> None:
    told: list[str] = []
    place.publisher.on_foreign = told.extend
    await place.create()
    place.path().symlink_to(place.directory / "elsewhere")
    await place.publisher.publish(["wf_direct_1"])
    assert place.path().is_symlink()
    assert told == ["wf_direct_1.json"]


async def test_a_version_the_ledger_has_taken_in_is_replaced(place: Place) -> None:
    place.put(direct())
    await place.scan()
    await place.roll_back()
    await place.publisher.publish(["wf_direct_1"])
    assert place.mark().revision == 2
    assert place.on_disk()["state"] == "initialized"


async def test_a_document_of_ours_that_this_process_never_saw_is_replaced(place: Place) -> None:
    await place.create()
    await place.publisher.publish(["wf_direct_1"])
    other = await Place.open(place.directory, "02")
    await other.move("module_execution")
    await other.publisher.publish(["wf_direct_1"])
    assert other.mark().revision == 2
    await other.close()


async def test_a_cancelled_caller_leaves_its_publication_running_and_no_stripe_held(place: Place) -> None:
    await place.create()
    for _ in range(20):
        caller = asyncio.ensure_future(place.publisher.publish(["wf_direct_1"]))
        await place.clock.sleep(0)
        caller.cancel()
        await asyncio.wait({caller})
        await place.bump()
    other = await Place.open(place.directory, "02")
    await other.publisher.publish(["wf_direct_1"])
    assert other.publisher.failing == {}
    assert place.mark().revision == 21
    await other.close()


async def test_stripes_that_another_process_keeps_do_not_stop_the_caller_for_ever(place: Place) -> None:
    await place.create()
    held = []
    for number in range(COUNT):
        path = place.directory / ".flowdeck" / "stripes" / f"{number:02d}"
        held.append(os.open(path, os.O_RDONLY | os.O_CREAT))
        fcntl.flock(held[-1], fcntl.LOCK_EX)
    await place.publisher.publish(["wf_direct_1"])
    assert "another process" in place.publisher.failing["wf_direct_1"]
    for fd in held:
        os.close(fd)
    await place.publisher.publish(["wf_direct_1"])
    assert place.mark().revision == 1


async def test_catching_up_publishes_what_a_crash_left(place: Place) -> None:
    for n in range(70):
        await place.create(f"wf_direct_{n}")
    await place.publisher.publish(["wf_direct_3"])
    await place.publisher.record()
    again = await Place.open(place.directory, "02")
    assert await again.publisher.catch_up() == 69
    assert {again.mark(f"wf_direct_{n}").revision for n in range(70)} == {1}
    assert not await again.store.unpublished(10)
    await again.close()


async def test_the_ledger_learns_the_signature_of_what_was_published(place: Place) -> None:
    await place.create()
    await place.publisher.publish(["wf_direct_1"])
    await place.publisher.record()
    row = await place.store.document("wf_direct_1.json")
    assert row is not None
    assert (row.workflow_id, row.published_revision) == ("wf_direct_1", 1)
    assert (row.size, row.mtime_ns, row.inode) == signature_of(place.path().stat())


async def test_stopping_publishes_what_waits_and_refuses_nothing_afterwards(place: Place) -> None:
    await place.create()
    caller = asyncio.ensure_future(place.publisher.publish(["wf_direct_1"]))
    await place.clock.sleep(0)
    await place.publisher.stop()
    await caller
    assert place.mark().revision == 1
    await place.publisher.publish(["wf_direct_1"])
    await place.publisher.stop()
    assert [row.published_revision for row in (await place.store.documents()).values()] == [1]


async def test_only_documents_and_the_ledgers_directory_are_left_behind(place: Place) -> None:
    for n in range(10):
        await place.create(f"wf_direct_{n}")
    await place.publisher.publish([f"wf_direct_{n}" for n in range(10)])
    left = set(place.names())
    assert left == {".flowdeck", *(f"wf_direct_{n}.json" for n in range(10))}


async def test_a_document_too_large_for_its_whole_history_says_how_much_is_missing(place: Place) -> None:
    history = [{**direct()["state_history"][0], "metadata": {"n": n, "pad": "x" * 3_000}} for n in range(400)]
    place.put({**direct(), "state_history": history})
    await place.scan()
    await place.roll_back()
    await place.publisher.publish(["wf_direct_1"])
    document = place.on_disk()
    assert (len(document["state_history"]), document["flowdeck"]["older_history"]) == (200, 201)
    assert len(text(document)) < 1024 * 1024


async def test_lock_files_that_were_removed_are_made_again(place: Place) -> None:
    await place.create()
    shutil.rmtree(place.directory / ".flowdeck" / "stripes")
    await place.publisher.publish(["wf_direct_1"])
    assert place.publisher.failing == {}
    assert place.mark().revision == 1


async def test_nothing_is_made_anew_in_a_directory_that_lost_its_ledger_too(place: Place) -> None:
    await place.create()
    shutil.rmtree(place.directory / ".flowdeck")
    await place.publisher.publish(["wf_direct_1"])
    assert "removed or replaced" in place.publisher.failing["wf_direct_1"]
    assert not (place.directory / ".flowdeck").exists()
    assert not place.path().exists()
