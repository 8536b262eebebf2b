"""The one screen: panes in the layout its size gives, kept fresh, and the keys of the registry."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime, tzinfo
from types import MappingProxyType
from typing import Any, ClassVar, Final

from textual import events
from textual.app import ComposeResult
from textual.screen import Screen

from console.actions import ActionContext
from console.cells import Cell, StyleName
from console.deck import Deck
from console.keys import Keys
from console.link import Dirty, EngineLink, LinkState
from console.looking import Looking
from console.operating import Operating
from console.painting import Painting
from console.pane_set import PANES, Panes
from console.places import Layout, Place, frame_of, layout_of, places, with_panel
from console.plans.panel import PlanPanel
from console.pump import FAST_GAP_S, SSH_GAP_S, Pump, Wants
from console.reading import Reading, Turn
from console.view.frame import notice_lines
from console.widgets.body import Body
from console.widgets.drawn import Drawn
from console.widgets.filter_bar import FilterBar
from console.widgets.list_pane import ListPane
from console.widgets.reader import Reader, Write
from console.widgets.row_list import RowList
from engine.clock import Clock
from engine.errors import EngineError
from engine.model.names import Phase
from engine.store.feed import NoticeKind

_TICK_S: Final = 1.0
_SLOW_TICK_S: Final = 5.0
_HEALTH_LEAST_S: Final = 1.0
_HEALTH_MOST_S: Final = 5.0
_LEAST_LIMIT: Final = 40
_MOST_LIMIT: Final = 200

_WANTED_BY: Final[Mapping[NoticeKind, tuple[str, ...]]] = MappingProxyType(
    {
        NoticeKind.WORKFLOW: ("flows", "audit", "health", "errors"),
        NoticeKind.LOCK: ("flows", "locks", "audit", "health"),
        NoticeKind.EVENT: ("retry", "flows", "audit", "health", "errors"),
        NoticeKind.DOCUMENT: ("flows", "health"),
        NoticeKind.ENGINE: ("locks", "health"),
    }
)
"""What is read anew when a thing of that kind changed."""


class DeckScreen(Screen[None]):
    """Everything the operator sees. It reads through the link and never runs a query itself.

    Args:
        link: the engine.
        clock: the engine's time.
        zone: the zone times are told in; None is the machine's own.
        monotonic: seconds by which typing is told from bursts.
        is_slow: the terminal is far away: read, age and repaint less often.
        environment: a word for the header, such as ``DEMO``.
    """

    DEFAULT_CSS = "DeckScreen { layout: vertical; background: $ground; overflow: hidden; }"
    AUTO_FOCUS = ""
    ALLOW_SELECT: ClassVar[bool] = False

    def __init__(  # noqa: PLR0913  what one screen is made of
        self,
        link: EngineLink,
        *,
        clock: Clock,
        monotonic: Callable[[], float],
        zone: tzinfo | None = None,
        is_slow: bool = False,
        environment: str = "",
    ) -> None:
        super().__init__()
        self.link, self.clock, self.zone, self.environment = link, clock, zone, environment
        self.is_slow = is_slow
        self.deck = Deck()
        self.reading = Reading(link, self.deck, clock.monotonic, zone)
        self.panes = Panes()
        self.strip, self.why = Drawn(id="strip"), Drawn(ground="raised", id="why", classes="panel")
        self.reader, self.plan = Reader(), PlanPanel(monotonic)
        self.header, self.banner = Drawn(ground="bar", id="header"), Drawn(id="banner")
        self.verdict, self.tabs = Drawn(id="verdict"), Drawn(id="tabs")
        self.status, self.filter_bar = Drawn(id="status"), FilterBar()
        self.footer = Drawn(ground="bar", id="footer")
        self.body = Body()
        self.active = "flows"
        self.reader_name = ""
        self.is_full = self.is_why_open = self.is_plan_open = False
        self.is_at_head = True
        """The operator watches the head of the flows, whoever is there, and has chosen no workflow yet."""
        self.notice: tuple[str, StyleName] = ("", "text")
        self.status_lines = 1
        self.operating, self.looking = Operating(self, self.plan), Looking(self)
        self.painting, self.keys = Painting(self), Keys(self, monotonic)
        self.pump = Pump(self._serve, gap_s=SSH_GAP_S if is_slow else FAST_GAP_S)
        self._ends: dict[str, Turn] = {}
        self._health_at: float | None = None
        self._owes_health = False
        self._detail_of: str | None = None

    def compose(self) -> ComposeResult:
        """Put the frame around the body."""
        yield from (self.header, self.banner, self.verdict, self.tabs)
        with self.body:
            yield from self.panes
            yield self.strip
            yield self.reader
            self.plan.add_class("panel")
            yield self.why
            yield self.plan
        yield from (self.status, self.filter_bar, self.footer)

    def on_mount(self) -> None:
        """Paint the empty frame first; the engine starts once it is on the terminal."""
        self.banner.display = self.filter_bar.display = False
        self.arrange_panes()
        self.painting.frame()
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self.link.start()
        self.run_worker(self._hear(), name="hear")
        self.run_worker(self.pump.run(), name="pump")
        self.set_interval(_SLOW_TICK_S if self.is_slow else _TICK_S, self._tick)

    # What is heard and read

    async def _hear(self) -> None:
        while True:
            self._take(await self.link.dirty())

    def _take(self, dirty: Dirty) -> None:
        if dirty.is_state_changed:
            self._take_link_state()
        if self.link.state is not LinkState.OPEN:
            return
        for kind in dirty.kinds:
            self.pump.want(*_WANTED_BY[kind])
        current = self.current_id()
        if current is not None and (dirty.is_reset or current in dirty.ids):
            self.pump.want("detail")

    def _take_link_state(self) -> None:
        if self.link.state is LinkState.REFUSED:
            self.app.exit(message=self.link.sentence, return_code=STORE_UNSAFE)
        elif self.link.state is LinkState.OPEN:
            self.pump.want(*self._visible_lists(), "detail", "health")
        self.painting.frame()

    async def _serve(self, wants: Wants) -> None:
        """Read what is wanted and shown, and paint it; a store that cannot be read becomes the banner."""
        if self.link.state is not LinkState.OPEN:
            return
        names = [name for name in wants if name not in PANES or name in self._visible_lists()]
        if self.deck.is_frozen:
            names = [name for name in names if name == "ping" or wants[name] is not Turn.AGAIN]
        try:
            for name in names:
                await self._read(name, wants[name])
        except EngineError as error:
            self.say(str(error), "bad")
        self.painting.paint(names)
        for name in names:
            self._go_to_end(name)

    def _go_to_end(self, name: str) -> None:
        """Put the cursor on the first or last row where that was what the reading was for."""
        end = self._ends.pop(name, None)
        pane = self.panes.by_name.get(name)
        if end is not None and isinstance(pane, ListPane):
            if end is Turn.LAST:
                pane.rows.action_last()
            else:
                pane.rows.action_first()

    async def _read(self, name: str, turn: Turn) -> None:
        limit = self._limit(name)
        if name == "flows":
            await self.reading.flows(turn, limit)
            self.painting.flows()
            await self.reading.flow_count()
        elif name in ("retry", "locks", "audit"):
            read = {"retry": self.reading.events, "locks": self.reading.locks, "audit": self.reading.audit}[name]
            await read(turn, limit)
        elif name == "health":
            await self._read_health()
        elif name == "detail":
            self._detail_of = self.current_id()
            await self.reading.detail(self._detail_of)
        else:
            plain = {
                "errors": self.reading.errors,
                "log": self.reading.log,
                "hidden": self.reading.hidden,
                "ping": self.reading.ping,
            }
            await plain[name]()

    async def _read_health(self) -> None:
        """Read the counters, at most once a second: they cost more than a page."""
        now = self.clock.monotonic()
        self._owes_health = self._health_at is not None and now - self._health_at < _HEALTH_LEAST_S
        if self._owes_health:
            return
        self._health_at = now
        await self.reading.health()
        if not self.deck.has_filter:
            await self.reading.flow_count()

    def _tick(self) -> None:
        """Let a second pass: ages, the clock, and what only time changes."""
        if self.link.state is LinkState.OPEN:
            is_due = self._health_at is None or self.clock.monotonic() - self._health_at >= _HEALTH_MOST_S
            self.pump.want("health" if is_due or self._owes_health else "ping")
            if self.deck.detail is not None and self.deck.detail.row.phase is Phase.OPEN:
                self.pump.want("detail")
            if "log" in self._visible_lists():
                self.pump.want("log")
        self.plan.tick()
        self.painting.age()

    def turn_to(self, name: str, turn: Turn) -> None:
        """Read the first or the last rows of a pane and put the cursor there."""
        self._ends[name] = turn
        self.want(name, turn=turn)

    def _limit(self, name: str) -> int:
        pane = self.panes.by_name.get(name)
        height = pane.rows.page_height if isinstance(pane, ListPane) else 0
        return max(_LEAST_LIMIT, min(_MOST_LIMIT, 2 * height))

    def _visible_lists(self) -> tuple[str, ...]:
        return tuple(name for name in self.body.places if name in PANES and name != "timeline")

    # Where everything stands

    @property
    def shape(self) -> Layout:
        """The layout for the present size."""
        return layout_of(self.app.size.width, self.app.size.height)

    def on_resize(self, _event: events.Resize) -> None:
        """Take the layout of the new size."""
        self.arrange_panes()
        self.painting.frame()

    def arrange_panes(self) -> None:
        """Put panes, strip and panels where they stand now; what comes into view is read."""
        shape, rows = self.shape, self.app.size.height
        if self.active == "strip" or self.active not in PANES:
            self.active = "flows"
        frame = frame_of(shape, rows, is_full=self.is_full)
        self.tabs.display = frame.has_tabs
        self.footer.display = frame.has_footer
        around = 2 + self.status_lines + frame.has_tabs + frame.has_footer + bool(self.banner.display)
        width, height = self.app.size.width, max(1, rows - around)
        standing = dict(places(shape, self.active, width, height, is_full=self.is_full))
        has_rules = shape in (Layout.BOARD, Layout.SPLIT) and not self.is_full
        for pane in self.panes:
            pane.show_rule(has_rules)
        if self.reader_name:
            standing = {"reader": Place(0, 0, width, height)}
        if self.is_plan_open:
            standing = with_panel(standing, "plan", width, height, self.plan.wanted_height)
        elif self.is_why_open and not self.reader_name:
            standing = with_panel(standing, "why", width, height, self.painting.why_height(width))
        before = self._visible_lists()
        self.body.place(standing)
        self._give_keys()
        self.pump.want(*(name for name in self._visible_lists() if name not in before))

    def _give_keys(self) -> None:
        """Give the focus to what takes the keys now, and draw its title so."""
        for pane in self.panes:
            pane.set_active(pane.pane_name == self.active)
        if self.is_plan_open:
            self.plan.focus()
        elif self.filter_bar.display:
            self.filter_bar.focus()
        else:
            pane = self.panes.by_name[self.active]
            self.set_focus(pane.rows if isinstance(pane, ListPane) and not self.reader_name else None)

    def activate(self, name: str) -> None:
        """Give a pane the keys, and the body where there is only room for one."""
        self.active = name
        self.reader_name = ""
        self.arrange_panes()
        self.cursor_moved()
        self.painting.frame()

    @property
    def list(self) -> ListPane[Any]:
        """The list that moving keys act on: the active pane's, or the flows behind the timeline."""
        pane = self.panes.by_name[self.active]
        return pane if isinstance(pane, ListPane) else self.panes.flows

    # What the parts of the behaviour ask for (Stage)

    def now(self) -> datetime:
        """Return the engine's time."""
        return self.clock.now()

    def say(self, sentence: str, style: StyleName = "text") -> None:
        """Show a sentence above the footer until the next key."""
        self.notice = (sentence, style)
        lines = len(notice_lines(sentence, style, self.app.size.width))
        if lines != self.status_lines:
            self.status_lines = lines
            self.status.styles.height = lines
            self.arrange_panes()
        self.painting.status()

    def want(self, *names: str, turn: Turn = Turn.AGAIN) -> None:
        """Have something read now."""
        self.pump.want(*names, turn=turn, is_urgent=True)

    def current_id(self) -> str | None:
        """Return the workflow the cursor is on, in whichever pane."""
        return self.list.workflow_id()

    def context(self) -> ActionContext:
        """Return what stands under the cursor."""
        current = self.current_id()
        row = None if current is None else self.panes.flows.find(current)
        detail = self.deck.detail
        if row is None and detail is not None and detail.row.workflow_id == current:
            row = detail.row
        is_flows = self.list is self.panes.flows
        is_retry = self.active == "retry"
        marked = len(self.deck.marks) if is_flows else len(self.deck.event_marks) if is_retry else 0
        return ActionContext(
            row=row,
            event=self.panes.retry.value if is_retry else None,
            pane=self.active,
            marked=marked,
            read_only_reason=self._read_only_reason(),
        )

    def _read_only_reason(self) -> str:
        if self.link.state is not LinkState.OPEN:
            return self.link.sentence
        if self.link.is_read_only:
            return "this console was started with --read-only"
        health = self.deck.health
        if health is None:
            return "the store is still being read"
        return "" if health.mode == "live" else health.mode_reason or health.mode

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that waits for the engine, without holding up keys."""
        self.run_worker(work)

    def open_reader(self, name: str, title: Sequence[Cell], write: Write) -> None:
        """Show a text over the panes; ``name`` tells which."""
        self.reader_name = name
        self.arrange_panes()
        self.reader.open(title, write)
        self.painting.frame()

    def close_reader(self) -> None:
        """Show the panes again."""
        self.reader_name = ""
        self.arrange_panes()
        self.painting.frame()

    def open_plan(self) -> None:
        """Show the plan's panel and give it the keys."""
        self.is_plan_open = True
        self.arrange_panes()

    def close_plan(self) -> None:
        """Hide the plan's panel and give the keys back."""
        self.is_plan_open = False
        self.arrange_panes()
        self.painting.frame()

    def copy(self, text: str) -> None:
        """Put a text into the terminal's clipboard."""
        self.app.copy_to_clipboard(text)

    def cursor_moved(self) -> None:
        """Read the detail of the workflow the cursor is on now; the one it left was looked at."""
        current = self.current_id()
        if current == self._detail_of:
            return
        left = self.deck.detail
        if left is not None and left.row.workflow_id == self._detail_of:
            self.deck.seen.look(left.row)
        self.want("detail")

    # Messages

    def on_key(self, event: events.Key) -> None:
        """Do what the registry says the key does."""
        if self.keys.press(event.key):
            event.stop()
            event.prevent_default()

    def on_row_list_highlighted(self, message: RowList.Highlighted) -> None:
        """Follow the cursor of the list that has the keys."""
        if message.row_list is self.list.rows:
            self.cursor_moved()
            self.painting.footer()

    def on_row_list_near_end(self, message: RowList.NearEnd) -> None:
        """Load the rows that follow."""
        self._turn_page(message.row_list, Turn.MORE)

    def on_row_list_near_start(self, message: RowList.NearStart) -> None:
        """Load the rows that precede."""
        self._turn_page(message.row_list, Turn.EARLIER)

    def _turn_page(self, row_list: RowList, turn: Turn) -> None:
        for pane in self.panes:
            if isinstance(pane, ListPane) and pane.rows is row_list and self.painting.can_turn(pane.pane_name, turn):
                self.want(pane.pane_name, turn=turn)

    def on_filter_bar_changed(self, message: FilterBar.Changed) -> None:
        """Follow the filter while it is typed."""
        self.keys.filter(message.line)

    def on_filter_bar_done(self, message: FilterBar.Done) -> None:
        """Keep the filter, or go back to the one before."""
        self.keys.end_filter(message.line, is_kept=message.is_kept)

    def on_plan_panel_chose(self, message: PlanPanel.Chose) -> None:
        """Go on with what was chosen."""
        self.operating.chose(message.value)

    def on_plan_panel_confirmed(self, message: PlanPanel.Confirmed) -> None:
        """Apply the plan."""
        self.operating.confirm(message.plan, message.reason)

    def on_plan_panel_read_again(self, message: PlanPanel.ReadAgain) -> None:
        """Make the plan anew."""
        self.operating.read_again(message.request)

    def on_plan_panel_copy_command(self, message: PlanPanel.CopyCommand) -> None:
        """Copy the plan's command line."""
        self.copy(message.command)
        self.say(f"copied: {message.command}")

    def on_plan_panel_grown(self, message: PlanPanel.Grown) -> None:
        """Make room for the plan's panel."""
        del message
        self.arrange_panes()

    def on_plan_panel_left(self, message: PlanPanel.Left) -> None:
        """Close the plan."""
        self.operating.leave(has_applied=message.has_applied)


STORE_UNSAFE: Final = 9
"""Exit code where the place cannot serve as a store (source: semantics, Command line)."""
