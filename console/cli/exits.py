"""Exit codes: the one thing a script can rely on."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from engine.operations.plan import Applied, Plan


class Exit(IntEnum):
    """What a command came to."""

    DONE = 0
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    LOCKED = 5
    REFUSED = 6
    NOT_VERIFIED = 7
    """Not verified: something does not agree, or it is unknown whether a change happened."""
    PARTLY = 8
    STORE_UNSAFE = 9
    """The store cannot be used, or its ledger cannot be trusted."""
    INTERRUPTED = 130


_OF_CODE: Final = {
    "conflict": Exit.CONFLICT,
    "locked": Exit.LOCKED,
    "refused": Exit.REFUSED,
    "not_found": Exit.NOT_FOUND,
    "unknown": Exit.NOT_VERIFIED,
}


class UsageError(Exception):
    """The command line cannot be meant; its text is the sentence that says why."""


class StoreMissingError(Exception):
    """The store that was named is not there; its text is the sentence that says so."""


def exit_of_plan(plan: Plan) -> Exit:
    """Return what applying ``plan`` would come to."""
    return _exit_of([item.skip_code or "done" for item in plan.items])


def exit_of_applied(applied: Applied) -> Exit:
    """Return what became of a plan; a skipped item counts as what it was skipped for."""
    skips = {item.id: item.skip_code for item in applied.plan.items}
    codes = [skips[each.id] if each.code == "skipped" else each.code for each in applied.outcomes]
    return _exit_of(codes)


def _exit_of(codes: Sequence[str]) -> Exit:
    """Return 0 for all done, 8 for some, else what stood in the way; refused where that differed."""
    done = codes.count("done")
    if done == len(codes):
        return Exit.DONE
    if done:
        return Exit.PARTLY
    kinds = set(codes)
    if "unknown" in kinds:
        return Exit.NOT_VERIFIED
    return _OF_CODE.get(kinds.pop(), Exit.REFUSED) if len(kinds) == 1 else Exit.REFUSED
