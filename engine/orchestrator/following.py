"""Following the store's feed: what others changed reaches this engine's caches, views and waiting callers."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice
from typing import Final

from engine.commit import Committer
from engine.delivery import Delivery
from engine.model.entry import Entry
from engine.model.workflow import Workflow
from engine.orchestrator.signals import Signals
from engine.orchestrator.views import Views
from engine.store.feed import Changes, NoticeKind
from engine.store.protocol import Store
from engine.store.query import Filter, Query

_TOGETHER: Final = 200
_PAGE: Final = 1_000
_UNKNOWN_AT_MOST: Final = 200
"""So many workflows of others are taken in at once; of a flood the asynchronous twins tell."""


class Following:
    """One engine's side of the feed."""

    def __init__(  # noqa: PLR0913  each of these is told
        self,
        store: Store,
        *,
        committer: Committer,
        delivery: Delivery,
        views: Views,
        signals: Signals,
        takes_in_others: bool,
    ) -> None:
        self._store = store
        self._committer = committer
        self._delivery = delivery
        self._views = views
        self._signals = signals
        self._takes_in_others = takes_in_others
        self._position: int | None = None

    async def run(self) -> None:
        """Follow until cancelled.

        Raises:
            StoreError: the feed broke; calling again goes on behind what was seen.
        """
        if self._position is None:
            self._position = await self._store.version()
        async for changes in self._store.feed(self._position):
            await self._take(changes)
            self._position = changes.position

    async def _take(self, changes: Changes) -> None:
        ids = {notice.key for notice in changes.notices if notice.kind is NoticeKind.WORKFLOW}
        if changes.is_reset:
            ids.update(self._views.known())
        await self._take_in(ids)
        if changes.is_reset:
            self._signals.all_moved()
        else:
            self._signals.moved(ids)
        events = {notice.key for notice in changes.notices if notice.kind is NoticeKind.EVENT}
        for workflow_id in {waiting.id.workflow_id for waiting in self._delivery.event_retry_queue}:
            if changes.is_reset or workflow_id in events:
                await self._delivery.look_again(workflow_id)
        if events or changes.is_reset:
            self._delivery.wake()

    async def _take_in(self, ids: Collection[str]) -> None:
        """Read what others changed of the workflows this engine keeps; its own changes it knows already."""
        known = {workflow_id for workflow_id in ids if self._views.revision(workflow_id) is not None}
        unknown = set(ids) - known
        wanted = list(known)
        if self._takes_in_others and len(unknown) <= _UNKNOWN_AT_MOST:
            wanted += unknown
        for workflow_id in unknown:
            self._committer.forget(workflow_id)
        remaining = iter(wanted)
        while chunk := tuple(islice(remaining, _TOGETHER)):
            await self._refresh(chunk)

    async def _refresh(self, ids: tuple[str, ...]) -> None:
        page = await self._store.page_flows(Query(filter=Filter(ids=ids), limit=len(ids)))
        moved = [row.workflow_id for row in page.rows if row.state and row.revision != self._revision(row.workflow_id)]
        for workflow in await self._store.read_many(moved) if moved else ():
            self._committer.forget(workflow.workflow_id)
            await take_in(self._store, self._views, workflow)

    def _revision(self, workflow_id: str) -> int:
        return self._views.revision(workflow_id) or 0


async def take_in(store: Store, views: Views, workflow: Workflow) -> None:
    """Give ``views`` a workflow as it was read, with the history they do not have yet.

    Raises:
        StoreError: the store cannot be read.
    """
    views.loaded(workflow, await history_since(store, workflow.workflow_id, views.entry_n(workflow.workflow_id)))


async def history_since(store: Store, workflow_id: str, after: int) -> list[Entry]:
    """Return all history entries numbered above ``after``.

    Raises:
        StoreError: the store cannot be read.
    """
    entries: list[Entry] = []
    while True:
        page = await store.entries(workflow_id, after=after, limit=_PAGE, history_only=True)
        entries += page
        if len(page) < _PAGE:
            return entries
        after = page[-1].n
