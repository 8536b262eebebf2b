"""The verbs that change something: planned, shown, confirmed, applied."""

from __future__ import annotations

import asyncio
import os
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from pydantic_core import from_json

from console.cli.exits import Exit, UsageError, exit_of_applied, exit_of_plan
from console.cli.ids import with_full_ids
from console.cli.output import Printer
from console.cli.reading import chosen, walk
from console.cli.session import Session
from console.cli.shapes import outcome_shape, plan_shape
from engine.errors import RefusedError
from engine.operations.plan import Applied, Plan, PlanRequest, Verb
from engine.operations.verbs import AT_MOST
from engine.store.query import Filter, Query

_LINE_AT_MOST: Final = 4_096
_SHOWN: Final = 20
"""Items of a plan that people are shown; JSON holds all."""
_RESULT_AT_MOST: Final = 16 * 1024 * 1024
_REVISION_AT_MOST: Final = 15
"""Digits."""


async def operate(session: Session, asked: Namespace, request: PlanRequest) -> Exit:
    """Plan ``request``, and apply it once it is confirmed."""
    if not request.ids:
        request = replace(request, ids=await _selected(session, chosen(asked.where)))
    else:
        request = await with_full_ids(session, request)
    plan = await session.operations.plan(request)
    if asked.dry_run:
        _print_plan(session.printer, plan)
        return exit_of_plan(plan)
    if asked.yes:
        return await _apply(session, plan, asked.reason, asked.request_id)
    _show_plan(session.printer, plan)
    if not plan.doable and asked.request_id is None:
        return exit_of_plan(plan)
    if not sys.stdin.isatty():
        raise RefusedError("Nobody is at a terminal to confirm this. Nothing was changed; add --yes to apply it.")
    reason = await _ask_reason(plan, asked.reason)
    # Too short a reason is refused by applying, which writes the attempt into the audit; no token is asked for it.
    if _is_reason_enough(plan, reason) and not await _ask_token(plan):
        session.printer.say("Left unchanged.")
        return Exit.REFUSED
    return await _apply(session, plan, reason, asked.request_id)


async def _apply(session: Session, plan: Plan, reason: str | None, request_id: str | None) -> Exit:
    applied = await session.operations.apply(plan, reason=reason, request_id=request_id)
    _print_applied(session.printer, applied)
    return exit_of_applied(applied)


def read_request(asked: Namespace, verb: Verb) -> PlanRequest:
    """Return what a command line asks for; without ids where ``--where`` chooses them later.

    Raises:
        UsageError: it cannot be meant.
    """
    ids = tuple(asked.ids)
    to = getattr(asked, "to", None)
    if verb is Verb.FORCE:
        if len(ids) < 2:  # noqa: PLR2004  an id and a state
            raise UsageError("force takes workflow ids and, last, the state to enter. Nothing was done")
        ids, to = ids[:-1], ids[-1]
    where = getattr(asked, "where", "")
    if bool(ids) == bool(where):
        raise UsageError("give ids or --where, the one or the other. Nothing was done")
    chosen(where)
    return PlanRequest(
        verb=verb,
        ids=ids,
        to=to,
        results=read_results(getattr(asked, "set", ())),
        is_steal=getattr(asked, "steal", False),
        if_revisions=read_revisions(asked.if_rev, ids),
    )


async def _selected(session: Session, selection: Filter) -> tuple[str, ...]:
    """Return the ids that a filter selects now; a plan holds exactly these.

    Raises:
        RefusedError: it selects nothing, or too much.
    """
    rows = walk(session.observer.flows, Query(filter=selection), AT_MOST + 1)
    ids = tuple([row.workflow_id async for row in rows])
    if not ids:
        raise RefusedError("--where selects no workflow. Nothing was changed.")
    if len(ids) > AT_MOST:
        raise RefusedError(f"--where selects more than {AT_MOST} workflows. Nothing was changed; narrow it.")
    return ids


def read_revisions(given: Sequence[str], ids: Sequence[str]) -> Mapping[str, int]:
    """Return the revisions of ``--if-rev`` by id: one for each id in order, or ``ID=REVISION`` words.

    Raises:
        UsageError: one of them is no revision, or they do not match the ids.
    """
    words = [word for each in given for word in each.split(",")]
    if not words:
        return {}
    if all("=" in word for word in words):
        pairs = [word.rpartition("=") for word in words]
        return {workflow_id: _revision(text) for workflow_id, _, text in pairs}
    if len(words) != len(ids):
        raise UsageError(f"--if-rev gives {len(words)} revisions for {len(ids)} ids. Nothing was done")
    return {workflow_id: _revision(word) for workflow_id, word in zip(ids, words, strict=True)}


