"""What reading and operating need of a started engine; the orchestrator is one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from engine.clock import Clock
from engine.model.actor import Act
from engine.model.change import Decision, LockPolicy
from engine.model.line import Line
from engine.model.lock import Claim, Incarnation, Instant, Liveness
from engine.model.workflow import Workflow
from engine.store.outcomes import Outcome
from engine.store.protocol import Store
from engine.store.query import EngineRow
from engine.store.requests import StoreFacts

Rule = Callable[[Workflow, datetime], Decision]
"""A pure rule with its arguments bound: the workflow as read and the time, to what would be true."""


class Commits(Protocol):
    """The one way of a change."""

    async def run(  # noqa: PLR0913  one change has this many facts
        self,
        workflow_id: str,
        rule: Rule,
        *,
        act: Act,
        payload: object,
        expect_revision: int | None = None,
        claim: Claim | None = None,
        lock_policy: LockPolicy = LockPolicy.OBEY,
        lock_fence: int | None = None,
    ) -> Outcome:
        """Read, run the rule, commit; publish and deliver what came of it."""
        ...


class Engine(Protocol):
    """A started engine, as operators' rooms see it. All of it may be used from the engine's loop only."""

    @property
    def store(self) -> Store:
        """The ledger."""
        ...

    @property
    def clock(self) -> Clock:
        """The one source of time."""
        ...

    @property
    def committer(self) -> Commits:
        """The one way of a change."""
        ...

    @property
    def me(self) -> Incarnation:
        """This start of this engine."""
        ...

    @property
    def facts(self) -> StoreFacts:
        """What opening the store told."""
        ...

    @property
    def directory(self) -> Path | None:
        """Where the documents lie, None without persistence."""
        ...

    @property
    def mode(self) -> str:
        """``live``, ``read-only`` or ``documents only``."""
        ...

    @property
    def mode_reason(self) -> str:
        """Why it is not live, "" where it is."""
        ...

    @property
    def watcher_state(self) -> str:
        """``ok``, ``restarting``, ``off`` or why not."""
        ...

    @property
    def scan_report(self) -> Any:
        """What the newest scan of this engine found, None before the first."""
        ...

    async def look(self, workflow_ids: Collection[str]) -> None:
        """Take in documents that the ledger does not know yet; what lies there under none of these ids stays."""
        ...

    def instant(self) -> Instant:
        """Return this moment on both clocks."""
        ...

    def find_line(self, workflow_type: str) -> Line | None:
        """Return the line of a workflow type."""
        ...

    def engine_liveness(self, engine: EngineRow | str) -> tuple[Liveness, str]:
        """Return what is known of an engine's life, and the evidence as a sentence part."""
        ...
