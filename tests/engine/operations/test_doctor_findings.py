from __future__ import annotations

from pathlib import Path

import pytest
from operator_desk import Desk

from engine.errors import RefusedError
from engine.operations.backup import backup
from engine.operations.doctor import Severity, doctor, worst
from engine.operations.surroundings import file_system_of, look_around


async def found(desk: Desk) -> dict[str, tuple[Severity, str]]:
    return {finding.code: (finding.severity, finding.sentence) for finding in await doctor(desk.engine)}


async def test_a_store_that_is_well_has_nothing_worse_than_a_notice(desk: Desk) -> None:
    findings = await doctor(desk.engine)
    assert worst(findings) in (Severity.OK, Severity.NOTICE)
    codes = {finding.code for finding in findings}
    assert {"store", "versions", "disk_free", "permissions", "clock", "supervisor", "dead_letter"} <= codes
    versions = next(finding.sentence for finding in findings if finding.code == "versions")
    assert "textual 8" in versions
    assert "apsw 3" in versions


async def test_open_work_without_a_supervisor_is_said(desk: Desk) -> None:
    await desk.make()
    severity, sentence = (await found(desk))["supervisor"]
    assert severity is Severity.NOTICE
    assert "Nobody supervises" in sentence


async def test_files_that_are_open_to_more_people_than_the_directory_are_a_warning(desk: Desk) -> None:
    flow = await desk.make()
    (desk.directory / f"{flow}.json").chmod(0o644)
    severity, sentence = (await found(desk))["permissions"]
    assert severity is Severity.WARNING
    assert flow in sentence


async def test_damaged_and_skipped_files_are_named_and_counted(desk: Desk) -> None:
    (desk.directory / "wf_direct_torn.json").write_text('{"workflow_id": "wf_direct_torn", ')
    (desk.directory / "MANIFEST.json").write_text("{}")
    reader = type(desk.engine)(
        persistence_dir=str(desk.directory), supervises=False, log_dir=desk.directory.parent / "logs"
    )
    await reader.start()
    await reader.rescan()
    findings = {finding.code: finding for finding in await doctor(reader)}
    await reader.cleanup()
    assert findings["damaged"].sentence == "1 documents are damaged."
    assert findings["document"].sentence.startswith("wf_direct_torn.json: ")
    assert findings["skipped"].sentence == "1 JSON file is no workflow and is not listed."


def test_a_network_file_system_is_recognised(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/sda1 / ext4 rw 0 0\nhost:/x /srv/with\\040space nfs4 rw 0 0\nbad line\n")
    assert file_system_of(Path("/srv/with space/flows"), mounts) == "nfs4"
    assert file_system_of(Path("/srv"), mounts) == "ext4"
    assert file_system_of(Path("/srv"), tmp_path / "none") == ""


def test_a_clock_that_is_behind_the_files_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("{}")
    words = {code: word for word, code, _, _ in look_around(tmp_path, path.stat().st_mtime - 3_600)}
    assert words["clock"] == "warning"
    assert {code: word for word, code, _, _ in look_around(tmp_path, 1.0)}["clock"] == "error"


async def test_a_backup_is_a_whole_ledger_and_overwrites_nothing(desk: Desk, tmp_path: Path) -> None:
    flow = await desk.make()
    copy = await backup(desk.engine, tmp_path)
    assert copy.parent == tmp_path
    assert flow.encode() in copy.read_bytes()
    with pytest.raises(RefusedError, match="exists already"):
        await backup(desk.engine, copy)
    with pytest.raises(RefusedError, match="There is no directory"):
        await backup(desk.engine, tmp_path / "nowhere" / "copy.db")
