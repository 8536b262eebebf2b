from __future__ import annotations

import pytest
from making import MakeEngine

from engine import ProductionWorkflowOrchestrator
from engine.errors import InvalidValueError, StoreError, WorkflowErrorType
from engine.model.actor import Act, Actor
from engine.model.change import Change
from engine.orchestrator.refusals import Refusals
from engine.store.outcomes import Outcome
from engine.store.query import Query
from engine.store.requests import Refusal
from engine.stores.sqlite import SqliteStore

LONE = "\ud800"


async def refused(engine: ProductionWorkflowOrchestrator) -> list[tuple[str, str]]:
    await engine.error_stats_of_store()
    page = await engine.store.page_audit(Query(at=engine.clock.now()))
    return [(row.workflow_id, row.body["why"]) for row in page.rows if row.kind == "refused"]


async def test_text_that_cannot_be_written_is_recorded_spelt_out(engine: ProductionWorkflowOrchestrator) -> None:
    workflow_id = await engine.create_direct_workflow("q", "erp")
    assert not await engine.transition_state(workflow_id, LONE)
    assert not await engine.rollback_workflow_state(workflow_id, reason=LONE)
    assert not await engine.cancel_workflow(workflow_id, LONE)
    assert not await engine.transition_state(LONE, "module_execution")
    assert not await engine.transition_state(workflow_id, "completed")
    assert [about for about, _ in await refused(engine)].count(workflow_id) == 4
    assert len(await refused(engine)) == 5


class Stubborn(SqliteStore):
    """A store that cannot take one of the refusals."""

    async def record_refusal(self, refusal: Refusal) -> None:
        if refusal.verb == "cancel":
            raise ValueError(refusal.verb)
        await super().record_refusal(refusal)


async def test_a_refusal_that_cannot_be_written_takes_no_other_with_it(make_engine: MakeEngine) -> None:
    engine = make_engine(store=Stubborn(None, clock=make_engine().clock))
    await engine.start()
    failed: list[str] = []
    refusals = Refusals(engine.store, lambda where, error: failed.append(f"{where}: {error}"))
    error = InvalidValueError("x", "y")
    for verb in ("rollback", "cancel", "transition"):
        refusal = Refusal(
            workflow_id="",
            verb=verb,
            at=engine.clock.now(),
            act=Act(actor=Actor(name="a")),
            why=verb,
            error_type=WorkflowErrorType.VALIDATION_ERROR,
        )
        await refusals.take(refusal, error)
    await refusals.flush()
    assert sorted(why for _, why in await refused(engine)) == ["rollback", "transition"]
    assert failed == ["refusal: cancel"]


class Full(SqliteStore):
    """A store whose disk is full from a moment on."""

    is_full = False

    async def commit(self, change: Change) -> Outcome:
        if self.is_full:
            raise StoreError("The disk is full.")
        return await super().commit(change)


async def test_a_commit_that_the_store_cannot_take_counts_as_an_error_of_resources(make_engine: MakeEngine) -> None:
    store = Full(None, clock=make_engine().clock)
    engine = make_engine(store=store, persistence_dir=None)
    workflow_id = await engine.create_direct_workflow("q", "erp")
    store.is_full = True
    with pytest.raises(StoreError):
        await engine.transition_state(workflow_id, "module_execution")
    with pytest.raises(StoreError):
        await engine.create_direct_workflow("q", "erp")
    assert engine.get_error_stats() == {"resource_error": 2}
