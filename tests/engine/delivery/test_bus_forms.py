from __future__ import annotations

import asyncio
import functools
import threading
from typing import Any
from unittest.mock import AsyncMock, MagicMock, Mock

import pytest

from engine.bus import Bus, Lane, WorkflowEvent, accepted_keywords
from engine.errors import InvalidValueError

BODY = {
    "event_id": "wf_1:1:0",
    "category": "workflow",
    "event_type": "workflow.started",
    "source": "workflow_orchestrator",
    "severity": "info",
    "payload": {"workflow_id": "wf_1"},
    "timestamp": "2026-01-01T00:00:00.000000Z",
    "correlation_id": "wf_1",
    "parent_event_id": None,
    "metadata": {},
}
ALL = tuple(name for name in BODY if name not in ("event_id", "timestamp"))


def _one(event: Any) -> None: ...
def _oddly_named(payload: Any) -> None: ...
def _one_and_options(event: Any, *, timeout: float = 1.0) -> None: ...
def _one_and_category(event: Any, category: str = "workflow") -> None: ...
def _anything(*args: Any, **kwargs: Any) -> None: ...
def _positional_only(category: Any, /) -> None: ...
def _contract(  # noqa: PLR0913, PLR0917
    category: Any,
    event_type: Any,
    source: Any,
    severity: Any = None,
    payload: Any = None,
    correlation_id: Any = None,
    parent_event_id: Any = None,
    metadata: Any = None,
) -> None: ...
@functools.wraps(_contract)
def _wrapped(*args: Any, **kwargs: Any) -> None: ...
def _fewer(event_type: Any, payload: Any) -> None: ...
def _keywords_and_more(*, event_type: Any, **rest: Any) -> None: ...
def _only_more(**rest: Any) -> None: ...


@pytest.mark.parametrize(
    ("publish", "keywords"),
    [
        (_one, None),
        (_oddly_named, None),
        (_one_and_options, None),
        (_one_and_category, None),
        (_anything, None),
        (_positional_only, None),
        (Mock(), None),
        (AsyncMock(), None),
        (print, None),
        (_contract, ALL),
        (functools.partial(_contract, source="elsewhere"), ALL),
        (_wrapped, ALL),
        (_fewer, ("event_type", "payload")),
        (_keywords_and_more, ALL),
        (_only_more, ALL),
    ],
)
def test_the_signature_tells_whether_publish_takes_an_object_or_keywords(publish: Any, keywords: Any) -> None:
    found = accepted_keywords(publish)
    assert (None if found is None else set(found)) == (None if keywords is None else set(keywords))


class _ObjectBus:
    def __init__(self) -> None:
        self.got: list[WorkflowEvent] = []

    def publish(self, event: WorkflowEvent) -> None:
        self.got.append(event)


class _KeywordBus:
    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []

    async def publish(  # noqa: PLR0913, PLR0917
        self,
        category: str,
        event_type: str,
        source: str,
        severity: str = "debug",
        payload: Any = None,
        correlation_id: str | None = None,
        parent_event_id: str | None = None,
        metadata: Any = None,
    ) -> None:
        self.got.append({name: value for name, value in locals().items() if name != "self"})


async def test_an_object_bus_gets_one_event_with_attributes_and_a_dict_payload() -> None:
    target = _ObjectBus()
    bus = Bus(target)
    await bus.publish(BODY)
    bus.close()
    assert {name: getattr(target.got[0], name) for name in BODY} == BODY
    assert type(target.got[0].payload) is dict


async def test_a_keyword_bus_gets_the_contracts_keywords() -> None:
    target = _KeywordBus()
    await Bus(target).publish(BODY)
    assert target.got == [{name: BODY[name] for name in ALL}]


@pytest.mark.parametrize("kind", [Mock, MagicMock, AsyncMock])
async def test_a_mock_is_a_bus_of_the_object_form(kind: Any) -> None:
    target = Mock()
    target.publish = kind(return_value=None)
    bus = Bus(target)
    await bus.publish(BODY)
    bus.close()
    (event,) = target.publish.call_args.args
    assert event.event_id == BODY["event_id"]


