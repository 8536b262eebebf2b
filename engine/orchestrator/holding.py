"""What this engine's callers hold: grants by explicit owner, and by the context that acquired them.

A grant is (owner, incarnation, fence). A caller is known by a context variable that acquiring sets, or by naming
its ``lock_owner``; a copy of the context that outlives the grant is refused by the grant's fence, so that nothing
here has to be taken back in other tasks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final

from engine.model.lock import Claim, Lock
from engine.model.names import SYSTEM_OWNER

_REMEMBERED: Final = 100_000
"""Grants kept for owners that never released; without its grant an explicit owner is a caller like any other."""

_claims: ContextVar[Mapping[tuple[str, str], Claim]] = ContextVar("flowdeck_claims", default=MappingProxyType({}))
"""Claims of the running context by (incarnation, workflow id)."""


class Holding:
    """The grants of one engine."""

    def __init__(self, incarnation: str) -> None:
        self._incarnation = incarnation
        self._grants: OrderedDict[tuple[str, str], Claim] = OrderedDict()

    def took(self, lock: Lock) -> Claim:
        """Remember a grant, for its owner's name and for the running context; return the claim it gives.

        A lock of the default owner guards nobody's transitions, so it stays out of the context.
        """
        claim = Claim(
            workflow_id=lock.workflow_id,
            owner=lock.owner,
            incarnation=lock.incarnation,
            fence=lock.fence,
            generation=lock.generation,
        )
        self._grants.pop((lock.workflow_id, lock.owner), None)
        self._grants[lock.workflow_id, lock.owner] = claim
        if len(self._grants) > _REMEMBERED:
            self._grants.popitem(last=False)
        if lock.owner != SYSTEM_OWNER:
            _claims.set({**_claims.get(), (self._incarnation, lock.workflow_id): claim})
        return claim

    def claim(self, workflow_id: str, owner: str | None = None) -> Claim | None:
        """Return what the caller may write under: of the named owner, else of the running context."""
        if owner is None:
            return _claims.get().get((self._incarnation, workflow_id))
        return None if owner == SYSTEM_OWNER else self._grants.get((workflow_id, owner))

    def grant(self, workflow_id: str, owner: str | None = None) -> Claim | None:
        """Return the grant a release means: of the named owner, else of the context, else of the default owner."""
        if owner is None:
            held = self.claim(workflow_id)
            return held or self._grants.get((workflow_id, SYSTEM_OWNER))
        return self._grants.get((workflow_id, owner))

    def gave_up(self, claim: Claim) -> None:
        """Forget a grant that was released."""
        key = (claim.workflow_id, claim.owner)
        if self._grants.get(key) is claim:
            del self._grants[key]
        mine = (self._incarnation, claim.workflow_id)
        held = _claims.get()
        if held.get(mine) is claim:
            _claims.set({other: value for other, value in held.items() if other != mine})
