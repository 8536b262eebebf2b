"""The orchestrator: the one class that services, consoles and scripts embed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from engine.clock import Clock, SystemClock
from engine.delivery import EventWindow, RetryWindow
from engine.errors import InvalidValueError
from engine.model.names import SYSTEM_OWNER, TERMINAL_STATES
from engine.model.public import DirectWorkflowData, IntelligentWorkflowData
from engine.orchestrator.embedded import EmbeddedEngine
from engine.orchestrator.opening import directory_of
from engine.orchestrator.queries import as_dict
from engine.orchestrator.settings import (
    DEFAULT_CHECK_INTERVAL_S,
    DEFAULT_DIRECTORY,
    DEFAULT_MAX_RETRIES,
    DEFAULT_RETRY_INTERVAL_S,
    DEFAULT_STATE_TIMEOUT_S,
    PUBLISH,
    SERVICE,
    Settings,
    adapters,
)
from engine.rules.lines import DIRECT, INTELLIGENT
from engine.store.protocol import Store


class ProductionWorkflowOrchestrator(EmbeddedEngine):
    """Creates, moves, persists, supervises and tells of workflows.

    May be constructed outside a running loop and in any thread; the store is opened and background tasks begin with
    the first awaited call (:meth:`start` and every other). All awaited methods belong to one loop at a time; on a
    new loop after the old one ended, work goes on. An engine nobody cleaned up keeps no process alive.

    What is refused (another's lock, a move the line does not have, bad step data, a bad id) is answered with False
    or None, counted and recorded; a store that cannot be read or written raises :class:`StoreError`.
    """

    def __init__(  # noqa: PLR0913, PLR0917  the contract's constructor
        self,
        event_bus: object | None = None,
        rag_service: object | None = None,
        expert_router: object | None = None,
        module_executor: object | None = None,
        observability_system: object | None = None,
        persistence_dir: str | Path | None = None,
        state_timeout: float | None = DEFAULT_STATE_TIMEOUT_S,
        max_retries: int = DEFAULT_MAX_RETRIES,
        enable_persistence: bool = True,
        *,
        store: Store | str | Path | None = None,
        clock: Clock | None = None,
        check_interval: float = DEFAULT_CHECK_INTERVAL_S,
        retry_interval: float = DEFAULT_RETRY_INTERVAL_S,
        kind: str = SERVICE,
        is_read_only: bool = False,
        supervises: bool | None = None,
        scans: bool | None = None,
        creates: bool | None = None,
        publish: str = "before",
        extra_events: bool = False,
        ledger_dir: str | Path | None = None,
        log_dir: str | Path | None = None,
    ) -> None:
        """Take the settings; nothing is opened yet.

        Args:
            event_bus: an object with ``publish``, sync or async, taking one event or keywords.
            rag_service: retrieves for the intelligent line: a callable or an object (see ``engine.runner``).
            expert_router: routes for the intelligent line.
            module_executor: executes for both lines.
            observability_system: if given, new workflows get a ``span_id``.
            persistence_dir: directory of the documents, ``data/workflows`` if None.
            state_timeout: seconds a visit of a state may take; None for no limit.
            max_retries: of an event, after its first try.
            enable_persistence: False keeps everything in memory.
            store: an opened-by-us store, or a place (directory or URL) that goes before ``persistence_dir``.
            clock: the source of time; the machine's if None.
            check_interval: longest seconds between two sweeps of deadlines and locks.
            retry_interval: base delay of event retries, seconds.
            kind: ``service``, ``console`` or ``cli``.
            is_read_only: never write anything.
            supervises: fire deadlines and sweep; True for a service if None.
            scans: compare the directory with the ledger; True if None.
            creates: make the directory if it is missing; True for a service if None.
            publish: ``before``: calls return when the document is on disk; ``behind``: at the commit.
            extra_events: tell the bus of locks and operators' acts too.
            ledger_dir: directory of the ledger, ``<directory>/.flowdeck`` if None.
            log_dir: directory of the structured log.

        Raises:
            InvalidValueError: an argument is out of its range.
            StoreUnsafeError: the place is a URL of a store there is none for.
        """
        if publish not in PUBLISH:
            raise InvalidValueError("publish", f"{publish!r} is none of {', '.join(PUBLISH)}")
        is_place = isinstance(store, str | Path)
        place = store if is_place else persistence_dir
        is_service = kind == SERVICE
        is_persistent = enable_persistence and (store is None or is_place)
        directory = None
        if is_persistent or (store is not None and persistence_dir is not None):
            directory = directory_of(DEFAULT_DIRECTORY if place is None else place)  # type: ignore[arg-type]
        super().__init__(
            Settings(
                clock=clock or SystemClock(),
                directory=directory,
                store=None if is_place or store is None else store,  # type: ignore[arg-type]
                event_bus=event_bus,
                adapters=adapters(rag_service, expert_router, module_executor),
                observability_system=observability_system,
                state_timeout_s=state_timeout,
                max_retries=max_retries,
                is_persistent=enable_persistence,
                check_interval_s=check_interval,
                retry_interval_s=retry_interval,
                kind=kind,
                is_read_only=is_read_only,
                supervises=is_service if supervises is None else supervises,
                scans=True if scans is None else scans,
                creates=is_service if creates is None else creates,
                publishes_behind=publish == "behind",
                has_extra_events=extra_events,
                ledger_dir=None if ledger_dir is None else Path(ledger_dir).expanduser().absolute(),
                log_dir=None if log_dir is None else Path(log_dir).expanduser(),
            )
        )

    # Creating

    async def create_intelligent_workflow(  # noqa: PLR0913  the contract's arguments
        self,
        user_input: str,
        context: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        trace_id: str | None = None,
        parent_span_id: str | None = None,
        *,
        workflow_id: str | None = None,
        request_id: str | None = None,
    ) -> str:
        """Create a workflow of the intelligent line and return its id, ``wf_intelligent_`` and 12 hex digits.

        Asked again with the same ``request_id``, or ``workflow_id`` and arguments, it is the same workflow.

        Raises:
            RefusedError: an argument has no JSON shape, the id is taken or none, the request id meant another.
            StoreError: the store cannot be written, or it is unknown whether it was.
        """
        fields = {
            "user_input": user_input,
            "context": context,
            "metadata": metadata,
            "trace_id": trace_id,
            "parent_span_id": parent_span_id,
        }
        rooms = await self._life.ready()
        return await rooms.commands.create(INTELLIGENT, fields, workflow_id=workflow_id, request_id=request_id)

    async def create_direct_workflow(  # noqa: PLR0913, PLR0917  the contract's arguments
        self,
        user_input: str,
        target_module: str,
        context: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        trace_id: str | None = None,
        parent_span_id: str | None = None,
        *,
        workflow_id: str | None = None,
        request_id: str | None = None,
    ) -> str:
        """Create a workflow of the direct line and return its id, ``wf_direct_`` and 12 hex digits.

        Asked again with the same ``request_id``, or ``workflow_id`` and arguments, it is the same workflow.

        Raises:
            RefusedError: an argument has no JSON shape, the id is taken or none, the request id meant another.
            StoreError: the store cannot be written, or it is unknown whether it was.
        """
        fields = {
            "user_input": user_input,
            "target_module": target_module,
            "context": context,
            "metadata": metadata,
            "trace_id": trace_id,
            "parent_span_id": parent_span_id,
        }
        rooms = await self._life.ready()
        return await rooms.commands.create(DIRECT, fields, workflow_id=workflow_id, request_id=request_id)

    # Moving

    async def transition_state(  # noqa: PLR0913  the contract's arguments
        self,
        workflow_id: str,
        new_state: str,
        step_data: Mapping[str, Any] | None = None,
        error: object = None,
        *,
        lock_owner: str | None = None,
        expect_revision: int | None = None,
        request_id: str | None = None,
    ) -> bool:
        """Enter the next state of the line, or ``failed``; False means that surely nothing changed.

        Args:
            workflow_id: the workflow.
            new_state: the state to enter.
            step_data: ``started_at completed_at duration input_data output_data metadata`` of the step that led
                there; its output fills the state's result slot.
            error: the text (or the exception) of what went wrong.
            lock_owner: the holder to write as; else the lock that this context acquired counts.
            expect_revision: refuse if the workflow is at another revision.
            request_id: a repetition with it gives the first outcome and acts once.

        Raises:
            StoreError: the store cannot be read or written, or it is unknown whether it was.
        """
        rooms = await self._life.ready()
        return await rooms.commands.transition(
            workflow_id,
            str(new_state),
            step_data=step_data,
            error=error,
            lock_owner=lock_owner,
            expect_revision=expect_revision,
            request_id=request_id,
        )

    async def rollback_workflow_state(  # noqa: PLR0913  the contract's arguments
        self,
        workflow_id: str,
        target_state: str | None = None,
        reason: str | None = None,
        *,
        lock_owner: str | None = None,
        expect_revision: int | None = None,
        request_id: str | None = None,
    ) -> bool:
        """Enter the previous successful state again, or ``target_state`` if it is on the active path.

        From ``failed`` it revives the workflow; a second rollback goes one state further.

        Raises:
            StoreError: the store cannot be read or written, or it is unknown whether it was.
        """
        rooms = await self._life.ready()
        return await rooms.commands.roll_back(
            workflow_id,
            None if target_state is None else str(target_state),
            reason=reason,
            lock_owner=lock_owner,
            expect_revision=expect_revision,
            request_id=request_id,
        )

    async def cancel_workflow(
        self,
        workflow_id: str,
        reason: str | None = None,
        *,
        lock_owner: str | None = None,
        expect_revision: int | None = None,
        request_id: str | None = None,
    ) -> bool:
        """End an open workflow as ``cancelled``; False where it has ended already.

        Raises:
            StoreError: the store cannot be read or written, or it is unknown whether it was.
        """
        rooms = await self._life.ready()
        return await rooms.commands.cancel(
            workflow_id,
            reason=reason,
            lock_owner=lock_owner,
            expect_revision=expect_revision,
            request_id=request_id,
        )

    async def execute_intelligent_workflow(
        self,
        workflow_id: str,
        rag_service: object | None = None,
        expert_router: object | None = None,
        module_executor: object | None = None,
    ) -> dict[str, Any]:
        """Drive an intelligent workflow through its adapters to the end; see :meth:`execute_direct_workflow`.

        Raises:
            StoreError: the store cannot be read or written, or it is unknown whether it was.
        """
        rooms = await self._life.ready()
        given = adapters(rag_service, expert_router, module_executor)
        return await rooms.driving.execute(workflow_id, INTELLIGENT.name, given)

    async def execute_direct_workflow(self, workflow_id: str, module_executor: object | None = None) -> dict[str, Any]:
        """Drive a direct workflow through its adapter to the end, from whatever open state it is in.

        Each result is committed before the next step begins. An adapter that raises fails the workflow with a
        classified error. What others do meanwhile (rollback, cancel, time-out) wins over the work under way.

        Returns:
            ``workflow_id``, ``success`` (it completed), ``state``, ``response`` and ``error``.

        Raises:
            StoreError: the store cannot be read or written, or it is unknown whether it was.
        """
        rooms = await self._life.ready()
        return await rooms.driving.execute(workflow_id, DIRECT.name, adapters(None, None, module_executor))

    # Reading

    async def get_workflow(self, workflow_id: str) -> dict[str, Any] | None:
        """Return exactly the data fields of a workflow as plain values, None where there is none.

        Raises:
            StoreError: the store cannot be read.
        """
        rooms = await self._life.ready()
        found = await rooms.queries.find(workflow_id)
        return None if found is None else as_dict(found)

    async def list_workflows(
        self, workflow_type: str | None = None, state: str | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """Return workflows as :meth:`get_workflow` does, newest ``created_at`` first.

        Raises:
            InvalidValueError: an argument is of the wrong kind.
            StoreError: the store cannot be read.
        """
        rooms = await self._life.ready()
        return await rooms.queries.listed(workflow_type, state, limit)

    async def load_workflow(self, workflow_id: str) -> IntelligentWorkflowData | DirectWorkflowData | None:
        """Return the newest persisted state typed all the way down, and have its history at hand from now on.

        None where it is missing or damaged, or its id is no plain name.

        Raises:
            StoreError: the store cannot be read.
        """
        rooms = await self._life.ready()
        return await rooms.queries.load(workflow_id)

    async def wait_for(
        self,
        workflow_id: str,
        states: Collection[str] | str = TERMINAL_STATES,
        timeout: float | None = None,  # noqa: ASYNC109  the contract's name
    ) -> dict[str, Any] | None:
        """Wait until a workflow is in one of ``states`` and return it as :meth:`get_workflow` does.

        None where ``timeout`` seconds passed before that, or there is no such workflow.

        Raises:
            InvalidValueError: an argument is of the wrong kind or out of its range.
            StoreError: the store cannot be read.
        """
        rooms = await self._life.ready()
        wanted = (states,) if isinstance(states, str) else states
        return await rooms.queries.wait_for(workflow_id, wanted, timeout)

    def get_state_history(self, workflow_id: str) -> list[dict[str, Any]]:
        """Return a copy of the state history as this engine knows it; :meth:`state_history_of` asks the store.

        It knows what it created, loaded or was told by the store's feed.
        """
        return self._life.views.history(workflow_id)

    async def state_history_of(self, workflow_id: str) -> list[dict[str, Any]]:
        """Return the whole state history as the store holds it, [] where there is no such workflow.

        Raises:
            StoreError: the store cannot be read.
        """
        rooms = await self._life.ready()
        return await rooms.queries.history(workflow_id)

    # Locks

    async def acquire_workflow_lock(
        self,
        workflow_id: str,
        lock_owner: str = SYSTEM_OWNER,
        timeout: float = 300.0,  # noqa: ASYNC109  the contract's name
    ) -> bool:
        """Take a workflow's lock for ``timeout`` seconds; False where another holds it.

        The calling context holds it from then on; other contexts name ``lock_owner=``. It is not renewed by itself.
        One of the default owner keeps other acquirers out, and nobody's transitions.

        Raises:
            StoreError: the store cannot be read or written.
        """
        rooms = await self._life.ready()
        return await rooms.locking.acquire(workflow_id, lock_owner, timeout)

    async def release_workflow_lock(self, workflow_id: str, lock_owner: str | None = None) -> bool:
        """Give a lock up: of the named owner, else of this context, else of the default owner.

        False where it is another's, expired, or none.

        Raises:
            StoreError: the store cannot be read or written.
        """
        rooms = await self._life.ready()
        return await rooms.locking.release(workflow_id, lock_owner)

    # Counting

    def get_error_stats(self) -> dict[str, int]:
        """Return a copy of this engine's errors by type; :meth:`error_stats_of_store` counts all engines'."""
        return self._life.views.metrics.error_stats()

    async def error_stats_of_store(self) -> dict[str, int]:
        """Return errors by type since the store was made, whichever engine counted them.

        Raises:
            StoreError: the store cannot be read.
        """
        rooms = await self._life.ready()
        return await rooms.queries.error_stats()

    async def get_metrics_json(self) -> dict[str, Any]:
        """Return counts of the store, and durations and steps that this engine recorded; durations in seconds.

        Raises:
            StoreError: the store cannot be read.
        """
        rooms = await self._life.ready()
        return await rooms.queries.metrics()

    def get_prometheus_metrics(self) -> bytes:
        """Return this engine's metrics in Prometheus' text format, from a registry of its own."""
        return self._life.views.metrics.prometheus()

    @property
    def event_queue(self) -> EventWindow:
        """The newest published events, 10,000 at most."""
        return self._life.views.event_queue

    @property
    def event_retry_queue(self) -> RetryWindow:
        """The events that wait for a retry, 1,000 at most."""
        return self._life.views.event_retry_queue
