"""Who acts, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class ActorKind(StrEnum):
    """What kind of hand an act came from."""

    CALLER = "caller"
    OPERATOR = "operator"
    POLICY = "policy"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """One hand: a service's call, an operator at a terminal, a policy of the engine, another program.

    Attributes:
        name: short and shown, such as ``ops@host``, ``svc:4121`` or ``engine:policy/timeout``.
        facts: user, sudo_user, ssh, host, pid, tty, where known.
    """

    name: str
    kind: ActorKind = ActorKind.CALLER
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One deliberate act: who, why, and the request id that keeps it from happening twice."""

    actor: Actor
    reason: str | None = None
    request_id: str | None = None


def policy(rule: str) -> Actor:
    """Return the engine itself, acting by ``rule``; shown as ``engine:policy/<rule>``."""
    return Actor(name=f"engine:policy/{rule}", kind=ActorKind.POLICY)
