"""Every error the engine raises: its type, its facts, and the one sentence an operator reads."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class WorkflowErrorType(StrEnum):
    """The seven kinds of error that recovery and the counters know (source: the caller contract)."""

    TIMEOUT = "timeout"
    STATE_TRANSITION_ERROR = "state_transition_error"
    MODULE_EXECUTION_ERROR = "module_execution_error"
    EVENT_PUBLISH_ERROR = "event_publish_error"
    VALIDATION_ERROR = "validation_error"
    RESOURCE_ERROR = "resource_error"
    UNKNOWN_ERROR = "unknown_error"


class EngineError(Exception):
    """Base of every error the engine raises on purpose; its text is ready to be shown to an operator."""

    error_type: ClassVar[WorkflowErrorType] = WorkflowErrorType.UNKNOWN_ERROR


class StoreError(EngineError):
    """The store could not be read or written; nothing is known to have changed unless the text says so."""

    error_type = WorkflowErrorType.RESOURCE_ERROR


class StoreReadOnlyError(StoreError):
    """A write was asked of a store that is open for reading only."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The store is read-only: {why}. Nothing was changed.")
        self.why = why


class SchemaNewerError(StoreError):
    """The ledger was written by a newer Flowdeck."""

    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            f"The ledger has schema {found}; this Flowdeck knows schema {known}. Nothing was changed. "
            "Upgrade Flowdeck, or open the store with --read-only."
        )
        self.found, self.known = found, known


class UnknownOutcomeError(StoreError):
    """The commit may or may not have happened and the store cannot be asked."""

    def __init__(self, workflow_id: str, request_id: str, cause: str) -> None:
        super().__init__(
            f"{workflow_id}: it is unknown whether the change happened ({cause}). "
            f"Ask again with the same request id {request_id}; it cannot act twice."
        )
        self.workflow_id, self.request_id, self.cause = workflow_id, request_id, cause


class StoreUnsafeError(StoreError):
    """The directory or URL cannot serve as a store."""


class RefusedError(EngineError):
    """A request was understood and refused; nothing was changed."""

    error_type = WorkflowErrorType.VALIDATION_ERROR


class InvalidIdError(RefusedError):
    """A workflow id is not a plain name."""

    def __init__(self, workflow_id: object) -> None:
        super().__init__(
            f"{str(workflow_id)[:80]!r} is not a workflow id: it takes a letter or digit, then up to 127 of "
            "letters, digits, '_', '.' and '-'. Nothing was changed."
        )
        self.workflow_id = workflow_id


class WorkflowNotFoundError(RefusedError):
    """No workflow has this id. A question about it changes nothing anyway and need not say so."""

    def __init__(self, workflow_id: str, *, is_read: bool = False) -> None:
        unchanged = "" if is_read else " Nothing was changed."
        super().__init__(f"There is no workflow {workflow_id} in this store.{unchanged}")
        self.workflow_id = workflow_id


class WorkflowExistsError(RefusedError):
    """A workflow with this id exists and is not the one this request created."""

    def __init__(self, workflow_id: str) -> None:
        super().__init__(f"{workflow_id} exists already. Nothing was changed; choose another id.")
        self.workflow_id = workflow_id


class UnknownStateError(RefusedError):
    """A state is not one of this line."""

    def __init__(self, line: str, state: str, known: tuple[str, ...]) -> None:
        super().__init__(
            f"{state!r} is not a state of the {line} line. Nothing was changed. Its states: {' '.join(known)}."
        )
        self.line, self.state, self.known = line, state, known


class UnknownLineError(RefusedError):
    """A workflow type has no line here."""

    def __init__(self, workflow_type: str) -> None:
        super().__init__(f"No line named {workflow_type!r} is known here. Nothing was changed.")
        self.workflow_type = workflow_type


class TransitionRefusedError(RefusedError):
    """The line has no such edge."""

    error_type = WorkflowErrorType.STATE_TRANSITION_ERROR

    def __init__(self, workflow_id: str, from_state: str, to_state: str, allowed: tuple[str, ...]) -> None:
        ways = f"From {from_state} it may go to {' or '.join(allowed)}." if allowed else f"{from_state} is final."
        super().__init__(f"{workflow_id} cannot go from {from_state} to {to_state}. Nothing was changed. {ways}")
        self.workflow_id, self.from_state, self.to_state, self.allowed = (
            workflow_id,
            from_state,
            to_state,
            allowed,
        )


class FinishedError(RefusedError):
    """The verb does not reopen a finished workflow."""

    error_type = WorkflowErrorType.STATE_TRANSITION_ERROR

    def __init__(self, workflow_id: str, state: str, verb: str) -> None:
        super().__init__(f"{workflow_id} is {state}; {verb} does not reopen it. Nothing was changed. Force (F) does.")
        self.workflow_id, self.state, self.verb = workflow_id, state, verb


class NotFailedError(RefusedError):
    """Retry is for a workflow that failed."""

    error_type = WorkflowErrorType.STATE_TRANSITION_ERROR

    def __init__(self, workflow_id: str, state: str) -> None:
        super().__init__(
            f"{workflow_id} is in {state} and has not failed. Nothing was changed. "
            "Roll back (R) to enter a state again."
        )
        self.workflow_id, self.state = workflow_id, state


