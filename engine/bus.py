"""The caller's event bus: both forms of ``publish``, sync or async, behind one awaitable call."""

from __future__ import annotations

import asyncio
import inspect
import queue
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, Final

from engine.errors import InvalidValueError

RunBlocking = Callable[..., Awaitable[Any]]
"""Runs a blocking function with its arguments elsewhere and returns its result, as ``asyncio.to_thread`` does."""

_KEYWORDS: Final = (
    "category",
    "event_type",
    "source",
    "severity",
    "payload",
    "correlation_id",
    "parent_event_id",
    "metadata",
)
_TELLING: Final = frozenset({"category", "event_type"})
_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(kw_only=True)
class WorkflowEvent:
    """An event as a bus of the object form receives it; the names are fixed by the contract.

    Attributes:
        timestamp: document time text, ``YYYY-MM-DDTHH:MM:SS.ffffffZ``.
        correlation_id: the workflow's id.
    """

    event_id: str
    category: str = "workflow"
    event_type: str
    source: str = "workflow_orchestrator"
    severity: str = "info"
    payload: dict[str, Any]
    timestamp: str
    correlation_id: str
    parent_event_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> WorkflowEvent:
        """Return the event that an outbox body (``engine.model.event``) holds; unknown keys are left out."""
        return cls(**{name: body[name] for name in _FIELDS if name in body})


_FIELDS: Final = tuple(each.name for each in fields(WorkflowEvent))


class Bus:
    """One caller's bus. Its form is told once, from the signature of its ``publish``.

    A synchronous ``publish`` runs on a thread of its own, one call at a time and in order, so that a slow one
    delays no transition and a bus need not be safe for threads. One that insists on a running event loop
    (it makes tasks) is called on the loop instead, from its first such complaint on.

    Args:
        target: an object with a method ``publish``.
        run_blocking: where synchronous calls run instead of the thread of this bus.

    Raises:
        InvalidValueError: ``target`` has nothing to call by that name.
    """

    def __init__(self, target: object, *, run_blocking: RunBlocking | None = None) -> None:
        publish = getattr(target, "publish", None)
        if not callable(publish):
            raise InvalidValueError("event_bus", f"{type(target).__name__} has no method publish")
        self.target = target
        self._publish: Callable[..., Any] = publish
        self._keywords = accepted_keywords(publish)
        self._is_async = _is_async(publish)
        self._lane = Lane("flowdeck-bus")
        self._run_blocking: RunBlocking = run_blocking or self._lane
        self._turn: asyncio.Task[Any] | None = None

    async def publish(self, body: Mapping[str, Any]) -> None:
        """Hand one event to the caller's bus; returns when its ``publish`` did.

        Raises:
            Exception: whatever the bus raises; RuntimeError in place of what would end the program.
        """
        try:
            await self._deliver(self._call(WorkflowEvent.from_body(body)))
        except (Exception, asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as error:
            raise _outlived(error) from error

    def close(self) -> None:
        """Let go of the bus's thread; publishing again starts another one."""
        self._lane.close()

    async def _deliver(self, call: Callable[[], Any]) -> None:
        result = call() if self._is_async else await self._in_thread(call)
        if inspect.isawaitable(result):
            await result

    def _call(self, event: WorkflowEvent) -> Callable[[], Any]:
        if self._keywords is None:
            return partial(self._publish, event)
        return partial(self._publish, **{name: getattr(event, name) for name in self._keywords})

    async def _in_thread(self, call: Callable[[], Any]) -> Any:
        """Run ``call`` once the one before it ended, even one that was given up as too slow."""
        while self._turn is not None and not self._turn.done():
            if self._turn.get_loop() is not asyncio.get_running_loop():
                break
            await asyncio.wait((self._turn,))
        self._turn = turn = asyncio.ensure_future(_caught(self._run_blocking, call))
        result, error = await asyncio.shield(turn)
        if error is None:
            return result
        if isinstance(error, RuntimeError) and "event loop" in str(error):
            self._is_async = True
            return call()
        raise error


async def _caught(run_blocking: RunBlocking, call: Callable[[], Any]) -> tuple[Any, Exception | None]:
    """Return the result or the error of ``call``: whoever asked may have stopped waiting for it."""
    try:
        return await run_blocking(call), None
    except Exception as error:  # noqa: BLE001  the bus is the caller's: anything may come out of it
        return None, error


class Lane:
    """One daemon thread that runs calls in order: a bus that hangs holds up neither other threads nor the exit."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: queue.SimpleQueue[_Call | None] | None = None

    async def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return ``function(*arguments)``, run on the thread, which starts with the first call.

        Raises:
            Exception: what ``function`` raises.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        if self._calls is None:
            self._calls = queue.SimpleQueue()
            threading.Thread(target=_serve, args=(self._calls,), name=self._name, daemon=True).start()
        self._calls.put(_Call(partial(function, *arguments), loop, answer))
        return await answer

    def close(self) -> None:
        """Let the thread end after the call it is in; a later call starts another one."""
        if self._calls is not None:
            self._calls.put(None)
            self._calls = None


def _serve(calls: queue.SimpleQueue[_Call | None]) -> None:
    while (call := calls.get()) is not None:
        call.run()


@dataclass(slots=True)
class _Call:
    function: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Any]

    def run(self) -> None:
        result: Any = None
        error: BaseException | None = None
        try:
            result = self.function()
        except BaseException as raised:  # noqa: BLE001  it belongs to who asked, not to this thread
            error = raised
        try:
            self.loop.call_soon_threadsafe(self._settle, result, error)
        except RuntimeError:
            return  # the loop was closed: nobody waits any more

    def _settle(self, result: Any, error: BaseException | None) -> None:
        if self.answer.done():
            return
        if error is None:
            self.answer.set_result(result)
        elif isinstance(error, Exception) and not isinstance(error, StopIteration):
            self.answer.set_exception(error)
        else:
            self.answer.set_exception(_outlived(error))


def _outlived(error: BaseException) -> RuntimeError:
    """Return a failed delivery in place of ``error``, which would end more than the delivery."""
    return RuntimeError(f"the bus raised {type(error).__name__}: {error}")


def accepted_keywords(publish: Callable[..., Any]) -> tuple[str, ...] | None:
    """Return the contract's keywords that ``publish`` takes, or None where it takes one event object.

    The keyword form names ``category`` or ``event_type``, or takes nothing but ``**`` keywords; a parameter that
    must be given and is none of the contract's keywords is the event object.
    """
    try:
        parameters = inspect.signature(publish).parameters.values()
    except (TypeError, ValueError):
        return None
    takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters)
    named = {each.name for each in parameters if each.kind in (*_POSITIONAL[1:], inspect.Parameter.KEYWORD_ONLY)}
    is_telling = bool(named & _TELLING)
    is_positional = any(
        (each.kind is inspect.Parameter.VAR_POSITIONAL and not is_telling)
        or each.kind is inspect.Parameter.POSITIONAL_ONLY
        or (each.kind in _POSITIONAL and each.default is inspect.Parameter.empty and each.name not in _KEYWORDS)
        for each in parameters
    )
    if is_positional or not (is_telling or (takes_any and not named)):
        return None
    return _KEYWORDS if takes_any else tuple(name for name in _KEYWORDS if name in named)


def _is_async(publish: Callable[..., Any]) -> bool:
    """Return whether calling ``publish`` merely makes a coroutine, so that the call itself cannot block."""
    while isinstance(publish, partial):
        publish = publish.func
    return inspect.iscoroutinefunction(publish) or inspect.iscoroutinefunction(getattr(publish, "__call__", None))  # noqa: B004  its code is asked, not whether there is one
