"""Planning: read what stands, run the rule, say what it would do and what must still be true then."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from engine.errors import RefusedError
from engine.model.actor import Actor
from engine.model.lock import Lock
from engine.model.names import Flag
from engine.model.workflow import Workflow
from engine.observation.embedding import Engine
from engine.observation.lives import lock_views
from engine.observation.places import place_of
from engine.operations.checks import checks_of
from engine.operations.command import command_line
from engine.operations.effects import effects_of
from engine.operations.event_items import event_items
from engine.operations.ladder import confirmation, title_of, undo_of
from engine.operations.plan import Plan, PlanItem, PlanRequest, Verb
from engine.operations.seen import Seen
from engine.operations.skips import skip_of
from engine.operations.unlocking import unlock_item
from engine.operations.verbs import EVENT_VERBS, bind_rule
from engine.rules import force
from engine.rules.locks import is_held
from engine.store.query import FlowRow

_AT_ONCE: Final = 200
"""Workflows read in one turn of the store."""


class Planning:
    """One plan in the making."""

    def __init__(self, engine: Engine, actor: Actor, request: PlanRequest) -> None:
        self._engine = engine
        self._request = request
        self._rule = bind_rule(request, engine.find_line, actor)
        self._now = engine.instant()

    async def plan(self) -> Plan:
        """Return the plan."""
        if self._request.verb in EVENT_VERBS:
            items = await event_items(self._engine, self._request)
            seen: Mapping[str, Seen] = {}
        else:
            seen = await self._read()
            items = tuple(self._item(workflow_id, seen[workflow_id]) for workflow_id in self._request.ids)
        doable = tuple(item for item in items if not item.skipped)
        asked = confirmation(self._engine, self._request, doable, seen)
        return Plan(
            request=self._request,
            read_at=self._now.at,
            title=title_of(self._request, items),
            items=items,
            level=asked.level,
            token=asked.token,
            is_reason_required=asked.is_reason_required,
            reason_at_least=asked.reason_at_least,
            checks=checks_of(self._engine, self._request, doable, seen, self._now.at),
            undo=undo_of(self._request, doable),
            command=command_line(self._request, doable, place_of(self._engine)),
        )

    async def _read(self) -> dict[str, Seen]:
        store = self._engine.store
        ids = self._request.ids
        workflows = await self._workflows(ids)
        absent = [workflow_id for workflow_id in ids if workflow_id not in workflows]
        if absent:
            await self._engine.look(absent)
            workflows.update(await self._workflows(absent))
        locks = await self._locks(tuple(workflows))
        held = [lock for lock in locks.values() if is_held(lock, self._now)]
        views = {view.lock.workflow_id: view for view in await lock_views(self._engine, held)}
        return {
            workflow_id: Seen(
                workflow=workflows.get(workflow_id),
                row=None if workflow_id in workflows else await store.row(workflow_id),
                lock=locks.get(workflow_id),
                view=views.get(workflow_id),
            )
            for workflow_id in ids
        }

    async def _workflows(self, ids: Sequence[str]) -> dict[str, Workflow]:
        workflows: dict[str, Workflow] = {}
        for start in range(0, len(ids), _AT_ONCE):
            found = await self._engine.store.read_many(ids[start : start + _AT_ONCE])
            workflows.update({workflow.workflow_id: workflow for workflow in found})
        return workflows

    async def _locks(self, ids: Sequence[str]) -> dict[str, Lock]:
        locks: dict[str, Lock] = {}
        for start in range(0, len(ids), _AT_ONCE):
            found = await asyncio.gather(*map(self._engine.store.lock, ids[start : start + _AT_ONCE]))
            locks.update({lock.workflow_id: lock for lock in found if lock is not None})
        return locks

    def _item(self, workflow_id: str, seen: Seen) -> PlanItem:
        workflow = seen.workflow
        if workflow is None:
            return _absent(workflow_id, seen.row)
        wanted = self._request.if_revisions.get(workflow_id)
        if wanted is not None and wanted != workflow.revision:
            why = f"it moved on: at revision {workflow.revision}, you saw {wanted}; look again"
            return self._skipped(seen, workflow, why, "conflict")
        if self._request.verb is Verb.UNLOCK:
            return unlock_item(self._engine, self._request, workflow, seen.lock, seen.view)
        try:
            decision = self._rule(workflow, self._now.at)
        except RefusedError as error:
            return self._skipped(seen, workflow, *skip_of(error, self._request.verb))
        missing = self._missing(workflow)
        return PlanItem(
            id=workflow_id,
            revision=workflow.revision,
            lock_fence=seen.fence,
            before=workflow.state,
            after=decision.after.state,
            effects=effects_of(workflow, decision, seen.lock, self._now, missing),
            missing=missing,
        )

    def _missing(self, workflow: Workflow) -> tuple[str, ...]:
        line = self._engine.find_line(workflow.workflow_type)
        if self._request.verb is not Verb.FORCE or line is None or self._request.to is None:
            return ()
        missing = force.missing_results(workflow, line, self._request.to)
        return tuple(state for state in missing if state not in self._request.results)

    def _skipped(self, seen: Seen, workflow: Workflow, why: str, code: str) -> PlanItem:
        return PlanItem(
            id=workflow.workflow_id,
            revision=workflow.revision,
            lock_fence=seen.fence,
            before=workflow.state,
            skipped=why,
            skip_code=code,
        )


def _absent(workflow_id: str, row: FlowRow | None) -> PlanItem:
    """Return the item of an id behind which no workflow stands."""
    if row is not None and row.flag is Flag.DAMAGED:
        why = f"its document is damaged ({row.error or 'unreadable'}); the file was left as it is"
        return PlanItem(id=workflow_id, before="damaged", skipped=why, skip_code="refused")
    return PlanItem(id=workflow_id, skipped="there is no such workflow in this store", skip_code="not_found")
