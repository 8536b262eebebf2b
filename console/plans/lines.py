"""A plan, its choice and its outcome as lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from console.cells import Cell, StyleName
from console.edit_line import EditLine
from console.glyphs import glyphs
from console.plans.choosing import Choosing
from console.plans.confirming import Confirming
from console.text import SafeText, cut, fit, safe, wrap
from console.view.lines import CellLine, Part, cell, compose, cut_line, line_width, part
from console.view.words import ID_CELLS, prefixless, short_state
from engine.operations.plan import Applied, ItemOutcome, Plan, PlanItem, Verb

ITEMS_SHOWN: Final = 5
_CHECKS_SHOWN: Final = 5
_LABEL_CELLS: Final = 9
_NARROW_CELLS: Final = 76
_WIDE_CELLS: Final = 100
_WIDE_FROM: Final = 120
_EVENT_VERBS: Final = (Verb.RETRY_EVENT, Verb.DROP_EVENT)


def text_cells(cells: int) -> int:
    """Return how wide the text of a plan is on a screen of ``cells``: never so wide that it is hard to read."""
    return min(cells - 3, _WIDE_CELLS if cells >= _WIDE_FROM else _NARROW_CELLS)


def reading_lines(title: str, cells: int) -> tuple[CellLine, ...]:
    """Return what is shown while the engine is asked."""
    return _barred(((cell("PLAN ", "warn"), cell(title, "strong"), cell(glyphs().ellipsis)),), cells)


def sentence_lines(head: str, sentence: str, cells: int, style: StyleName = "bad") -> tuple[CellLine, ...]:
    """Return a sentence that ends a plan before it could be applied."""
    lines = [(Cell(line),) for line in wrap(safe(sentence), text_cells(cells))]
    return _barred(((cell(head, style),), *lines, (cell("any key closes", "dim"),)), cells)


def choice_lines(choosing: Choosing, cells: int, lines: int | None = None) -> tuple[CellLine, ...]:
    """Return the list to choose from; where ``lines`` are too few, the note of the cursor's choice alone is whole."""
    room = text_cells(cells)
    blocks: list[list[CellLine]] = []
    for is_whole in (True, False):
        blocks = [_choice(choosing, index, room, is_whole=is_whole) for index in range(len(choosing.choices))]
        if lines is None or sum(map(len, blocks)) + 2 <= lines:
            break
    start = 0
    while lines is not None and start < choosing.at and sum(map(len, blocks[start : choosing.at + 1])) + 2 > lines:
        start += 1
    shown = [line for block in blocks[start:] for line in block]
    return _choice_frame(choosing, shown[: None if lines is None else max(1, lines - 2)], cells)


def _choice(choosing: Choosing, index: int, room: int, *, is_whole: bool) -> list[CellLine]:
    """Return one choice; its note goes on below where it is long."""
    choice, is_here = choosing.choices[index], index == choosing.at
    label_cells = max(len(one.label) for one in choosing.choices) + 2
    sign = glyphs().cursor if is_here else safe(" ")
    left = max(8, room - label_cells - 4)
    pieces = wrap(safe(choice.note), left) if is_whole or is_here else (cut(safe(choice.note), left),)
    style: StyleName = "warn" if choice.is_warned else "dim"
    head = (
        Cell(sign, "cursor"),
        cell(f" {index + 1} ", "dim"),
        Cell(fit(safe(choice.label), label_cells), "strong" if is_here else "text"),
    )
    indent = cell(" " * (label_cells + 4))
    rest = [(indent, Cell(piece, style)) for piece in pieces[1:]]
    return [(*head, *(Cell(piece, style) for piece in pieces[:1])), *rest]


def _choice_frame(choosing: Choosing, shown: Sequence[CellLine], cells: int) -> tuple[CellLine, ...]:
    title = wrap(safe(choosing.title), max(8, text_cells(cells) - 5), max_lines=1)
    lines: list[CellLine] = [(cell("PLAN ", "warn"), *(Cell(one, "strong") for one in title)), *shown]
    lines.append((cell("enter", "accent"), cell(" takes it   "), cell("esc", "accent"), cell(" leaves it unchanged")))
    return _barred(lines, cells)


class _Detail(NamedTuple):
    """How much of a plan is shown. What is done first, the checks, the reason and the token always are."""

    items: int = ITEMS_SHOWN
    has_command: bool = True
    has_undo: bool = True
    checks: int = _CHECKS_SHOWN


_DETAILS: Final = (
    *(_Detail(items) for items in range(ITEMS_SHOWN, 0, -1)),
    _Detail(1, has_command=False),
    *(_Detail(1, False, False, checks) for checks in range(_CHECKS_SHOWN, 1, -1)),
)
"""From all there is to say to the least that may be confirmed: rows give way first."""


def plan_lines_within(confirming: Confirming, cells: int, lines: int) -> tuple[CellLine, ...] | None:
    """Return as much of a plan as ``lines`` hold; None where it could not be confirmed with open eyes."""
    for detail in _DETAILS:
        shown = plan_lines(confirming, cells, detail)
        if len(shown) <= lines:
            return shown
    return None


