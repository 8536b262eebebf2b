"""Each verb bound to its rule: planning runs the very function that applying commits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from engine.errors import InvalidValueError, UnknownLineError
from engine.model.actor import Actor
from engine.model.change import Decision
from engine.model.line import Line
from engine.model.workflow import Workflow
from engine.observation.embedding import Rule
from engine.operations.plan import PlanRequest, Verb
from engine.rules import force, retry, rollback, transitions

AT_MOST: Final = 10_000
"""Workflows or events one plan takes."""

_REASON_OF_A_PLAN: Final = "not given yet: this is a plan"
"""Stands in while planning, since rules that demand a reason refuse without one."""

EVENT_VERBS: Final = (Verb.RETRY_EVENT, Verb.DROP_EVENT)
FORCE_REASON_AT_LEAST: Final = 8
REASON_AT_LEAST: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class VerbWords:
    """How a verb is spoken of: on its key, in a title, and when it is done."""

    key: str
    title: str
    done: str
    noun: str = "workflow"


WORDS: Final[dict[Verb, VerbWords]] = {
    Verb.ROLLBACK: VerbWords(key="R", title="roll back", done="rolled back"),
    Verb.RETRY: VerbWords(key="T", title="retry", done="retried"),
    Verb.FORCE: VerbWords(key="F", title="force", done="forced"),
    Verb.CANCEL: VerbWords(key="X", title="cancel", done="cancelled"),
    Verb.UNLOCK: VerbWords(key="U", title="unlock", done="unlocked"),
    Verb.RETRY_EVENT: VerbWords(key="T", title="deliver now", done="due now", noun="event"),
    Verb.DROP_EVENT: VerbWords(key="D", title="drop", done="dropped", noun="event"),
}


def check_request(request: PlanRequest) -> PlanRequest:
    """Return ``request`` with every id once.

    Raises:
        InvalidValueError: it asks for nothing, for too much, or for what its verb does not take.
    """
    ids = tuple(dict.fromkeys(request.ids))
    if not ids:
        raise InvalidValueError("ids", f"name at least one {WORDS[request.verb].noun}")
    if len(ids) > AT_MOST:
        raise InvalidValueError("ids", f"a plan takes {AT_MOST} at most, these are {len(ids)}")
    if request.verb is Verb.FORCE and not request.to:
        raise InvalidValueError("state", "force needs the state to enter")
    if request.to is not None and request.verb not in (Verb.FORCE, Verb.ROLLBACK):
        raise InvalidValueError("to", f"{request.verb.value} takes no target state")
    if request.results and request.verb is not Verb.FORCE:
        raise InvalidValueError("set", f"{request.verb.value} takes no results")
    if request.is_steal and request.verb is not Verb.UNLOCK:
        raise InvalidValueError("steal", f"{request.verb.value} takes no lock; use unlock")
    if request.if_revisions and request.verb in EVENT_VERBS:
        raise InvalidValueError("if-rev", "events have no revision")
    strange = [known for known in request.if_revisions if known not in ids]
    if strange:
        raise InvalidValueError("if-rev", f"{strange[0]!r} is not among the ids")
    return PlanRequest(
        verb=request.verb,
        ids=ids,
        to=request.to,
        results=dict(request.results),
        is_steal=request.is_steal,
        if_revisions=dict(request.if_revisions),
    )


def bind_rule(
    request: PlanRequest, find_line: Callable[[str], Line | None], actor: Actor, reason: str | None = None
) -> Rule:
    """Return the rule of a workflow verb with its arguments bound.

    Args:
        request: the verb and what it takes.
        find_line: the engine's lines.
        actor: who acts.
        reason: why; None while planning.
    """

    def run(workflow: Workflow, at: datetime) -> Decision:
        line = find_line(workflow.workflow_type)
        if line is None:
            raise UnknownLineError(workflow.workflow_type)
        if request.verb is Verb.ROLLBACK:
            return rollback.roll_back(workflow, line, request.to, at=at, actor=actor, reason=reason)
        if request.verb is Verb.RETRY:
            return retry.retry(workflow, line, at=at, actor=actor, reason=reason)
        if request.verb is Verb.CANCEL:
            return transitions.cancel(workflow, line, reason=reason, at=at, actor=actor)
        return force.force(
            workflow,
            line,
            request.to or "",
            results=request.results,
            at=at,
            actor=actor,
            reason=reason if reason is not None else _REASON_OF_A_PLAN,
        )

    return run


def payload_of(request: PlanRequest, workflow_id: str) -> dict[str, Any]:
    """Return what was asked of one workflow; a repeated request id with another payload is refused."""
    return {
        "verb": request.verb.value,
        "id": workflow_id,
        "to": request.to,
        "results": dict(request.results),
        "is_steal": request.is_steal,
    }
