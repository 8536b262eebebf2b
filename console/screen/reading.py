"""Reading into the deck: each function asks the engine one question on its loop and keeps the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import tzinfo
from enum import StrEnum
from typing import Final, TypeVar

from console.link import EngineLink, Side
from console.screen.deck import COUNT_CAP, Deck
from console.screen.paging import (
    ReadPage,
    Stretch,
    chained,
    first_stretch,
    last_stretch,
    read_again,
    read_earlier,
    read_more,
)
from console.view.verdict import SAMPLE, Finding, findings
from engine.model.entry import Entry
from engine.model.line import Line
from engine.model.names import Phase
from engine.observation.views import Detail, Health, LockView
from engine.store.query import EventRow, Filter, FlowRow, Page, Query, Sort

RowT = TypeVar("RowT")

LOG_LINES: Final = 300
MARK_CAP: Final = 1_000
"""Workflows that are marked at once at most: a batch anyone still oversees."""

_ALL_STATUSES: Final = ("pending", "dead", "delivered", "recorded", "purged")


class Turn(StrEnum):
    """Which part of a list is wanted."""

    AGAIN = "again"
    FIRST = "first"
    LAST = "last"
    MORE = "more"
    EARLIER = "earlier"


class Reading:
    """Asks through the link; what it learns stands in the deck."""

    def __init__(self, link: EngineLink, deck: Deck, monotonic: Callable[[], float], zone: tzinfo | None) -> None:
        self._link = link
        self._deck = deck
        self._monotonic = monotonic
        self._zone = zone

    async def ask(self, question: Callable[[Side], Awaitable[RowT]]) -> RowT:
        """Ask anything; the answer says that the data is fresh.

        Raises:
            EngineError: the store could not be read.
        """
        answer = await self._link.call(question)
        self._deck.read_at = self._monotonic()
        return answer

    async def ping(self) -> None:
        """Find out that the engine's loop still turns."""
        await self.ask(_nothing)

    async def flows(self, turn: Turn, limit: int) -> None:
        """Read workflows under the present filter and order."""
        deck = self._deck
        chosen, order, stretch = deck.whole_filter, deck.sort, deck.flows
        total = deck.flow_total

        async def question(side: Side) -> Stretch[FlowRow]:
            return await _turned(stretch, _flow_pages(side, chosen, order), turn, limit, total)

        answer = await self.ask(question)
        if (chosen, order) == (deck.whole_filter, deck.sort):
            deck.flows = answer
            deck.seen.meet(answer.rows)

    async def flow_count(self) -> None:
        """Count what the filter selects; the store's own counters answer where nothing restricts."""
        deck = self._deck
        chosen = deck.whole_filter
        if not deck.has_filter:
            deck.flow_count, deck.is_capped = deck.all_flows(), False
            return
        if not deck.flows.has_more and deck.flows.is_at_first:
            deck.flow_count, deck.is_capped = len(deck.flows.rows), False
            return
        count = await self.ask(lambda side: side.watch.count(Query(filter=chosen), COUNT_CAP))
        if chosen == deck.whole_filter:
            deck.flow_count, deck.is_capped = count, count >= COUNT_CAP

    async def hidden(self) -> None:
        """Count the marked workflows that the filter hides."""
        deck = self._deck
        marks = tuple(deck.marks)
        if not marks or not deck.has_filter:
            deck.hidden = 0
            return
        chosen = deck.whole_filter
        ids = tuple(one for one in marks if not chosen.ids or one in chosen.ids)
        query = Query(filter=replace(chosen, ids=ids))
        shown = await self.ask(lambda side: side.watch.count(query)) if ids else 0
        if marks == tuple(deck.marks):
            deck.hidden = len(marks) - shown

    async def shown_ids(self) -> tuple[tuple[str, ...], int, bool]:
        """Return the ids selected, at most :data:`MARK_CAP`, how many finished, and whether there are more."""
        chosen, order = self._deck.whole_filter, self._deck.sort
        page = await self.ask(lambda side: side.watch.flows(Query(filter=chosen, sort=order, limit=MARK_CAP)))
        finished = sum(flow.phase is Phase.DONE for flow in page.rows)
        return tuple(flow.workflow_id for flow in page.rows if flow.state), finished, page.next is not None

    async def events(self, turn: Turn, limit: int) -> None:
        """Read waiting and dead events, or all of one workflow."""
        deck = self._deck
        only, stretch, chosen = deck.events_of, deck.events, deck.filter_of("retry")

        async def question(side: Side) -> Stretch[EventRow]:
            return await _turned(stretch, _event_pages(side, only, chosen), turn, limit, None)

        answer = await self.ask(question)
        if (only, chosen) == (deck.events_of, deck.filter_of("retry")):
            deck.events = answer

    async def locks(self, turn: Turn, limit: int) -> None:
        """Read held locks."""
        deck = self._deck
        stretch = deck.locks
        chosen = deck.filter_of("locks")
        total = None if deck.health is None or chosen != Filter() else deck.health.locks.get("held")

        async def question(side: Side) -> Stretch[LockView]:
            return await _turned(stretch, _lock_pages(side, chosen), turn, limit, total)

        answer = await self.ask(question)
        if chosen == deck.filter_of("locks"):
            deck.locks = answer

    async def audit(self, turn: Turn, limit: int) -> None:
        """Read audit entries."""
        deck = self._deck
        stretch, chosen = deck.audit, deck.filter_of("audit")

        async def question(side: Side) -> Stretch[Entry]:
            return await _turned(stretch, _audit_pages(side, chosen), turn, limit, None)

        answer = await self.ask(question)
        if chosen == deck.filter_of("audit"):
            deck.audit = answer

    async def errors(self) -> None:
        """Read the error counts."""
        self._deck.errors = await self.ask(lambda side: side.watch.errors())

    async def log(self) -> None:
        """Read the newest log lines."""
        self._deck.log = await self.ask(lambda side: side.watch.log(LOG_LINES))

    async def health(self) -> None:
        """Read counters and engines, and what the problems have in common."""

        async def question(side: Side) -> tuple[Health, tuple[Finding, ...]]:
            health = await side.watch.health()
            problems = await side.watch.flows(Query(filter=Filter(is_problem=True), limit=SAMPLE))
            return health, findings(health, problems.rows, self._zone)

        self._deck.take_health(*await self.ask(question))

    async def detail(self, workflow_id: str | None) -> None:
        """Read everything about one workflow."""
        if workflow_id is None:
            self._deck.detail = self._deck.line = None
            return

        async def question(side: Side) -> tuple[Detail | None, Line | None]:
            detail = await side.watch.describe(workflow_id)
            return detail, None if detail is None else side.find_line(detail.row.workflow_type)

        self._deck.detail, self._deck.line = await self.ask(question)


