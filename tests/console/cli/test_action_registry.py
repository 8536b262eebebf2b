from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from console.actions import ACTIONS, COMMANDS, DROP, FORCE, PLANS, RETRY, ROLL_BACK, UNLOCK, ActionContext, by_verb
from engine.model.lock import Lock
from engine.model.names import EventStatus, Flag, Origin, Phase
from engine.operations.plan import Verb
from engine.store.outcomes import EventId
from engine.store.query import EventRow, FlowRow

AT = datetime(2026, 1, 1, tzinfo=UTC)
FORBIDDEN = {"ctrl+a", "ctrl+b", "ctrl+h", "ctrl+j", "ctrl+k", "ctrl+l", "ctrl+s", "ctrl+space", "ctrl+z"}


def row(**changes: Any) -> FlowRow:
    made = FlowRow(
        workflow_id="wf_direct_1",
        workflow_type="direct",
        state="module_execution",
        phase=Phase.OPEN,
        origin=Origin.OWN,
        flag=Flag.NONE,
        revision=2,
        generation=1,
        created_at=AT,
        updated_at=AT,
        entered_at=AT,
        deadline_at=None,
        ended_at=None,
        paused_at=None,
        attempt=0,
        is_forced=False,
        error_type=None,
        error=None,
    )
    return replace(made, **changes)


def event(status: EventStatus) -> EventRow:
    return EventRow(
        id=EventId(workflow_id="wf_direct_1", entry_n=1, n=1),
        type="workflow.started",
        status=status,
        incarnation="",
        attempts=0,
        created_at=AT,
        next_attempt_at=None,
        error_type=None,
        error=None,
        cause=None,
    )


LOCK = Lock(
    workflow_id="wf_direct_1",
    owner="svc",
    incarnation="01",
    fence=1,
    generation=1,
    acquired_at=AT,
    ttl_s=300,
    expires_at=AT,
    boot_id="b",
    expires_mono=1.0,
)


def test_ids_and_keys_are_used_once() -> None:
    ids = [action.id for action in ACTIONS]
    keys = [key for action in ACTIONS for key in action.keys]
    assert len(ids) == len(set(ids))
    assert len(keys) == len(set(keys))


def test_uppercase_opens_a_plan_and_lowercase_never_does() -> None:
    for action in ACTIONS:
        is_upper = len(action.key) == 1 and action.key.isupper()
        assert action.is_plan == (is_upper and action.key != "G"), action.id


def test_no_key_is_one_that_terminals_and_multiplexers_need() -> None:
    assert not FORBIDDEN & {key for action in ACTIONS for key in action.keys}


def test_both_spellings_of_an_uppercase_key_are_bound() -> None:
    for action in PLANS:
        assert action.keys == (action.key, f"shift+{action.key.lower()}")


def test_every_operator_verb_is_a_command_and_every_action_verb_exists() -> None:
    assert {verb.value.split()[0] for verb in Verb} <= set(COMMANDS)
    assert {action.verb for action in ACTIONS if action.verb} <= set(COMMANDS)
    assert by_verb("rollback") is ROLL_BACK


def test_words_are_there_and_end_as_sentences() -> None:
    for action in ACTIONS:
        assert action.label
        assert len(action.short) <= 12
        assert action.help.endswith(".") or action.id == "find.filter"


@pytest.mark.parametrize(
    ("context", "action", "why"),
    [
        (ActionContext(), ROLL_BACK, "no workflow is selected"),
        (ActionContext(row=row()), ROLL_BACK, None),
        (ActionContext(row=row(), read_only_reason="asked for"), ROLL_BACK, "nothing can be changed here: asked for"),
        (
            ActionContext(row=row(state="completed", phase=Phase.DONE)),
            ROLL_BACK,
            "completed; R does not reopen it, F forces it",
        ),
        (ActionContext(row=row(state="initialized")), ROLL_BACK, "it has no earlier state to go back to"),
        (ActionContext(row=row(state="", flag=Flag.DAMAGED)), FORCE, "its document is damaged"),
        (ActionContext(marked=3), ROLL_BACK, None),
        (ActionContext(row=row()), UNLOCK, "it is not locked"),
        (ActionContext(row=row(lock=LOCK)), UNLOCK, None),
        (ActionContext(row=row()), RETRY, "in module_execution, not failed; R rolls it back"),
        (ActionContext(row=row(state="failed", phase=Phase.FAILED)), RETRY, None),
        (ActionContext(row=row(), event=event(EventStatus.PENDING)), RETRY, None),
        (ActionContext(row=row(), event=event(EventStatus.DELIVERED)), RETRY, "this event is delivered"),
        (ActionContext(row=row()), DROP, "no event is selected"),
        (ActionContext(event=event(EventStatus.DEAD)), DROP, None),
    ],
)
def test_a_key_that_cannot_act_says_why(context: ActionContext, action: Any, why: str | None) -> None:
    refusal = action.refusal(context)
    if why is None:
        assert refusal is None
    else:
        assert refusal is not None
        assert why in refusal


def test_the_registry_loads_neither_engine_nor_screen() -> None:
    code = (
        "import sys, console.actions\n"
        "print([name for name in ('engine', 'textual', 'pydantic', 'rich') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
