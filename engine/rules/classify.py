"""Which of the seven kinds an error is, and what makes two errors the same one."""

from __future__ import annotations

import errno
import hashlib
import json
import re
import sysconfig
import traceback
from pathlib import PurePath
from typing import Final

from pydantic_core import PydanticSerializationError, ValidationError

from engine.errors import WorkflowErrorType

_TYPES: Final = WorkflowErrorType
_FULL_OR_BROKEN: Final = frozenset(
    {errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.EIO, errno.EDQUOT, errno.EROFS, errno.ENOMEM}
)
_BY_STATUS: Final = {
    **dict.fromkeys((408, 504), _TYPES.TIMEOUT),
    **dict.fromkeys((401, 403, 429, 502, 503), _TYPES.RESOURCE_ERROR),
    **dict.fromkeys((400, 404, 409, 422), _TYPES.VALIDATION_ERROR),
}
_BY_PHASE: Final = {
    "publish": _TYPES.EVENT_PUBLISH_ERROR,
    "transition": _TYPES.STATE_TRANSITION_ERROR,
}
_BY_STATE: Final = {"module_execution": _TYPES.MODULE_EXECUTION_ERROR}
_BY_TEXT: Final = (
    (re.compile(r"time[ds]?[ -]?out|deadline exceeded|\b(?:408|504)\b", re.IGNORECASE), _TYPES.TIMEOUT),
    (
        re.compile(
            r"connection|connect error|no space left|disk full|out of memory|too many open files|too many requests"
            r"|rate limit|unavailable|\b(?:401|403|429|502|503)\b",
            re.IGNORECASE,
        ),
        _TYPES.RESOURCE_ERROR,
    ),
    (re.compile(r"invalid|validation|malformed|not valid json|schema", re.IGNORECASE), _TYPES.VALIDATION_ERROR),
)
_WORST_FIRST: Final = (
    _TYPES.VALIDATION_ERROR,
    _TYPES.STATE_TRANSITION_ERROR,
    _TYPES.MODULE_EXECUTION_ERROR,
    _TYPES.RESOURCE_ERROR,
    _TYPES.TIMEOUT,
    _TYPES.EVENT_PUBLISH_ERROR,
    _TYPES.UNKNOWN_ERROR,
)
"""The least hope of a retry first."""

_CAUSES_AT_MOST: Final = 10
_FINGERPRINT_DIGITS: Final = 12
_NOT_OWN: Final = tuple(
    str(PurePath(sysconfig.get_path(name))) for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


def classify(
    error: BaseException | str | None, *, state: str | None = None, phase: str | None = None
) -> WorkflowErrorType:
    """Return the type of an error; the first match decides (source: semantics, Errors and recovery).

    A cancelled task is no error and is not to be counted; asked all the same, the answer is unknown.

    Args:
        error: what was raised, or the text a caller gave; None where nothing was said.
        state: the state that was left by it.
        phase: what was being done: ``publish`` or ``transition``.
    """
    own = _of_text(error) if isinstance(error, str) else _of_exception(error, phase)
    if own is not None:
        return own
    return _BY_PHASE.get(phase or "") or _BY_STATE.get(state or "") or _TYPES.UNKNOWN_ERROR


def fingerprint(error_type: WorkflowErrorType | str, error: BaseException | str | None) -> str:
    """Return 12 hex digits that equal errors share: type, class, innermost own frame, message without digits."""
    is_raised = isinstance(error, BaseException)
    facts = (
        str(error_type),
        type(error).__qualname__ if is_raised else "",
        _innermost_own_frame(error) if isinstance(error, BaseException) else "",
        re.sub(r"\d+", "", "" if error is None else str(error)).strip(),
    )
    text = "\x1f".join(facts).encode("utf-8", "backslashreplace")
    return hashlib.sha256(text).hexdigest()[:_FINGERPRINT_DIGITS]


def _of_text(text: str) -> WorkflowErrorType | None:
    stated = text.partition(":")[0].strip()
    if stated in set(_TYPES):
        return _TYPES(stated)
    return next((error_type for pattern, error_type in _BY_TEXT if pattern.search(text)), None)


def _of_exception(error: BaseException | None, phase: str | None, depth: int = 0) -> WorkflowErrorType | None:
    if error is None or depth > _CAUSES_AT_MOST:
        return None
    found = _stated(error) or _of_group(error, phase, depth) or _of_timeout(error) or _of_status(error)
    found = found or _of_resource(error) or _BY_PHASE.get(phase or "") or _of_validation(error)
    return found or _of_exception(error.__cause__, None, depth + 1)


def _stated(error: BaseException) -> WorkflowErrorType | None:
    stated = getattr(error, "error_type", None)
    return _TYPES(stated) if isinstance(stated, str) and stated in set(_TYPES) else None


def _of_group(error: BaseException, phase: str | None, depth: int) -> WorkflowErrorType | None:
    if not isinstance(error, BaseExceptionGroup):
        return None
    found = {_of_exception(leaf, phase, depth + 1) for leaf in error.exceptions}
    return next((error_type for error_type in _WORST_FIRST if error_type in found), None)


def _of_timeout(error: BaseException) -> WorkflowErrorType | None:
    is_timeout = isinstance(error, TimeoutError) or "Timeout" in _names(error)
    return _TYPES.TIMEOUT if is_timeout else None


def _of_status(error: BaseException) -> WorkflowErrorType | None:
    for holder in (error, getattr(error, "response", None)):
        for name in ("status_code", "status", "code"):
            status = getattr(holder, name, None)
            if isinstance(status, int) and status in _BY_STATUS:
                return _BY_STATUS[status]
    return None


def _of_resource(error: BaseException) -> WorkflowErrorType | None:
    is_full = isinstance(error, OSError) and error.errno in _FULL_OR_BROKEN
    is_resource = is_full or isinstance(error, MemoryError | ConnectionError) or "ConnectError" in _names(error)
    return _TYPES.RESOURCE_ERROR if is_resource else None


def _of_validation(error: BaseException) -> WorkflowErrorType | None:
    kinds = (ValidationError, PydanticSerializationError, json.JSONDecodeError, UnicodeError)
    return _TYPES.VALIDATION_ERROR if isinstance(error, kinds) else None


def _names(error: BaseException) -> str:
    return " ".join(kind.__name__ for kind in type(error).__mro__)


def _innermost_own_frame(error: BaseException) -> str:
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith((*_NOT_OWN, "<")):
            return f"{PurePath(frame.filename).name}:{frame.name}"
    return ""
