"""A version that another program writes while ours is being rendered is not overwritten."""

from __future__ import annotations

import asyncio
from collections.abc import ItemsView
from pathlib import Path
from typing import Any

from document_texts import STORE_ID, direct, put, text

from engine.clock import SystemClock
from engine.documents.codec import parse
from engine.documents.publication import Draft, Foreign, Published, publish_now
from engine.documents.stripes import HeldStripes, Stripes
from engine.model.workflow import Workflow


class WrittenMeanwhile(dict[str, Any]):
    """Foreign keys whose rendering takes as long as another program needs to write the document."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory

    def items(self) -> ItemsView[str, Any]:
        put(self._directory, direct(user_input="theirs"))
        return super().items()


def workflow() -> Workflow:
    parsed = parse(text(direct()), "wf_direct_1.json")
    assert parsed is not None
    return parsed.workflow.evolve(revision=1)


async def hold(directory: Path) -> HeldStripes:
    stripes = Stripes(directory / ".flowdeck" / "stripes", SystemClock())
    stripes.prepare()
    return await stripes.acquire(["wf_direct_1"])


async def test_a_version_written_while_ours_is_rendered_stays(tmp_path: Path) -> None:
    held = await hold(tmp_path)
    first = Draft(workflow=workflow(), history=[], older=0)
    assert isinstance(publish_now(tmp_path, [first], STORE_ID, held)[0], Published)
    busy = Draft(workflow=workflow().evolve(revision=2, extra=WrittenMeanwhile(tmp_path)), history=[], older=0)
    assert publish_now(tmp_path, [busy], STORE_ID, held) == [Foreign("wf_direct_1")]
    assert b"theirs" in (tmp_path / "wf_direct_1.json").read_bytes()
    held.leave()


async def test_nothing_is_written_once_the_stripes_were_given_up(tmp_path: Path) -> None:
    held = await hold(tmp_path)
    held.leave()
    draft = Draft(workflow=workflow(), history=[], older=0)
    assert not isinstance(publish_now(tmp_path, [draft], STORE_ID, held)[0], Published)
    assert not (tmp_path / "wf_direct_1.json").exists()


async def test_a_thread_at_work_keeps_the_stripes_of_a_cancelled_batch(tmp_path: Path) -> None:
    held = await hold(tmp_path)
    assert held.enter()
    held.leave()
    waiting = asyncio.ensure_future(hold(tmp_path))
    await asyncio.wait({waiting}, timeout=0.02)
    assert not waiting.done()
    held.leave()
    (await waiting).leave()
