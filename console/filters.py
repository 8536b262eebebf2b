"""The filter line: ``state:failed err:timeout age>5m owner:svc !text /re/ type:direct flag:damaged is:problem``.

Words are joined by "and"; several values of one key by "or" (``state:failed,cancelled``). A line that is wrong
anywhere is refused whole, so that what is listed never means something else than what was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from console.durations import parse_duration
from engine.errors import WorkflowErrorType
from engine.model.names import Flag, Phase, WorkflowState
from engine.store.query import Filter

_MAX_LENGTH: Final = 1_000
_AGE: Final = re.compile(r"age(<=|>=|<|>|:)(.*)", re.IGNORECASE | re.DOTALL)
_KEYED: Final = re.compile(r"([A-Za-z]+):(.*)", re.DOTALL)
_STATES: Final = tuple(state.value for state in WorkflowState)
_SHORT_STATES: Final = {
    "init": "initialized",
    "rag1": "rag_retrieval_1",
    "route": "expert_routing",
    "module": "module_execution",
    "rag2": "rag_retrieval_2",
    "resp": "response_generation",
    "done": "completed",
}
_SHORT_ERRORS: Final = {
    "timeout": "timeout",
    "transit": "state_transition_error",
    "module": "module_execution_error",
    "publish": "event_publish_error",
    "validate": "validation_error",
    "resource": "resource_error",
    "unknown": "unknown_error",
}
_SHORT_TYPES: Final = {"in": "intelligent", "di": "direct"}


class FilterError(ValueError):
    """A filter line that cannot be meant; the list stays as it was."""

    def __init__(self, word: str, why: str) -> None:
        super().__init__(f"filter: {word!r}: {why}. The whole line was refused.")
        self.word, self.why = word, why


@dataclass(slots=True)
class _Parts:
    """What has been read so far; the fields of :class:`Filter`, growing."""

    types: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)
    error_types: list[str] = field(default_factory=list)
    owners: list[str] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    not_text: list[str] = field(default_factory=list)
    pattern: str | None = None
    older_than_s: float | None = None
    younger_than_s: float | None = None
    is_problem: bool = False


def parse_filter(line: str) -> Filter:
    """Return the filter that ``line`` means; an empty line restricts nothing.

    Raises:
        FilterError: any word of it cannot be meant.
    """
    if len(line) > _MAX_LENGTH:
        raise FilterError(line[:40] + "...", f"a filter has at most {_MAX_LENGTH} characters")
    parts = _Parts()
    for word in _words(line):
        _read_word(word, parts)
    return Filter(
        types=tuple(parts.types),
        states=tuple(parts.states),
        phases=tuple(parts.phases),
        error_types=tuple(parts.error_types),
        owners=tuple(parts.owners),
        flags=tuple(parts.flags),
        ids=tuple(parts.ids),
        text=tuple(parts.text),
        not_text=tuple(parts.not_text),
        pattern=parts.pattern,
        older_than_s=parts.older_than_s,
        younger_than_s=parts.younger_than_s,
        is_problem=parts.is_problem,
    )


def _words(line: str) -> list[str]:
    """Return the words of ``line``: split at spaces outside ``/.../`` and ``"..."``."""
    words: list[str] = []
    at = 0
    while at < len(line):
        if line[at].isspace():
            at += 1
            continue
        start = at
        at += line[at] == "!"
        fence = line[at] if at < len(line) and line[at] in '/"' else ""
        at = _after_fence(line, start, at, fence) if fence else _after_word(line, at)
        words.append(line[start:at])
    return words


def _after_word(line: str, at: int) -> int:
    while at < len(line) and not line[at].isspace():
        at += 1
    return at


def _after_fence(line: str, start: int, at: int, fence: str) -> int:
    """Return the place after the closing ``fence`` of the one that opens at ``at``."""
    end = at + 1
    while end < len(line) and line[end] != fence:
        end += 2 if line[end] == "\\" and fence == "/" else 1
    if end >= len(line):
        raise FilterError(line[start:], f"the closing {fence} is missing")
    if end + 1 < len(line) and not line[end + 1].isspace():
        raise FilterError(line[start : end + 2], f"a space is missing after the closing {fence}")
    return end + 1


def _read_word(word: str, parts: _Parts) -> None:
    if word.startswith("/"):
        _read_pattern(word, parts)
        return
    age = _AGE.fullmatch(word)
    if age is not None:
        _read_age(word, age.group(1), age.group(2), parts)
        return
    keyed = _KEYED.fullmatch(word)
    if keyed is not None and keyed.group(1).lower() in _READERS:
        _read_keyed(word, keyed.group(1).lower(), keyed.group(2), parts)
        return
    if keyed is not None and not keyed.group(2).startswith("/"):
        raise FilterError(word, f"no such key; there are {' '.join(_READERS)} age; quote the word to search for it")
    _read_text(word, parts)


def _read_pattern(word: str, parts: _Parts) -> None:
    if parts.pattern is not None:
        raise FilterError(word, "only one /regular expression/ is taken")
    pattern = word[1:-1].replace("\\/", "/")
    if not pattern:
        raise FilterError(word, "the regular expression is empty")
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise FilterError(word, f"not a regular expression: {error}") from error
    parts.pattern = pattern


def _read_age(word: str, sign: str, duration: str, parts: _Parts) -> None:
    if sign == ":":
        raise FilterError(word, "write age>5m or age<5m")
    try:
        seconds = parse_duration(duration)
    except ValueError as error:
        raise FilterError(word, str(error)) from error
    if sign.startswith(">"):
        parts.older_than_s = seconds
    else:
        parts.younger_than_s = seconds


def _read_text(word: str, parts: _Parts) -> None:
    is_negated = word.startswith("!")
    text = word[is_negated:]
    if is_negated and text.startswith("/"):
        raise FilterError(word, "a regular expression cannot be negated")
    keyed = _KEYED.fullmatch(text)
    if is_negated and keyed is not None and keyed.group(1).lower() in _READERS:
        raise FilterError(word, "only text can be negated")
    text = text.strip('"')
    if not text:
        raise FilterError(word, "there is no text to search for")
    (parts.not_text if is_negated else parts.text).append(text.casefold())


def _read_keyed(word: str, key: str, value: str, parts: _Parts) -> None:
    values = [part.strip('"') for part in value.split(",")]
    if not all(values):
        raise FilterError(word, f"a value is missing after {key}:")
    try:
        _READERS[key](values, parts)
    except ValueError as error:
        raise FilterError(word, str(error)) from error


def _read_states(values: Sequence[str], parts: _Parts) -> None:
    for value in values:
        if value in ("open", "problem"):
            raise ValueError(f"write is:{value}")
        parts.states.append(_of_vocabulary(value, _STATES, _SHORT_STATES, "state"))


def _read_errors(values: Sequence[str], parts: _Parts) -> None:
    known = tuple(kind.value for kind in WorkflowErrorType)
    parts.error_types.extend(_of_vocabulary(value, known, _SHORT_ERRORS, "error type") for value in values)


def _read_types(values: Sequence[str], parts: _Parts) -> None:
    parts.types.extend(_SHORT_TYPES.get(value.lower(), value) for value in values)


def _read_flags(values: Sequence[str], parts: _Parts) -> None:
    known = tuple(flag.value for flag in Flag if flag)
    parts.flags.extend(Flag(_of_vocabulary(value, known, {}, "flag")) for value in values)


def _read_is(values: Sequence[str], parts: _Parts) -> None:
    for value in values:
        if value == "problem":
            parts.is_problem = True
        elif value in ("open", "failed", "done"):
            parts.phases.append(Phase(value))
        else:
            raise ValueError("it can be problem, open, failed or done")


def _of_vocabulary(value: str, known: Sequence[str], short: dict[str, str], kind: str) -> str:
    """Return the full name that ``value`` means: itself, a short form, or the one name it begins.

    Raises:
        ValueError: no name, or more than one, is meant.
    """
    lowered = value.lower()
    if lowered in known or lowered in short:
        return short.get(lowered, lowered) if lowered not in known else lowered
    begun = [name for name in known if name.startswith(lowered)]
    if len(begun) == 1:
        return begun[0]
    if begun:
        raise ValueError(f"{value!r} could be {' or '.join(begun)}")
    raise ValueError(f"{value!r} is no {kind}; there are {' '.join(known)}")


_READERS: Final[dict[str, Callable[[Sequence[str], _Parts], None]]] = {
    "state": _read_states,
    "err": _read_errors,
    "type": _read_types,
    "owner": lambda values, parts: parts.owners.extend(values),
    "flag": _read_flags,
    "is": _read_is,
    "id": lambda values, parts: parts.ids.extend(values),
}
