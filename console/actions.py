"""The registry of operator actions: bindings, help, README key table and verbs come from it.

Lowercase reads, uppercase opens a plan (only ``G`` moves). A key that cannot act stays bound and says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # the command line's help must not pay for the engine
    from engine.store.query import EventRow, FlowRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionContext:
    """What stands under the cursor when a key is pressed.

    Attributes:
        row: the workflow under the cursor, or the one that a lock, event or audit row belongs to.
        event: the event under the cursor, in the Retry pane.
        pane: ``flows timeline retry locks errors log audit``.
        marked: how many workflows are marked; a plan then takes them instead of ``row``.
        is_shown: the workflow is shown by itself; a plan then takes it, whatever is marked.
        read_only_reason: why nothing may be written here, "" where it may.
    """

    row: FlowRow | None = None
    event: EventRow | None = None
    pane: str = "flows"
    marked: int = 0
    is_shown: bool = False
    read_only_reason: str = ""

    @property
    def takes_marked(self) -> bool:
        """Whether a plan takes the marked ones."""
        return self.marked > 0 and not self.is_shown

    @property
    def is_read_only(self) -> bool:
        """Whether nothing may be written here."""
        return bool(self.read_only_reason)


Refusal = Callable[[ActionContext], str | None]


def _never(context: ActionContext) -> str | None:  # noqa: ARG001  the shape of every refusal
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorAction:
    """One thing an operator can do.

    Attributes:
        id: stable name, used by key maps: ``operator.rollback``.
        key: as shown: ``R``, ``*``, ``ctrl+d``.
        keys: as Textual names them, every key that does it: ``asterisk``, ``R`` and ``shift+r``.
        label: for lists: ``Roll back``.
        short: for footers, one or two words.
        help: one sentence for help screen and README.
        group: heading under which help lists it.
        verb: the command line's verb, where there is one.
        level: the rung of the apply ladder a plan usually starts at; "" for what only reads.
        refusal: says why the key is off here, None where it is on.
    """

    id: str
    key: str
    keys: tuple[str, ...]
    label: str
    short: str
    help: str
    group: str
    verb: str | None = None
    level: str = ""
    refusal: Refusal = _never

    @property
    def is_plan(self) -> bool:
        """Whether it opens a plan, so that it can lead to a write."""
        return bool(self.level)


def _cannot_write(context: ActionContext) -> str | None:
    if context.is_read_only:
        return f"nothing can be changed here: {context.read_only_reason}"
    return None


def _cannot_plan(context: ActionContext) -> str | None:
    """Return why no workflow verb can act here, whatever the verb."""
    off = _cannot_write(context)
    if off is not None or context.takes_marked:
        return off
    if context.row is None:
        return "no workflow is selected"
    if not context.row.state:
        return "its document is damaged and was left as it is; repair or remove the file"
    return None


def _why_no_rollback(context: ActionContext) -> str | None:
    off = _cannot_plan(context)
    if off is not None or context.takes_marked or context.row is None:
        return off
    if context.row.phase == "done":
        return f"{context.row.state}; R does not reopen it, F forces it"
    if context.row.state == "initialized":
        return "it has no earlier state to go back to"
    return None


def _why_no_unlock(context: ActionContext) -> str | None:
    off = _cannot_plan(context)
    if off is not None or context.takes_marked or context.row is None:
        return off
    if context.row.lock is None or not context.row.lock.owner:
        return "it is not locked"
    return None


def _why_no_retry(context: ActionContext) -> str | None:
    if context.event is not None:
        return _why_no_event_verb(context)
    off = _cannot_plan(context)
    if off is not None or context.takes_marked or context.row is None:
        return off
    if context.row.phase == "done":
        return f"{context.row.state}; T does not reopen it, F forces it"
    if context.row.phase != "failed":
        return f"in {context.row.state}, not failed; R rolls it back"
    return None


def _why_no_cancel(context: ActionContext) -> str | None:
    off = _cannot_plan(context)
    if off is not None or context.takes_marked or context.row is None:
        return off
    if context.row.phase != "open":
        return f"{context.row.state} already; only open work is cancelled"
    return None


def _why_no_event_verb(context: ActionContext) -> str | None:
    off = _cannot_write(context)
    if off is not None:
        return off
    if context.event is None:
        return "no event is selected; 3 shows those that wait"
    if context.event.status not in ("pending", "dead"):
        return f"this event is {context.event.status}"
    return None


def _needs_row(context: ActionContext) -> str | None:
    return "no workflow is selected" if context.row is None else None


def _needs_marks(context: ActionContext) -> str | None:
    return None if context.marked else "nothing is marked; space marks a workflow"


MOVE: Final = "Move"
PANES: Final = "Panes"
FIND: Final = "Find"
MARK: Final = "Mark"
LOOK: Final = "Look"
SCREEN: Final = "Screen"
PLAN: Final = "Plan"

ROLL_BACK: Final = OperatorAction(
    id="operator.rollback",
    key="R",
    keys=("R", "shift+r"),
    label="Roll back",
    short="roll back",
    help="Enter an earlier successful state again; its result and later ones are kept as superseded.",
    group=PLAN,
    verb="rollback",
    level="L1",
    refusal=_why_no_rollback,
)
UNLOCK: Final = OperatorAction(
    id="operator.unlock",
    key="U",
    keys=("U", "shift+u"),
    label="Unlock",
    short="unlock",
    help="Release a lock; taking it from a live owner is a steal and asks for more.",
    group=PLAN,
    verb="unlock",
    level="L1",
    refusal=_why_no_unlock,
)
FORCE: Final = OperatorAction(
    id="operator.force",
    key="F",
    keys=("F", "shift+f"),
    label="Force",
    short="force",
    help="Put a workflow into any state of its type, rules off; it stays marked as forced.",
    group=PLAN,
    verb="force",
    level="L1",
    refusal=_cannot_plan,
)
RETRY: Final = OperatorAction(
    id="operator.retry",
    key="T",
    keys=("T", "shift+t"),
    label="Retry",
    short="retry",
    help="Enter again the state that failed, results kept; in the Retry pane deliver the event now.",
    group=PLAN,
    verb="retry",
    level="L1",
    refusal=_why_no_retry,
)
CANCEL: Final = OperatorAction(
    id="operator.cancel",
    key="X",
    keys=("X", "shift+x"),
    label="Cancel",
    short="cancel",
    help="End open work; only force leaves cancelled again.",
    group=PLAN,
    verb="cancel",
    level="L1",
    refusal=_why_no_cancel,
)
DROP: Final = OperatorAction(
    id="operator.drop",
    key="D",
    keys=("D", "shift+d"),
    label="Drop",
    short="drop",
    help="Move a waiting event to the dead letter; purge one that is there already.",
    group=PLAN,
    verb="drop",
    level="L1",
    refusal=_why_no_event_verb,
)


def _read(
    group: str,
    binding: tuple[str, str, tuple[str, ...]],
    words: tuple[str, str, str],
    *,
    verb: str | None = None,
    refusal: Refusal = _never,
) -> OperatorAction:
    """Return an action that only reads; ``binding`` is id, key and keys, ``words`` are label, short and help."""
    action_id, key, keys = binding
    label, short, text = words
    return OperatorAction(
        id=action_id,
        key=key,
        keys=keys,
        label=label,
        short=short,
        help=text,
        group=group,
        verb=verb,
        refusal=refusal,
    )


PANE_NAMES: Final[tuple[tuple[str, str, str], ...]] = (
    ("1", "flows", "Flows"),
    ("2", "timeline", "Timeline"),
    ("3", "retry", "Retry"),
    ("4", "locks", "Locks"),
    ("5", "errors", "Errors"),
    ("6", "log", "Log"),
    ("7", "audit", "Audit"),
)
"""Key, name and title of each pane, in order."""

_PANE_HELP: Final[Mapping[str, str]] = {
    "flows": "Every workflow, what needs a look first.",
    "timeline": "One workflow as a picture: a bar for each visit of a state.",
    "retry": "Events that wait for their next try, and the dead letter.",
    "locks": "Who holds which workflow, for how long, and whether the holder lives.",
    "errors": "Errors by type, now and over the last hour.",
    "log": "The structured logs of every engine on this store.",
    "audit": "Who did what, and why; refused attempts too.",
}

_MOVES: Final = (
    _read(MOVE, ("move.down", "j", ("j", "down")), ("Down", "down", "One row down.")),
    _read(MOVE, ("move.up", "k", ("k", "up")), ("Up", "up", "One row up.")),
    _read(MOVE, ("move.first", "g", ("g", "home")), ("First", "first", "To the first row.")),
    _read(MOVE, ("move.last", "G", ("G", "shift+g", "end")), ("Last", "last", "To the last row.")),
    _read(
        MOVE, ("move.page_down", "ctrl+d", ("ctrl+d", "pagedown")), ("Page down", "page down", "Half a screen down.")
    ),
    _read(MOVE, ("move.page_up", "ctrl+u", ("ctrl+u", "pageup")), ("Page up", "page up", "Half a screen up.")),
    _read(MOVE, ("move.open", "enter", ("enter",)), ("Open", "open", "Look into what the cursor is on.")),
    _read(MOVE, ("move.back", "esc", ("escape", "q")), ("Back", "back", "One step back; at the root it asks to quit.")),
)
_PANES: Final = (
    _read(PANES, ("pane.board", "0", ("0",)), ("Board", "board", "All panes at once.")),
    *(
        _read(PANES, (f"pane.{name}", key, (key,)), (title, title.lower(), _PANE_HELP[name]))
        for key, name, title in PANE_NAMES
    ),
    _read(PANES, ("pane.next", "tab", ("tab",)), ("Next pane", "next", "The next pane takes the keys.")),
    _read(
        PANES,
        ("pane.previous", "shift+tab", ("shift+tab",)),
        ("Previous pane", "previous", "The pane before takes the keys."),
    ),
)
_FINDS: Final = (
    _read(
        FIND,
        ("find.filter", "/", ("slash",)),
        ("Filter", "filter", "state:failed err:timeout age>5m owner:svc !text /re/ type:direct is:problem"),
    ),
    _read(FIND, ("find.problems", "z", ("z",)), ("Only problems", "problems", "Show only what needs a look.")),
    _read(FIND, ("find.sort", "s", ("s",)), ("Sort", "sort", "The next order.")),
    _read(
        FIND, ("find.sort_left", "<", ("less_than_sign",)), ("Sort left", "sort left", "Order by the column before.")
    ),
    _read(
        FIND,
        ("find.sort_right", ">", ("greater_than_sign",)),
        ("Sort right", "sort right", "Order by the column after."),
    ),
    _read(
        FIND,
        ("find.next_changed", "n", ("n",)),
        ("Next changed", "changed", "To the next row that changed since you looked."),
    ),
    _read(FIND, ("find.mark_seen", "m", ("m",)), ("Mark all seen", "seen", "Take everything as looked at.")),
)
_MARKS: Final = (
    _read(MARK, ("mark.toggle", "space", ("space",)), ("Mark", "mark", "Mark the workflow for a plan.")),
    _read(MARK, ("mark.range", "v", ("v",)), ("Mark range", "range", "Mark from the last mark to here.")),
    _read(MARK, ("mark.all", "*", ("asterisk",)), ("Mark all shown", "mark all", "Mark all that the filter shows.")),
    _read(
        MARK,
        ("mark.clear", "\\", ("backslash",)),
        ("Clear marks", "clear", "Take every mark away."),
        refusal=_needs_marks,
    ),
)
_LOOKS: Final = (
    _read(
        LOOK,
        ("look.why", "x", ("x",)),
        ("Explain", "why", "Why it is where it is, the evidence, and the key that helps."),
        verb="why",
        refusal=_needs_row,
    ),
    _read(
        LOOK,
        ("look.describe", "d", ("d",)),
        ("Describe", "describe", "Everything about one workflow."),
        verb="show",
        refusal=_needs_row,
    ),
    _read(LOOK, ("look.raw", "y", ("y",)), ("Raw JSON", "raw", "Its document as it is on disk."), refusal=_needs_row),
    _read(
        LOOK,
        ("look.events", "l", ("l",)),
        ("Its events", "events", "The events this workflow sent or owes."),
        verb="events",
        refusal=_needs_row,
    ),
    _read(
        LOOK,
        ("look.copy", "c", ("c",)),
        ("Copy", "copy", "The id, the row, the JSON or the command line, through the terminal."),
        refusal=_needs_row,
    ),
)
_SCREENS: Final = (
    _read(SCREEN, ("screen.freeze", "p", ("p",)), ("Freeze", "freeze", "Hold the view still; again lets it follow.")),
    _read(SCREEN, ("screen.rescan", "r", ("r",)), ("Rescan", "rescan", "Read the store directory now.")),
    _read(SCREEN, ("screen.full", "f", ("f",)), ("Full screen", "full", "One pane over the whole screen.")),
    _read(
        SCREEN,
        ("screen.help", "?", ("question_mark",)),
        ("Help", "help", "The keys valid here, and why the others are off."),
    ),
)

PLANS: Final = (ROLL_BACK, UNLOCK, FORCE, RETRY, CANCEL, DROP)
"""The actions that open a plan: uppercase, all of them."""

ACTIONS: Final[tuple[OperatorAction, ...]] = (*_MOVES, *_PANES, *_FINDS, *_MARKS, *_LOOKS, *_SCREENS, *PLANS)
"""Every action, in the order in which help lists them."""

COMMANDS: Final[Mapping[str, str]] = {
    "ls": "list workflows, what needs a look first",
    "show": "show everything about one workflow",
    "history": "show its state history",
    "why": "say why it is where it is, and what helps",
    "plan": "show what a verb would do, and do nothing",
    "rollback": "enter an earlier successful state again",
    "retry": "enter again the state that failed",
    "force": "put it into any state of its type, rules off",
    "unlock": "release or steal its lock",
    "cancel": "end open work",
    "events": "list events that wait or died; events retry ID... delivers now",
    "drop": "move waiting events to the dead letter; purge dead ones",
    "dead": "list the dead letter",
    "audit": "show who did what, refused attempts too",
    "verify": "check chains, documents and counters against each other",
    "doctor": "look for what could go wrong here",
    "backup": "copy the ledger while others go on writing",
    "demo": "watch a real engine under load",
}
"""The verbs without a screen, and what each is for."""


def action(action_id: str) -> OperatorAction:
    """Return the action of that id.

    Raises:
        KeyError: there is none.
    """
    return _BY_ID[action_id]


def by_verb(verb: str) -> OperatorAction | None:
    """Return the action that does the command line's ``verb``."""
    return next((known for known in ACTIONS if known.verb == verb), None)


_BY_ID: Final[Mapping[str, OperatorAction]] = {known.id: known for known in ACTIONS}
