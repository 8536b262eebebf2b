"""Refusals as parts of a plan's line: what stands in the way, and which key helps instead."""

from __future__ import annotations

from engine.errors import (
    AlreadyInStateError,
    FinishedError,
    InvalidIdError,
    LockHeldError,
    LockMovedOnError,
    NotFailedError,
    NothingToRollBackError,
    NotOnActivePathError,
    RefusedError,
    StaleLockError,
    StaleRevisionError,
    TransitionRefusedError,
    UnknownLineError,
    UnknownStateError,
    WorkflowNotFoundError,
)
from engine.operations.plan import Verb
from engine.operations.verbs import WORDS


def skip_of(error: RefusedError, verb: Verb) -> tuple[str, str]:
    """Return why an item is skipped, as a sentence part, and its code."""
    return _words(error, verb), code_of(error)


def code_of(error: RefusedError) -> str:
    """Return ``conflict``, ``locked``, ``not_found`` or ``refused``."""
    match error:
        case StaleRevisionError() | LockMovedOnError():
            return "conflict"
        case LockHeldError() | StaleLockError():
            return "locked"
        case WorkflowNotFoundError():
            return "not_found"
    return "refused"


def _words(error: RefusedError, verb: Verb) -> str:  # noqa: C901, PLR0911  one line an error
    key = WORDS[verb].key
    match error:
        case FinishedError(state=state):
            return f"{state}; {key} does not reopen it, F forces it"
        case NotFailedError(state=state):
            return f"in {state}, not failed; R rolls it back"
        case NothingToRollBackError(state=state):
            return f"in {state}, with no earlier state to go back to; F forces it"
        case NotOnActivePathError(target=target, path=path):
            ways = " or ".join(path) if path else "nothing"
            return f"{target} is not on its active path; it can go back to {ways}"
        case TransitionRefusedError(from_state=state):
            return f"{state} already; {key} takes open work only"
        case AlreadyInStateError(state=state):
            return f"in {state} already"
        case UnknownStateError(line=line, state=state, known=known):
            return f"{state} is no state of the {line} line, which has {' '.join(known)}"
        case UnknownLineError(workflow_type=workflow_type):
            return f"no line named {workflow_type} is known here"
        case WorkflowNotFoundError():
            return "there is no such workflow in this store"
        case InvalidIdError():
            return "this is not a workflow id"
    return str(error).replace(" Nothing was changed.", "").rstrip(".")
