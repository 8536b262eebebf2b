"""The watcher tells at once, and starts anew whatever breaks it."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from document_texts import direct, put

from engine.clock import SystemClock
from engine.documents.watcher import Watcher

PATIENCE_S = 10.0


class Heard:
    """What a watcher told, and a way to wait for it."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.restarts = 0
        self._news = asyncio.Event()

    def tell(self, names: frozenset[str]) -> None:
        self.names |= names
        self._news.set()

    def restart(self) -> None:
        self.restarts += 1
        self._news.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def watching(directory: Path) -> AsyncIterator[tuple[Watcher, Heard]]:
    heard = Heard()
    watcher = Watcher(directory, heard.tell, SystemClock())
    watcher.on_restart = heard.restart
    watcher.start()
    await _until_heard(directory, heard, "probe.json")
    heard.names.clear()
    try:
        yield watcher, heard
    finally:
        await watcher.stop()


async def _until_heard(directory: Path, heard: Heard, name: str) -> None:
    """Touch a file until it is heard of: only then does the watch stand."""
    async with asyncio.timeout(PATIENCE_S):
        while name not in heard.names:
            (directory / name).write_bytes(b"{}")
            waiting = asyncio.ensure_future(heard.until(lambda: name in heard.names))
            await asyncio.wait({waiting}, timeout=0.1)
            waiting.cancel()


async def test_a_document_that_is_put_in_place_is_told_at_once(tmp_path: Path) -> None:
    async with watching(tmp_path) as (watcher, heard):
        began = time.monotonic()
        put(tmp_path, direct())
        await heard.until(lambda: "wf_direct_1.json" in heard.names)
        assert time.monotonic() - began < 1.0
        assert watcher.state == "ok"


async def test_hidden_files_and_other_files_are_not_told(tmp_path: Path) -> None:
    async with watching(tmp_path) as (_, heard):
        (tmp_path / ".wf_direct_1.json.0123456789abcdef.tmp").write_bytes(b"x")
        (tmp_path / "notes.txt").write_bytes(b"x")
        put(tmp_path, direct())
        await heard.until(lambda: bool(heard.names))
        assert heard.names == {"wf_direct_1.json"}


async def test_a_deleted_document_is_told(tmp_path: Path) -> None:
    path = put(tmp_path, direct())
    async with watching(tmp_path) as (_, heard):
        path.unlink()
        await heard.until(lambda: path.name in heard.names)


async def test_a_name_that_is_not_utf_8_breaks_the_watch_only_for_a_moment(tmp_path: Path) -> None:
    async with watching(tmp_path) as (watcher, heard):
        os.close(os.open(os.fsencode(tmp_path) + b"/wf\xff.json", os.O_CREAT))
        await heard.until(lambda: heard.restarts == 1)
        await _until_heard(tmp_path, heard, "again.json")
        assert watcher.state == "ok"


async def test_a_directory_made_anew_is_watched_again(tmp_path: Path) -> None:
    directory = tmp_path / "store"
    directory.mkdir()
    async with watching(directory) as (watcher, heard):
        shutil.rmtree(directory)
        directory.mkdir()
        await heard.until(lambda: heard.restarts >= 1)
        await _until_heard(directory, heard, "again.json")
        assert watcher.state == "ok"


async def test_a_missing_directory_is_said_and_stopping_does_not_wait_for_it(tmp_path: Path) -> None:
    watcher = Watcher(tmp_path / "none", lambda _: None, SystemClock())
    assert watcher.state == "off"
    watcher.start()
    async with asyncio.timeout(PATIENCE_S):
        while watcher.state == "off":
            await SystemClock().sleep(0.001)
    assert watcher.state == "restarting: the directory is missing"
    began = time.monotonic()
    await watcher.stop()
    await watcher.stop()
    assert time.monotonic() - began < 0.5
    assert watcher.state == "off"
