"""Locks in the order in which they need a look: those of dead holders, then the soonest to expire."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from engine.errors import InvalidValueError
from engine.model.lock import Liveness, Lock
from engine.observation.embedding import Engine
from engine.observation.lives import lock_views
from engine.observation.views import LockView
from engine.store.query import Page, Query

_LOOKED_AT: Final = 300
"""Locks among which dead holders are looked for; beyond, a lock stands where it expires."""
_MARK: Final = "dead:"


@dataclass(frozen=True, slots=True)
class _Gap:
    """A place between two rows; the dead are those of the first page, so that no row is met twice or missed.

    Attributes:
        dead: workflow ids that stand first.
        before: how many of them precede the place; None where it is in the rest of the list.
        cursor: the store's cursor in the rest.
    """

    dead: tuple[str, ...]
    before: int | None
    cursor: str | None = None

    def text(self) -> str:
        """Return the cursor that callers hold."""
        return _MARK + json.dumps([self.dead, self.before, self.cursor])


async def page_of_lock_views(engine: Engine, query: Query) -> Page[LockView]:
    """Return one page of held locks.

    Raises:
        InvalidValueError: ``query.after`` is no cursor of this list.
    """
    gap = await _begin(engine, query)
    if not gap.dead:
        page = await engine.store.page_locks(query)
        return Page(await lock_views(engine, page.rows), page.next, page.start, page.searched)
    read = _backward if query.is_reversed else _forward
    page = await read(engine, query, gap)
    return Page(await lock_views(engine, page.rows), page.next, page.start)


async def _begin(engine: Engine, query: Query) -> _Gap:
    if query.after is not None:
        return _parse(query.after)
    head = await engine.store.page_locks(replace(query, is_reversed=False, limit=_LOOKED_AT))
    views = await lock_views(engine, head.rows)
    dead = tuple(view.lock.workflow_id for view in views if view.liveness is Liveness.DEAD)
    return _Gap(dead, None if query.is_reversed else 0)


def _parse(text: str) -> _Gap:
    if not text.startswith(_MARK):
        return _Gap((), None)
    try:
        dead, before, cursor = json.loads(text.removeprefix(_MARK))
        return _Gap(tuple(map(str, dead)), None if before is None else int(before), cursor)
    except (TypeError, ValueError) as error:
        raise InvalidValueError("after", "this is no cursor of this list") from error


async def _forward(engine: Engine, query: Query, gap: _Gap) -> Page[Lock]:
    rows: list[Lock] = []
    cursor = gap.cursor
    if gap.before is not None:
        until = min(len(gap.dead), gap.before + query.limit)
        rows += await _of_ids(engine, query, gap.dead[gap.before : until])
        if until < len(gap.dead):
            return Page(tuple(rows), replace(gap, before=until).text(), _same(query))
        cursor = None
    more, cursor = await _rest(engine, replace(query, after=cursor), gap.dead, query.limit - len(rows))
    has_more = bool(more or query.limit == len(rows)) and await _has_more(engine, query, gap.dead, cursor, more)
    rows += more
    following = None
    if has_more:
        following = _Gap(gap.dead, None, cursor) if cursor is not None else _Gap(gap.dead, len(gap.dead))
    return Page(tuple(rows), None if following is None else following.text(), _same(query))


async def _backward(engine: Engine, query: Query, gap: _Gap) -> Page[Lock]:
    rows: list[Lock] = []
    before = gap.before
    if before is None:
        rows, cursor = await _rest(engine, replace(query, after=gap.cursor), gap.dead, query.limit)
        if cursor is not None:
            return Page(tuple(rows), _same(query), _Gap(gap.dead, None, cursor).text())
        before = len(gap.dead)
    first = max(0, before - (query.limit - len(rows)))
    rows = [*await _of_ids(engine, query, gap.dead[first:before]), *rows]
    return Page(tuple(rows), _same(query), replace(gap, before=first, cursor=None).text() if first else None)


async def _rest(engine: Engine, query: Query, dead: Sequence[str], wanted: int) -> tuple[list[Lock], str | None]:
    """Return up to ``wanted`` locks that are not of the dead in reading order, and the store's cursor behind them."""
    rows: list[Lock] = []
    cursor = query.after
    while len(rows) < wanted:
        page = await engine.store.page_locks(replace(query, after=cursor, limit=wanted - len(rows)))
        found = [lock for lock in page.rows if lock.workflow_id not in dead]
        rows = [*found, *rows] if query.is_reversed else [*rows, *found]
        cursor = page.start if query.is_reversed else page.next
        if cursor is None:
            break
    return rows, cursor


async def _has_more(
    engine: Engine, query: Query, dead: Sequence[str], cursor: str | None, read: Sequence[Lock]
) -> bool:
    """Return whether locks that are not of the dead follow ``cursor``; None is the end once something was read."""
    if cursor is None and read:
        return False
    rows, _ = await _rest(engine, replace(query, after=cursor), dead, 1)
    return bool(rows)


async def _of_ids(engine: Engine, query: Query, ids: Sequence[str]) -> list[Lock]:
    """Return the locks of workflows in the order of ``ids``; those released meanwhile are gone."""
    if not ids:
        return []
    chosen = replace(query.filter, ids=tuple(ids))
    page = await engine.store.page_locks(Query(filter=chosen, limit=len(ids), at=query.at))
    found = {lock.workflow_id: lock for lock in page.rows}
    return [found[workflow_id] for workflow_id in ids if workflow_id in found]


def _same(query: Query) -> str | None:
    """Return the place a page was read from: what lies on its other side is read from there too."""
    return query.after
