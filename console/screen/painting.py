"""Painting: from what the deck holds to what the widgets show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from console.actions import DROP, PLANS, RETRY, UNLOCK, OperatorAction, action, by_verb
from console.cells import Cell
from console.glyphs import glyphs
from console.link import LinkState
from console.screen.paging import Stretch
from console.screen.pane_filters import chosen_lines
from console.screen.reading import Turn
from console.text import safe
from console.view.flows import FlowFacts
from console.view.frame import SORT_WORDS, Status, Tab, footer_line, notice_lines, status_line, tabs_line
from console.view.header import Freshness, banner_line, header_line
from console.view.lines import CellLine, cell
from console.view.strip import state_line, why_lines
from console.view.timeline import timeline_lines
from console.view.verdict import verdict_line, worst
from console.view.why import why_panel
from console.view.words import count_text, plural
from console.widgets.list_pane import ListPane

if TYPE_CHECKING:
    from console.screen.deck_screen import DeckScreen

_FOOTER: Final = ("move.open", "find.filter", "mark.toggle", "look.why")
_FOOTER_NARROW: Final = ("move.open", "find.filter", "look.why")
_FOOTER_CELLS: Final = 80
_PLANS_NARROW: Final = 2
_FOOTER_END: Final = ("screen.help",)
_KEPT_NARROW: Final = ("enter", "/", "x", "R", "U", "F", "T", "X", "D", "?")
_READER_FOOTER: Final = ("move.back", "move.down", "move.page_down", "look.copy")


class Painting:
    """Paints the parts of one screen."""

    def __init__(self, screen: DeckScreen) -> None:
        self._screen = screen
        self._shows: Mapping[str, Callable[[], None]] = {
            "flows": self._show_flows,
            "retry": self._show_events,
            "locks": self._show_locks,
            "errors": self._show_errors,
            "log": self._show_log,
            "audit": self._show_audit,
        }

    # The frame

    def frame(self) -> None:
        """Paint everything around the panes, the strip, and open texts."""
        screen = self._screen
        has_banner = bool(banner_line(self.freshness(), 80))
        if screen.banner.display != has_banner:
            screen.banner.display = has_banner
            screen.arrange_panes()
        screen.banner.show(lambda cells, _lines: (banner_line(self.freshness(), cells),))
        self.header()
        screen.verdict.show(lambda cells, _lines: (self._verdict(cells),))
        screen.tabs.show(lambda cells, _lines: (tabs_line(self._tabs(), self._active_number(), cells),))
        self.detail()
        self.status()
        self.footer()

    def header(self) -> None:
        """Paint the header."""
        screen = self._screen

        def draw(cells: int, _lines: int) -> Sequence[CellLine]:
            badge: CellLine = (cell(f" {screen.environment} ", "badge_bad"),) if screen.environment else ()
            used = sum(len(one.text) for one in badge)
            line = header_line(screen.link.place, self.freshness(), screen.now(), screen.zone, cells - used)
            return ((*badge, *line),)

        screen.header.show(draw)

    def status(self) -> None:
        """Paint the line above the footer."""
        sentence, style = self._screen.notice
        if sentence:
            self._screen.status.show(lambda cells, _lines: notice_lines(sentence, style, cells))
        else:
            self._screen.status.show(lambda cells, _lines: (status_line(self._status(), cells),))

    def footer(self) -> None:
        """Paint the keys worth knowing now."""
        self._screen.footer.show(lambda cells, _lines: (footer_line(self._keys(), _KEPT_NARROW, cells),))

    def freshness(self) -> Freshness:
        """Return how the link and the data fare."""
        screen = self._screen
        read_at = screen.deck.read_at
        return Freshness(
            health=screen.deck.health,
            data_age_s=None if read_at is None else max(0.0, screen.clock.monotonic() - read_at),
            is_lost=screen.link.state is LinkState.LOST,
            is_frozen=screen.deck.is_frozen,
            sentence=screen.link.sentence,
            needs_supervisor=screen.deck.needs_supervisor(),
        )

    def _verdict(self, cells: int) -> CellLine:
        screen = self._screen
        health = screen.deck.health
        if health is None:
            return (cell(" "), cell(f"{screen.link.sentence}", "dim"))
        found = screen.deck.findings
        if not found:
            return (cell(" "), *verdict_line(found, health, cells - 2))
        badge = Cell(safe(" VERDICT "), "badge_bad" if worst(found) == "bad" else "badge_warn")
        return (badge, cell(" "), *verdict_line(found, health, cells - 11))

    def _active_number(self) -> str:
        return self._screen.panes.by_name[self._screen.active].number

    def _tabs(self) -> Sequence[Tab]:
        deck = self._screen.deck
        health = deck.health
        flows = "" if health is None else count_text(deck.all_flows() or 0)
        failing = dead = held = dead_locks = 0
        if health is not None:
            failing, dead = health.events.get("failing", 0), health.events.get("dead", 0)
            held, dead_locks = health.locks.get("held", 0), health.locks.get("dead", 0)
        hour = sum(count.last_hour for count in deck.errors)
        return (
            Tab("1", "Flows", "Flows", flows),
            Tab("2", "Timeline", "Time"),
            Tab("3", "Retry", "Retry", count_text(failing + dead) if health else "", bad=_apart(dead)),
            Tab("4", "Locks", "Locks", count_text(held) if health else "", bad=_apart(dead_locks)),
            Tab("5", "Errors", "Err", count_text(hour) if hour else ""),
            Tab("6", "Log", "Log"),
            Tab("7", "Audit", "Aud"),
        )

    def _status(self) -> Status:
        screen = self._screen
        deck = screen.deck
        marks = deck.event_marks if screen.active == "retry" else deck.marks
        order = _ORDERS.get(screen.active)
        if order is not None:
            marked = len(marks) if screen.active == "retry" else 0
            typed = deck.pane_lines.get(screen.active, "")
            return Status(
                what=self._what() if not typed else f"filter {typed}  {self._found()}", marked=marked, sort=order
            )
        line = deck.filter_line
        if deck.is_problem_only:
            line = f"{line} is:problem".strip()
        is_search = bool(deck.whole_filter.text or deck.whole_filter.not_text or deck.whole_filter.pattern)
        return Status(
            filter_line=line,
            count=deck.flow_count,
            is_capped=deck.is_capped,
            searched=deck.flows.searched if is_search else None,
            total=deck.all_flows() or 0,
            marked=len(marks),
            hidden=deck.hidden,
            sort=SORT_WORDS.get(deck.sort.value, deck.sort.value),
        )

    def _found(self) -> str:
        """Return how many rows the active pane's own filter selects, as far as they are loaded."""
        screen = self._screen
        stretches: Mapping[str, Stretch[Any]] = {
            "retry": screen.deck.events,
            "locks": screen.deck.locks,
            "audit": screen.deck.audit,
        }
        stretch = stretches.get(screen.active)
        if stretch is None:
            return plural(len(screen.panes.log.values), "line")
        return f"{count_text(stretch.offset + len(stretch.rows))}{'+' if stretch.has_more else ''}"

    def _what(self) -> str:
        """Return what the active pane lists, in words."""
        screen = self._screen
        deck = screen.deck
        counts = Counter[str]() if deck.health is None else Counter({**deck.health.events, **deck.health.locks})
        if screen.active == "retry" and deck.events_of is not None:
            return f"events of {deck.events_of}"
        # The counters of events and of locks both name the dead.
        dead = 0 if deck.health is None else deck.health.events.get("dead", 0)
        words = {
            "retry": f"no filter  {count_text(counts['failing'])} waiting, {count_text(dead)} dead",
            "locks": f"no filter  {plural(counts['held'], 'lock')}",
            "errors": "errors by type",
            "log": f"no filter  {len(deck.log)} lines",
            "audit": "no filter  acts and refusals",
        }
        return words.get(screen.active, "")

    def _keys(self) -> Sequence[OperatorAction]:
        """Return the footer's actions: those that can act on what the cursor is on."""
        screen = self._screen
        if screen.is_plan_open:
            return screen.plan.keys
        if screen.reader_name:
            return tuple(action(one) for one in _READER_FOOTER if one != "look.copy" or screen.reader_name != "help")
        context = screen.context()
        on = [one for one in self._plans_in_order() if one.refusal(context) is None]
        if screen.app.size.width < _FOOTER_CELLS:
            # Few enough that every row's keys are shown in words: the line does not change its form from row to row.
            return (*map(action, _FOOTER_NARROW), *on[:_PLANS_NARROW], *map(action, _FOOTER_END))
        return (*map(action, _FOOTER), *on[:_PLANS_SHOWN], *map(action, _FOOTER_END))

    def _plans_in_order(self) -> Sequence[OperatorAction]:
        """Return the plans, first what the pane is for, then what the reason of the workflow suggests."""
        screen = self._screen
        detail = screen.deck.detail
        verbs = () if detail is None else detail.why.verbs
        first = _PLANS_OF.get(screen.active, ())
        wanted = [*first, *(found for verb in verbs if (found := by_verb(verb)) is not None and found.is_plan), *PLANS]
        return tuple(dict.fromkeys(wanted))

    # The panes

    def paint(self, names: Sequence[str]) -> None:
        """Paint what was read, and of the frame only what that can have changed."""
        for name in names:
            show = self._shows.get(name)
            if show is not None:
                show()
        if "health" in names:
            self._counts()
            self._show_flows()
            self.frame()
            return
        self.header()
        if "detail" in names:
            self.detail()
            self.footer()
        if any(name != "ping" for name in names):
            self.status()

    def _show_events(self) -> None:
        deck, panes = self._screen.deck, self._screen.panes
        empty = "it has no events" if deck.events_of else "every event was delivered"
        if deck.pane_lines.get("retry"):
            empty = _NO_MATCH
        total, first = deck.events.total(None), deck.events.offset
        panes.retry.show(deck.events.rows, self._screen.now(), total=total, first=first, empty=empty)
        self._stay_at_head("retry", deck.events)
        self._counts()

    def _show_locks(self) -> None:
        deck, panes = self._screen.deck, self._screen.panes
        is_whole = deck.health is not None and not deck.pane_lines.get("locks")
        held = deck.health.locks.get("held") if is_whole and deck.health is not None else None
        total, first = deck.locks.total(held), deck.locks.offset
        panes.locks.show(deck.locks.rows, self._screen.now(), total=total, first=first)
        self._stay_at_head("locks", deck.locks)

    def _show_errors(self) -> None:
        self._screen.panes.errors.show(self._screen.deck.errors)
        self._screen.tabs.repaint()

    def _show_log(self) -> None:
        screen = self._screen
        lines = chosen_lines(screen.deck.log, screen.deck.filter_of("log"))
        screen.panes.log.show(lines, screen.now(), screen.zone)

    def _show_audit(self) -> None:
        screen, stretch = self._screen, self._screen.deck.audit
        total, first = stretch.total(None), stretch.offset
        screen.panes.audit.show(stretch.rows, screen.now(), screen.zone, total=total, first=first)
        self._stay_at_head("audit", stretch)

    def flows(self) -> None:
        """Paint the flows as soon as they are read, before they are counted."""
        self._show_flows()

    def _show_flows(self) -> None:
        deck, screen = self._screen.deck, self._screen
        if deck.health is None and not deck.flows.rows:
            empty = screen.link.sentence or "reading"
        elif deck.has_filter:
            empty = _NO_MATCH
        else:
            empty = "no workflows are here yet"
        flows = screen.panes.flows
        flows.show_count(deck.flow_count, is_capped=deck.is_capped)
        flows.show(deck.flows.rows, self.facts(), total=deck.flow_total, first=deck.flows.offset, empty=empty)
        self._stay_at_head("flows", deck.flows)
        flows.rows.set_marks(frozenset(deck.marks))

    def _stay_at_head(self, name: str, stretch: Stretch[Any]) -> None:
        """Keep the cursor on the first row, whatever that is now, where the operator has chosen none."""
        pane = self._screen.panes.by_name[name]
        if name in self._screen.heads and stretch.is_at_first and isinstance(pane, ListPane):
            pane.rows.action_first()

    def facts(self) -> FlowFacts:
        """Return what rows need beyond the workflows."""
        deck = self._screen.deck
        at = None if deck.health is None else deck.health.at
        return FlowFacts(
            now=self._screen.now(),
            lives=deck.lives,
            lives_at=at,
            changed=deck.changed(),
            looked_at=self._screen.current_id(),
        )

    def _counts(self) -> None:
        health, panes, deck = self._screen.deck.health, self._screen.panes, self._screen.deck
        if health is None:
            return
        events, locks = health.events, health.locks
        panes.retry.show_counts(
            events.get("failing", 0), events.get("dead", 0), self._screen.now(), only=deck.events_of
        )
        panes.locks.show_counts(locks.get("held", 0), locks.get("dead", 0))

    def can_turn(self, name: str, turn: Turn) -> bool:
        """Return whether there are rows beyond those of a pane."""
        deck = self._screen.deck
        stretches: Mapping[str, Stretch[Any]] = {
            "flows": deck.flows,
            "retry": deck.events,
            "locks": deck.locks,
            "audit": deck.audit,
        }
        stretch = stretches.get(name)
        if stretch is None:
            return False
        return stretch.has_more if turn is Turn.MORE else stretch.has_earlier

    # One workflow

    def detail(self) -> None:
        """Paint the strip, the timeline, why, and an open description."""
        screen = self._screen
        deck = screen.deck
        standing = screen.body.places
        if "strip" in standing:
            screen.strip.show(self._strip)
        if "timeline" in standing:
            self._timeline()
        if "why" in standing:
            screen.why.show(lambda cells, _lines: why_panel(deck.detail, deck.health, screen.now(), cells))
        place = standing.get("why")
        if place is not None and place.height != min(screen.body.size.height, self.why_height(place.width)):
            screen.arrange_panes()
        if screen.reader_name == "describe":
            screen.reader.update_text(screen.looking.write_detail())

    def _timeline(self) -> None:
        screen = self._screen
        detail, line = screen.deck.detail, screen.deck.line
        if detail is None:
            screen.panes.timeline.show_nothing()
            return
        screen.panes.timeline.show(
            lambda cells, lines: timeline_lines(detail, line, screen.now(), screen.zone, (cells, lines))
        )

    def why_height(self, cells: int) -> int:
        """Return the lines the why panel needs."""
        deck = self._screen.deck
        return len(why_panel(deck.detail, deck.health, self._screen.now(), cells))

    def _strip(self, cells: int, _lines: int) -> Sequence[CellLine]:
        screen = self._screen
        deck = screen.deck
        if deck.detail is None:
            return (self._rule(cells, "", ""),)
        detail = deck.detail
        times = deck.seen.times(detail.row)
        changed = f"changed {times}x since you looked" if times > 1 else "changed since you looked" if times else ""
        return (
            self._rule(cells, detail.row.workflow_id, changed),
            (cell(" "), *state_line(detail, deck.line, screen.now(), cells - 2)),
            *((cell(" "), *line) for line in why_lines(detail.why, cells - 2)),
        )

    def _rule(self, cells: int, name: str, note: str) -> CellLine:
        rule = glyphs().rule
        head: CellLine = (cell(f"{rule} ", "dim"), cell(name, "strong"), cell(" ")) if name else ()
        used = sum(len(one.text) for one in head)
        tail: CellLine = ()
        if note and used + len(note) + 8 <= cells:
            tail = (cell(f" {note} ", "accent"), cell(rule, "dim"))
        fill = max(0, cells - used - sum(len(one.text) for one in tail))
        return (*head, cell(rule * fill, "dim"), *tail)

    # Time

    def age(self) -> None:
        """Paint what a second changed: the clock and the ages on the screen."""
        screen = self._screen
        self.header()
        if screen.banner.display != bool(banner_line(self.freshness(), 80)):
            self.frame()
        if screen.deck.is_frozen:
            return
        now = screen.now()
        shown = screen.body.places
        if "flows" in shown:
            screen.panes.flows.age(self.facts())
        if "retry" in shown:
            screen.panes.retry.age(now)
        if "locks" in shown:
            screen.panes.locks.age(now)
        self.detail()


_PLANS_SHOWN: Final = 3
_NO_MATCH: Final = "nothing matches the filter; / changes it, esc clears it"
_PLANS_OF: Final[Mapping[str, Sequence[OperatorAction]]] = MappingProxyType(
    {"retry": (RETRY, DROP), "locks": (UNLOCK,)}
)
_ORDERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "retry": "next try first, then the dead letter",
        "locks": "soonest to expire first",
        "errors": "enter lists the workflows of a type",
        "log": "newest last",
        "audit": "newest first",
    }
)


def _apart(dead: int) -> str:
    """Return how many of a pane's rows are dead, for its tab; "" for none."""
    return f"{count_text(dead)}{glyphs().dead}" if dead else ""
