"""Who holds a store-wide role."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from engine.model.lock import Liveness
from engine.observation.views import EngineView
from engine.store.query import LeaseRow

SUPERVISOR: Final = "supervisor"
"""Name of the store-wide role that fires deadlines."""


def supervisor_of(leases: Sequence[LeaseRow], engines: Sequence[EngineView], now: datetime) -> EngineView | None:
    """Return who fires deadlines: the holder of an unexpired lease that is not known to be dead."""
    holders = {lease.incarnation for lease in leases if lease.name == SUPERVISOR and lease.expires_at > now}
    living = (view for view in engines if view.liveness is not Liveness.DEAD)
    return next((view for view in living if view.row.engine.incarnation in holders), None)
