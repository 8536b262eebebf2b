"""The callers' verbs: read, rule, commit; a refusal is counted, recorded and answered with False."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import uuid4

from engine.commit import payload_hash, raise_for
from engine.errors import (
    InvalidIdError,
    RefusedError,
    StoreReadOnlyError,
    WorkflowErrorType,
    WorkflowNotFoundError,
)
from engine.model.actor import Act
from engine.model.change import Decision
from engine.model.line import Line
from engine.model.names import is_plain_id
from engine.model.plain import encode, inert
from engine.model.workflow import Workflow
from engine.orchestrator.arguments import demand_optional_text, demand_text
from engine.orchestrator.running import Running
from engine.rules import creation, rollback, transitions
from engine.rules.classify import classify
from engine.rules.lines import known_line
from engine.store.requests import Refusal

_ID_DIGITS: Final = 12

LineRule = Callable[[Workflow, Line, datetime], Decision]


class Commands:
    """The verbs of one running engine."""

    def __init__(self, running: Running) -> None:
        self._running = running

    async def create(
        self,
        line: Line,
        fields: Mapping[str, Any],
        *,
        workflow_id: str | None,
        request_id: str | None,
    ) -> str:
        """Create a workflow and return its id; asked again with the same request id, it is the same workflow.

        Args:
            line: the route it will take.
            fields: ``user_input target_module context metadata trace_id parent_span_id`` as the caller gave them.
            workflow_id: an id of the caller's; None makes one.
            request_id: makes a repetition return the first one's id, and determines the id where none is given.

        Raises:
            RefusedError: the id is taken or none, a field has no JSON shape, the request id was used otherwise.
            StoreError: the store cannot be written, or it is unknown whether it was.
        """
        running = self._running
        self.demand_writable()
        demand_optional_text("request_id", request_id)
        new_id = workflow_id if workflow_id is not None else _new_id(line.name, request_id)
        trace_id = fields.get("trace_id")
        decision = creation.create(
            workflow_id=new_id,
            line=line,
            user_input=fields.get("user_input"),
            target_module=fields.get("target_module"),
            context=fields.get("context"),
            metadata=fields.get("metadata"),
            trace_id=str(uuid4()) if trace_id is None else trace_id,
            parent_span_id=fields.get("parent_span_id"),
            span_id=running.new_span_id(),
            timeout_s=running.settings.state_timeout_s,
            at=running.clock.now(),
            actor=running.caller,
        )
        payload = {"verb": "create", "type": line.name, "id": new_id, **fields}
        if request_id is None and workflow_id is not None:
            request_id = f"create-{payload_hash(payload)}"
        outcome = await running.committer.create(decision, act=self._act(request_id), payload=payload)
        raise_for(outcome, new_id, request_id)
        return new_id

    async def transition(  # noqa: PLR0913  what the contract lets a caller say
        self,
        workflow_id: str,
        to_state: str,
        *,
        step_data: Mapping[str, Any] | None,
        error: object,
        lock_owner: str | None,
        expect_revision: int | None,
        request_id: str | None,
    ) -> bool:
        """Enter the next state of the line, or fail.

        Raises:
            StoreError: the store cannot be read or written, or it is unknown whether it was.
        """
        timeout_s = self._running.settings.state_timeout_s
        actor = self._running.caller
        text = None if error is None else inert(str(error)) or type(error).__name__

        def rule(workflow: Workflow, line: Line, at: datetime) -> Decision:
            step = transitions.read_step(workflow_id, step_data)
            kind = classify(error, state=workflow.state) if isinstance(error, BaseException) else None
            return transitions.transition(
                workflow,
                line,
                to_state,
                step=step,
                error=text,
                error_type=kind,
                timeout_s=timeout_s,
                at=at,
                actor=actor,
            )

        payload = {"verb": "transition", "to": to_state, "step": step_data, "error": text}
        return await self._change(
            "transition",
            workflow_id,
            rule,
            payload,
            act=self._act(request_id),
            lock_owner=lock_owner,
            expect_revision=expect_revision,
            to_state=to_state,
        )

    async def roll_back(  # noqa: PLR0913  what the contract lets a caller say
        self,
        workflow_id: str,
        target: str | None,
        *,
        reason: str | None,
        lock_owner: str | None,
        expect_revision: int | None,
        request_id: str | None,
    ) -> bool:
        """Enter an earlier successful state again.

        Raises:
            StoreError: the store cannot be read or written, or it is unknown whether it was.
        """
        actor = self._running.caller

        def rule(workflow: Workflow, line: Line, at: datetime) -> Decision:
            return rollback.roll_back(workflow, line, target, at=at, actor=actor, reason=reason)

        return await self._change(
            "rollback",
            workflow_id,
            rule,
            {"verb": "rollback", "to": target, "reason": reason},
            act=self._act(request_id, reason),
            lock_owner=lock_owner,
            expect_revision=expect_revision,
            to_state=target or "",
        )

    async def cancel(
        self,
        workflow_id: str,
        *,
        reason: str | None,
        lock_owner: str | None,
        expect_revision: int | None,
        request_id: str | None,
    ) -> bool:
        """End a workflow that is still open.

        Raises:
            StoreError: the store cannot be read or written, or it is unknown whether it was.
        """
        actor = self._running.caller

        def rule(workflow: Workflow, line: Line, at: datetime) -> Decision:
            return transitions.cancel(workflow, line, reason=reason, at=at, actor=actor)

        return await self._change(
            "cancel",
            workflow_id,
            rule,
            {"verb": "cancel", "reason": reason},
            act=self._act(request_id, reason),
            lock_owner=lock_owner,
            expect_revision=expect_revision,
            to_state="cancelled",
        )

    async def _change(  # noqa: PLR0913  one change has this many facts
        self,
        verb: str,
        workflow_id: str,
        line_rule: LineRule,
        payload: Mapping[str, Any],
        *,
        act: Act,
        lock_owner: str | None,
        expect_revision: int | None,
        to_state: str,
    ) -> bool:
        running = self._running
        self.demand_writable()
        seen: list[Workflow] = []

        def rule(workflow: Workflow, at: datetime) -> Decision:
            seen[:] = [workflow]
            return line_rule(workflow, known_line(workflow.workflow_type), at)

        try:
            demand_id(workflow_id)
            demand_text("state", to_state)
            demand_optional_text("reason", act.reason)
            demand_optional_text("lock_owner", lock_owner)
            demand_optional_text("request_id", act.request_id)
            commit = partial(
                running.committer.run,
                workflow_id,
                rule,
                act=act,
                payload=_hashable(payload),
                expect_revision=expect_revision,
                claim=running.holding.claim(workflow_id, lock_owner),
            )
            try:
                outcome = await commit()
            except WorkflowNotFoundError:
                if await running.read(workflow_id) is None:
                    raise
                outcome = await commit()
            raise_for(outcome, workflow_id, act.request_id)
        except RefusedError as error:
            await self.refuse(verb, workflow_id, error, act, before=seen[0] if seen else None, to_state=to_state)
            return False
        return True

    async def refuse(  # noqa: PLR0913  who, what, why, and what it would have moved
        self,
        verb: str,
        workflow_id: object,
        error: RefusedError,
        act: Act,
        *,
        before: Workflow | None = None,
        to_state: str = "",
    ) -> None:
        """Count, log and record a refused attempt."""
        running = self._running
        named = inert(str(workflow_id)[:200])
        running.views.refused(named, verb, error, before, to_state)
        refusal = Refusal(
            workflow_id=named,
            verb=verb,
            at=running.clock.now(),
            act=Act(actor=act.actor, reason=_inert(act.reason), request_id=_inert(act.request_id)),
            why=inert(str(error)),
            error_type=WorkflowErrorType(error.error_type),
        )
        await running.refusals.take(refusal, error)

    def _act(self, request_id: str | None, reason: str | None = None) -> Act:
        return Act(actor=self._running.caller, reason=reason, request_id=request_id)

    def demand_writable(self) -> None:
        """Refuse before anything is counted where the whole store is not to be written.

        Raises:
            StoreReadOnlyError: the engine shows a store and does not change it.
        """
        if self._running.opened.mode != "live":
            raise StoreReadOnlyError(self._running.opened.reason)


def demand_id(workflow_id: object) -> None:
    """Let plain names pass.

    Raises:
        InvalidIdError: it is none, so it could lead out of the directory.
    """
    if not is_plain_id(workflow_id):
        raise InvalidIdError(workflow_id)


def _inert(text: object) -> str | None:
    """Return what a caller gave for text so that it can be recorded, whatever it is."""
    return None if text is None else inert(str(text))


def _new_id(workflow_type: str, request_id: str | None) -> str:
    digits = uuid4().hex if request_id is None else hashlib.sha256(encode((workflow_type, request_id))).hexdigest()
    return f"wf_{workflow_type}_{digits[:_ID_DIGITS]}"


def _hashable(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return ``payload`` with what has no JSON shape told by its kind; the rule refuses it with a better sentence."""
    try:
        encode(payload)
    except ValueError:
        return {key: value if isinstance(value, str | None) else type(value).__name__ for key, value in payload.items()}
    return payload
