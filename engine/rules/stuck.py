"""Why a workflow is where it is: one code, one sentence, one suggested verb."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from engine.model.lock import Instant, Liveness, Lock
from engine.model.names import Flag, Origin, Phase
from engine.model.workflow import Workflow
from engine.rules.ages import age_text
from engine.rules.lines import find_line
from engine.rules.locks import is_held, left_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """An answer an operator can act on.

    Attributes:
        code: ``damaged conflict gone finished cancelled failed paused lock_dead lock_held lock_void overdue
            outbox_blocked never_started no_engine external waiting``.
        sentence: the evidence, with ages and names.
        verbs: suggested verbs, the best first; values of ``engine.operations.plan.Verb``.
    """

    code: str
    sentence: str
    verbs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingEvent:
    """The oldest event of a workflow that waits, and holds up those after it.

    Attributes:
        attempts: how often its delivery failed.
        next_attempt_at: aware UTC, None where it is due.
    """

    type: str
    attempts: int
    error: str | None = None
    next_attempt_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckFacts:
    """Everything the answer is made from; read by the observer, judged here.

    Attributes:
        workflow_id: of the workflow, or the damaged document's name without ``.json``.
        workflow: None for a damaged document that never was readable.
        problem: why its document cannot be read or published, "" where it can.
        lock: the row of its lock, held or not.
        liveness: of the lock's holder.
        evidence: what ``liveness`` rests on, a part of a sentence.
        failing: the event that waits first, where it failed at least once.
        is_breaker_open: its bus is left alone for a while.
        has_supervisor: someone fires deadlines.
        engines_alive: engines that may drive workflows, consoles not counted.
        p95_s: how long 95 of 100 visits of this state take, where that is known.
        now: the moment of the question.
    """

    workflow_id: str
    workflow: Workflow | None
    problem: str = ""
    lock: Lock | None = None
    liveness: Liveness = Liveness.UNKNOWN
    evidence: str = ""
    failing: FailingEvent | None = None
    is_breaker_open: bool = False
    has_supervisor: bool = True
    engines_alive: int = 1
    p95_s: float | None = None
    now: Instant


_REPAIR: Final = "The file was left as it is; repair or remove it."


def why(facts: StuckFacts) -> Why:
    """Return the first answer that applies (source: semantics, Why stuck)."""
    workflow = facts.workflow
    if workflow is None:
        reason = facts.problem or "it cannot be read"
        return Why(code="damaged", sentence=f"The document of {facts.workflow_id} is damaged: {reason}. {_REPAIR}")
    answers = (answer(workflow, facts) for answer in _IN_ORDER)
    found = next((answer for answer in answers if answer is not None), None) or _waiting(workflow, facts)
    if facts.problem and workflow.flag is Flag.NONE:
        return replace(found, sentence=f"{found.sentence} Its document could not be published: {facts.problem}.")
    return found


def _document(workflow: Workflow, facts: StuckFacts) -> Why | None:
    because = f": {facts.problem}" if facts.problem else ""
    if workflow.flag is Flag.DAMAGED:
        return Why(
            code="damaged",
            sentence=f"Its document is damaged{because}. {_REPAIR}",
        )
    if workflow.flag is Flag.CONFLICT:
        return Why(
            code="conflict",
            sentence=f"Another hand changed its document{because}. Transitions go on, publication stopped; "
            "adopt the document or publish ours again.",
        )
    if workflow.flag is Flag.GONE:
        return Why(code="gone", sentence=f"Its document was removed{because}. The ledger still holds all of it.")
    return None


def _ended(workflow: Workflow, facts: StuckFacts) -> Why | None:
    if workflow.phase is Phase.OPEN:
        return None
    ago = _since(workflow.completed_at or workflow.entered_at, facts)
    if workflow.phase is Phase.FAILED:
        left = workflow.failed_from or "an unknown state"
        kind = f" ({workflow.error_type})" if workflow.error_type else ""
        said = workflow.error or "no error was given"
        is_locked = is_held(facts.lock, facts.now) and facts.liveness is Liveness.DEAD
        locked = f" It is locked by {facts.lock.owner}, which is dead." if is_locked and facts.lock is not None else ""
        return Why(
            code="failed",
            sentence=f"Failed in {left} {ago} ago{kind}: {said}.{locked}",
            verbs=("retry", *(("unlock",) if is_locked else ()), "rollback", "force"),
        )
    if facts.failing is not None:
        return _outbox(workflow, facts)
    if workflow.state == "cancelled":
        because = f": {workflow.error}" if workflow.error else ""
        return Why(code="cancelled", sentence=f"Cancelled {ago} ago{because}.", verbs=("force",))
    return Why(code="finished", sentence=f"Finished {ago} ago; nothing is waiting.", verbs=("force",))


def _paused(workflow: Workflow, facts: StuckFacts) -> Why | None:
    if workflow.paused_at is None:
        return None
    left = "" if workflow.paused_left_s is None else f"; {age_text(workflow.paused_left_s)} were left then"
    return Why(code="paused", sentence=f"Paused {_since(workflow.paused_at, facts)} ago in {workflow.state}{left}.")


def _lock(workflow: Workflow, facts: StuckFacts) -> Why | None:
    lock = facts.lock
    if lock is None or not is_held(lock, facts.now):
        return None
    held, left = _since(lock.acquired_at, facts), age_text(left_s(lock, facts.now))
    because = f" ({facts.evidence})" if facts.evidence else ""
    late = _late(workflow, facts)
    if facts.liveness is Liveness.DEAD:
        return Why(
            code="lock_dead",
            sentence=f"Locked by {lock.owner}, which is dead{because}; taken {held} ago, expires in {left}.{late}",
            verbs=("unlock", "rollback"),
        )
    if lock.generation != workflow.generation:
        return Why(
            code="lock_void",
            sentence=f"{lock.owner} holds a lock from before the last rollback, retry or force: its writes are "
            f"refused, and others are kept out for {left} more.{late}",
            verbs=("unlock",),
        )
    return Why(
        code="lock_held",
        sentence=f"Locked by {lock.owner} for {held}, {facts.liveness.value}{because}; expires in {left}.{late}",
        verbs=("rollback", "unlock", "force") if late else _UNLESS_ALIVE[facts.liveness],
    )


_UNLESS_ALIVE: Final[Mapping[Liveness, tuple[str, ...]]] = {
    Liveness.ALIVE: (),
    Liveness.SILENT: ("unlock",),
    Liveness.UNKNOWN: ("unlock",),
}
"""What helps where a lock is held in good time: nothing is taken from an owner that is known to live."""


def _outbox(_workflow: Workflow, facts: StuckFacts) -> Why | None:
    head = facts.failing
    if head is None:
        return None
    due = head.next_attempt_at
    wait_s = 0.0 if due is None else (due - facts.now.at).total_seconds()
    again = f"next try in {age_text(wait_s)}" if wait_s > 0 else "the next try is due"
    breaker = "; the bus is left alone for now, its breaker is open" if facts.is_breaker_open else ""
    said = f", last with {head.error}" if head.error else ""
    times = "once" if head.attempts == 1 else f"{head.attempts} times"
    return Why(
        code="outbox_blocked",
        sentence=f"Its event {head.type} failed {times}{said}; {again}{breaker}. Later events wait behind it.",
        verbs=("events retry", "drop"),
    )


def _overdue(workflow: Workflow, facts: StuckFacts) -> Why | None:
    late = _late(workflow, facts)
    if not late:
        return None
    who = "The supervisor acts on it with its next sweep." if facts.has_supervisor else "Nobody supervises this store."
    return Why(
        code="overdue",
        sentence=f"In {workflow.state} for {_since(workflow.entered_at, facts)}.{late} {who}",
        verbs=("rollback", "force", "cancel"),
    )


def _never_started(workflow: Workflow, facts: StuckFacts) -> Why | None:
    line = find_line(workflow.workflow_type)
    initial = workflow.active_path[:1] if line is None else (line.initial,)
    if (workflow.state,) != initial or workflow.started_at is not None:
        return None
    engine = "" if facts.engines_alive else " No engine is running."
    return Why(
        code="never_started",
        sentence=f"Created {_since(workflow.created_at, facts)} ago and never started; nothing times it before "
        f"its first transition.{engine}",
        verbs=("cancel", "force"),
    )


def _external(workflow: Workflow, facts: StuckFacts) -> Why | None:
    if workflow.origin is not Origin.EXTERNAL:
        return None
    overwritten = " It overwrote your last change." if workflow.flag is Flag.OVERWRITTEN else ""
    return Why(
        code="external",
        sentence=f"In {workflow.state} for {_since(workflow.entered_at, facts)}; another program drives it and "
        f"nothing here times it.{overwritten}",
        verbs=("rollback", "force"),
    )


def _no_engine(workflow: Workflow, facts: StuckFacts) -> Why | None:
    if facts.engines_alive:
        return None
    return Why(
        code="no_engine",
        sentence=f"In {workflow.state} for {_since(workflow.entered_at, facts)}; no engine is running on this "
        "store. Start the service again.",
    )


def _waiting(workflow: Workflow, facts: StuckFacts) -> Why:
    limit = "no deadline" if workflow.deadline_at is None else f"deadline in {_until(workflow.deadline_at, facts)}"
    usual = "" if facts.p95_s is None else f"; 95 of 100 visits take at most {age_text(facts.p95_s)}"
    return Why(
        code="waiting",
        sentence=f"In {workflow.state} for {_since(workflow.entered_at, facts)}, {limit}{usual}. "
        "It waits for its caller.",
    )


def _late(workflow: Workflow, facts: StuckFacts) -> str:
    """Return the sentence about a deadline that passed, "" where none did."""
    deadline_at = workflow.deadline_at
    if deadline_at is None or deadline_at > facts.now.at:
        return ""
    return f" Its deadline passed {_since(deadline_at, facts)} ago."


def _since(at: datetime, facts: StuckFacts) -> str:
    return age_text((facts.now.at - at).total_seconds())


def _until(at: datetime, facts: StuckFacts) -> str:
    return age_text((at - facts.now.at).total_seconds())


_IN_ORDER: Final[tuple[Callable[[Workflow, StuckFacts], Why | None], ...]] = (
    _document,
    _ended,
    _paused,
    _lock,
    _outbox,
    _overdue,
    _never_started,
    _external,
    _no_engine,
)
