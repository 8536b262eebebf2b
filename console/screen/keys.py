"""Keys: from what was pressed to what is done, by the registry; a key that is off says why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from textual.keys import key_to_character

from console.actions import ACTIONS, PANE_NAMES, ActionContext, OperatorAction
from console.filters import FilterError, parse_filter
from console.places import BOARD_COLUMNS, BOARD_ROWS, Layout
from console.plans.confirming import BURST_S
from console.screen.pane_filters import FILTERED_PANES, check_for
from console.screen.pane_set import PANES
from console.screen.reading import MARK_CAP, Turn
from console.view.words import count_text, plural
from engine.errors import EngineError
from engine.store.query import Filter, Sort

if TYPE_CHECKING:
    from console.screen.deck_screen import DeckScreen

_BY_KEY: Final[Mapping[str, OperatorAction]] = {key: action for action in ACTIONS for key in action.keys}
_SORTS: Final = tuple(Sort)
_SEEN_S: Final = 1.0
"""A row that came under the cursor by itself is not acted on before it can have been read."""

_NOT_FROZEN: Final = ("find.filter", "find.problems", "find.sort", "find.sort_left", "find.sort_right", "screen.rescan")
"""What reads other rows."""

_NEVER: Final = float("-inf")
_COMMAND_PAUSE_S: Final = 2.0
"""Who types a command after a colon does not pause for so long."""

_QUIT_KEY: Final = "y"
_STAY_KEYS: Final = ("n", "q", "escape", "enter")


class Keys:
    """Does what a key means on one screen.

    Args:
        screen: the screen.
        monotonic: seconds by which typing is told from bursts.
    """

    def __init__(self, screen: DeckScreen, monotonic: Callable[[], float]) -> None:
        self._screen = screen
        self._monotonic = monotonic
        self._last_at = -1.0
        self._colon_at = _NEVER
        self._is_asking_quit = False
        self._filter_before = ""
        self._filtered = "flows"
        self._mark_anchor: str | None = None
        self._do: Mapping[str, Callable[[], None]] = {
            "move.down": lambda: self._move(1),
            "move.up": lambda: self._move(-1),
            "move.first": lambda: self._end(Turn.FIRST),
            "move.last": lambda: self._end(Turn.LAST),
            "move.page_down": lambda: self._half_page(1),
            "move.page_up": lambda: self._half_page(-1),
            "move.open": self._open,
            "move.back": self._back,
            "pane.board": self._board,
            **{f"pane.{name}": self._to_pane(name) for _, name, _ in PANE_NAMES},
            "pane.next": lambda: self._next_pane(1),
            "pane.previous": lambda: self._next_pane(-1),
            "find.filter": self._begin_filter,
            "find.problems": self._toggle_problems,
            "find.sort": lambda: self._sort(1),
            "find.sort_left": lambda: self._sort(-1),
            "find.sort_right": lambda: self._sort(1),
            "find.next_changed": self._next_changed,
            "find.mark_seen": self._mark_seen,
            "mark.toggle": self._mark,
            "mark.range": self._mark_range,
            "mark.all": self._mark_all,
            "mark.clear": self._clear_marks,
            "look.why": self._toggle_why,
            "look.describe": screen.looking.describe,
            "look.raw": screen.looking.raw,
            "look.events": self._its_events,
            "look.copy": screen.looking.copy,
            "screen.freeze": self._freeze,
            "screen.rescan": self._rescan,
            "screen.full": self._full,
            "screen.help": lambda: screen.looking.help(screen.context()),
        }

    def press(self, key: str) -> bool:
        """Do what ``key`` means; return whether it means anything."""
        at = self._monotonic()
        is_burst = at - self._last_at < BURST_S
        self._last_at = at
        screen = self._screen
        screen.touch()
        if self._is_asking_quit and self._answer_quit(key):
            return True
        if key == "ctrl+c":
            self._ask_quit()
            return True
        if self._is_command_typed(key, at):
            return True
        if screen.notice[0]:
            screen.say("")
        action = _BY_KEY.get(key)
        if action is None:
            self._colon_at = at if key == "colon" else _NEVER
            screen.say(f"{key_to_character(key) or key} does nothing here; ? shows the keys")
            return True
        self._operate(action, is_burst=is_burst)
        return True

    def _is_command_typed(self, key: str, at: float) -> bool:
        """Return whether ``key`` belongs to what is typed after a colon: there is no such line, so it runs nothing."""
        if at - self._colon_at >= _COMMAND_PAUSE_S:
            return False
        self._colon_at = _NEVER if key in ("enter", "escape") else at
        return True

    def _operate(self, action: OperatorAction, *, is_burst: bool) -> None:
        """Do ``action`` where it is on; the one place that asks its refusal."""
        screen = self._screen
        context = screen.context()
        refusal = action.refusal(context)
        if refusal is not None:
            screen.say(f"{action.key} {action.short} is off: {refusal}", "warn")
        elif screen.deck.is_frozen and action.id in _NOT_FROZEN:
            screen.say("the view stands still; p lets it follow", "warn")
        elif action.is_plan and is_burst:
            screen.say(f"keys came too fast to be typed; press {action.key} again", "warn")
        elif action.is_plan and self._is_cursor_new(context):
            screen.say(f"the cursor came to another row a moment ago; press {action.key} again", "warn")
        elif action.is_plan:
            screen.operating.begin(action, context)
        else:
            self._do[action.id]()

    def _is_cursor_new(self, context: ActionContext) -> bool:
        """Return whether the cursor decides, and the operator cannot have seen yet on what it is."""
        screen = self._screen
        if context.takes_marked or screen.shown_id is not None or screen.list.pane_name not in screen.body.places:
            return False
        rows = screen.list.rows
        return rows.painted_key != rows.cursor_key or screen.clock.monotonic() - screen.lost_at < _SEEN_S

    # Moving

    def _move(self, lines: int) -> None:
        screen = self._screen
        if screen.reader_name:
            screen.reader.scroll_by(lines)
        elif lines > 0:
            screen.list.rows.action_cursor_down()
        else:
            screen.list.rows.action_cursor_up()

    def _half_page(self, way: int) -> None:
        screen = self._screen
        if screen.reader_name:
            screen.reader.scroll_by(way * max(1, screen.reader.page_height // 2))
        elif way > 0:
            screen.list.rows.action_half_down()
        else:
            screen.list.rows.action_half_up()

    def _end(self, turn: Turn) -> None:
        """Go to the first or the last row, reading only those where they are not loaded."""
        screen = self._screen
        if screen.reader_name:
            far = 1_000_000
            screen.reader.scroll_by(far if turn is Turn.LAST else -far)
            return
        name = screen.list.pane_name
        beyond = Turn.MORE if turn is Turn.LAST else Turn.EARLIER
        if screen.painting.can_turn(name, beyond):
            screen.following.turn_to(name, turn)
        elif turn is Turn.LAST:
            screen.list.rows.action_last()
        else:
            screen.list.rows.action_first()

    def _open(self) -> None:
        screen = self._screen
        if screen.reader_name:
            return
        if screen.active == "errors" and screen.deck.is_frozen:
            screen.say("the view stands still; p lets it follow", "warn")
        elif screen.active == "errors" and screen.panes.errors.value is not None:
            kind = screen.panes.errors.value.error_type
            screen.activate("flows")
            self._filtered = "flows"
            self.end_filter(f"err:{kind}", is_kept=True)
        else:
            screen.looking.describe()

    def _back(self) -> None:
        """Take one step back; at the root ask whether to quit."""
        screen = self._screen
        if screen.reader_name:
            screen.close_reader()
        elif screen.is_why_open:
            self._toggle_why()
        elif screen.is_full:
            self._full()
        elif screen.deck.events_of is not None:
            self._all_events()
        elif screen.deck.pane_lines.get(screen.active):
            self._filtered = screen.active
            self.end_filter("", is_kept=True)
        elif screen.active != "flows":
            screen.activate("flows")
        elif screen.deck.has_filter:
            self._filtered = "flows"
            screen.deck.is_problem_only = False
            self.end_filter("", is_kept=True)
        else:
            self._ask_quit()

    def _ask_quit(self) -> None:
        self._is_asking_quit = True
        screen = self._screen
        if screen.is_plan_open:
            screen.operating.leave(has_applied=False)
        screen.say("leave the console? y leaves, any other key stays", "strong")

    def _answer_quit(self, key: str) -> bool:
        """Take the answer; return whether the key was one, rather than one that goes on with the work."""
        self._is_asking_quit = False
        self._screen.say("")
        if key == _QUIT_KEY:
            self._screen.app.exit(return_code=0)
        return key in (_QUIT_KEY, *_STAY_KEYS)

    # Panes

    def _to_pane(self, name: str) -> Callable[[], None]:
        return lambda: self._screen.activate(name)

    def _next_pane(self, way: int) -> None:
        at = PANES.index(self._screen.active)
        self._screen.activate(PANES[(at + way) % len(PANES)])

    def _board(self) -> None:
        screen = self._screen
        screen.is_full = False
        screen.activate(screen.active)
        if screen.shape is not Layout.BOARD:
            size = screen.app.size
            screen.say(
                f"the board needs {BOARD_COLUMNS} columns and {BOARD_ROWS} lines; this terminal has "
                f"{size.width} and {size.height}. Keys 1 to 7 show each pane."
            )

    def _full(self) -> None:
        self._screen.is_full = not self._screen.is_full
        self._screen.activate(self._screen.active)

    def _toggle_why(self) -> None:
        self._screen.is_why_open = not self._screen.is_why_open
        self._screen.arrange_panes()
        self._screen.painting.frame()

    def _its_events(self) -> None:
        screen = self._screen
        screen.deck.events_of = screen.current_id()
        screen.deck.event_marks.clear()
        screen.activate("retry")
        screen.want("retry", turn=Turn.FIRST)

    def _all_events(self) -> None:
        screen = self._screen
        screen.deck.events_of = None
        screen.deck.event_marks.clear()
        screen.want("retry", turn=Turn.FIRST)
        screen.activate("flows")

    # Finding

    def _begin_filter(self) -> None:
        screen = self._screen
        if screen.active == "errors":
            screen.say("this list is always whole; enter lists the workflows of a type")
            return
        self._filtered = screen.active if screen.active in FILTERED_PANES else "flows"
        line = self._filter_before = self._line()
        if screen.active == "timeline":
            screen.activate("flows")
        screen.status.display = False
        screen.filter_bar.display = True
        screen.filter_bar.begin(line)
        screen.filter_bar.focus()

    def filter(self, line: str) -> None:
        """Let the list follow a line that can be meant."""
        deck = self._screen.deck
        try:
            chosen = parse_filter(line)
            check_for(self._filtered, chosen)
        except FilterError as error:
            self._screen.say(str(error), "bad")
            return
        if self._filtered != "flows":
            self._filter_pane(self._filtered, chosen, line)
            return
        if (chosen, line) == (deck.filter, deck.filter_line):
            return
        is_same = chosen == deck.filter
        deck.filter, deck.filter_line = chosen, line
        if not is_same:
            self._filter_changed()

    def _line(self) -> str:
        deck = self._screen.deck
        return deck.filter_line if self._filtered == "flows" else deck.pane_lines.get(self._filtered, "")

    def _filter_pane(self, name: str, chosen: Filter, line: str) -> None:
        deck = self._screen.deck
        is_same = chosen == deck.filter_of(name)
        deck.pane_filters[name], deck.pane_lines[name] = chosen, line
        if not is_same:
            self._screen.want(name, turn=Turn.FIRST)
            self._screen.painting.status()

    def end_filter(self, line: str, *, is_kept: bool) -> None:
        """Close the line; keep the filter, or go back to the one before."""
        screen = self._screen
        self.filter(line if is_kept else self._filter_before)
        screen.filter_bar.display = False
        screen.status.display = True
        screen.arrange_panes()
        screen.painting.frame()

    def _filter_changed(self) -> None:
        deck = self._screen.deck
        deck.flow_count = None
        self._screen.want("flows", turn=Turn.FIRST)
        self._screen.want("hidden", "health")
        self._screen.painting.status()

    def _toggle_problems(self) -> None:
        deck = self._screen.deck
        deck.is_problem_only = not deck.is_problem_only
        self._filter_changed()

    def _sort(self, way: int) -> None:
        deck = self._screen.deck
        if self._screen.active not in ("flows", "timeline"):
            self._screen.say("this list has one order; 1 shows the workflows, which have several")
            return
        deck.sort = _SORTS[(_SORTS.index(deck.sort) + way) % len(_SORTS)]
        self._screen.following.turn_to("flows", Turn.FIRST)
        self._screen.painting.status()

    def _next_changed(self) -> None:
        screen = self._screen
        seen = screen.deck.seen
        flow = screen.panes.flows.next_where(lambda flow: seen.times(flow) > 0)
        if flow is None:
            loaded = plural(len(screen.panes.flows.values), "loaded workflow")
            screen.say(f"none of the {loaded} changed since you looked")
            return
        screen.panes.flows.rows.move_to(flow.workflow_id)

    def _mark_seen(self) -> None:
        screen = self._screen
        screen.deck.seen.mark_all(screen.now())
        screen.painting.paint(("flows",))
        screen.say("everything counts as looked at")

    # Marks

    @property
    def _marks(self) -> dict[str, None]:
        screen = self._screen
        return screen.deck.event_marks if screen.active == "retry" else screen.deck.marks

    def _mark(self) -> None:
        key = self._markable()
        if key is None:
            return
        if key in self._marks:
            del self._marks[key]
        else:
            self._marks[key] = None
            self._mark_anchor = key
        self._screen.list.rows.action_cursor_down()
        self._marks_changed()

    def _mark_range(self) -> None:
        rows = self._screen.list.rows
        if self._markable() is None:
            return
        for key in rows.keys_from(self._mark_anchor or rows.cursor_key or ""):
            self._marks[key] = None
        self._mark_anchor = rows.cursor_key
        self._marks_changed()

    def _markable(self) -> str | None:
        screen = self._screen
        if screen.active not in ("flows", "retry"):
            screen.say("only workflows (1) and events (3) are marked")
            return None
        return screen.list.rows.cursor_key

    def _mark_all(self) -> None:
        if self._screen.active == "flows":
            self._screen.start(self._mark_all_flows())
        elif self._markable() is not None:
            self._marks.update((str(event.id), None) for event in self._screen.deck.events.rows)
            self._marks_changed()

    async def _mark_all_flows(self) -> None:
        screen = self._screen
        try:
            ids, finished, has_more = await screen.reading.shown_ids()
        except EngineError as error:
            screen.say(str(error), "bad")
            return
        screen.deck.marks.update((one, None) for one in ids)
        self._marks_changed()
        marked = f"{count_text(len(screen.deck.marks))} marked"
        screen.say(f"{marked}, of which {count_text(finished)} finished" if finished else marked)
        if has_more:
            screen.say(f"marked the first {count_text(MARK_CAP)}; a plan takes no more at once")

    def _clear_marks(self) -> None:
        self._marks.clear()
        self._marks_changed()

    def _marks_changed(self) -> None:
        screen = self._screen
        screen.list.rows.set_marks(frozenset(self._marks))
        screen.want("hidden")
        screen.painting.status()
        screen.painting.footer()

    # The screen

    def _freeze(self) -> None:
        screen = self._screen
        screen.deck.is_frozen = not screen.deck.is_frozen
        if not screen.deck.is_frozen:
            screen.want("flows", "retry", "locks", "errors", "log", "audit", "health", "detail")
        screen.painting.frame()
        screen.say("the view stands still; p lets it follow again" if screen.deck.is_frozen else "")

    def _rescan(self) -> None:
        self._screen.say("reading the store directory")
        self._screen.start(self._read_directory())

    async def _read_directory(self) -> None:
        screen = self._screen
        try:
            await screen.reading.ask(lambda side: side.rescan())
        except EngineError as error:
            screen.say(str(error), "bad")
            return
        screen.want("flows", "retry", "locks", "errors", "log", "audit", "health", "detail")
        screen.say("the store directory was read")
