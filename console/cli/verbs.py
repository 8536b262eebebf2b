"""Each verb and what does it."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Awaitable, Callable
from typing import Final

from console.cli import keeping, operating, reading
from console.cli.exits import Exit, UsageError
from console.cli.output import Printer
from console.cli.session import Session, open_session
from engine.errors import RefusedError
from engine.operations.plan import PlanRequest, Verb
from engine.operations.skips import code_of

_OF_CODE: Final = {"conflict": Exit.CONFLICT, "locked": Exit.LOCKED, "not_found": Exit.NOT_FOUND}

_READING: Final[dict[str, Callable[[Session, Namespace], Awaitable[Exit]]]] = {
    "ls": reading.list_flows,
    "show": reading.show,
    "history": reading.history,
    "why": reading.explain,
    "events": reading.waiting_and_dead,
    "dead": reading.dead,
    "audit": reading.audit,
    "verify": keeping.check_store,
    "doctor": keeping.examine,
    "backup": keeping.copy_ledger,
}


def perform(verb: str, asked: Namespace) -> Exit:
    """Open the store, do ``verb``, close the store, and return the exit code.

    Raises:
        UsageError: the arguments do not fit the verb.
        EngineError: what stood in the way.
    """
    return asyncio.run(_perform(verb, asked))


def exit_of_refusal(error: RefusedError) -> Exit:
    """Return the exit code of a refusal: not found, conflict, locked, else refused."""
    return _OF_CODE.get(code_of(error), Exit.REFUSED)


async def _perform(verb: str, asked: Namespace) -> Exit:
    printer = Printer(is_json=asked.json, is_utc=asked.utc)
    request = _checked(verb, asked)
    async with open_session(asked, printer) as session:
        if request is not None:
            return await operating.operate(session, asked, request)
        return await _READING[verb](session, asked)


def _checked(verb: str, asked: Namespace) -> PlanRequest | None:
    """Return what is asked of an operator verb, None for one that reads; before anything is opened.

    Raises:
        UsageError: the arguments cannot be meant.
    """
    if verb in _READING and not (verb == "events" and asked.ids[:1] == ["retry"]):
        reading.chosen(getattr(asked, "where", ""))
        return None
    return operating.read_request(asked, _operator_verb(verb, asked))


def _operator_verb(verb: str, asked: Namespace) -> Verb:
    """Return which verb is meant; ``events retry`` and ``plan VERB`` lose their leading word.

    Raises:
        UsageError: the words do not name one.
    """
    if verb == "plan":
        asked.dry_run = True
        verb = asked.verb
    if verb == "events":
        if asked.ids[:1] != ["retry"]:
            raise UsageError("plan events takes retry and event ids. Nothing was done")
        asked.ids, asked.where = asked.ids[1:], ""
        return Verb.RETRY_EVENT
    return Verb(verb)
