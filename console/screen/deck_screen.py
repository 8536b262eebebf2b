"""The one screen: panes in the layout its size gives, kept fresh, and the keys of the registry."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, tzinfo
from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.screen import Screen

from console.actions import ActionContext
from console.cells import Cell, StyleName
from console.link import EngineLink, LinkState
from console.places import Layout, Place, frame_of, layout_of, places, with_panel
from console.plans.panel import PlanPanel
from console.screen.deck import Deck
from console.screen.following import Following
from console.screen.keys import Keys
from console.screen.looking import Looking
from console.screen.operating import Operating
from console.screen.painting import Painting
from console.screen.pane_set import PANES, Panes
from console.screen.reading import Reading, Turn
from console.view.frame import notice_lines
from console.widgets.body import Body
from console.widgets.drawn import Drawn
from console.widgets.filter_bar import FilterBar
from console.widgets.list_pane import ListPane
from console.widgets.reader import Reader, Write
from console.widgets.row_list import RowList
from engine.clock import Clock


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
        self.shown_id: str | None = None
        """The workflow that an open text is about; keys act on it, whatever the list does behind it."""
        self.is_full = self.is_why_open = self.is_plan_open = False
        self.heads = set(PANES)
        """Panes whose head is watched, whatever is there: all of them, until the first key."""
        self.touched_at = clock.monotonic()
        self.lost_at = float("-inf")
        """Monotonic seconds of the last key, and of when the cursor lost its row without one."""
        self.notice: tuple[str, StyleName] = ("", "text")
        self.status_lines = 1
        self.operating, self.looking = Operating(self, self.plan), Looking(self)
        self.painting, self.keys = Painting(self), Keys(self, monotonic)
        self.following = Following(self, is_slow=is_slow)

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
        self.call_after_refresh(self.following.begin)

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
            # Tabs name the pane, but not the one workflow whose events it shows.
            pane.show_rule(has_rules or (pane is self.panes.retry and self.deck.events_of is not None))
        if self.reader_name:
            standing = {"reader": Place(0, 0, width, height)}
        if self.is_plan_open:
            standing = with_panel(standing, "plan", width, height, self.plan.wanted_height(width, height))
        elif self.is_why_open and not self.reader_name:
            standing = with_panel(standing, "why", width, height, self.painting.why_height(width))
        before = self.following.visible_lists()
        self.body.place(standing)
        self._give_keys()
        self.following.pump.want(*(name for name in self.following.visible_lists() if name not in before))

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
        self._leave_reader()
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

    def touch(self) -> None:
        """Note that the operator is at the keys: from now on the cursor follows its row."""
        self.heads.clear()
        self.touched_at = self.clock.monotonic()

    def want(self, *names: str, turn: Turn = Turn.AGAIN) -> None:
        """Have something read now."""
        self.following.pump.want(*names, turn=turn, is_urgent=True)

    def current_id(self) -> str | None:
        """Return the workflow the cursor is on, in whichever pane."""
        return self.list.workflow_id() if self.shown_id is None else self.shown_id

    def context(self) -> ActionContext:
        """Return what stands under the cursor."""
        current = self.current_id()
        row = None if current is None else self.panes.flows.find(current)
        detail = self.deck.detail
        if row is None and detail is not None and detail.row.workflow_id == current:
            row = detail.row
        is_flows = self.list is self.panes.flows
        is_retry = self.active == "retry" and self.shown_id is None
        marked = len(self.deck.marks) if is_flows else len(self.deck.event_marks) if is_retry else 0
        return ActionContext(
            row=row,
            event=self.panes.retry.value if is_retry else None,
            pane=self.active if self.shown_id is None else "flows",
            marked=marked,
            is_shown=self.shown_id is not None or (self.is_why_open and not self.reader_name),
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

    def open_reader(self, name: str, title: Sequence[Cell], write: Write, *, shows: str | None = None) -> None:
        """Show a text over the panes; ``name`` tells which, ``shows`` the workflow it is about."""
        self.reader_name, self.shown_id = name, shows
        self.cursor_moved()
        self.arrange_panes()
        self.reader.open(title, write)
        self.painting.frame()

    def close_reader(self) -> None:
        """Show the panes again."""
        self._leave_reader()
        self.arrange_panes()
        self.painting.frame()

    def _leave_reader(self) -> None:
        self.reader_name, self.shown_id = "", None
        self.cursor_moved()

    def open_plan(self) -> None:
        """Show the plan's panel and give it the keys."""
        self.is_plan_open = True
        self.arrange_panes()

    def close_plan(self) -> None:
        """Hide the plan's panel and give the keys back."""
        self.is_plan_open = False
        self.touch()
        self.arrange_panes()
        self.painting.frame()

    def copy(self, text: str) -> None:
        """Put a text into the terminal's clipboard."""
        self.app.copy_to_clipboard(text)

    def cursor_moved(self) -> None:
        """Read the detail of the workflow the cursor is on now; the one it left was looked at."""
        current = self.current_id()
        if current == self.following.detail_of:
            return
        left = self.deck.detail
        if left is not None and left.row.workflow_id == self.following.detail_of:
            self.deck.seen.look(left.row)
        # On demand, so that it is read for the cursor's row in a view that stands still too.
        self.want("detail", turn=Turn.FIRST)

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

    def on_row_list_lost(self, message: RowList.Lost) -> None:
        """Say where the workflow under the cursor went, once until the next key."""
        is_first = self.lost_at < self.touched_at
        self.lost_at = self.clock.monotonic()
        if message.row_list is self.panes.flows.rows and is_first and self.active == "flows" and not self.is_plan_open:
            gone = f"moved to row {message.number}" if message.number else "is not among these rows any more"
            self.say(f"{message.key} {gone}; the cursor stayed on its line")

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
        self.painting.footer()

    def on_plan_panel_left(self, message: PlanPanel.Left) -> None:
        """Close the plan."""
        self.operating.leave(has_applied=message.has_applied)
