"""The top of the screen: place, freshness and engines, and the banner when something must be said first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final
from urllib.parse import urlsplit

from console.cells import Cell, StyleName
from console.text import cut_middle, safe
from console.view.lines import CellLine, Part, cell, compose, part
from console.view.words import clock_text
from engine.model.lock import Liveness
from engine.observation.views import EngineView, Health
from engine.rules.ages import age_text

FRESH_S: Final = 3.0
"""Data older than this is no longer called live."""

_MODES: Final[Mapping[str, tuple[str, StyleName]]] = {
    "live": ("LIVE", "ok"),
    "read-only": ("READ-ONLY", "warn"),
    "documents only": ("DOCUMENTS ONLY", "warn"),
}


@dataclass(frozen=True, slots=True)
class Freshness:
    """How the link and the data fare.

    Attributes:
        health: the newest reading, None before the first.
        data_age_s: seconds since the engine last answered, None before it ever did.
        is_lost: the store cannot be read now.
        is_frozen: the operator holds the view still.
        sentence: what the link says while it is not open.
        needs_supervisor: there are deadlines or locks that only a supervisor lets run out.
    """

    health: Health | None = None
    data_age_s: float | None = None
    is_lost: bool = False
    is_frozen: bool = False
    sentence: str = ""
    needs_supervisor: bool = False


def shown_place(place: str) -> str:
    """Return a place without the credentials a URL may carry."""
    if "://" not in place:
        return place
    url = urlsplit(place)
    host = url.netloc.rpartition("@")[2]
    return f"{url.scheme}://{host}{url.path}"


def _short_places(place: str) -> Sequence[str]:
    """Return shorter forms of a path: its last two names, then its last."""
    names = [name for name in place.split("/") if name]
    return tuple("/".join(names[-count:]) for count in (2, 1) if count < len(names))


def header_line(place: str, fresh: Freshness, now: datetime, zone: tzinfo | None, cells: int) -> CellLine:
    """Return place, mode with the age of the data, engines and the clock; mode, age and clock go last."""
    name = safe(shown_place(place))
    health = fresh.health
    parts = [
        part(2, Cell(name, "strong"), *(Cell(safe(short), "strong") for short in _short_places(name))),
        part(9, _mode(fresh)),
    ]
    if health is not None:
        parts.append(Part(_engines(health.engines), weight=4))
        consoles = sum(one.row.engine.kind == "console" and one.liveness is not Liveness.DEAD for one in health.engines)
        if consoles > 1:
            parts.append(part(1, cell(f"ops {consoles}", "dim")))
        if health.scan_age_s is not None and health.scan_age_s > _SCAN_LATE_S:
            parts.append(part(3, cell(f"scan {age_text(health.scan_age_s)} ago", "warn")))
    right = [part(8, cell(clock_text(now, zone), "dim"))]
    line = compose(parts, cells - 2, right=right)
    return (cell(" "), *line, cell(" "))


_SCAN_LATE_S: Final = 60.0


def _mode(fresh: Freshness) -> CellLine:
    word, style = _mode_word(fresh)
    age = fresh.data_age_s
    if age is None or word == "OPENING":
        return (cell(word, style),)
    is_stale = age > FRESH_S
    text = f"{age_text(age)} old" if is_stale else "<1s" if age < 1 else f"{int(age)}s"
    if is_stale:
        return (cell(f"{word} ", "warn" if style == "ok" else style), cell(text, "warn"))
    return (cell(f"{word} ", style), cell(text, "dim"))


def _mode_word(fresh: Freshness) -> tuple[str, StyleName]:
    if fresh.is_lost:
        return "LOST", "bad"
    if fresh.health is None:
        return "OPENING", "accent"
    if fresh.is_frozen:
        return "FROZEN", "warn"
    return _MODES.get(fresh.health.mode, (fresh.health.mode.upper(), "warn"))


def _engines(engines: Sequence[EngineView]) -> tuple[CellLine, ...]:
    services = [one for one in engines if one.row.engine.kind == "service"]
    if not services:
        return (cell("no service", "dim"),), ()
    dead = [one for one in services if one.liveness is Liveness.DEAD]
    if len(services) == 1:
        only = services[0]
        word, style = _LIFE_WORDS[only.liveness]
        return ((cell(f"{only.name} ", "text"), cell(word, style)), (cell(word, style),))
    living = len(services) - len(dead)
    alive = f"{living} service{'' if living == 1 else 's'} ok"
    if not dead:
        return ((cell(alive, "text"),), (cell(f"{len(services)} svc", "text"),))
    gone = f"{len(dead)} dead"
    return ((cell(f"{alive}, ", "text"), cell(gone, "bad")), (cell(gone, "bad"),))


_LIFE_WORDS: Final[Mapping[Liveness, tuple[str, StyleName]]] = {
    Liveness.ALIVE: ("ok", "ok"),
    Liveness.DEAD: ("DEAD", "bad"),
    Liveness.SILENT: ("silent", "warn"),
    Liveness.UNKNOWN: ("?", "dim"),
}


def banner_text(fresh: Freshness) -> tuple[str, ...]:
    """Return what must be said above everything else, in a long and a short form; () where nothing must."""
    health = fresh.health
    if fresh.is_lost:
        return (f"{fresh.sentence} Looking again every second.", fresh.sentence, "the store cannot be read")
    if health is None:
        return ()
    if health.mode != "live":
        why = f": {health.mode_reason}" if health.mode_reason else ""
        return (f"nothing can be changed here{why}", f"{health.mode}{why}", health.mode)
    dead = [one for one in health.engines if one.row.engine.kind == "service" and one.liveness is Liveness.DEAD]
    if health.supervisor is None and fresh.needs_supervisor:
        gone = f"{dead[0].name} is dead and nobody" if dead else "nobody"
        return (
            f"{gone} supervises: deadlines do not fire, expired locks stay; start a service or flowdeck --supervise",
            f"{gone} supervises: deadlines do not fire and expired locks stay",
            f"{gone} supervises: deadlines do not fire",
            "nobody supervises",
        )
    if health.watcher not in ("ok", "off", ""):
        return (f"the directory watcher is {health.watcher}; scans still find every change", "watcher down")
    return ()


def banner_line(fresh: Freshness, cells: int) -> CellLine:
    """Return the banner in ``cells`` cells, () where there is none."""
    forms = banner_text(fresh)
    if not forms:
        return ()
    badge: StyleName = "badge_bad" if fresh.is_lost else "badge_warn"
    texts = Part(tuple((cell(form, "text"),) for form in forms), weight=1)
    fitted = compose([part(9, cell(" NOTICE ", badge)), texts], cells, gap=1)
    if len(fitted) > 1:
        return fitted
    return (cell(" NOTICE ", badge), cell(" "), Cell(cut_middle(safe(forms[-1]), max(1, cells - 9))))