async def test_what_a_sync_publish_returns_is_awaited_where_it_can_be() -> None:
    done = []

    class _Returns:
        def publish(self, event: Any) -> Any:
            async def later() -> None:
                done.append(event.event_id)

            return later()

    bus = Bus(_Returns())
    await bus.publish(BODY)
    bus.close()
    assert done == ["wf_1:1:0"]


async def test_a_sync_bus_that_makes_tasks_is_called_on_the_loop() -> None:
    done: list[str] = []

    async def later(event: Any) -> None:
        done.append(event.event_id)

    class _MakesTasks:
        def publish(self, event: Any) -> Any:
            return asyncio.get_running_loop().create_task(later(event))

    bus = Bus(_MakesTasks())
    await bus.publish(BODY)
    await bus.publish(BODY)
    bus.close()
    assert done == ["wf_1:1:0"] * 2


@pytest.mark.parametrize("run_blocking", [None, asyncio.to_thread])
async def test_a_slow_sync_bus_does_not_stop_the_loop_and_gets_one_event_at_a_time(run_blocking: Any) -> None:
    gate, order, at_once, most = threading.Event(), [], 0, 0

    class _Slow:
        def publish(self, event: Any) -> None:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            assert gate.wait(5)
            order.append(event.event_id)
            at_once -= 1

    bus = Bus(_Slow(), run_blocking=run_blocking)
    calls = [asyncio.ensure_future(bus.publish({**BODY, "event_id": str(n)})) for n in range(5)]
    await asyncio.wait(calls, timeout=0.01)
    assert not any(call.done() for call in calls)
    gate.set()
    await asyncio.gather(*calls)
    bus.close()
    assert order == ["0", "1", "2", "3", "4"]
    assert most == 1


async def test_an_error_of_a_sync_bus_comes_out_as_it_was() -> None:
    class _Broken:
        def publish(self, event: Any) -> None:
            raise KeyError(event.event_id)

    bus = Bus(_Broken())
    with pytest.raises(KeyError, match="wf_1:1:0"):
        await bus.publish(BODY)
    bus.close()


def test_something_without_publish_is_no_bus() -> None:
    with pytest.raises(InvalidValueError, match="has no method publish"):
        Bus(object())


async def test_a_closed_lane_ends_its_thread_and_serves_again_on_another() -> None:
    lane = Lane("lane-under-test")
    first = await lane(threading.current_thread)
    lane.close()
    first.join(5)
    assert not first.is_alive()
    second = await lane(threading.current_thread)
    assert second is not first
    assert second.daemon
    lane.close()
    second.join(5)


def test_a_call_whose_loop_is_gone_ends_in_silence() -> None:
    lane, started, release = Lane("lane-under-test"), threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def hang() -> None:
        threads.append(threading.current_thread())
        started.set()
        release.wait(5)

    async def give_up() -> None:
        call = asyncio.ensure_future(lane(hang))
        assert await asyncio.to_thread(started.wait, 5)
        call.cancel()

    asyncio.run(give_up())
    release.set()
    lane.close()
    threads[0].join(5)
    assert not threads[0].is_alive()


class _Leaving(BaseException):
    """An error that no ``except Exception`` sees."""


@pytest.mark.parametrize("leaving", [KeyboardInterrupt, SystemExit, _Leaving])
@pytest.mark.parametrize("form", ["async", "sync", "returned"])
async def test_a_bus_that_tries_to_end_the_program_merely_fails(leaving: type[BaseException], form: str) -> None:
    async def fail() -> None:
        raise leaving

    class _AsyncBus:
        async def publish(self, _event: Any) -> None:
            raise leaving

    class _SyncBus:
        def publish(self, _event: Any) -> Any:
            if form == "returned":
                return fail()
            raise leaving

    bus = Bus(_AsyncBus() if form == "async" else _SyncBus())
    with pytest.raises(RuntimeError, match=f"the bus raised {leaving.__name__}"):
        await bus.publish(BODY)
    bus.close()


async def test_a_delivery_that_is_cancelled_stays_cancelled() -> None:
    class _Waiting:
        async def publish(self, _event: Any) -> None:
            await asyncio.Event().wait()

    publishing = asyncio.ensure_future(Bus(_Waiting()).publish(BODY))
    await asyncio.wait([publishing], timeout=0)
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing
