from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.filters import FilterError, parse_filter
from engine.model.names import Flag, Phase
from engine.store.query import Filter


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("", Filter()),
        ("   ", Filter()),
        ("state:failed", Filter(states=("failed",))),
        ("state:failed,cancelled", Filter(states=("failed", "cancelled"))),
        ("state:module", Filter(states=("module_execution",))),
        ("state:rag2", Filter(states=("rag_retrieval_2",))),
        ("err:timeout", Filter(error_types=("timeout",))),
        ("err:validate", Filter(error_types=("validation_error",))),
        ("err:resource_error", Filter(error_types=("resource_error",))),
        ("age>5m", Filter(older_than_s=300.0)),
        ("age<2h05", Filter(younger_than_s=7_500.0)),
        ("age>=1d age<=2d", Filter(older_than_s=86_400.0, younger_than_s=172_800.0)),
        ("owner:svc", Filter(owners=("svc",))),
        ("owner:svc:4121", Filter(owners=("svc:4121",))),
        ("type:direct", Filter(types=("direct",))),
        ("type:in", Filter(types=("intelligent",))),
        ("flag:damaged", Filter(flags=(Flag.DAMAGED,))),
        ("is:problem", Filter(is_problem=True)),
        ("is:open", Filter(phases=(Phase.OPEN,))),
        ("id:wf_1", Filter(ids=("wf_1",))),
        ("Hello WORLD", Filter(text=("hello", "world"))),
        ('"two words"', Filter(text=("two words",))),
        ('"svc:1"', Filter(text=("svc:1",))),
        ("!Noise", Filter(not_text=("noise",))),
        ('!"some noise"', Filter(not_text=("some noise",))),
        (r"/time ?out \/x/", Filter(pattern="time ?out /x")),
        ("STATE:FAILED", Filter(states=("failed",))),
        ("状态", Filter(text=("状态",))),
        ("http://x/y", Filter(text=("http://x/y",))),
    ],
)
def test_a_filter_line_means_what_it_says(line: str, meant: Filter) -> None:
    assert parse_filter(line) == meant


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("state:", "a value is missing"),
        ("state:failed,", "a value is missing"),
        ("state:rag", "could be rag_retrieval_1 or rag_retrieval_2"),
        ("state:fai led:x", "no such key"),
        ("err:nothing", "is no error type"),
        ("state:bogus", "is no state; there are initialized"),
        ("flag:torn", "is no flag"),
        ("is:fine", "it can be"),
        ("age>soon", "is not a duration"),
        ("age:5m", "write age>5m"),
        ("/(/", "not a regular expression"),
        ("//", "is empty"),
        ("/open", "the closing / is missing"),
        ('"open', 'the closing " is missing'),
        ("/a/b", "a space is missing"),
        ("/a/ /b/", "only one"),
        ("!/a/", "cannot be negated"),
        ("!state:failed", "only text can be negated"),
        ("!", "there is no text"),
        ("svc:4121", "no such key"),
        ("x" * 1_001, "at most 1000 characters"),
        ("is:problem err:nothing", "The whole line was refused"),
    ],
)
def test_a_filter_line_that_is_wrong_anywhere_is_refused_whole_and_says_where(line: str, why: str) -> None:
    with pytest.raises(FilterError, match="The whole line was refused") as caught:
        parse_filter(line)
    assert why in str(caught.value)


@given(st.text(max_size=200))
def test_no_text_makes_the_filter_line_fail_otherwise_than_by_its_own_refusal(line: str) -> None:
    with suppress(FilterError):
        assert isinstance(parse_filter(line), Filter)
