from __future__ import annotations

import pytest

from engine.errors import UnknownLineError
from engine.model.line import Line
from engine.model.names import WorkflowState
from engine.rules.lines import BUILT_IN, DIRECT, INTELLIGENT, find_line, known_line


def test_the_intelligent_line_is_the_contracts() -> None:
    assert INTELLIGENT.path == (
        "initialized",
        "rag_retrieval_1",
        "expert_routing",
        "module_execution",
        "rag_retrieval_2",
        "response_generation",
        "completed",
    )
    assert list(INTELLIGENT.results.values()) == [
        "rag_result_1",
        "expert_routing_result",
        "module_execution_result",
        "rag_result_2",
        "response",
    ]


def test_the_direct_line_is_the_contracts() -> None:
    assert DIRECT.path == ("initialized", "module_execution", "response_generation", "completed")
    assert dict(DIRECT.results) == {
        "module_execution": "module_execution_result",
        "response_generation": "response",
    }
    assert (DIRECT.has_target_module, INTELLIGENT.has_target_module) == (True, False)


@pytest.mark.parametrize("line", BUILT_IN.values(), ids=str)
def test_every_running_state_may_fail_except_the_first(line: Line) -> None:
    assert line.next_states("initialized") == (line.path[1],)
    for n, state in enumerate(line.path[1:-1], start=1):
        assert line.next_states(state) == (line.path[n + 1], "failed")
    for state in ("completed", "failed", "cancelled"):
        assert line.next_states(state) == ()


@pytest.mark.parametrize("line", BUILT_IN.values(), ids=str)
def test_every_state_is_known_and_has_a_short_name_for_narrow_screens(line: Line) -> None:
    assert set(line.states) <= set(WorkflowState)
    assert all(0 < len(line.short[state]) <= 6 for state in line.states)
    assert len({line.short[state] for state in line.states}) == len(line.states)


def test_lines_are_found_by_type_and_an_unknown_one_is_a_sentence() -> None:
    assert find_line("direct") is DIRECT
    assert known_line("intelligent") is INTELLIGENT
    assert find_line("scheduled") is None
    with pytest.raises(UnknownLineError, match=r"^No line named 'scheduled' is known here\. Nothing was changed\."):
        known_line("scheduled")
