"""Driving a line: each open state's work is done by an adapter, and each result is committed before the next begins.

An adapter is the caller's: a callable, or an object with one obvious method (:data:`METHODS`), sync or async. It is
called with what it names of what is known (:func:`offered`), so ``async def retrieve(query)`` and
``def execute(module, user_input, context)`` both fit. A synchronous one runs in a thread.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final, Protocol

from engine.clock import Clock
from engine.commit import Rule
from engine.errors import InvalidValueError, RefusedError, StaleLockError
from engine.model.actor import Actor
from engine.model.change import Decision
from engine.model.entry import NewEntry, NewEvent
from engine.model.line import Line
from engine.model.names import EntryKind, WorkflowEventType
from engine.model.plain import encode, plain
from engine.model.times import format_time
from engine.model.workflow import Workflow
from engine.rules import events
from engine.rules.classify import classify
from engine.rules.transitions import StepReport, record, transition

RAG_SERVICE: Final = "rag_service"
EXPERT_ROUTER: Final = "expert_router"
MODULE_EXECUTOR: Final = "module_executor"

METHODS: Final[Mapping[str, tuple[str, ...]]] = {
    RAG_SERVICE: ("retrieve", "search", "query", "retrieve_context", "run"),
    EXPERT_ROUTER: ("route", "route_query", "route_expert", "select_expert", "run"),
    MODULE_EXECUTOR: ("execute", "execute_module", "run", "invoke"),
}
"""Methods an adapter object is looked through for, in order; an object without any of them must be callable."""

WORKERS: Final[Mapping[str, str]] = {
    "rag_retrieval_1": RAG_SERVICE,
    "expert_routing": EXPERT_ROUTER,
    "module_execution": MODULE_EXECUTOR,
    "rag_retrieval_2": RAG_SERVICE,
}
"""State to the adapter that does its work; ``response_generation`` words the module's result."""

_RESTARTS_AT_MOST: Final = 100
"""How often others may move the workflow while it is driven; more is a fight, not a rollback."""


class Driven(Protocol):
    """What driving asks of the engine, for one workflow and under one lock."""

    async def read(self) -> Workflow:
        """Return the workflow as it stands.

        Raises:
            WorkflowNotFoundError: it is gone.
        """
        ...

    async def commit(self, rule: Rule) -> Workflow:
        """Make what ``rule`` decides true and return the new value.

        Raises:
            RefusedError: what the rule raised, or a lock in the way; nothing was changed.
        """
        ...

    async def until(self, is_so: Callable[[Workflow], bool]) -> None:
        """Return once the workflow is as ``is_so`` demands."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One state's work: where it was begun, and what came of it."""

    began: Workflow
    started_at: datetime
    ended_at: datetime
    output: Any = None
    error: BaseException | None = None

    @property
    def report(self) -> StepReport:
        """The step as it is recorded."""
        return StepReport(
            started_at=format_time(self.started_at),
            completed_at=format_time(self.ended_at),
            duration=max(0.0, (self.ended_at - self.started_at).total_seconds()),
            input_data={"user_input": self.began.user_input},
            output_data=self.output,
        )


