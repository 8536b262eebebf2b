"""Following the engine: what is heard of changes becomes readings, and readings are painted."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from console.link import Dirty, LinkState
from console.screen.pane_set import PANES
from console.screen.pump import FAST_GAP_S, SSH_GAP_S, Pump, Wants
from console.screen.reading import Turn
from console.widgets.list_pane import ListPane
from engine.errors import EngineError
from engine.store.feed import NoticeKind

if TYPE_CHECKING:
    from console.screen.deck_screen import DeckScreen

STORE_UNSAFE: Final = 9
"""Exit code where the place cannot serve as a store (source: semantics, Command line)."""

IDLE_S: Final = 10.0
"""After so long without a key a list does not scroll after the row under the cursor."""

_NEVER_FROZEN: Final = ("ping", "plan")
_TICK_S: Final = 1.0
_SLOW_TICK_S: Final = 5.0
_DETAIL_S: Final = 1.9
_SLOW_DETAIL_S: Final = 4.9
"""A little less than two and five seconds: ticks come no more exactly than that."""
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


class Following:
    """Keeps one screen fresh, no faster than its link can bear.

    Attributes:
        detail_of: the workflow whose detail was read last.
    """

    def __init__(self, screen: DeckScreen, *, is_slow: bool) -> None:
        self._screen = screen
        self._tick_s = _SLOW_TICK_S if is_slow else _TICK_S
        self.pump = Pump(self._serve, gap_s=SSH_GAP_S if is_slow else FAST_GAP_S)
        self.detail_of: str | None = None
        self._ends: dict[str, Turn] = {}
        self._detail_at = float("-inf")
        self._detail_s = _SLOW_DETAIL_S if is_slow else _DETAIL_S
        self._health_at: float | None = None
        self._owes_health = False

    def begin(self) -> None:
        """Start the engine and follow it."""
        screen = self._screen
        screen.link.start()
        screen.run_worker(self._hear(), name="hear")
        screen.run_worker(self.pump.run(), name="pump")
        screen.set_interval(self._tick_s, self._tick)

    def turn_to(self, name: str, turn: Turn) -> None:
        """Read the first or the last rows of a pane and put the cursor there."""
        self._ends[name] = turn
        self._screen.want(name, turn=turn)

    def visible_lists(self) -> tuple[str, ...]:
        """Return the panes on the screen that are lists."""
        return tuple(name for name in self._screen.body.places if name in PANES and name != "timeline")

    # Hearing

    async def _hear(self) -> None:
        while True:
            self._take(await self._screen.link.dirty())

    def _take(self, dirty: Dirty) -> None:
        screen = self._screen
        if dirty.is_state_changed:
            self._take_link_state()
        if screen.link.state is not LinkState.OPEN:
            return
        for kind in dirty.kinds:
            self.pump.want(*_WANTED_BY[kind])
        plan = screen.plan.open_plan
        if plan is not None and (dirty.is_reset or any(item.id.split(":", 1)[0] in dirty.ids for item in plan.doable)):
            self.pump.want("plan")
        current = screen.current_id()
        if current is not None and (dirty.is_reset or current in dirty.ids):
            self.pump.want("detail")

    def _take_link_state(self) -> None:
        screen = self._screen
        if screen.link.state is LinkState.REFUSED:
            screen.app.exit(return_code=STORE_UNSAFE)
        elif screen.link.state is LinkState.OPEN:
            self.pump.want(*self.visible_lists(), "detail", "health")
        screen.painting.frame()

    def _tick(self) -> None:
        """Let a second pass: ages, the clock, and what only time changes."""
        screen = self._screen
        if screen.link.state is LinkState.OPEN:
            is_due = self._health_at is None or screen.clock.monotonic() - self._health_at >= _HEALTH_MOST_S
            self.pump.want("health" if is_due or self._owes_health else "ping")
            if screen.clock.monotonic() - self._detail_at >= self._detail_s:
                # What the engine says of a workflow carries ages: it is asked again before they are old.
                self.pump.want("detail")
            if "log" in self.visible_lists():
                self.pump.want("log")
        screen.plan.tick()
        screen.painting.age()

    # Reading

    async def _serve(self, wants: Wants) -> None:
        """Read what is wanted and shown, and paint it; a store that cannot be read becomes the banner."""
        screen = self._screen
        if screen.link.state is not LinkState.OPEN:
            return
        names = [name for name in wants if name not in PANES or name in self.visible_lists()]
        if screen.deck.is_frozen:
            names = [
                name
                for name in names
                if name in _NEVER_FROZEN or wants[name] is not Turn.AGAIN or self._is_unread(name)
            ]
        self._tell_lists(wants)
        for name in names:
            try:
                await self._read(name, wants[name])
            except EngineError as error:
                screen.say(str(error), "bad")
        screen.painting.paint(names)
        for name in names:
            self._go_to_end(name)

    def _is_unread(self, name: str) -> bool:
        """Return whether a list was never read, so that what it shows would be untrue."""
        deck = self._screen.deck
        unread = {
            "retry": not deck.events.pages,
            "locks": not deck.locks.pages,
            "audit": not deck.audit.pages,
            "errors": not deck.errors,
            "log": not deck.log,
        }
        return unread.get(name, False)

    def _tell_lists(self, wants: Wants) -> None:
        """Tell the lists whether somebody is at the keys, and whether the rows to come were asked for."""
        screen = self._screen
        is_idle = screen.clock.monotonic() - screen.touched_at > IDLE_S and not screen.is_plan_open
        for pane in screen.panes:
            if isinstance(pane, ListPane):
                is_own = wants.get(pane.pane_name, Turn.AGAIN) is not Turn.AGAIN
                pane.rows.tells_loss = not is_own and pane.pane_name not in screen.heads
                pane.rows.holds_window = is_idle and pane.rows.tells_loss

    async def _read(self, name: str, turn: Turn) -> None:
        screen = self._screen
        reading, limit = screen.reading, self._limit(name)
        if name == "flows":
            await reading.flows(turn, limit)
            if screen.deck.has_filter:
                # Counting may take longer than reading a page: the page is shown at once.
                screen.painting.flows()
            await reading.flow_count()
        elif name in ("retry", "locks", "audit"):
            await {"retry": reading.events, "locks": reading.locks, "audit": reading.audit}[name](turn, limit)
        elif name == "health":
            await self._read_health()
        elif name == "detail":
            self.detail_of = screen.current_id()
            self._detail_at = screen.clock.monotonic()
            await reading.detail(self.detail_of)
        else:
            plain = {
                "errors": reading.errors,
                "log": reading.log,
                "hidden": reading.hidden,
                "ping": reading.ping,
                "plan": screen.operating.look_again,
            }
            await plain[name]()

    async def _read_health(self) -> None:
        """Read the counters, at most once a second: they cost more than a page."""
        screen = self._screen
        now = screen.clock.monotonic()
        self._owes_health = self._health_at is not None and now - self._health_at < _HEALTH_LEAST_S
        if self._owes_health:
            return
        self._health_at = now
        await screen.reading.health()
        if not screen.deck.has_filter:
            await screen.reading.flow_count()

    def _limit(self, name: str) -> int:
        pane = self._screen.panes.by_name.get(name)
        height = pane.rows.page_height if isinstance(pane, ListPane) else 0
        return max(_LEAST_LIMIT, min(_MOST_LIMIT, 2 * height))

    def _go_to_end(self, name: str) -> None:
        """Put the cursor on the first or last row where that was what the reading was for."""
        end = self._ends.pop(name, None)
        pane = self._screen.panes.by_name.get(name)
        if end is not None and isinstance(pane, ListPane):
            if end is Turn.LAST:
                pane.rows.action_last()
            else:
                pane.rows.action_first()
