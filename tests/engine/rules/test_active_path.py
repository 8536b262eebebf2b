from __future__ import annotations

from typing import Any

import pytest
from flows import move
from hypothesis import given
from hypothesis import strategies as st

from engine.model.line import Line
from engine.rules.lines import DIRECT, INTELLIGENT
from engine.rules.rollback import active_path

RAG1, ROUTE, MODULE, RAG2, RESP = INTELLIGENT.path[1:6]
OWN_LINE = Line(name="shipping", path=("asked", "packed", "sent"), results={})


def reason(name: str) -> dict[str, Any]:
    return {"metadata": {"reason": name}}


@pytest.mark.parametrize(
    ("history", "state", "path"),
    [
        pytest.param([], "initialized", ("initialized",), id="no history"),
        pytest.param([], ROUTE, ("initialized", RAG1, ROUTE), id="a history key that is missing"),
        pytest.param([], "failed", ("initialized",), id="failed, and nothing says where"),
        pytest.param(
            [move("initialized", RAG1), move(RAG1, ROUTE)], ROUTE, ("initialized", RAG1, ROUTE), id="transitions push"
        ),
        pytest.param(
            [move("initialized", RAG1), move(RAG1, "failed")], "failed", ("initialized", RAG1), id="failed never pushes"
        ),
        pytest.param([move("initialized", RAG1)], "cancelled", ("initialized", RAG1), id="cancelled without an entry"),
        pytest.param(
            [move("initialized", RAG1), move(RAG1, ROUTE), move(ROUTE, RAG1, **reason("rollback"))],
            RAG1,
            ("initialized", RAG1),
            id="a rollback pops",
        ),
        pytest.param(
            [
                move("initialized", RAG1),
                move(RAG1, ROUTE),
                move(ROUTE, MODULE),
                move(MODULE, ROUTE, **reason("rollback")),
                move(ROUTE, RAG1, **reason("rollback")),
            ],
            RAG1,
            ("initialized", RAG1),
            id="a second rollback goes one further instead of ping-pong",
        ),
        pytest.param(
            [move("initialized", RAG1), move(RAG1, ROUTE), move(ROUTE, MODULE)],
            ROUTE,
            ("initialized", RAG1, ROUTE),
            id="a state that the history does not end in is popped to",
        ),
        pytest.param(
            [move("initialized", RAG1)],
            RAG2,
            ("initialized", RAG1, ROUTE, MODULE, RAG2),
            id="a state that was never visited is taken from the line",
        ),
        pytest.param(
            [move("initialized", RAG1), *[move(RAG1, RAG1)] * 200], RAG1, ("initialized", RAG1), id="self-moves"
        ),
        pytest.param(
            [move("initialized", MODULE), move(MODULE, "initialized"), move("initialized", RAG1)],
            RAG1,
            ("initialized", RAG1),
            id="going back without saying so",
        ),
        pytest.param(
            [move("initialized", RAG1), move(RAG1, ROUTE), move(RAG1, ROUTE), move(ROUTE, MODULE)],
            MODULE,
            ("initialized", RAG1, ROUTE, MODULE),
            id="an entry that leaves another state than the last one entered",
        ),
        pytest.param(
            [move(MODULE, RAG2), move(RAG2, RESP)],
            RESP,
            ("initialized", RAG1, ROUTE, MODULE, RAG2, RESP),
            id="a history whose beginning was cut off",
        ),
        pytest.param(
            [move("initialized", RAG1), move(RAG1, RESP, **reason("force"))],
            RESP,
            ("initialized", RAG1, ROUTE, MODULE, RAG2, RESP),
            id="a force ahead takes the line",
        ),
        pytest.param(
            [move("initialized", "completed", **reason("force")), move("completed", "failed", **reason("force"))],
            "failed",
            ("initialized", RAG1, ROUTE, MODULE, RAG2, RESP),
            id="leaving the end for failed leaves a path that can be entered again",
        ),
        pytest.param(
            [move("initialized", RAG1), move(RAG1, "failed"), move("failed", RAG1, **reason("retry"))],
            RAG1,
            ("initialized", RAG1),
            id="a retry",
        ),
        pytest.param(
            [move("initialized", RAG1), move(ROUTE, "failed")],
            "failed",
            ("initialized", RAG1, ROUTE),
            id="a failure in a state whose entering was lost",
        ),
        pytest.param(
            [move("initialized", RAG1), {"to_state": MODULE}, move(MODULE, "failed")],
            "failed",
            ("initialized", RAG1, ROUTE, MODULE),
            id="an entry that does not say what it leaves",
        ),
        pytest.param(
            [move("initialized", RAG1), move(RAG1, "teleported"), 7, None, {"to_state": []}],
            RAG1,
            ("initialized", RAG1),
            id="entries that are none",
        ),
    ],
)
def test_the_active_path_of_a_documents_history(history: list[Any], state: str, path: tuple[str, ...]) -> None:
    assert active_path(history, state, INTELLIGENT) == path


def test_a_line_that_is_not_known_here_is_followed_by_its_history_alone() -> None:
    history = [move("asked", "packed"), move("packed", "sent"), move("sent", "packed", **reason("rollback"))]
    assert active_path(history, "packed", None) == ("asked", "packed")
    assert active_path(history[:2], "completed", None) == ("asked", "packed", "sent", "completed")
    assert active_path(history, "failed", None) == ("asked", "packed")
    assert active_path([], "asked", None) == ("asked",)


def test_a_users_own_line_is_folded_like_the_built_in_ones() -> None:
    assert active_path([move("asked", "packed")], "sent", OWN_LINE) == ("asked", "packed", "sent")


names = st.one_of(st.sampled_from([*INTELLIGENT.states, "teleported", ""]), st.none(), st.integers(), st.binary())
garbage = st.lists(
    st.one_of(
        st.none(),
        st.fixed_dictionaries(
            {},
            optional={
                "from_state": names,
                "to_state": names,
                "metadata": st.one_of(
                    st.none(),
                    st.fixed_dictionaries(
                        {"reason": st.sampled_from(["rollback", "force", "retry", "timeout", "", 7])}
                    ),
                ),
            },
        ),
    ),
    max_size=12,
)


@given(history=garbage, state=st.sampled_from(INTELLIGENT.states), line=st.sampled_from([INTELLIGENT, DIRECT, None]))
def test_no_history_whatever_breaks_the_fold(history: list[Any], state: str, line: Line | None) -> None:
    path = active_path(history, state, line)
    assert len(set(path)) == len(path)
    if state in ("failed", "cancelled"):
        assert path
        assert not {"failed", "cancelled"} & {path[-1]}
    else:
        assert path[-1] == state
