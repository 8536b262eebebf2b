"""What planning read of one workflow."""

from __future__ import annotations

from dataclasses import dataclass

from engine.model.lock import Lock
from engine.model.workflow import Workflow
from engine.observation.views import LockView
from engine.store.query import FlowRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What planning read of one workflow.

    Attributes:
        workflow: None where there is none.
        row: its list row, read only where there is no workflow: a damaged document has one.
        lock: its lock row, held or emptied.
        view: the lock with what is known of its holder, where it is held and not expired.
    """

    workflow: Workflow | None
    row: FlowRow | None = None
    lock: Lock | None = None
    view: LockView | None = None

    @property
    def fence(self) -> int:
        """The fence the plan guards: of the grant that stands, expired or not; 0 where nobody has one."""
        return 0 if self.lock is None or not self.lock.owner else self.lock.fence
