"""Filters as conditions, and the cheapest way to the rows that they select."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

import apsw

from engine.errors import InvalidValueError
from engine.model.names import Flag
from engine.model.times import from_micros, to_micros
from engine.store.query import Filter
from engine.stores.sqlite import sql
from engine.stores.sqlite.reading import json_list
from engine.stores.sqlite.spans import Condition

_OWNED: Final = (
    "owner <> '' AND EXISTS (SELECT 1 FROM json_each(?) WHERE owner = value OR instr(owner, value || ':') = 1)"
)
_PROBLEMS: Final = """
SELECT json_group_array(row_id) FROM (
SELECT row_id FROM workflow INDEXED BY workflow_flag WHERE flag <> '' AND phase <> 'failed'
UNION SELECT row_id FROM workflow INDEXED BY workflow_deadline
  WHERE phase = 'open' AND deadline_at IS NOT NULL AND paused_at IS NULL AND deadline_at <= ?1
UNION SELECT w.row_id FROM lock l INDEXED BY lock_held CROSS JOIN workflow w ON w.id = l.workflow_id
  WHERE w.phase <> 'failed' AND l.owner <> '' AND (l.expires_at <= ?1
  OR EXISTS (SELECT 1 FROM engine e WHERE e.incarnation = l.incarnation AND e.ended_at IS NOT NULL))
UNION SELECT w.row_id FROM event e INDEXED BY event_failing CROSS JOIN workflow w ON w.id = e.workflow_id
  WHERE w.phase <> 'failed' AND e.status = 'pending' AND e.attempts > 0)
"""


class Selection(NamedTuple):
    """A filter over workflows, text left out.

    Attributes:
        driver: finds the few rows the filter can select by their ``row_id``; None where there may be many.
        where: what is asked of those rows besides.
    """

    driver: Condition | None
    where: tuple[Condition, ...]


def register_functions(connection: apsw.Connection) -> None:
    """Give ``connection`` the functions that the conditions here use."""
    connection.create_scalar_function("casefolded", _casefolded, 1, deterministic=True)
    connection.create_scalar_function("found_by", _found_by, 2, deterministic=True)


def selection(chosen: Filter, at_micros: int) -> Selection:
    """Return how to find what ``chosen`` selects; ``is_problem`` is left to :func:`problem_ids`."""
    dear = [
        (_within("workflow_id", "id", chosen.ids), one_of("id", chosen.ids)),
        (
            _owned_rows(chosen.owners),
            Condition(f"id IN (SELECT workflow_id FROM lock WHERE {_OWNED})", _owners(chosen)),
        ),
        (_within("workflow_flag", "flag <> '' AND flag", chosen.flags), one_of("flag", chosen.flags)),
        (
            _within("workflow_error", "error_type IS NOT NULL AND error_type", chosen.error_types),
            one_of("error_type", chosen.error_types),
        ),
    ]
    asked = (chosen.ids, chosen.owners, chosen.flags, chosen.error_types)
    driver: Condition | None = None
    where = list(indexed_conditions(chosen, at_micros))
    for (drives, filters), values in zip(dear, asked, strict=True):
        if not values:
            continue
        if driver is None and Flag.NONE not in values:
            driver = drives
        else:
            where.append(filters)
    return Selection(driver, tuple(where))


def indexed_conditions(chosen: Filter, at_micros: int) -> tuple[Condition, ...]:
    """Return the conditions that the index ``workflow_phase`` alone can answer."""
    named = (("type", chosen.types), ("state", chosen.states), ("phase", chosen.phases))
    conditions = [one_of(name, values) for name, values in named if values]
    for seconds, comparison in ((chosen.older_than_s, "<="), (chosen.younger_than_s, ">=")):
        if seconds is not None:
            conditions.append(Condition(f"entered_at {comparison} ?", (_ago(at_micros, seconds),)))
    return tuple(conditions)


def problem_ids(connection: apsw.Connection, at_micros: int) -> str:
    """Return the row ids of what needs a look without having failed, as a JSON list.

    Asked once a page and in one step; the failed ones have an index of their own.
    """
    ids: str = sql.value(connection, _PROBLEMS, at_micros)
    return ids


def document_conditions(chosen: Filter) -> tuple[Condition, ...] | None:
    """Return what damaged documents are asked for ``chosen``; None where it can select none of them."""
    asks_state = (chosen.types, chosen.states, chosen.phases, chosen.error_types, chosen.owners)
    if any(asks_state) or chosen.older_than_s is not None or chosen.younger_than_s is not None:
        return None
    if chosen.flags and Flag.DAMAGED not in chosen.flags:
        return None
    conditions = text_conditions(chosen, "casefolded(name || char(10) || problem)")
    if chosen.ids:
        names = tuple(f"{workflow_id}.json" for workflow_id in chosen.ids)
        return (one_of("name", names), *conditions)
    return conditions


def text_conditions(chosen: Filter, text: str) -> tuple[Condition, ...]:
    """Return the conditions on the casefolded SQL expression ``text``.

    Raises:
        InvalidValueError: the pattern is no regular expression.
    """
    conditions = [Condition(f"instr({text}, ?)", (part,)) for part in chosen.text]
    conditions += [Condition(f"NOT instr({text}, ?)", (part,)) for part in chosen.not_text]
    if chosen.pattern is not None:
        try:
            _compiled(chosen.pattern)
        except re.error as error:
            raise InvalidValueError("pattern", f"/{chosen.pattern}/ is no regular expression ({error})") from error
        conditions.append(Condition(f"found_by(?, {text})", (chosen.pattern,)))
    return tuple(conditions)


def owned_condition(owners: Sequence[str]) -> Condition:
    """Return the condition on a lock's owner: one of ``owners``, or one of their processes (``svc`` for ``svc:41``)."""
    return Condition(_OWNED, (json_list(owners),))


def one_of(name: str, values: Sequence[Any]) -> Condition:
    """Return the condition that a column has one of ``values``."""
    texts = tuple(str(value) for value in values)
    if len(texts) == 1:
        return Condition(f"{name} = ?", texts)
    return Condition(f"{name} IN (SELECT value FROM json_each(?))", (json_list(texts),))


def _within(index: str, column: str, values: Sequence[Any]) -> Condition:
    statement = f"row_id IN (SELECT row_id FROM workflow INDEXED BY {index} WHERE {column} IN {sql.marks(values)})"
    return Condition(statement, tuple(str(value) for value in values))


def _owned_rows(owners: Sequence[str]) -> Condition:
    rows = (
        "SELECT w.row_id FROM lock l INDEXED BY lock_held CROSS JOIN workflow w ON w.id = l.workflow_id "
        f"WHERE {_OWNED.replace('owner', 'l.owner')}"
    )
    return Condition(f"row_id IN ({rows})", (json_list(owners),))


def _owners(chosen: Filter) -> tuple[str]:
    return (json_list(chosen.owners),)


def _ago(at_micros: int, seconds: float) -> int:
    try:
        return to_micros(from_micros(at_micros) - timedelta(seconds=seconds))
    except OverflowError:
        return -(2**62)


def _casefolded(*values: apsw.SQLiteValue) -> str:
    return str(values[0]).casefold()


def _found_by(*values: apsw.SQLiteValue) -> bool:
    pattern, text = values
    return _compiled(str(pattern)).search(str(text)) is not None


@lru_cache(maxsize=32)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)
