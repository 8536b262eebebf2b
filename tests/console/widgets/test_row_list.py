# ruff: noqa: RUF001  the cursor's glyph is no quotation mark
from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, overload

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from rich.style import Style
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.message import Message

from console.cells import Cell, Column, Row
from console.text import safe
from console.theme import PALETTES, textual_theme
from console.widgets.line_view import changed_spans
from console.widgets.row_list import RowList

COLUMNS = (
    Column("id", safe("ID"), 8),
    Column("state", safe("STATE"), 10, min_width=6),
    Column("age", safe("AGE"), 5, "right"),
    Column("owner", safe("OWNER"), 14, flex=1),
)


def row(key: str, age: str = "1m00", state: str = "running", owner: str = "-", *, is_dim: bool = False) -> Row:
    cells = (
        Cell(safe(key)),
        Cell(safe(state), "bad" if state == "failed" else "text"),
        Cell(safe(age)),
        Cell(safe(owner)),
    )
    return Row(key, cells, (Cell(safe("●"), "ok"),), is_dim)


def rows(count: int, start: int = 0) -> list[Row]:
    return [row(f"wf{index}") for index in range(start, start + count)]


class PaintedList(RowList):
    """Notes what it asks Textual to repaint."""

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__(columns)
        self.painted: list[Region | None] = []

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Any:
        self.painted += regions or [None]
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)


class ListApp(App[None]):
    def __init__(self) -> None:
        super().__init__()
        for palette in PALETTES.values():
            self.register_theme(textual_theme(palette))
        self.theme = "dark"
        self.heard: list[Message] = []

    def compose(self) -> ComposeResult:
        yield PaintedList(COLUMNS)

    @property
    def rows(self) -> PaintedList:
        return self.query_one(PaintedList)

    @property
    def lines(self) -> list[str]:
        return [self.rows.render_line(y).text for y in range(self.rows.size.height)]

    def heard_of(self, kind: type[Message]) -> list[Message]:
        return [message for message in self.heard if isinstance(message, kind)]

    def on_row_list_highlighted(self, message: RowList.Highlighted) -> None:
        self.heard.append(message)

    def on_row_list_opened(self, message: RowList.Opened) -> None:
        self.heard.append(message)

    def on_row_list_near_end(self, message: RowList.NearEnd) -> None:
        self.heard.append(message)

    def on_row_list_near_start(self, message: RowList.NearStart) -> None:
        self.heard.append(message)


@asynccontextmanager
async def shown(shown_rows: Sequence[Row] = (), **options: Any) -> Any:
    app = ListApp()
    async with app.run_test(size=(50, 11)) as pilot:
        app.rows.focus()
        app.rows.show(shown_rows, **options)
        await pilot.pause()
        yield app, pilot


async def test_rows_stand_under_their_titles_with_the_cursor_on_the_first() -> None:
    async with shown([row("wf0"), row("wf1", owner="svc:1")]) as (app, _):
        assert app.lines[0].startswith("    ID       STATE        AGE OWNER")
        assert app.lines[1].startswith("❯ ● wf0      running     1m00 -")
        assert app.lines[2].startswith("  ● wf1      running     1m00 svc:1")
        assert all(len(line) == 50 for line in app.lines)


async def test_the_last_column_shows_whole_beside_the_mark_of_the_position() -> None:
    async with shown([row(f"wf{n}", owner="exactly-nineteen-ch") for n in range(40)]) as (app, _):
        assert app.lines[1].endswith("exactly-nineteen-ch▐")


async def test_the_cursor_follows_its_key_when_the_order_changes() -> None:
    async with shown(rows(5)) as (app, _):
        app.rows.move_to("wf1")
        app.rows.show(list(reversed(rows(5))))
        assert app.rows.cursor_key == "wf1"
        assert app.rows.cursor_index == 3
        assert app.lines[4].startswith("❯ ● wf1")


async def test_a_cursor_whose_row_is_gone_stays_at_its_place() -> None:
    async with shown(rows(5)) as (app, pilot):
        app.rows.move_to("wf4")
        app.rows.show(rows(3))
        await pilot.pause()
        assert app.rows.cursor_key == "wf2"
        app.rows.show([])
        assert app.rows.cursor_key is None
        assert app.rows.cursor_row is None
        await pilot.pause()
        assert [message.key for message in app.heard_of(RowList.Highlighted)] == ["wf0", "wf4", "wf2", None]