class Runner:
    """Drives one workflow to the end of its line, or to its failure."""

    def __init__(
        self, driven: Driven, line: Line, adapters: Mapping[str, object | None], *, clock: Clock, actor: Actor
    ) -> None:
        """Prepare a run.

        Args:
            driven: the workflow's side of the engine.
            line: its line.
            adapters: :data:`RAG_SERVICE`, :data:`EXPERT_ROUTER`, :data:`MODULE_EXECUTOR` to what does the work.
            clock: the engine's time.
            actor: whose hand the entries show.

        Raises:
            InvalidValueError: an adapter that the line needs is missing or cannot be called.
        """
        self._driven = driven
        self._line = line
        self._clock = clock
        self._actor = actor
        self._calls = {name: _callable(name, adapters.get(name)) for name in needed(line)}

    async def run(self) -> Workflow:
        """Do the work of each state from the present one on; return the workflow as it ended or was left.

        What others do meanwhile wins: after a rollback, force or time-out the work under way is discarded and the
        run goes on from where the workflow then stands; a cancelled or failed workflow is left as it is.

        Raises:
            RefusedError: the workflow is locked by another, or others move it faster than it can be driven.
            StoreError: the store cannot be read or written.
        """
        workflow = await self._driven.read()
        is_announced = False
        for _ in range(_RESTARTS_AT_MOST * len(self._line.path)):
            if not workflow.is_open:
                return workflow
            try:
                if workflow.state == self._line.initial:
                    workflow = await self._driven.commit(self._entering(workflow))
                elif not is_announced:
                    workflow = await self._driven.commit(self._announcing(workflow))
                else:
                    work = await self._work(workflow)
                    if work is not None:
                        workflow = await self._driven.commit(self._finishing(work))
                    else:
                        workflow, is_announced = await self._driven.read(), False
                        continue
                is_announced = True
            except _MovedOnError:
                workflow, is_announced = await self._driven.read(), False
        raise StaleLockError(workflow.workflow_id, "others moved it again and again while it was driven")

    async def _work(self, workflow: Workflow) -> Work | None:
        """Run the present state's adapter; None if the workflow was moved by another hand meanwhile."""
        started_at = self._clock.now()
        working = asyncio.ensure_future(self._output(workflow))
        moved = asyncio.ensure_future(self._driven.until(partial(_is_moved, workflow)))
        try:
            await asyncio.wait((working, moved), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                return None
            error = working.exception()
            output = None if error is not None else working.result()
            return Work(began=workflow, started_at=started_at, ended_at=self._clock.now(), output=output, error=error)
        finally:
            for task in (working, moved):
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task

    async def _output(self, workflow: Workflow) -> Any:
        adapter = WORKERS.get(workflow.state)
        if adapter is None:
            return {"response": worded(workflow.results.get("module_execution_result"))}
        return plain(await call(self._calls[adapter], offered(workflow)))

    def _entering(self, began: Workflow) -> Rule:
        """Return the rule that enters the first working state."""

        def rule(workflow: Workflow, at: datetime) -> Decision:
            _demand_unmoved(began, workflow)
            following = self._line.next_states(workflow.state)[0]
            return self._announced(workflow, transition(workflow, self._line, following, at=at, actor=self._actor))

        return rule

    def _announcing(self, began: Workflow) -> Rule:
        """Return the rule that tells the bus that the present state's work begins (again)."""

        def rule(workflow: Workflow, at: datetime) -> Decision:
            _demand_unmoved(began, workflow)
            entry = NewEntry(kind=EntryKind.STEP, at=at, actor=self._actor)
            return self._announced(workflow, Decision(after=workflow, entry=entry))

        return rule

    def _finishing(self, work: Work) -> Rule:
        """Return the rule that records the step and leaves its state, in one commit."""

        def rule(workflow: Workflow, at: datetime) -> Decision:
            _demand_unmoved(work.began, workflow)
            error = None if work.error is None else error_text(work.error)
            recorded = record(workflow, self._line, workflow.state, work.report, error)
            if error is None:
                told = _step_event(
                    recorded, WorkflowEventType.STEP_COMPLETED, workflow.state, {"step_data": work.report.as_dict()}
                )
                following = self._line.next_states(workflow.state)[0]
                decision = transition(recorded, self._line, following, at=at, actor=self._actor)
            else:
                kind = classify(work.error, state=workflow.state)
                told = _step_event(
                    recorded, WorkflowEventType.STEP_FAILED, workflow.state, {"error": error, "error_type": kind.value}
                )
                decision = transition(
                    recorded, self._line, self._line.failed, error=error, error_type=kind, at=at, actor=self._actor
                )
            entry = replace(decision.entry, events=(told, *decision.entry.events))
            return self._announced(workflow, Decision(after=decision.after, entry=entry))

        return rule

    def _announced(self, before: Workflow, decision: Decision) -> Decision:
        """Add ``step_started`` of the state that is entered, where there is work to do.

        Time-outs stay counted: progress of a line that is driven again after one is no sign that it now will end.
        """
        after = decision.after.evolve(caller_timeouts=before.caller_timeouts)
        if not after.is_open:
            return replace(decision, after=after)
        started = _step_event(after, WorkflowEventType.STEP_STARTED, after.state, {})
        return Decision(after=after, entry=replace(decision.entry, events=(*decision.entry.events, started)))


def needed(line: Line) -> tuple[str, ...]:
    """Return the adapters that driving ``line`` needs, in the order of its states."""
    return tuple(dict.fromkeys(WORKERS[state] for state in line.path if state in WORKERS))


def offered(workflow: Workflow) -> dict[str, Any]:
    """Return what an adapter may ask for by parameter name; a copy, so that it cannot change the workflow.

    ``user_input`` goes by ``query``, ``question``, ``text``, ``prompt`` and ``input`` too; ``target_module`` by
    ``module`` and ``module_name``; ``rag_result`` is the newest retrieval; ``routing`` what the router said.
    """
    results = workflow.results
    routing = results.get("expert_routing_result")
    module = workflow.target_module if workflow.target_module is not None else _chosen(routing)
    known: dict[str, Any] = {
        "workflow_id": workflow.workflow_id,
        "state": workflow.state,
        "context": workflow.context,
        "metadata": workflow.metadata,
        "trace_id": workflow.trace_id,
        "results": dict(results),
        "rag_result": results.get("rag_result_2") or results.get("rag_result_1"),
        **results,
    }
    known.update(dict.fromkeys(("target_module", "module", "module_name"), module))
    known.update(dict.fromkeys(("routing", "routing_result", "expert"), routing))
    known.update(dict.fromkeys(("user_input", "query", "question", "text", "prompt", "input"), workflow.user_input))
    copied: dict[str, Any] = plain(known)
    return copied


async def call(function: Callable[..., Any], known: Mapping[str, Any]) -> Any:
    """Call an adapter with what its parameters name of ``known``; the first unknown one gets the user's input.

    Raises:
        TypeError: it needs something that is not known.
        Exception: whatever it raises.
    """
    positional, keywords = _bound(function, known)
    if _is_async(function):
        return await function(*positional, **keywords)
    result = await asyncio.to_thread(function, *positional, **keywords)
    return await result if inspect.isawaitable(result) else result


def worded(result: Any) -> str:
    """Return a module's result as the response: its ``response`` (or ``answer``, ``output``, ``text``), else JSON."""
    if isinstance(result, Mapping):
        for key in ("response", "answer", "output", "text"):
            if isinstance(result.get(key), str):
                return str(result[key])
    if isinstance(result, str):
        return result
    return "" if result is None else encode(result).decode()


def error_text(error: BaseException) -> str:
    """Return an error as it is recorded: its own words, else its class."""
    return str(error) or type(error).__name__


class _MovedOnError(RefusedError):
    """The workflow is not where the work was begun."""


def _is_moved(began: Workflow, found: Workflow) -> bool:
    """Return whether another hand moved the workflow; flags and notes of its document do not count."""
    return (found.state, found.generation, found.entered_at) != (began.state, began.generation, began.entered_at)


def _demand_unmoved(began: Workflow, found: Workflow) -> None:
    if _is_moved(began, found):
        raise _MovedOnError(f"{found.workflow_id} moved on while its {began.state} ran. The result was discarded.")


def _step_event(workflow: Workflow, event_type: WorkflowEventType, state: str, facts: Mapping[str, Any]) -> NewEvent:
    severity = "error" if event_type is WorkflowEventType.STEP_FAILED else "info"
    return events.event(workflow, event_type, {"step_name": state, "state": state, **facts}, severity=severity)


def _callable(name: str, adapter: object | None) -> Callable[..., Any]:
    if adapter is None:
        raise InvalidValueError(name, "driving this line needs one; give it to the call or to the constructor")
    for method in METHODS[name]:
        found = getattr(adapter, method, None)
        if callable(found):
            return found  # type: ignore[no-any-return]
    if callable(adapter):
        return adapter
    raise InvalidValueError(name, f"it is neither callable nor has it a method {' or '.join(METHODS[name])}")


def _bound(function: Callable[..., Any], known: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        is_needed = parameter.default is inspect.Parameter.empty
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.kind is parameter.POSITIONAL_ONLY:
            if parameter.name in known or (is_needed and not positional):
                positional.append(known.get(parameter.name, known["user_input"]))
        elif parameter.name in known:
            keywords[parameter.name] = known[parameter.name]
        elif is_needed and not positional and not keywords:
            keywords[parameter.name] = known["user_input"]
    return positional, keywords


def _chosen(routing: Any) -> Any:
    """Return the module that a routing result names."""
    if isinstance(routing, Mapping):
        for key in ("target_module", "module", "module_name", "expert"):
            if key in routing:
                return routing[key]
    return routing if isinstance(routing, str) else None


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