async def _nothing(_side: Side) -> None:
    return None


async def _turned(
    stretch: Stretch[RowT], read: ReadPage[RowT], turn: Turn, limit: int, total: int | None
) -> Stretch[RowT]:
    if turn is Turn.FIRST:
        return await first_stretch(read, limit)
    if turn is Turn.LAST:
        return await last_stretch(read, limit, total)
    if turn is Turn.MORE:
        return await read_more(stretch, read, limit)
    if turn is Turn.EARLIER:
        return await read_earlier(stretch, read, limit)
    return await read_again(stretch, read, limit)


def _flow_pages(side: Side, chosen: Filter, order: Sort) -> ReadPage[FlowRow]:
    async def read(after: str | None, is_reversed: bool, limit: int) -> Page[FlowRow]:
        query = Query(filter=chosen, sort=order, after=after, is_reversed=is_reversed, limit=limit)
        return await side.watch.flows(query)

    return read


def _lock_pages(side: Side, chosen: Filter) -> ReadPage[LockView]:
    async def read(after: str | None, is_reversed: bool, limit: int) -> Page[LockView]:
        return await side.watch.locks(Query(filter=chosen, after=after, is_reversed=is_reversed, limit=limit))

    return read


def _audit_pages(side: Side, chosen: Filter) -> ReadPage[Entry]:
    async def read(after: str | None, is_reversed: bool, limit: int) -> Page[Entry]:
        return await side.watch.audit(Query(filter=chosen, after=after, is_reversed=is_reversed, limit=limit))

    return read


def _event_pages(side: Side, only: str | None, wanted: Filter) -> ReadPage[EventRow]:
    chosen = wanted if only is None else replace(wanted, ids=(only,))

    def part(statuses: tuple[str, ...], *, failing_only: bool = False) -> ReadPage[EventRow]:
        async def read(after: str | None, is_reversed: bool, limit: int) -> Page[EventRow]:
            query = Query(filter=chosen, after=after, is_reversed=is_reversed, limit=limit)
            return await side.watch.events(statuses, query, failing_only=failing_only)

        return read

    if only is not None:
        return chained([part(("pending",)), part(_ALL_STATUSES[1:])])
    return chained([part(("pending",), failing_only=True), part(("dead",))])