async def test_in_the_middle_of_a_list_the_row_under_the_cursor_keeps_its_line() -> None:
    async with shown(rows(100)) as (app, _):
        app.rows.move_to("wf50")
        line = app.lines.index(next(line for line in app.lines if line.startswith("❯")))
        app.rows.show([*rows(7, start=1_000), *rows(100)])
        assert app.lines[line].startswith("❯ ● wf50")


async def test_at_the_head_of_a_list_what_comes_in_above_is_seen() -> None:
    async with shown(rows(100)) as (app, _):
        app.rows.show([*rows(2, start=1_000), *rows(100)])
        assert app.lines[1].startswith("  ● wf1000")
        assert app.lines[3].startswith("❯ ● wf0")


async def test_an_earlier_page_added_in_front_moves_nothing_on_the_screen() -> None:
    async with shown(rows(100, start=100), first=100, total=300) as (app, _):
        before = app.lines
        app.rows.show(rows(200), first=0, total=300)
        assert app.lines == before


async def test_one_changed_cell_repaints_its_span_alone() -> None:
    async with shown(rows(100)) as (app, pilot):
        app.rows.painted.clear()
        app.rows.show([row("wf0"), row("wf1"), row("wf2", age="2m00"), *rows(97, start=3)])
        assert app.rows.painted == [Region(24, 3, 6, 1)]
        await pilot.pause()
        app.rows.painted.clear()
        app.rows.show([row("wf0"), row("wf1"), row("wf2", age="2m00"), *rows(97, start=3)])
        assert app.rows.painted == []


async def test_a_change_below_the_screen_repaints_nothing() -> None:
    async with shown(rows(100)) as (app, _):
        app.rows.painted.clear()
        app.rows.show([*rows(50), row("wf50", age="9m99"), *rows(49, start=51)])
        assert app.rows.painted == []


async def test_the_cursor_moves_with_two_lines_repainted() -> None:
    async with shown(rows(5)) as (app, _):
        app.rows.painted.clear()
        app.rows.action_cursor_down()
        assert {region.y for region in app.rows.painted} == {1, 2}


async def test_a_cell_that_changes_back_before_the_frame_is_drawn_right() -> None:
    async with shown(rows(3)) as (app, pilot):
        app.rows.show([row("wf0", age="5m00"), *rows(2, start=1)])
        app.rows.show([row("wf0", state="failed"), *rows(2, start=1)])
        await pilot.pause()
        assert app.lines[1].startswith("❯ ● wf0      failed      1m00")
        screen = "\n".join("".join(s.text for s in strip) for strip in app.screen._compositor.render_strips())
        assert "failed      1m00" in screen
        assert "5m00" not in screen


async def test_marks_are_drawn_beside_their_rows_wherever_those_go() -> None:
    async with shown(rows(4)) as (app, _):
        app.rows.set_marks(frozenset({"wf1", "wf3", "hidden"}))
        assert [line[:3] for line in app.lines[1:5]] == ["❯ ●", " ◆●", "  ●", " ◆●"]
        app.rows.show(list(reversed(rows(4))))
        assert [line[:3] for line in app.lines[1:5]] == [" ◆●", "  ●", " ◆●", "❯ ●"]
        assert app.rows.marks == {"wf1", "wf3", "hidden"}


async def test_moving_stays_within_the_rows() -> None:
    async with shown(rows(40)) as (app, _):
        moves = {
            app.rows.action_cursor_up: 0,
            app.rows.action_cursor_down: 1,
            app.rows.action_page_down: 10,
            app.rows.action_half_down: 15,
            app.rows.action_half_up: 10,
            app.rows.action_last: 39,
            app.rows.action_page_up: 30,
            app.rows.action_first: 0,
        }
        for move, index in moves.items():
            move()
            assert app.rows.cursor_index == index, move
            assert app.rows.cursor_index in app.rows.visible_range
        app.rows.action_last()
        app.rows.action_cursor_down()
        assert app.rows.cursor_key == "wf39"


async def test_no_key_does_anything_by_itself() -> None:
    async with shown(rows(40)) as (app, pilot):
        await pilot.press("j", "down", "G", "end", "pagedown", "enter", "space")
        assert app.rows.cursor_index == 0
        assert not app.heard_of(RowList.Opened)


