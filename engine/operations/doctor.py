"""Doctor: what could go wrong with this store on this machine, with a remedy for each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from platform import python_version
from typing import Final

from engine.model.lock import Liveness
from engine.observation.embedding import Engine
from engine.observation.health import read_health
from engine.observation.views import Health
from engine.operations.surroundings import look_around

_UNPUBLISHED: Final = 1_000
_CLOCK_AHEAD_S: Final = 60.0


class Severity(StrEnum):
    """How bad a finding is; values sort from good to bad by :data:`SEVERITIES`."""

    OK = "ok"
    NOTICE = "notice"
    WARNING = "warning"
    ERROR = "error"


SEVERITIES: Final = tuple(Severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        code: a stable name: ``disk_free``, ``supervisor`` ...
        sentence: what was found.
        remedy: what to do, "" where nothing is.
    """

    severity: Severity
    code: str
    sentence: str
    remedy: str = ""


async def doctor(engine: Engine) -> tuple[Finding, ...]:
    """Look at the store, the machine and the versions; changes nothing.

    Raises:
        StoreError: the store cannot be read.
    """
    health = await read_health(engine)
    found = [*_place(engine, health), *_versions(engine)]
    if engine.directory is not None:
        now_s = engine.clock.now().timestamp()
        around = await asyncio.to_thread(look_around, engine.directory, now_s)
        found += [
            Finding(severity=Severity(word), code=code, sentence=said, remedy=remedy)
            for word, code, said, remedy in around
        ]
    found += [*_engines(health), *_workflows(health)]
    found += [finding async for finding in _documents(engine)]
    return tuple(found)


def worst(findings: tuple[Finding, ...]) -> Severity:
    """Return the worst severity among ``findings``."""
    return max((finding.severity for finding in findings), key=SEVERITIES.index, default=Severity.OK)


def _place(engine: Engine, health: Health) -> Iterator[Finding]:
    if engine.mode == "live":
        yield Finding(severity=Severity.OK, code="store", sentence=f"The store is {health.place}, open for writing.")
    else:
        yield Finding(
            severity=Severity.NOTICE,
            code="store",
            sentence=f"The store {health.place} is {engine.mode}: {engine.mode_reason or 'as asked'}.",
            remedy="Open it without --read-only, as a user who may write there, to change anything.",
        )
    if engine.directory is None:
        yield Finding(severity=Severity.NOTICE, code="directory", sentence="No documents are written by this store.")
    elif engine.watcher_state not in ("ok", "off"):
        yield Finding(
            severity=Severity.WARNING,
            code="watcher",
            sentence=f"The watcher is not well: {engine.watcher_state}. Changes are seen at the next scan only.",
            remedy="See the inotify limits; the scan goes on without it.",
        )


def _versions(engine: Engine) -> Iterator[Finding]:
    found = [f"python {python_version()}"]
    for name in ("flowdeck", "textual", "apsw", "pydantic", "watchfiles"):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            found.append(f"{name} not installed as a package")
    yield Finding(
        severity=Severity.OK,
        code="versions",
        sentence=f"{', '.join(found)}; ledger schema {engine.facts.schema}.",
    )


def _engines(health: Health) -> Iterator[Finding]:
    for view in health.engines:
        if view.liveness is Liveness.DEAD:
            yield Finding(
                severity=Severity.WARNING,
                code="engine_dead",
                sentence=f"{view.name} on {view.row.engine.host} died without saying so: {view.evidence}.",
                remedy="Start a service on this store; it takes over its events and locks.",
            )
        ahead = (view.row.heartbeat_at - health.at).total_seconds()
        if ahead > _CLOCK_AHEAD_S:
            yield Finding(
                severity=Severity.WARNING,
                code="clock",
                sentence=f"{view.name} on {view.row.engine.host} is {ahead:.0f} s ahead of this machine's clock.",
                remedy="Set both clocks by NTP; deadlines are judged by wall time.",
            )
    if health.supervisor is not None:
        yield Finding(severity=Severity.OK, code="supervisor", sentence=f"{health.supervisor.name} supervises.")
    else:
        is_needed = health.flows.get("open", 0) > 0
        yield Finding(
            severity=Severity.WARNING if health.overdue else Severity.NOTICE if is_needed else Severity.OK,
            code="supervisor",
            sentence="Nobody supervises this store: no deadline fires and no event is retried.",
            remedy="Start the service, or open the console with --supervise." if is_needed else "",
        )


def _workflows(health: Health) -> Iterator[Finding]:
    counted = (
        ("overdue", health.overdue, "open workflows are past their deadline", "flowdeck ls --where is:problem"),
        ("damaged", health.flows.get("damaged", 0), "documents are damaged", "flowdeck ls --where flag:damaged"),
        ("conflict", health.flows.get("conflict", 0), "documents are in conflict", "flowdeck ls --where flag:conflict"),
        ("dead_letter", health.events.get("dead", 0), "events are in the dead letter", "flowdeck dead"),
        ("locks_dead", health.locks.get("dead", 0), "locks are held by dead owners", "flowdeck unlock ID"),
    )
    for code, count, what, remedy in counted:
        if count:
            yield Finding(severity=Severity.WARNING, code=code, sentence=f"{count} {what}.", remedy=remedy)
        else:
            yield Finding(severity=Severity.OK, code=code, sentence=f"No {what}.")


async def _documents(engine: Engine) -> AsyncIterator[Finding]:
    """Yield what the ledger knows of its files: unpublished ones, skipped ones, damaged ones by name."""
    if engine.mode != "documents only":
        waiting = await engine.store.unpublished(_UNPUBLISHED)
        if waiting:
            yield Finding(
                severity=Severity.WARNING,
                code="unpublished",
                sentence=f"{len(waiting)} workflows are newer than their documents, such as {waiting[0]}.",
                remedy="A running service publishes them; see disk space and permissions.",
            )
    skipped = damaged = 0
    for row in (await engine.store.documents()).values():
        skipped += not row.workflow_id and not row.problem
        if row.problem and damaged < 10:  # noqa: PLR2004  names enough to begin with
            damaged += 1
            yield Finding(
                severity=Severity.WARNING,
                code="document",
                sentence=f"{row.name}: {row.problem}. The file was left as it is.",
                remedy="Repair or remove the file.",
            )
    if skipped:
        files = "file is no workflow and is" if skipped == 1 else "files are no workflows and are"
        yield Finding(severity=Severity.OK, code="skipped", sentence=f"{skipped} JSON {files} not listed.")
