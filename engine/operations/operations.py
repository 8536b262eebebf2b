"""Operator verbs: planned with the very rule that applying commits, applied only to what was shown."""

from __future__ import annotations

from engine.model.actor import Actor
from engine.observation.embedding import Engine
from engine.operations.applying import Applying
from engine.operations.plan import Applied, Plan, PlanRequest
from engine.operations.planning import Planning
from engine.operations.verbs import check_request


class Operations:
    """What one operator may do to one store."""

    def __init__(self, engine: Engine, actor: Actor) -> None:
        """Prepare the verbs.

        Args:
            engine: a started engine.
            actor: the operator; every act carries it.
        """
        self._engine = engine
        self._actor = actor

    async def plan(self, request: PlanRequest) -> Plan:
        """Return what ``request`` would do; nothing is written.

        A workflow that cannot be done is an item with its reason in ``skipped``, never an error.

        Raises:
            InvalidValueError: the request itself is malformed.
            StoreError: the store cannot be read.
        """
        return await Planning(self._engine, self._actor, check_request(request)).plan()

    async def apply(self, plan: Plan, *, reason: str | None = None, request_id: str | None = None) -> Applied:
        """Do what ``plan`` says, each item only if its revision and its lock still are what the plan saw.

        Applying the same plan again, or again under the same request id, does nothing twice and gives the first
        outcomes. Refused and conflicting items are written into the audit.

        Args:
            plan: what :meth:`plan` returned.
            reason: why; the plan says whether it needs one and how long.
            request_id: under which a repetition is known; by default one made from the plan itself.

        Raises:
            ReasonRequiredError: the plan needs a reason and this is none, or too short a one.
            InvalidValueError: the request id is not printable text of at most 200 characters.
            StoreReadOnlyError: nothing can be written here.
        """
        return await Applying(self._engine, self._actor, plan, reason, request_id).apply()
