from __future__ import annotations

import asyncio
import errno
import json
from collections.abc import Callable

import pytest
from pydantic import BaseModel

from engine.errors import StaleRevisionError, WorkflowErrorType
from engine.rules.classify import classify, fingerprint

T = WorkflowErrorType


class PoolTimeout(Exception):  # noqa: N818  the name is what is tested
    """As http clients name theirs."""


class ConnectError(Exception):
    """As http clients name theirs."""


class AnswerError(Exception):
    """An answer with a status."""

    def __init__(self, status: int) -> None:
        super().__init__("answered")
        self.status_code = status


class ResponseError(Exception):
    """An error that carries the answer."""

    def __init__(self, status: int) -> None:
        super().__init__("answered")
        self.response = AnswerError(status)


class StatedError(Exception):
    """An error that says what it is."""

    error_type = "resource_error"


class Number(BaseModel):
    n: int


def caught(act: Callable[[], object]) -> Exception:
    try:
        act()
    except (ValueError, KeyError) as error:
        return error
    raise AssertionError


def caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (StatedError("timed out"), T.RESOURCE_ERROR),
        (StaleRevisionError("wf", 1, 2), T.STATE_TRANSITION_ERROR),
        (TimeoutError(), T.TIMEOUT),
        (PoolTimeout(), T.TIMEOUT),
        (AnswerError(504), T.TIMEOUT),
        (AnswerError(502), T.RESOURCE_ERROR),
        (ResponseError(429), T.RESOURCE_ERROR),
        (AnswerError(422), T.VALIDATION_ERROR),
        (AnswerError(200), T.UNKNOWN_ERROR),
        (OSError(errno.ENOSPC, "full"), T.RESOURCE_ERROR),
        (OSError(errno.ENOENT, "none"), T.UNKNOWN_ERROR),
        (MemoryError(), T.RESOURCE_ERROR),
        (ConnectionResetError(), T.RESOURCE_ERROR),
        (ConnectError(), T.RESOURCE_ERROR),
        (caught(lambda: json.loads("{")), T.VALIDATION_ERROR),
        (caught(lambda: Number(n="x")), T.VALIDATION_ERROR),  # type: ignore[arg-type]
        (caught(b"\xff".decode), T.VALIDATION_ERROR),
        (caused(RuntimeError("call failed"), TimeoutError()), T.TIMEOUT),
        (caused(RuntimeError("a"), caused(RuntimeError("b"), ConnectionError())), T.RESOURCE_ERROR),
        (RuntimeError("boom"), T.UNKNOWN_ERROR),
        (ExceptionGroup("many", [RuntimeError("x"), TimeoutError()]), T.TIMEOUT),
        (
            ExceptionGroup("many", [TimeoutError(), ExceptionGroup("in", [json.JSONDecodeError("x", "", 0)])]),
            T.VALIDATION_ERROR,
        ),
        (BaseExceptionGroup("many", [asyncio.CancelledError(), ConnectionError()]), T.RESOURCE_ERROR),
        (asyncio.CancelledError(), T.UNKNOWN_ERROR),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value)[:40],
)
def test_an_exception_is_classified_by_the_first_match(error: BaseException, expected: T) -> None:
    assert classify(error) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("timeout", T.TIMEOUT),
        ("retrieval failed: Timed out after 30 s", T.TIMEOUT),
        ("timeout: invalid answer", T.TIMEOUT),
        ("LLM 502", T.RESOURCE_ERROR),
        ("HTTP 429 Too Many Requests", T.RESOURCE_ERROR),
        ("ModuleError: connection refused", T.RESOURCE_ERROR),
        ("[Errno 28] No space left on device", T.RESOURCE_ERROR),
        ("Invalid order number", T.VALIDATION_ERROR),
        ("1 validation error for Order", T.VALIDATION_ERROR),
        ("state_transition_error: no such edge", T.STATE_TRANSITION_ERROR),
        ("order 15029 is gone", T.UNKNOWN_ERROR),
        ("boom", T.UNKNOWN_ERROR),
        ("", T.UNKNOWN_ERROR),
        (None, T.UNKNOWN_ERROR),
    ],
)
def test_a_text_is_classified_by_its_words(text: str | None, expected: T) -> None:
    assert classify(text) is expected
    assert classify(text, state="expert_routing") is expected


@pytest.mark.parametrize("error", ["boom", "", None, RuntimeError("boom")])
def test_what_says_nothing_of_itself_is_classified_by_the_state_that_was_left(
    error: BaseException | str | None,
) -> None:
    assert classify(error, state="module_execution") is T.MODULE_EXECUTION_ERROR


def test_the_phase_comes_before_the_cause_and_after_what_the_error_says_itself() -> None:
    assert classify(RuntimeError("x"), phase="publish") is T.EVENT_PUBLISH_ERROR
    assert classify("boom", state="module_execution", phase="transition") is T.STATE_TRANSITION_ERROR
    assert classify(caused(RuntimeError("x"), TimeoutError()), phase="publish") is T.EVENT_PUBLISH_ERROR
    assert classify(TimeoutError(), phase="publish") is T.TIMEOUT


def test_a_chain_of_causes_that_bites_its_tail_ends() -> None:
    first, second = RuntimeError("a"), RuntimeError("b")
    first.__cause__, second.__cause__ = second, first
    assert classify(first) is T.UNKNOWN_ERROR


def raised_here(text: str) -> Exception:
    def act() -> None:
        raise ValueError(text)

    return caught(act)


def raised_there(text: str) -> Exception:
    def other_act() -> None:
        raise ValueError(text)

    return caught(other_act)


def test_equal_errors_share_a_fingerprint_whatever_their_digits() -> None:
    first = fingerprint(T.TIMEOUT, raised_here("order 17 took 30.5 s"))
    assert first == fingerprint(T.TIMEOUT, raised_here("order 4711 took 2.25 s"))
    assert (len(first), int(first, 16) >= 0) == (12, True)


@pytest.mark.parametrize(
    "other",
    [
        fingerprint(T.TIMEOUT, raised_here("another")),
        fingerprint(T.UNKNOWN_ERROR, raised_here("boom")),
        fingerprint(T.TIMEOUT, raised_there("boom")),
        fingerprint(T.TIMEOUT, KeyError("boom")),
        fingerprint(T.TIMEOUT, "boom"),
        fingerprint(T.TIMEOUT, None),
    ],
)
def test_another_type_class_frame_or_message_is_another_fingerprint(other: str) -> None:
    assert fingerprint(T.TIMEOUT, raised_here("boom")) != other


def test_the_innermost_frame_that_is_our_callers_own_counts() -> None:
    def in_the_library() -> object:
        return json.loads("{")

    def elsewhere() -> object:
        return json.loads("{")

    assert fingerprint(T.TIMEOUT, caught(in_the_library)) != fingerprint(T.TIMEOUT, caught(elsewhere))


def test_a_text_that_is_no_unicode_has_a_fingerprint_too() -> None:
    assert len(fingerprint(T.TIMEOUT, "\ud800")) == 12
