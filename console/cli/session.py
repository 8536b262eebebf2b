"""An engine for the length of one command."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from console.cli.output import Printer
from console.cli.parser import DEFAULT_PLACE, STORE_VARIABLE
from engine.clock import Clock
from engine.observation.observer import Observer
from engine.operations.actor import terminal_actor
from engine.operations.operations import Operations
from engine.orchestrator import ProductionWorkflowOrchestrator

_FRESH_S: Final = 5.0
"""A scan by anyone, seconds ago, that a command need not repeat."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a verb works with."""

    engine: ProductionWorkflowOrchestrator
    observer: Observer
    operations: Operations
    printer: Printer


def place_of(asked: Namespace) -> str:
    """Return the store a command line means: ``--store``, else the variable, else the default."""
    return asked.store or os.environ.get(STORE_VARIABLE) or DEFAULT_PLACE


@asynccontextmanager
async def open_session(
    asked: Namespace, printer: Printer, *, clock: Clock | None = None, is_looking: bool = False
) -> AsyncIterator[Session]:
    """Open the store, take in what other programs wrote there, and close it at the end.

    Args:
        asked: the parsed command line.
        printer: where output goes.
        clock: the engine's time.
        is_looking: open it for reading only, whatever the command line says.

    Raises:
        StoreError: the place cannot serve as a store.
    """
    engine = ProductionWorkflowOrchestrator(
        store=place_of(asked),
        clock=clock,
        kind="cli",
        is_read_only=asked.read_only or is_looking,
        supervises=False,
    )
    try:
        await engine.start()
        observer = Observer(engine)
        await engine.rescan()
        yield Session(engine, observer, Operations(engine, terminal_actor()), printer)
    finally:
        await engine.cleanup()
