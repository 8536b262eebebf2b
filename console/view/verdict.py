"""The verdict: what is wrong now, grouped by what it has in common, the worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from console.cells import Cell, StyleName
from console.text import SafeText, safe, width
from console.view.flows import FlowFacts, is_dead, is_overdue, lives_of, shown_error_type
from console.view.lines import CellLine, cell, cut_line
from console.view.words import ERROR_WORDS, count_text, plural, short_state, time_text
from engine.model.names import Phase, WorkflowErrorType
from engine.observation.views import Health
from engine.store.query import FlowRow

SAMPLE: Final = 200
"""Problem rows that are looked at for what they have in common; counts beyond come from the store's counters."""

OVERDUE_CAP: Final = 1_000
"""Overdue workflows that are counted at most."""

_BETWEEN: Final = "; "
_SHARED_FROM: Final = 2
_NAMED_CAUSES: Final = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, in a long and a short form."""

    long: SafeText
    short: SafeText
    style: StyleName


def findings(health: Health, problems: Sequence[FlowRow], zone: tzinfo | None) -> tuple[Finding, ...]:
    """Return what is wrong, worst first.

    Args:
        health: the store's counters.
        problems: the first rows of the problem list, at most :data:`SAMPLE`.
        zone: the zone times are told in.
    """
    return (
        *_overdue(health, problems, zone),
        *_dead_locks(health),
        *_failed(health, problems),
        *_counted(health.events.get("dead", 0), "dead event", "dead events", "dead", "bad"),
        *_counted(health.flows.get("damaged", 0), "damaged document", "damaged documents", "damaged", "bad"),
        *_counted(
            health.flows.get("conflict", 0), "document in conflict", "documents in conflict", "in conflict", "warn"
        ),
        *_counted(health.events.get("failing", 0), "event failing", "events failing", "failing", "warn"),
    )


def verdict_line(found: Sequence[Finding], health: Health, cells: int) -> CellLine:
    """Return the findings in one line of ``cells`` cells; those that do not fit are counted."""
    if not found:
        total = health.flows.get("open", 0)
        calm = f"{plural(total, 'workflow')} open, nothing overdue, nothing failed" if total else "nothing is wrong"
        return cut_line((cell(calm, "dim"),), cells)
    for shown in range(len(found), 0, -1):
        rest = f"  (+{len(found) - shown})" if shown < len(found) else ""
        for longs in range(shown, -1, -1):
            texts = [one.long if index < longs else one.short for index, one in enumerate(found[:shown])]
            if sum(width(text) for text in texts) + len(_BETWEEN) * (shown - 1) + len(rest) <= cells:
                return _listed(texts, rest)
    return cut_line((cell(found[0].short, found[0].style),), cells)


def worst(found: Sequence[Finding]) -> StyleName:
    """Return the style of the worst finding."""
    return found[0].style if found else "ok"


def _listed(texts: Sequence[SafeText], rest: str) -> CellLine:
    line: list[Cell] = []
    for index, text in enumerate(texts):
        if index:
            line.append(cell(_BETWEEN, "dim"))
        line.append(Cell(text, "text" if index else "strong"))
    return (*line, cell(rest, "dim"))


def _overdue(health: Health, problems: Sequence[FlowRow], zone: tzinfo | None) -> Iterable[Finding]:
    late = [row for row in problems if is_overdue(row, health.at)]
    if not late:
        yield from _counted(health.overdue, "overdue", "overdue", "overdue", "bad")
        return
    state, count = Counter(row.state for row in late).most_common(1)[0]
    group = [row for row in late if row.state == state]
    since = time_text(min(row.deadline_at for row in group if row.deadline_at is not None), zone, has_seconds=False)
    total = max(health.overdue, len(late))
    shown = count_text(total, is_capped=total >= OVERDUE_CAP)
    if total > len(late):
        # Only a sample was looked at, so that nothing exact can be said of the rest.
        most = f", most in {state}" if count * 2 > len(late) else ""
        yield Finding(safe(f"{shown} overdue{most}, since {since}"), safe(f"{shown} overdue"), "bad")
        return
    others = f", {count_text(total - count)} elsewhere" if total > count else ""
    where = f"{count_text(count)} overdue in {state} since {since}"
    short = f"{shown} overdue" if others else f"{shown} overdue in {short_state(state)}"
    yield Finding(safe(f"{where}{_shared_owner(group, health)}{others}"), safe(short), "bad")


def _shared_owner(group: Sequence[FlowRow], health: Health) -> str:
    """Return whose lock the rows of ``group`` share, where most of them share one."""
    locks = [row.lock for row in group if row.lock is not None and row.lock.owner]
    holders = Counter((lock.owner, lock.incarnation) for lock in locks)
    if not holders:
        return ""
    (owner, incarnation), count = holders.most_common(1)[0]
    if count < _SHARED_FROM and len(group) > 1:
        return ""
    facts = FlowFacts(now=health.at, lives=lives_of(health), lives_at=health.at)
    dead = " (dead)" if any(is_dead(lock, facts) for lock in locks if lock.incarnation == incarnation) else ""
    many = "all " if count == len(group) > 1 else f"{count} of {len(group)} " if len(group) > 1 else ""
    return f", {many}locked by {owner}{dead}"


def _failed(health: Health, problems: Sequence[FlowRow]) -> Iterable[Finding]:
    total = health.flows.get("failed", 0)
    if not total:
        return
    causes = Counter(
        ERROR_WORDS.get(kind, kind)
        for row in problems
        if row.phase is Phase.FAILED and row.state
        for kind in (shown_error_type(row) or WorkflowErrorType.UNKNOWN_ERROR.value,)
    )
    long = f"{count_text(total)} failed{_causes(causes, total)}"
    yield Finding(safe(long), safe(f"{count_text(total)} failed"), "bad")


def _causes(causes: Counter[str], total: int) -> str:
    """Return why they failed: exactly where all were looked at, else what most of a sample say."""
    looked_at = causes.total()
    if not looked_at:
        return ""
    first, count = causes.most_common(1)[0]
    if looked_at < total:
        return f", mostly by {first}" if count * 2 > looked_at else ""
    if len(causes) == 1:
        return f" by {first}"
    named = causes.most_common(_NAMED_CAUSES)
    rest = looked_at - sum(count for _, count in named)
    others = [f"{rest} {'other' if rest == 1 else 'others'}"] if rest else []
    return ": " + ", ".join([*(f"{count} {word}" for word, count in named), *others])


def _dead_locks(health: Health) -> Iterable[Finding]:
    count = health.locks.get("dead", 0)
    if count:
        owners = "a dead owner" if count == 1 else "dead owners"
        yield Finding(safe(f"{plural(count, 'lock')} of {owners}"), safe(plural(count, "dead lock")), "bad")


def _counted(count: int, one: str, many: str, short: str, style: StyleName) -> Iterable[Finding]:
    if count:
        long = f"{count_text(count)} {one if count == 1 else many}"
        yield Finding(safe(long), safe(f"{count_text(count)} {short}"), style)
