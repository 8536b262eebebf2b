"""Why a workflow is where it is: one code, one sentence, one suggested verb."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """An answer an operator can act on.

    Attributes:
        code: ``damaged conflict gone finished cancelled failed paused lock_dead lock_held lock_void overdue
            outbox_blocked never_started no_engine external waiting``.
        sentence: the evidence, with ages and names.
        verbs: suggested verbs, the best first; values of ``engine.operations.plan.Verb``.
    """

    code: str
    sentence: str
    verbs: tuple[str, ...] = ()