async def test_opening_names_the_row_under_the_cursor() -> None:
    async with shown(rows(3)) as (app, pilot):
        app.rows.move_to("wf2")
        app.rows.action_open()
        await pilot.pause()
        assert [message.key for message in app.heard_of(RowList.Opened)] == ["wf2"]
        app.rows.show([])
        app.rows.action_open()
        await pilot.pause()
        assert len(app.heard_of(RowList.Opened)) == 1


async def test_a_click_moves_the_cursor_and_does_nothing_else() -> None:
    async with shown([row("wf0"), row("wf1", owner="[@click=app.quit]X[/]"), row("wf2")]) as (app, pilot):
        for x in range(49):
            await pilot.click(RowList, offset=(x, 2))
        assert app.rows.cursor_key == "wf1"
        assert app.is_running
        assert not app.heard_of(RowList.Opened)
        await pilot.click(RowList, offset=(5, 0))
        await pilot.click(RowList, offset=(5, 8))
        assert app.rows.cursor_key == "wf1"


async def test_the_next_page_is_asked_for_once_and_only_if_there_is_one() -> None:
    async with shown(rows(100), total=1_000) as (app, pilot):
        assert not app.heard_of(RowList.NearEnd)
        app.rows.move_to_index(85)
        app.rows.move_to_index(95)
        await pilot.pause()
        assert len(app.heard_of(RowList.NearEnd)) == 1
        app.rows.show(rows(200), total=1_000)
        await pilot.pause()
        assert len(app.heard_of(RowList.NearEnd)) == 1
        app.rows.action_last()
        await pilot.pause()
        assert len(app.heard_of(RowList.NearEnd)) == 2
        app.rows.show(rows(200), total=200)
        await pilot.pause()
        assert len(app.heard_of(RowList.NearEnd)) == 2


async def test_the_page_before_is_asked_for_when_the_first_rows_come_into_view() -> None:
    async with shown(rows(100, start=100), first=100, total=200) as (app, pilot):
        assert len(app.heard_of(RowList.NearStart)) == 1
        app.rows.show(rows(200), first=0, total=200)
        app.rows.action_first()
        await pilot.pause()
        assert len(app.heard_of(RowList.NearStart)) == 1


async def test_an_empty_list_says_why() -> None:
    async with shown([], empty=safe("nothing matches state:failed")) as (app, _):
        assert app.lines[1].strip() == "nothing matches state:failed"


async def test_wide_characters_keep_the_columns_aligned_and_are_never_halved() -> None:
    async with shown([row("wf0", owner="x"), row("漢字漢字漢字", owner="x"), row("wf2", state="漢字漢字漢字")]) as (
        app,
        _,
    ):
        assert [app.rows.render_line(y).cell_length for y in range(4)] == [50] * 4
        assert app.lines[2].startswith("  ● 漢字漢… ")
        assert "漢字漢字…" in app.lines[3]
        ends = [sum(1 + (ord(c) > 0x2FFF) for c in line[: line.index("1m00")]) for line in app.lines[1:4]]
        assert len(set(ends)) == 1


async def test_where_a_word_does_not_fit_its_short_form_is_shown() -> None:
    long_state = Cell(safe("module_execution"), "text", safe("module"))
    async with shown([Row("wf0", (Cell(safe("wf0")), long_state, Cell(safe("1m")), Cell(safe("-"))))]) as (app, _):
        assert " module  " in app.lines[1]


async def test_the_row_under_the_cursor_is_lit_across_the_width_and_finished_rows_are_dim() -> None:
    async with shown([row("wf0"), row("wf1", is_dim=True), row("wf2", state="failed", is_dim=True)]) as (app, pilot):
        backgrounds = {segment.style.bgcolor.name for segment in app.rows.render_line(1)}
        assert backgrounds == {PALETTES["dark"].cursor}
        colours = {segment.style.color.name for segment in app.rows.render_line(2) if segment.text.strip()}
        assert colours == {PALETTES["dark"].dim}
        colours = {segment.style.color.name for segment in app.rows.render_line(3) if "failed" in segment.text}
        assert colours == {PALETTES["dark"].bad}
        app.screen.set_focus(None)
        await pilot.pause()
        assert {s.style.bgcolor.name for s in app.rows.render_line(1)} != {PALETTES["dark"].cursor}