def small_lines(cells: int) -> tuple[CellLine, ...]:
    """Return what is said where there is no room for a plan."""
    sentence = "There is no room to show this plan, so it cannot be applied. A larger terminal shows it; esc leaves it."
    return _barred(((Cell(line, "warn"),) for line in wrap(safe(sentence), text_cells(cells))), cells)


def plan_lines(confirming: Confirming, cells: int, detail: _Detail = _DETAILS[0]) -> tuple[CellLine, ...]:
    """Return a plan: rows, checks, undo, the command, the reason, and what is to be typed."""
    plan, room = confirming.plan, text_cells(cells)
    lines = [
        _title(plan, room, confirming.chosen_by),
        *_moved_lines(confirming, room),
        *_item_lines(plan, room, detail.items),
        *_labelled("checks", _first(plan.checks, detail.checks), room),
        *(_labelled("undo", (plan.undo,), room) if detail.has_undo else ()),
    ]
    if plan.command and detail.has_command:
        lines.append((_label("same as"), Cell(cut(safe(plan.command), room - _LABEL_CELLS), "dim")))
    if plan.doable:
        lines += _typing(confirming, room)
    else:
        lines.append((cell("nothing can be done", "warn"), cell("; "), cell("esc", "accent"), cell(" leaves")))
    return _barred(lines, cells)


def outcome_lines(applied: Applied, cells: int) -> tuple[CellLine, ...]:
    """Return what became of a plan, item by item; what went wrong first."""
    room = text_cells(cells)
    total = len(applied.outcomes)
    style: StyleName = "ok" if applied.done == total else "warn" if applied.done else "bad"
    head = f"{applied.done} of {total} done" if total > 1 or not applied.done else "done"
    lines: list[CellLine] = [
        (cell(head.upper() if total == 1 else head, style), cell(f"  {applied.plan.title}", "dim"))
    ]
    ordered = sorted(applied.outcomes, key=lambda outcome: outcome.code == "done")
    for outcome in ordered[:ITEMS_SHOWN]:
        lines += _outcome(outcome, room, is_alone=total == 1)
    if total > ITEMS_SHOWN:
        rest = ordered[ITEMS_SHOWN:]
        done = sum(outcome.code == "done" for outcome in rest)
        words = f"and {len(rest)} more: {done} done" + (f", {len(rest) - done} not" if done < len(rest) else "")
        lines.append((cell(words, "dim"),))
    lines.append((cell("any key closes", "dim"),))
    return _barred(lines, cells)


def _title(plan: Plan, room: int, chosen_by: str) -> CellLine:
    doable, skipped = len(plan.doable), len(plan.items) - len(plan.doable)
    counts = f"{doable} can, {skipped} skipped" if skipped else ""
    return compose(
        (
            part(9, (cell("PLAN ", "warn"), cell(plan.title, "strong"))),
            part(8, cell(chosen_by, "mark")),
            part(5, cell(counts, "warn" if skipped else "dim")),
        ),
        room,
        gap=2,
        right=(part(1, cell("nothing written yet", "dim")),),
    )


def _moved_lines(confirming: Confirming, room: int) -> Iterator[CellLine]:
    """Say at once that what the plan saw is gone; the engine would refuse it."""
    if not confirming.moved:
        return
    revision = next(iter(confirming.moved.values()))
    one = f"moved on: revision {revision} now; esc and plan again"
    many = f"{len(confirming.moved)} of {len(confirming.plan.items)} moved on; esc and plan again"
    yield cut_line((cell(one if len(confirming.plan.items) == 1 else many, "bad"),), room)


def _item_lines(plan: Plan, room: int, shown: int) -> Iterator[CellLine]:
    ordered = sorted(plan.items, key=lambda item: bool(item.skipped))
    is_event = plan.request.verb in _EVENT_VERBS
    if len(plan.items) == 1:
        yield from islice(_item(ordered[0], room, is_event=is_event, is_alone=True), shown)
        return
    for item in ordered[:shown]:
        yield from _item(item, room, is_event=is_event, is_alone=False)
    if len(ordered) > shown:
        rest = ordered[shown:]
        skipped = sum(bool(item.skipped) for item in rest)
        yield (cell(f" and {len(rest)} more" + (f", {skipped} of them skipped" if skipped else ""), "dim"),)


def _item(item: PlanItem, room: int, *, is_event: bool, is_alone: bool) -> Iterator[CellLine]:
    name = Cell(fit(_name(item.id, is_event=is_event), ID_CELLS), "text" if not item.skipped else "dim")
    if item.skipped:
        pieces = wrap(safe(f"skipped: {item.skipped}"), max(8, room - ID_CELLS - 3), max_lines=3 if is_alone else 1)
        for index, piece in enumerate(pieces):
            yield (cell(" "), name if index == 0 else cell(" " * ID_CELLS), cell("  "), Cell(piece, "warn"))
        return
    head, left = _way(item, name, room)
    first, rest = _phrases(item.effects, left)
    if rest and rest[0] == item.effects[0] and not is_alone:
        # The weightiest effect did not fit: rather the states are short than that it is missing.
        head, left = _way(item, name, room, is_short=True)
        first, rest = _phrases(item.effects, left)
    yield (*head, cell("   "), cell(first, "dim"))
    if is_alone and rest:
        indent = ID_CELLS + 3
        for piece in wrap(safe("; ".join(rest)), max(8, room - indent), max_lines=3):
            yield (cell(" " * indent), Cell(piece, "dim"))


