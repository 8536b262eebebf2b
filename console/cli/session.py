"""An engine for the length of one command."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from console.cli.exits import StoreMissingError
from console.cli.output import Printer
from console.cli.parser import DEFAULT_PLACE, STORE_VARIABLE
from engine.observation.observer import Observer
from engine.operations.actor import terminal_actor
from engine.operations.operations import Operations
from engine.orchestrator import ProductionWorkflowOrchestrator


@dataclass(frozen=True, slots=True)
class Session:
    """What a verb works with."""

    engine: ProductionWorkflowOrchestrator
    observer: Observer
    operations: Operations
    printer: Printer


def place_of(asked: Namespace) -> str:
    """Return the store a command line means: ``--store``, else the variable, else the default.

    Raises:
        StoreMissingError: a directory was named and there is nothing of that name.
    """
    named = asked.store or os.environ.get(STORE_VARIABLE)
    if named and "://" not in named and not os.path.lexists(named):
        raise StoreMissingError(f"There is no directory {named}. Nothing was done; a service or mkdir makes one")
    return named or DEFAULT_PLACE


@asynccontextmanager
async def open_session(asked: Namespace, printer: Printer) -> AsyncIterator[Session]:
    """Open the store, take in what other programs wrote there, and close it at the end.

    Raises:
        StoreError: the place cannot serve as a store.
        StoreMissingError: it is not there.
    """
    engine = ProductionWorkflowOrchestrator(
        store=place_of(asked),
        kind="cli",
        is_read_only=asked.read_only,
        supervises=False,
    )
    try:
        await engine.start()
        observer = Observer(engine)
        await engine.rescan()
        yield Session(engine, observer, Operations(engine, terminal_actor()), printer)
    finally:
        await engine.cleanup()
