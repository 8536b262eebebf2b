"""Acting: from an uppercase key to a plan, its confirmation, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from console.actions import CANCEL, DROP, FORCE, RETRY, ROLL_BACK, UNLOCK, ActionContext, OperatorAction
from console.link import Side
from console.plans.choosing import Choice
from console.plans.panel import PlanPanel
from console.screen.stage import Stage
from console.view.words import count_text, short_state
from engine.errors import EngineError
from engine.model.line import Line
from engine.operations.plan import Applied, Plan, PlanRequest, Verb
from engine.store.query import Filter, Query

_VERBS: Final[Mapping[str, Verb]] = MappingProxyType(
    {
        ROLL_BACK.id: Verb.ROLLBACK,
        UNLOCK.id: Verb.UNLOCK,
        FORCE.id: Verb.FORCE,
        RETRY.id: Verb.RETRY,
        CANCEL.id: Verb.CANCEL,
        DROP.id: Verb.DROP_EVENT,
    }
)
_STEAL: Final = "steal"
_EVENT_VERBS: Final = (Verb.RETRY_EVENT, Verb.DROP_EVENT)
_EVENT_PANE: Final = "retry"


class Operating:
    """Opens one plan at a time. The guard against what moved on meanwhile is the engine's.

    Args:
        stage: the screen.
        panel: where plans are shown.
    """

    def __init__(self, stage: Stage, panel: PlanPanel) -> None:
        self._stage = stage
        self._panel = panel
        self._request: PlanRequest | None = None
        self._turn = 0
        self._chosen_by = ""

    def begin(self, action: OperatorAction, context: ActionContext) -> None:
        """Open the plan of ``action`` for the marked ones, else for the one under the cursor."""
        request = self._request_of(action, context)
        if request is None:
            self._stage.say(f"{action.label}: nothing is selected")
            return
        self._request = request
        self._chosen_by = self._choice(request, context)
        self._stage.open_plan()
        self._panel.show_reading(f"{action.label.lower()}: reading")
        if action is FORCE:
            self._stage.start(self._choose_state(request, self._next_turn()))
        else:
            self._stage.start(self._plan(request, self._next_turn()))

    def chose(self, value: str) -> None:
        """Go on with what was chosen: a state to force to, or the steal."""
        if self._request is None:
            return
        steal = self._request.verb is Verb.UNLOCK
        self._request = replace(self._request, is_steal=True) if steal else replace(self._request, to=value)
        self._panel.show_reading("steal: reading" if steal else f"force to {value}: reading")
        self._stage.start(self._plan(self._request, self._next_turn(), is_chosen=True))

    def read_again(self, request: PlanRequest) -> None:
        """Make the plan anew from what stands now."""
        self._panel.show_reading("reading again")
        self._stage.start(self._plan(request, self._next_turn(), is_chosen=True))

    def confirm(self, plan: Plan, reason: str | None) -> None:
        """Apply a plan that was confirmed."""
        self._stage.start(self._apply(plan, reason, self._next_turn()))

    async def look_again(self) -> None:
        """Find out which objects of the open plan moved on since it was made."""
        plan = self._panel.open_plan
        if plan is None or plan.request.verb in _EVENT_VERBS:
            return
        seen = {item.id: item.revision for item in plan.doable}

        async def question(side: Side) -> Mapping[str, int]:
            moved: dict[str, int] = {}
            ids = tuple(seen)
            for start in range(0, len(ids), _IDS_ASKED):
                some = ids[start : start + _IDS_ASKED]
                page = await side.watch.flows(Query(filter=Filter(ids=some), limit=_IDS_ASKED))
                moved.update(
                    {row.workflow_id: row.revision for row in page.rows if row.revision != seen[row.workflow_id]}
                )
            return moved

        self._panel.show_moved(plan, await self._stage.reading.ask(question))

    def leave(self, *, has_applied: bool) -> None:
        """Close the panel."""
        self._next_turn()
        self._request = None
        self._stage.close_plan()
        if has_applied:
            self._stage.want("flows", "retry", "locks", "audit", "health", "detail")
        else:
            self._stage.say("nothing was changed")

    def _next_turn(self) -> int:
        """Return a number by which answers to a plan that was left meanwhile are told."""
        self._turn += 1
        return self._turn

    def _request_of(self, action: OperatorAction, context: ActionContext) -> PlanRequest | None:
        deck = self._stage.deck
        is_event = context.pane == _EVENT_PANE and action in (RETRY, DROP)
        if is_event:
            selected = () if context.event is None else (str(context.event.id),)
            ids = tuple(deck.event_marks) if context.takes_marked else selected
            verb = Verb.RETRY_EVENT if action is RETRY else Verb.DROP_EVENT
            return PlanRequest(verb=verb, ids=ids) if ids else None
        current = self._stage.current_id()
        selected = () if current is None else (current,)
        ids = tuple(deck.marks) if context.takes_marked else selected
        return PlanRequest(verb=_VERBS[action.id], ids=ids) if ids else None

    def _choice(self, request: PlanRequest, context: ActionContext) -> str:
        """Return by what the objects of a plan were chosen where that is not the cursor."""
        if not context.takes_marked:
            return ""
        event = context.event
        under = self._stage.current_id() if event is None or request.verb not in _EVENT_VERBS else str(event.id)
        if len(request.ids) == 1 and request.ids[0] != under:
            return "1 marked, not the one under the cursor"
        return f"{count_text(len(request.ids))} marked"

    async def _choose_state(self, request: PlanRequest, turn: int) -> None:
        """Ask which state to force to, with the results each would lack."""
        ids = request.ids

        async def question(side: Side) -> tuple[Sequence[str], Mapping[str, tuple[str, ...]], str]:
            details = [await side.watch.describe(one) for one in ids[:_LINES_LOOKED_AT]]
            rows = [detail.row for detail in details if detail is not None]
            lines = [line for row in rows if (line := side.find_line(row.workflow_type)) is not None]
            states = _shared_states(lines)
            missing: dict[str, tuple[str, ...]] = {}
            for state in states:
                plan = await side.act.plan(PlanRequest(verb=Verb.FORCE, ids=ids[:1], to=state))
                missing[state] = plan.items[0].missing
            return states, missing, rows[0].state if len(rows) == 1 else ""

        try:
            states, missing, present = await self._stage.reading.ask(question)
        except EngineError as error:
            self._end(turn, "NO PLAN", str(error))
            return
        if turn != self._turn:
            return
        if not states:
            self._end(turn, "NO PLAN", "The line of this type is not known here, so its states are not either.")
            return
        choices = [
            Choice(
                state,
                state,
                f"lacks the results of {', '.join(map(short_state, missing[state]))}" if missing[state] else "",
                is_warned=bool(missing[state]),
            )
            for state in states
            if state != present
        ]
        title = f"force {len(ids)} workflows to" if len(ids) > 1 else "force to which state"
        self._panel.choose(f"{title}; {self._chosen_by}" if self._chosen_by else title, choices)

    async def _plan(self, request: PlanRequest, turn: int, *, is_chosen: bool = False) -> None:
        try:
            plan = await self._stage.reading.ask(lambda side: side.act.plan(request))
        except EngineError as error:
            self._end(turn, "NO PLAN", str(error))
            return
        if turn != self._turn:
            return
        self._request = request
        held = [item for item in plan.items if item.skip_code == "locked"]
        if request.verb is Verb.UNLOCK and held and not is_chosen:
            self._ask_to_steal(plan, len(held))
        else:
            self._panel.show_plan(plan, chosen_by=self._chosen_by)

    def _ask_to_steal(self, plan: Plan, held: int) -> None:
        first = next(item for item in plan.items if item.skip_code == "locked")
        who = first.skipped.partition(";")[0]
        many = f", and {held - 1} more" if held > 1 else ""
        self._panel.choose(
            f"unlock: {who}{many}" + (f"; {self._chosen_by}" if self._chosen_by else ""),
            (
                Choice("", "wait", "leave it to its holder; the lock expires by itself"),
                Choice(_STEAL, "steal", "the holder's writes are refused from then on", is_warned=True),
            ),
        )

    async def _apply(self, plan: Plan, reason: str | None, turn: int) -> None:
        async def question(side: Side) -> Applied:
            return await side.act.apply(plan, reason=reason)

        try:
            applied = await self._stage.reading.ask(question)
        except EngineError as error:
            self._end(turn, "NOT APPLIED", str(error))
            return
        done = {outcome.id for outcome in applied.outcomes if outcome.code == "done"}
        for marks in (self._stage.deck.marks, self._stage.deck.event_marks):
            for one in done & marks.keys():
                del marks[one]
        self._stage.want("flows", "retry", "locks", "audit", "health", "detail", "hidden")
        if turn == self._turn:
            self._panel.show_outcome(applied)
        else:
            self._stage.say(f"{applied.plan.title}: {applied.done} of {len(applied.outcomes)} done")

    def _end(self, turn: int, head: str, sentence: str) -> None:
        if turn == self._turn:
            self._panel.show_sentence(head, sentence)


_LINES_LOOKED_AT: Final = 200
_IDS_ASKED: Final = 200


def _shared_states(lines: Sequence[Line]) -> Sequence[str]:
    """Return the states all ``lines`` have, in the order of the first."""
    if not lines:
        return ()
    return tuple(state for state in lines[0].states if all(state in line.states for line in lines))
