"""The shape of the fixture that makes engines."""

from __future__ import annotations

from collections.abc import Callable

from engine import ProductionWorkflowOrchestrator

MakeEngine = Callable[..., ProductionWorkflowOrchestrator]
"""Makes an engine with the constructor's arguments; directories under the test's own are the defaults."""
