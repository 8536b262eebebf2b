"""The two built-in lines, as data."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from engine.errors import UnknownLineError
from engine.model.line import Line

_SHORT: Final = MappingProxyType(
    {
        "initialized": "init",
        "rag_retrieval_1": "rag1",
        "expert_routing": "route",
        "module_execution": "module",
        "rag_retrieval_2": "rag2",
        "response_generation": "resp",
        "completed": "done",
        "failed": "failed",
        "cancelled": "cancel",
    }
)

INTELLIGENT: Final = Line(
    name="intelligent",
    path=(
        "initialized",
        "rag_retrieval_1",
        "expert_routing",
        "module_execution",
        "rag_retrieval_2",
        "response_generation",
        "completed",
    ),
    results=MappingProxyType(
        {
            "rag_retrieval_1": "rag_result_1",
            "expert_routing": "expert_routing_result",
            "module_execution": "module_execution_result",
            "rag_retrieval_2": "rag_result_2",
            "response_generation": "response",
        }
    ),
    short=_SHORT,
)
"""Retrieval, routing, a module, retrieval again, an answer (source: contract, Lines)."""

DIRECT: Final = Line(
    name="direct",
    path=("initialized", "module_execution", "response_generation", "completed"),
    results=MappingProxyType({"module_execution": "module_execution_result", "response_generation": "response"}),
    short=_SHORT,
    has_target_module=True,
)
"""One named module, then an answer (source: contract, Lines)."""

BUILT_IN: Final[Mapping[str, Line]] = MappingProxyType({line.name: line for line in (INTELLIGENT, DIRECT)})
"""Line by workflow type."""


def find_line(workflow_type: str) -> Line | None:
    """Return the line of a workflow type, or None where it is not known here."""
    return BUILT_IN.get(workflow_type)


def known_line(workflow_type: str) -> Line:
    """Return the line of a workflow type.

    Raises:
        UnknownLineError: no line has this name.
    """
    line = find_line(workflow_type)
    if line is None:
        raise UnknownLineError(workflow_type)
    return line
