"""A line as data: the route of one workflow type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.model.names import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The states, edges and result slots of one workflow type; the machine is driven by nothing else.

    Attributes:
        path: the states of a successful run, first to last; the last is terminal.
        results: state to the document's result slot that its output fills.
        short: state to a name of at most 6 cells, for narrow screens.
        has_target_module: whether documents of this line carry ``target_module``.
    """

    name: str
    path: tuple[str, ...]
    results: Mapping[str, str]
    short: Mapping[str, str] = field(default_factory=dict)
    failed: str = "failed"
    cancelled: str = "cancelled"
    has_target_module: bool = False
    version: int = 1

    @property
    def states(self) -> tuple[str, ...]:
        """Every state, the path first."""
        return (*self.path, self.failed, self.cancelled)

    @property
    def initial(self) -> str:
        """Where a workflow begins."""
        return self.path[0]

    @property
    def final(self) -> str:
        """Where a successful run ends."""
        return self.path[-1]

    def phase(self, state: str) -> Phase:
        """Return whether ``state`` is open, failed or done."""
        if state == self.failed:
            return Phase.FAILED
        return Phase.DONE if state in (self.final, self.cancelled) else Phase.OPEN

    def next_states(self, state: str) -> tuple[str, ...]:
        """Return the states a normal transition from ``state`` may enter; empty where it is terminal.

        Every running state after the first may also fail; the first may not (source: contract).
        """
        if state not in self.path or state == self.final:
            return ()
        following = self.path[self.path.index(state) + 1]
        return (following,) if state == self.initial else (following, self.failed)