async def test_another_theme_repaints_everything() -> None:
    async with shown(rows(3)) as (app, pilot):
        app.theme = "light"
        await pilot.pause()
        assert {s.style.bgcolor.name for s in app.rows.render_line(2)} == {PALETTES["light"].ground}


async def test_a_smaller_screen_keeps_the_cursor_in_sight() -> None:
    async with shown(rows(100)) as (app, pilot):
        app.rows.move_to("wf9")
        await pilot.resize_terminal(30, 6)
        await pilot.pause()
        assert any(line.startswith("❯ ● wf9") for line in app.lines)
        assert all(len(line) == 30 for line in app.lines)


async def test_the_position_within_all_rows_is_shown_at_the_right_edge() -> None:
    async with shown(rows(100)) as (app, _):
        assert [line[-1] for line in app.lines[1:]] == ["▐"] + [" "] * 9
        app.rows.action_last()
        assert [line[-1] for line in app.lines[1:]] == [" "] * 9 + ["▐"]


async def test_a_range_runs_from_its_anchor_to_the_cursor_either_way() -> None:
    async with shown(rows(10)) as (app, _):
        app.rows.move_to("wf4")
        assert app.rows.keys_from("wf2") == ("wf2", "wf3", "wf4")
        assert app.rows.keys_from("wf6") == ("wf4", "wf5", "wf6")
        assert app.rows.keys_from("gone") == ("wf4",)


class LazyRows(Sequence[Row]):
    """A hundred thousand rows, each made when it is read."""

    def __init__(self, count: int) -> None:
        self.made = 0
        self._count = count

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        assert isinstance(index, int)
        self.made += 1
        return row(f"wf{index}")

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Row]:
        raise AssertionError("the list read every row")

    def index_of(self, key: str) -> int | None:
        return int(key[2:])


async def test_a_hundred_thousand_rows_cost_what_is_on_the_screen() -> None:
    async with shown() as (app, pilot):
        lazy = LazyRows(100_000)
        app.rows.show(lazy)
        app.rows.move_to("wf99999")
        await pilot.pause()
        assert app.lines[-1].startswith("❯ ● wf99999")
        assert lazy.made < 500


@pytest.mark.parametrize("count", [100_000])
async def test_a_hundred_thousand_made_rows_are_shown_and_followed_within_the_first_frame(count: int) -> None:
    many = rows(count)
    async with shown() as (app, _):
        gc.collect()
        started = time.perf_counter()
        app.rows.show(many)
        app.rows.move_to_index(count - 1)
        app.rows.show(many[1:])
        assert time.perf_counter() - started < 0.3
        assert app.rows.cursor_key == f"wf{count - 1}"


_STYLES = (Style(color="red"), Style(color="green"), Style(bold=True))


def test_changes_far_apart_are_two_spans_and_those_close_together_one() -> None:
    def line(*texts: str) -> tuple[Segment, ...]:
        return tuple(Segment(text) for text in texts)

    before = line("aaaa", "bbb", "cccc", "ddddddddd", "eee")
    assert list(changed_spans(before, line("AAAA", "bbb", "CCCC", "ddddddddd", "EEE"))) == [(0, 11), (20, 3)]
    assert list(changed_spans(before, before)) == []


LINES = st.lists(st.tuples(st.text("ab漢 ", min_size=1, max_size=4), st.integers(0, 2)), max_size=6)


@given(LINES, LINES)
def test_painting_only_the_changed_spans_gives_the_new_line(
    old: list[tuple[str, int]], new: list[tuple[str, int]]
) -> None:
    def line(parts: list[tuple[str, int]], size: int) -> tuple[Segment, ...]:
        made = [Segment(text, _STYLES[number]) for text, number in parts]
        used = sum(segment.cell_length for segment in made)
        return (*made, Segment(" " * (size - used), _STYLES[0]))

    def cells(made: tuple[Segment, ...]) -> list[object]:
        return [
            (character, part, segment.style)
            for segment in made
            for character in segment.text
            for part in range(Segment(character).cell_length)
        ]

    before, after = line(old, 60), line(new, 60)
    screen, target = cells(before), cells(after)
    for start, size in changed_spans(before, after):
        screen[start : start + size] = target[start : start + size]
    assert screen == target