def _way(item: PlanItem, name: Cell, room: int, *, is_short: bool = False) -> tuple[CellLine, int]:
    """Return an item's name and the states it would go through, and the cells that are left for its effects."""
    before, after = (short_state(item.before), short_state(item.after)) if is_short else (item.before, item.after)
    way = f"{before} {glyphs().step} {after}" if before != after else before
    head: CellLine = (cell(" "), name, cell("  "), cell(way, "strong"))
    return head, room - line_width(head) - 3


def _phrases(effects: Sequence[str], room: int) -> tuple[str, tuple[str, ...]]:
    """Return the phrases that fit ``room`` side by side, in order of weight, and those that do not."""
    fitting: list[str] = []
    rest: list[str] = []
    for phrase in effects:
        if sum(len(one) + 2 for one in fitting) + len(phrase) <= room:
            fitting.append(phrase)
        else:
            rest.append(phrase)
    return "; ".join(fitting), tuple(rest)


def _name(item_id: str, *, is_event: bool) -> SafeText:
    return prefixless(item_id.split(":", 1)[0] if is_event else item_id)


def _typing(confirming: Confirming, room: int) -> Iterator[CellLine]:
    plan = confirming.plan
    if confirming.is_disarmed:
        yield (
            cell("disarmed", "warn"),
            cell(": this was read more than a minute ago.  "),
            cell("enter", "accent"),
            cell(" reads it again   "),
            cell("esc", "accent"),
            cell(" leaves"),
        )
        return
    need = f"{plan.reason_at_least} characters at least" if plan.is_reason_required else "may stay empty"
    hint = f"{need}, then enter"
    yield _field("reason", confirming.reason, room, is_open=not confirming.is_reason_done, hint=hint)
    leave: Sequence[Part] = (part(1, (cell("esc", "accent"), cell(" leaves it unchanged", "dim"))),)
    if confirming.said:
        leave = (part(1, cell(confirming.said, "warn")),)
    ask = f"type {plan.token} and enter to apply" if plan.token else "enter applies"
    style: StyleName = "warn" if confirming.is_reason_done else "dim"
    typed = _edited(confirming.token) if confirming.is_reason_done else ()
    yield compose((part(9, (cell(ask, style), cell(" > ", style), *typed)),), room, right=leave)


def _field(name: str, line: EditLine, room: int, *, is_open: bool, hint: str) -> CellLine:
    if not is_open:
        return cut_line((_label(name), cell(line.text or "none given", "text" if line.text else "dim")), room)
    if not line.text:
        return cut_line((_label(name, "warn"), cell(hint[:1], "badge_accent"), cell(hint[1:], "dim")), room)
    shown = line.text[-max(8, room - _LABEL_CELLS - 2) :]
    visible = EditLine(shown, min(len(shown), line.at))
    return cut_line((_label(name, "warn"), *_edited(visible)), room)


def _edited(line: EditLine) -> CellLine:
    under = line.after[:1] or " "
    return (cell(line.before), Cell(safe(under), "badge_accent"), cell(line.after[1:]))


def _outcome(outcome: ItemOutcome, room: int, *, is_alone: bool) -> Iterator[CellLine]:
    is_done = outcome.code == "done"
    sign = glyphs().completed if is_done else glyphs().failed
    pieces = wrap(safe(outcome.sentence), room - 3, max_lines=4 if is_alone else 2)
    for index, piece in enumerate(pieces):
        lead = Cell(sign, "ok" if is_done else "bad") if index == 0 else cell(" ")
        yield (cell(" "), lead, cell(" "), Cell(piece))


def _first(texts: Sequence[str], shown: int) -> Sequence[str]:
    if len(texts) <= shown:
        return texts
    # The guard comes last and is the one that always matters.
    return (*texts[: shown - 2], f"and {len(texts) - shown + 1} more", texts[-1])


def _labelled(name: str, texts: Iterable[str], room: int) -> Iterator[CellLine]:
    label = name
    for text in texts:
        for piece in wrap(safe(text), max(8, room - _LABEL_CELLS), max_lines=2):
            yield (_label(label), Cell(piece))
            label = ""


def _label(name: str, style: StyleName = "dim") -> Cell:
    return Cell(fit(safe(name), _LABEL_CELLS), style)


def _barred(lines: Iterable[CellLine], cells: int) -> tuple[CellLine, ...]:
    bar = (Cell(glyphs().plan_bar, "warn"), cell(" "))
    return tuple(cut_line((*bar, *line), cells) for line in lines)