class NothingToRollBackError(RefusedError):
    """No earlier successful state exists."""

    error_type = WorkflowErrorType.STATE_TRANSITION_ERROR

    def __init__(self, workflow_id: str, state: str) -> None:
        super().__init__(f"{workflow_id} is in {state} and has no earlier state to go back to. Nothing was changed.")
        self.workflow_id, self.state = workflow_id, state


class NotOnActivePathError(RefusedError):
    """The rollback target was not visited, or was left by an earlier rollback."""

    error_type = WorkflowErrorType.STATE_TRANSITION_ERROR

    def __init__(self, workflow_id: str, target: str, path: tuple[str, ...]) -> None:
        super().__init__(
            f"{workflow_id} cannot go back to {target}: it is not on its active path. Nothing was changed. "
            f"It can go back to {' or '.join(path) if path else 'nothing'}."
        )
        self.workflow_id, self.target, self.path = workflow_id, target, path


class NotOverdueError(RefusedError):
    """A time-out, or a grace, for a visit whose deadline has not passed or that nothing times."""

    error_type = WorkflowErrorType.STATE_TRANSITION_ERROR

    def __init__(self, workflow_id: str, state: str, deadline: str | None) -> None:
        when = f"its deadline is {deadline}" if deadline else "nothing times it"
        super().__init__(f"{workflow_id} is in {state} and not overdue: {when}. Nothing was changed.")
        self.workflow_id, self.state, self.deadline = workflow_id, state, deadline


class AlreadyInStateError(RefusedError):
    """A force to the state the workflow is in already."""

    error_type = WorkflowErrorType.STATE_TRANSITION_ERROR

    def __init__(self, workflow_id: str, state: str) -> None:
        super().__init__(f"{workflow_id} is in {state} already. Nothing was changed.")
        self.workflow_id, self.state = workflow_id, state


class ReasonRequiredError(RefusedError):
    """The verb needs a reason and none, or a shorter one, was given."""

    def __init__(self, verb: str, at_least: int) -> None:
        super().__init__(f"{verb} needs a reason of at least {at_least} characters. Nothing was changed.")
        self.verb, self.at_least = verb, at_least


class InvalidStepError(RefusedError):
    """The step data of a transition cannot be recorded."""

    def __init__(self, workflow_id: str, why: str) -> None:
        super().__init__(f"{workflow_id}: the step data cannot be recorded: {why}. Nothing was changed.")
        self.workflow_id, self.why = workflow_id, why


class InvalidValueError(RefusedError):
    """An argument is out of its range or of the wrong kind."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}. Nothing was changed.")
        self.name, self.why = name, why


class StaleRevisionError(RefusedError):
    """Someone else changed this workflow after it was read."""

    error_type = WorkflowErrorType.STATE_TRANSITION_ERROR

    def __init__(self, workflow_id: str, expected: int, found: int) -> None:
        super().__init__(
            f"{workflow_id} moved on: it is at revision {found}, you saw {expected}. Nothing was changed; look again."
        )
        self.workflow_id, self.expected, self.found = workflow_id, expected, found


class LockHeldError(RefusedError):
    """Another holder has the lock."""

    error_type = WorkflowErrorType.STATE_TRANSITION_ERROR

    def __init__(self, workflow_id: str, owner: str, until: str) -> None:
        super().__init__(f"{workflow_id} is locked by {owner} until {until}. Nothing was changed.")
        self.workflow_id, self.owner, self.until = workflow_id, owner, until


class StaleLockError(RefusedError):
    """The writer's grant was superseded: by another holder, a steal, or a rollback, retry or force."""

    error_type = WorkflowErrorType.STATE_TRANSITION_ERROR

    def __init__(self, workflow_id: str, why: str) -> None:
        super().__init__(f"{workflow_id}: this lock no longer counts: {why}. Nothing was changed; acquire it again.")
        self.workflow_id, self.why = workflow_id, why


class NoLockError(RefusedError):
    """There is no lock to release."""

    def __init__(self, workflow_id: str) -> None:
        super().__init__(f"{workflow_id} is not locked. Nothing was changed.")
        self.workflow_id = workflow_id


class LockMovedOnError(RefusedError):
    """The lock a plan saw has been released, taken over or granted anew meanwhile."""

    def __init__(self, workflow_id: str) -> None:
        super().__init__(f"{workflow_id}: the lock changed after it was shown. Nothing was changed; look again.")
        self.workflow_id = workflow_id


class RequestReusedError(RefusedError):
    """A request id was used before, for something else."""

    def __init__(self, workflow_id: str, request_id: str) -> None:
        super().__init__(
            f"{workflow_id}: request id {request_id!r} was used before for another change. Nothing was changed."
        )
        self.workflow_id, self.request_id = workflow_id, request_id


class EventNotFoundError(RefusedError):
    """No event has this id, or it is not where the verb needs it."""

    def __init__(self, event_id: str, why: str = "there is no such event") -> None:
        super().__init__(f"{event_id}: {why}. Nothing was changed.")
        self.event_id, self.why = event_id, why


class DamagedDocumentError(RefusedError):
    """A document cannot be read as a workflow; it is shown, never changed."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} is damaged: {why}. The file was left as it is; repair or remove it.")
        self.name, self.why = name, why