def _revision(text: str) -> int:
    word = text.strip()
    if not word.isascii() or not word.isdigit() or len(word) > _REVISION_AT_MOST or int(word) == 0:
        raise UsageError(f"--if-rev: {text!r} is not a revision. Nothing was done")
    return int(word)


def read_results(given: Sequence[str]) -> dict[str, Any]:
    """Return the results of ``--set result.STATE=JSON`` or ``=@FILE`` by state.

    Raises:
        UsageError: one of them is malformed, or its file cannot be read.
    """
    results: dict[str, Any] = {}
    for word in given:
        name, equals, text = word.partition("=")
        state = name.removeprefix("result.")
        if not equals or not name.startswith("result.") or not state:
            raise UsageError(f"--set: {word[:80]!r} is not result.STATE=JSON or result.STATE=@FILE. Nothing was done")
        if state in results:
            raise UsageError(f"--set: result.{state} is given twice. Nothing was done")
        results[state] = _result(name, text)
    return results


def _result(name: str, text: str) -> Any:
    try:
        body = _file(name, Path(text[1:])) if text.startswith("@") else text.encode()
        return from_json(body)
    except ValueError as error:  # undecodable text is one too
        raise UsageError(f"--set: {name} is not JSON ({error}). Nothing was done") from error


def _file(name: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            body = file.read(_RESULT_AT_MOST + 1)
    except OSError as error:
        raise UsageError(f"--set: {name}: {path} cannot be read: {error.strerror}. Nothing was done") from error
    if len(body) > _RESULT_AT_MOST:
        raise UsageError(f"--set: {name}: {path} is over {_RESULT_AT_MOST} bytes. Nothing was done")
    return body


async def _ask_reason(plan: Plan, given: str | None) -> str | None:
    """Return the reason: as given, else asked for where the plan needs one."""
    if given is None and plan.is_reason_required:
        return await _ask(f"reason (at least {plan.reason_at_least} characters) > ")
    return given


def _is_reason_enough(plan: Plan, reason: str | None) -> bool:
    length = len((reason or "").strip())
    return length >= plan.reason_at_least or not (length or plan.is_reason_required)


async def _ask_token(plan: Plan) -> bool:
    return (await _ask(f"type {plan.token} and enter to apply > ")).strip() == plan.token


async def _ask(prompt: str) -> str:
    """Ask on stderr, so that stdout stays what it is for; the end of input answers nothing.

    The loop goes on meanwhile: the engine's heartbeat is due, and Ctrl-C must end the question.
    """
    sys.stderr.write(prompt)
    sys.stderr.flush()
    try:
        terminal = sys.stdin.fileno()
    except OSError:  # an input without a descriptor has its text ready
        return sys.stdin.readline()
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[None] = loop.create_future()
    loop.add_reader(terminal, answered.set_result, None)
    try:
        await answered
    finally:
        loop.remove_reader(terminal)
    return os.read(terminal, _LINE_AT_MOST).decode(errors="replace")


def _print_plan(printer: Printer, plan: Plan) -> None:
    if printer.is_json:
        printer.record(plan_shape(plan))
    else:
        _show_plan(printer, plan)


def _show_plan(printer: Printer, plan: Plan) -> None:
    """Show a plan to people; with --json on stderr."""
    can, skipped = len(plan.doable), len(plan.items) - len(plan.doable)
    counts = f"{can} can, {skipped} skipped" if skipped else f"{can} can"
    printer.line(f"PLAN {plan.title}    {counts}    nothing written yet")
    for item in plan.items[:_SHOWN]:
        if item.skipped:
            printer.line(f"  {item.id}  skipped: {item.skipped}")
        else:
            effects = "; ".join(item.effects)
            printer.line(f"  {item.id}  {item.before} > {item.after}" + (f"   {effects}" if effects else ""))
    if len(plan.items) > _SHOWN:
        printer.line(f"  and {len(plan.items) - _SHOWN} more")
    for at, check in enumerate(plan.checks):
        printer.line(f"{'checks' if at == 0 else '':<8} {check}")
    if plan.doable:
        printer.line(f"{'undo':<8} {plan.undo}")
        printer.line(f"{'same as':<8} {plan.command}")


def _print_applied(printer: Printer, applied: Applied) -> None:
    for outcome in applied.outcomes:
        if printer.is_json:
            printer.record(outcome_shape(applied, outcome))
        elif outcome.code == "done":
            printer.line(outcome.sentence)
        else:
            printer.say(outcome.sentence)
    if len(applied.outcomes) > 1:
        printer.say(f"{applied.done} of {len(applied.outcomes)} done.")
