"""A store directory with its ledger, publisher and scanner, and callers that change workflows in it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from document_texts import put

from engine.clock import Clock, ManualClock, SystemClock
from engine.documents.codec import Mark, read_mark
from engine.documents.publisher import Publisher
from engine.documents.scanner import Scanner, ScanReport
from engine.model.actor import Act, Actor
from engine.model.change import Change, Decision
from engine.model.lock import Incarnation
from engine.model.names import Flag
from engine.model.workflow import Workflow
from engine.rules.adoption import flag
from engine.rules.creation import create
from engine.rules.lines import DIRECT
from engine.rules.rollback import roll_back
from engine.rules.transitions import transition
from engine.store.outcomes import Committed
from engine.store.requests import StoreFacts
from engine.stores.sqlite import SqliteStore

CALLER = Actor(name="svc:1")
Rule = Callable[[Workflow], Decision]


class HurriedClock(ManualClock):
    """A clock on which every wait is over at once; ``on_sleep`` hears of each, with its seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.on_sleep: Callable[[float], None] = lambda _: None

    async def sleep(self, seconds: float) -> None:
        self.on_sleep(seconds)
        self._move(seconds)
        await SystemClock().sleep(0)


def incarnation(name: str) -> Incarnation:
    return Incarnation(
        incarnation=name, kind="service", host="h", boot_id="b", pid=os.getpid(), process_start="1", has_bus=False
    )


@dataclass
class Place:
    """One process's view of a store directory."""

    directory: Path
    store: SqliteStore
    facts: StoreFacts
    clock: Clock
    publisher: Publisher
    scanner: Scanner = field(init=False)

    def __post_init__(self) -> None:
        self.scanner = self.new_scanner()

    @classmethod
    async def open(cls, directory: Path, name: str = "01", clock: Clock | None = None) -> Place:
        clock = clock or HurriedClock()
        (directory / ".flowdeck").mkdir(exist_ok=True)
        store = SqliteStore(directory / ".flowdeck" / "ledger.db", clock=clock)
        facts = await store.open(incarnation(name))
        publisher = Publisher(store, directory, facts.store_id, clock)
        await publisher.start()
        return cls(directory, store, facts, clock, publisher)

    def new_scanner(self) -> Scanner:
        scanner = Scanner(self.store, self.directory, self.facts.store_id, self.publisher, self.clock)
        self.publisher.on_foreign = scanner.hint
        return scanner

    async def close(self) -> None:
        await self.scanner.stop()
        await self.publisher.stop()
        await self.store.close()

    async def commit(self, before: Workflow | None, decision: Decision) -> Workflow:
        revision = before.revision + 1 if before else 1
        outcome = await self.store.commit(
            Change(
                before=before,
                after=decision.after.evolve(revision=revision),
                entry=decision.entry,
                act=Act(actor=CALLER),
                request_id=uuid4().hex,
                payload_hash="",
            )
        )
        assert isinstance(outcome, Committed)
        return outcome.workflow

    async def create(self, workflow_id: str = "wf_direct_1", **options: Any) -> Workflow:
        decision = create(
            workflow_id=workflow_id,
            line=DIRECT,
            user_input=options.get("user_input", "查询"),
            timeout_s=300.0,
            at=self.clock.now(),
            actor=CALLER,
        )
        return await self.commit(None, decision)

    async def change(self, rule: Rule, workflow_id: str = "wf_direct_1") -> Workflow:
        before = await self.workflow(workflow_id)
        return await self.commit(before, rule(before))

    async def move(self, to_state: str, workflow_id: str = "wf_direct_1") -> Workflow:
        at = self.clock.now()
        return await self.change(
            lambda workflow: transition(workflow, DIRECT, to_state, timeout_s=300.0, at=at, actor=CALLER), workflow_id
        )

    async def roll_back(self, workflow_id: str = "wf_direct_1") -> Workflow:
        at = self.clock.now()
        return await self.change(lambda workflow: roll_back(workflow, DIRECT, None, at=at, actor=CALLER), workflow_id)

    async def flag(self, mark: Flag, workflow_id: str = "wf_direct_1") -> Workflow:
        at = self.clock.now()
        return await self.change(lambda workflow: flag(workflow, mark, "test", at=at, actor=CALLER), workflow_id)

    async def bump(self, workflow_id: str = "wf_direct_1") -> Workflow:
        """Make some new revision, whatever it says."""
        at = self.clock.now()

        def rule(workflow: Workflow) -> Decision:
            decision = flag(workflow, Flag.NONE, "bump", at=at, actor=CALLER)
            return Decision(after=decision.after.evolve(updated_at=at + timedelta(1)), entry=decision.entry)

        return await self.change(rule, workflow_id)

    async def workflow(self, workflow_id: str = "wf_direct_1") -> Workflow:
        workflow = await self.store.read(workflow_id)
        assert workflow is not None
        return workflow

    async def scan(self) -> ScanReport:
        report = await self.scanner.scan()
        assert report.problem == ""
        return report

    async def until_flagged(self, mark: Flag) -> None:
        """Give hinted looks the time they need; only a broken build waits the 5 s."""
        async with asyncio.timeout(5):
            while (await self.workflow()).flag is not mark:
                await self.clock.sleep(0)

    def path(self, workflow_id: str = "wf_direct_1") -> Path:
        return self.directory / f"{workflow_id}.json"

    def names(self) -> list[str]:
        return sorted(path.name for path in self.directory.iterdir())

    def on_disk(self, workflow_id: str = "wf_direct_1") -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.path(workflow_id).read_bytes())
        return document

    def mark(self, workflow_id: str = "wf_direct_1") -> Mark:
        mark = read_mark(self.path(workflow_id).read_bytes())
        assert mark is not None
        assert mark.is_of(self.facts.store_id)
        return mark

    def put(self, document: dict[str, Any]) -> Path:
        return put(self.directory, document)
