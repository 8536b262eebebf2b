"""Looking closer: describe, the document, why, help, and copying what is seen."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Final

from console.actions import ACTIONS, ActionContext
from console.cells import Cell
from console.glyphs import glyphs
from console.screen.reading import Turn
from console.screen.stage import Stage
from console.text import safe
from console.view.detail import detail_lines, raw_lines
from console.view.help import help_lines
from console.view.lines import CellLine, cell, plain
from console.view.strip import state_line
from console.widgets.reader import Write
from engine.errors import EngineError

_ROW_CELLS: Final = 200
_COPY_FORMS: Final = ("id", "row", "JSON", "command")


class Looking:
    """Opens texts over the panes and copies.

    Args:
        stage: the screen.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._raw: tuple[str, bytes | None] | None = None
        self._copied: tuple[str, int] = ("", -1)

    def describe(self) -> None:
        """Show everything about the workflow under the cursor; it follows changes while it is open."""
        workflow_id = self._stage.current_id()
        if workflow_id is None:
            self._stage.say("no workflow is selected")
            return
        title = self._title("Workflow", workflow_id)
        self._stage.open_reader("describe", title, self.write_detail(), shows=workflow_id)
        self._stage.want("detail", turn=Turn.FIRST)

    def write_detail(self) -> Write:
        """Return what writes the detail the deck holds."""
        stage = self._stage

        def write(cells: int) -> Sequence[CellLine]:
            detail = stage.deck.detail
            if detail is None or detail.row.workflow_id != stage.current_id():
                return ((cell(f"reading{glyphs().ellipsis}", "dim"),),)
            now = stage.now()
            return (
                state_line(detail, stage.deck.line, now, cells),
                *detail_lines(detail, now, stage.zone, cells),
            )

        return write

    def raw(self) -> None:
        """Show the document of the workflow under the cursor as it is on disk."""
        workflow_id = self._stage.current_id()
        if workflow_id is None:
            self._stage.say("no workflow is selected")
        else:
            self._stage.start(self._read_raw(workflow_id))

    async def _read_raw(self, workflow_id: str) -> None:
        try:
            document = await self._stage.reading.ask(lambda side: side.watch.raw(workflow_id))
        except EngineError as error:
            self._stage.say(str(error), "bad")
            return
        self._raw = (workflow_id, document)
        title = self._title("Document", workflow_id)
        self._stage.open_reader("raw", title, lambda cells: raw_lines(document, cells), shows=workflow_id)

    def help(self, context: ActionContext) -> None:
        """Show every key, and why some are off here."""
        title = (cell("Help", "strong"), cell("lowercase reads, UPPERCASE opens a plan", "dim"))
        self._stage.open_reader("help", title, lambda cells: help_lines(ACTIONS, context, cells))

    def copy(self) -> None:
        """Copy the id; again, the row, the document, the command line, in turn."""
        workflow_id = self._stage.current_id()
        if workflow_id is None:
            self._stage.say("no workflow is selected")
            return
        last, form = self._copied
        form = (form + 1) % len(_COPY_FORMS) if last == workflow_id else 0
        self._copied = (workflow_id, form)
        name = _COPY_FORMS[form]
        if name == "JSON":
            self._stage.start(self._copy_document(workflow_id))
            return
        text = {"id": workflow_id, "row": self._row_text(), "command": shlex.join(("flowdeck", "show", workflow_id))}
        self._stage.copy(text[name])
        self._say_copied(name, text[name])

    async def _copy_document(self, workflow_id: str) -> None:
        try:
            document = await self._stage.reading.ask(lambda side: side.watch.raw(workflow_id))
        except EngineError as error:
            self._stage.say(str(error), "bad")
            return
        if document is None:
            self._stage.say("there is no document to copy")
            return
        text = document.decode("utf-8", errors="backslashreplace")
        self._stage.copy(text)
        self._say_copied("JSON", f"{len(text)} characters")

    def _say_copied(self, name: str, text: str) -> None:
        following = _COPY_FORMS[(_COPY_FORMS.index(name) + 1) % len(_COPY_FORMS)]
        self._stage.say(f"copied the {name}: {text}   (c again: {following})")

    def _row_text(self) -> str:
        detail = self._stage.deck.detail
        if detail is None:
            return self._stage.current_id() or ""
        way = plain(state_line(detail, self._stage.deck.line, self._stage.now(), _ROW_CELLS))
        return f"{detail.row.workflow_id} {detail.row.state} {way}"

    def _title(self, word: str, workflow_id: str) -> Sequence[Cell]:
        return (cell(word, "dim"), Cell(safe(workflow_id), "strong"))
