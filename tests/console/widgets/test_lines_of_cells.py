from __future__ import annotations

from textual.app import App, ComposeResult

from console.cells import Cell
from console.text import safe
from console.theme import PALETTES, textual_theme
from console.widgets.rule_title import RuleTitle
from console.widgets.strip_line import Part, StripLine, fit_parts
from console.widgets.text_lines import TextLines


class LinesApp(App[None]):
    def __init__(self) -> None:
        super().__init__()
        for palette in PALETTES.values():
            self.register_theme(textual_theme(palette))
        self.theme = "dark"

    def compose(self) -> ComposeResult:
        yield RuleTitle([Cell(safe("1")), Cell(safe("Flows")), Cell(safe("412"), "dim")], [Cell(safe("changed 3x"))])
        yield StripLine(ground="bar")
        yield TextLines()


def part(text: str, short: str | None = None, drop: int = 0) -> Part:
    return Part((Cell(safe(text)),), None if short is None else (Cell(safe(short)),), drop)


def texts(parts: tuple[Part, ...]) -> list[str]:
    return ["".join(cell.text for cell in each.cells) for each in parts]


async def test_a_title_stands_in_its_rule_thin_at_rest_and_heavy_with_the_focus() -> None:
    app = LinesApp()
    async with app.run_test(size=(40, 8)) as pilot:
        title = app.query_one(RuleTitle)
        assert title.render_line(0).text == "─ 1 Flows 412 ───────────── changed 3x ─"
        title.set_active(True)
        await pilot.pause()
        assert title.render_line(0).text.startswith("━ 1 Flows 412 ━")
        assert title.is_active
        await pilot.resize_terminal(24, 8)
        await pilot.pause()
        assert title.render_line(0).text == "━ 1 Flows 412 " + "━" * 10
        title.show([])
        assert title.render_line(0).text == "━" * 24


async def test_a_strip_fills_its_ground_and_keeps_its_right_end() -> None:
    app = LinesApp()
    async with app.run_test(size=(30, 8)):
        strip = app.query_one(StripLine)
        strip.show([part("PROD")], [part("09:14:07Z")])
        assert strip.render_line(0).text == "  PROD" + " " * 13 + "  09:14:07Z"
        assert {segment.style.bgcolor.name for segment in strip.render_line(0) if segment.style} == {
            PALETTES["dark"].bar
        }


async def test_lines_scroll_until_the_last_one_stands_at_the_foot() -> None:
    app = LinesApp()
    async with app.run_test(size=(30, 6)):
        lines = app.query_one(TextLines)
        lines.show([[Cell(safe(f"line {number}"))] for number in range(10)])
        lines.scroll_lines(3)
        assert lines.render_line(0).text.rstrip() == "line 3"
        lines.scroll_lines(99)
        assert lines.render_line(lines.size.height - 1).text.rstrip() == "line 9"
        lines.show([[Cell(safe("only"))]])
        assert (lines.top, lines.render_line(0).text.rstrip()) == (0, "only")


def test_with_room_every_part_shows_its_longest_form() -> None:
    left, right = fit_parts([part("LIVE 0.4s", "LIVE"), part("path", drop=3)], [part("clock", drop=1)], 40)
    assert (texts(left), texts(right)) == (["LIVE 0.4s", "path"], ["clock"])


def test_on_a_narrow_strip_parts_turn_short_and_then_go_in_their_order() -> None:
    left = [part("LIVE 0.4s", "LIVE"), part("data/workflows", "workflows", drop=3), part("ops 2", drop=2)]
    right = [part("09:14:07Z", "09:14", drop=1)]
    shown = {
        cells: [*texts(a), *texts(b)]
        for cells in (45, 40, 34, 30, 19, 6, 1)
        for a, b in [fit_parts(left, right, cells)]
    }
    assert shown == {
        45: ["LIVE 0.4s", "data/workflows", "ops 2", "09:14:07Z"],
        40: ["LIVE 0.4s", "workflows", "ops 2", "09:14:07Z"],
        34: ["LIVE", "workflows", "ops 2", "09:14"],
        30: ["LIVE", "ops 2", "09:14"],
        19: ["LIVE", "09:14"],
        6: ["LIVE"],
        1: ["LIVE"],
    }
