"""What an engine was constructed with, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from engine.clock import Clock
from engine.errors import InvalidValueError
from engine.orchestrator.arguments import demand_seconds
from engine.runner import EXPERT_ROUTER, MODULE_EXECUTOR, RAG_SERVICE
from engine.store.protocol import Store

DEFAULT_DIRECTORY: Final = Path("data/workflows")
DEFAULT_STATE_TIMEOUT_S: Final = 300.0
DEFAULT_MAX_RETRIES: Final = 3
DEFAULT_CHECK_INTERVAL_S: Final = 1.0
DEFAULT_RETRY_INTERVAL_S: Final = 5.0

SERVICE: Final = "service"
KINDS: Final = (SERVICE, "console", "cli")
PUBLISH: Final = ("before", "behind")


@dataclass(kw_only=True)
class Settings:
    """The constructor's arguments; the adapters may be filled in later, the rest stays.

    Attributes:
        directory: of the documents, absolute; None without persistence, or where ``store`` is no directory.
        store: a store of the caller's, used as it is.
        url: a store's URL, "" for a directory.
        state_timeout_s: seconds a visit may take, None for no limit.
        max_retries: of an event, after its first try.
        check_interval_s: the longest time between two sweeps.
        retry_interval_s: base delay of event retries.
        kind: ``service``, ``console`` or ``cli``.
        creates: whether a directory that does not exist is made.
        publishes_behind: whether callers return at the commit, before the document is written.
    """

    clock: Clock
    directory: Path | None
    store: Store | None = None
    url: str = ""
    event_bus: object | None = None
    adapters: dict[str, object | None] = field(default_factory=dict)
    observability_system: object | None = None
    state_timeout_s: float | None = DEFAULT_STATE_TIMEOUT_S
    max_retries: int = DEFAULT_MAX_RETRIES
    is_persistent: bool = True
    check_interval_s: float = DEFAULT_CHECK_INTERVAL_S
    retry_interval_s: float = DEFAULT_RETRY_INTERVAL_S
    kind: str = SERVICE
    is_read_only: bool = False
    supervises: bool = True
    scans: bool = True
    creates: bool = True
    publishes_behind: bool = False
    has_extra_events: bool = False
    ledger_dir: Path | None = None
    log_dir: Path | None = None

    def __post_init__(self) -> None:
        if self.state_timeout_s is not None:
            demand_seconds("state_timeout", self.state_timeout_s)
        demand_seconds("check_interval", self.check_interval_s)
        demand_seconds("retry_interval", self.retry_interval_s)
        if not _is_count(self.max_retries):
            raise InvalidValueError("max_retries", f"{self.max_retries!r} is not a count of 0 or more")
        if self.kind not in KINDS:
            raise InvalidValueError("kind", f"{self.kind!r} is none of {', '.join(KINDS)}")

    @property
    def place(self) -> str:
        """Where the store is, for messages."""
        if self.url:
            return self.url
        return str(self.directory) if self.directory is not None else "memory"


def adapters(
    rag_service: object | None, expert_router: object | None, module_executor: object | None
) -> dict[str, object | None]:
    """Return adapters by the name the runner knows them by."""
    return {RAG_SERVICE: rag_service, EXPERT_ROUTER: expert_router, MODULE_EXECUTOR: module_executor}


def first_given(given: Mapping[str, object | None], otherwise: Mapping[str, object | None]) -> dict[str, object | None]:
    """Return ``given`` with what is None taken from ``otherwise``."""
    return {name: otherwise.get(name) if value is None else value for name, value in given.items()}


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
