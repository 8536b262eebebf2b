"""The scanner: the truth about the store directory, by statuses first and by bytes only where those changed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from engine.clock import Clock
from engine.documents.files import Signature, read_document
from engine.documents.looks import Listing, Look, changed_now, is_document_name, list_now, look_at, look_now
from engine.documents.publisher import Publisher, RunBlocking
from engine.documents.reconciler import Reconciler, Verdict
from engine.errors import DamagedDocumentError, StoreError
from engine.store.protocol import Store
from engine.store.query import DocumentRow

_PORTION: Final = 1_000
_CHUNK: Final = 128
_AT_ONCE: Final = 2
_CHUNK_BYTES: Final = 4 * 1024 * 1024
_SECOND_LOOK_AFTER_S: Final = 0.5
_SHORTEST_PERIOD_S: Final = 2.0
_PERIOD_PER_CPU: Final = 400.0
_RACY_NS: Final = 20_000_000
"""A file written this shortly before it was read may change again without its status showing it."""

_UNREAD: Final = hash(Signature(-1, -1, -1))
_FEW: Final = 16
_FINISHED: Final = frozenset(Verdict) - {Verdict.SUSPECT, Verdict.UNSETTLED}

ReadDocument = Callable[[Path, str], Awaitable[tuple[bytes, Signature]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanReport:
    """One finished scan.

    Attributes:
        at: when it began.
        took_s: seconds from its beginning to its end.
        cpu_s: CPU seconds of comparing the directory.
        files: documents in the directory, readable or not; the other counts are what this scan newly found.
        unsettled: left to the next scan, because they changed meanwhile or the ledger did not take them.
        problem: why the directory or the ledger could not be read, "" if they could.
    """

    at: datetime
    took_s: float
    cpu_s: float = 0.0
    files: int = 0
    adopted: int = 0
    changed: int = 0
    damaged: int = 0
    conflicts: int = 0
    gone: int = 0
    skipped: int = 0
    unsettled: int = 0
    problem: str = ""

    @property
    def period_s(self) -> float:
        """Seconds until the next scan: scanning takes a quarter of a percent of one CPU at most."""
        return max(_SHORTEST_PERIOD_S, _PERIOD_PER_CPU * self.cpu_s)


@dataclass(slots=True)
class _Findings:
    """What a scan or a few looks came to so far."""

    counts: Counter[Verdict] = field(default_factory=Counter)
    suspects: list[Look] = field(default_factory=list)


class Scanner:
    """Keeps the ledger true to the store directory; one scanner a store.

    Attributes:
        report: the last scan, None before the first.
    """

    def __init__(  # noqa: PLR0913  its collaborators
        self,
        store: Store,
        directory: Path,
        store_id: str,
        publisher: Publisher | None,
        clock: Clock,
        *,
        run_blocking: RunBlocking = asyncio.to_thread,
        read: ReadDocument = read_document,
    ) -> None:
        self.report: ScanReport | None = None
        self._store = store
        self._directory = directory
        self._store_id = store_id
        self._publisher = publisher
        self._clock = clock
        self._run_blocking = run_blocking
        self._read = read
        self._reconciler = Reconciler(store, publisher, store_id, clock, lambda name: read(directory, name))
        self._known: dict[str, int] = {}  # hashes of signatures: a hundred thousand of them take a third of the room
        self._is_loaded = False
        self._scanning = asyncio.Lock()
        self._busy: dict[str, asyncio.Event] = {}
        self._gone: set[str] = set()
        self._hinted: set[str] = set()
        self._is_looking = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """End looks under way; what they had not settled, the next scan will. Twice is fine."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def scan(self, *, is_thorough: bool = False) -> ScanReport:
        """Compare the whole directory with what is known, and settle what differs; never raises for its state.

        ``is_thorough`` reads every document again: after another boot, statuses alone prove nothing.
        """
        async with self._scanning:
            at, began_s = self._clock.now(), self._clock.monotonic()
            findings = _Findings()
            listing = Listing(files=0, changed=(), missing=(), cpu_s=0.0)
            problem = ""
            try:
                await self._load()
                is_known = _nothing_is_known if is_thorough else self._is_known
                listing = await self._run_blocking(list_now, self._directory, self._known, is_known)
                changed = [*listing.changed, *((key, 0) for key in listing.missing)]
                await self._look_through(_chunks(changed), findings)
                await self._confirm(findings)
            except (OSError, StoreError) as error:
                problem = str(error)
            counts = findings.counts
            self.report = ScanReport(
                at=at,
                took_s=self._clock.monotonic() - began_s,
                cpu_s=listing.cpu_s,
                files=listing.files,
                adopted=counts[Verdict.ADOPTED],
                changed=counts[Verdict.CHANGED],
                damaged=counts[Verdict.DAMAGED],
                conflicts=counts[Verdict.CONFLICT],
                gone=counts[Verdict.GONE],
                skipped=counts[Verdict.SKIPPED],
                unsettled=counts[Verdict.UNSETTLED],
                problem=problem,
            )
            return self.report

    async def _look_through(self, chunks: Iterator[list[str]], findings: _Findings) -> None:
        """Look at one portion while another is being committed."""

        async def take() -> None:
            for chunk in chunks:
                async with self._claim(chunk, is_waiting=False) as names:
                    await self._settle(await self._look(names), findings)

        ended = await asyncio.gather(*(take() for _ in range(_AT_ONCE)), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error

    async def look(self, names: Iterable[str]) -> None:
        """Look at a few names at once, as a hint says; a damaged or missing one is looked at again later.

        What cannot be settled now is left to the next scan.
        """
        hinted = [name for name in names if is_document_name(name) and "/" not in name]
        with suppress(OSError, StoreError):
            changed = await self._run_blocking(changed_now, self._directory, hinted, self._is_known)
            findings = _Findings()
            for chunk in _chunks(changed):
                async with self._claim(chunk, is_waiting=True) as claimed:
                    looks = await (self._look(claimed) if len(claimed) > _FEW else self._look_at_few(claimed))
                    await self._settle(looks, findings)
            if findings.suspects:
                self._spawn(self._confirm_quietly(findings))

    def hint(self, names: Iterable[str]) -> None:
        """Have these names looked at soon, without waiting for it."""
        self._hinted.update(names)
        if self._hinted and not self._is_looking:
            self._is_looking = True
            self._spawn(self._look_at_hinted())

    async def _look_at_hinted(self) -> None:
        try:
            while self._hinted:
                names, self._hinted = self._hinted, set()
                await self.look(names)
        finally:
            self._is_looking = False

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _load(self) -> None:
        """Learn what the ledger knows, a portion at a time: rows of all of them would fill the memory."""
        after = ""
        while not self._is_loaded:
            rows = await self._store.documents(after, _PORTION)
            self._take_in(rows)
            self._is_loaded = len(rows) < _PORTION
            after = next(reversed(list(rows)), after)

    def _take_in(self, rows: Mapping[str, DocumentRow]) -> None:
        for name, row in rows.items():
            if row.inode:
                self._known.setdefault(name, hash(Signature(row.size, row.mtime_ns, row.inode)))
            else:
                self._gone.add(name)

    def _is_known(self, key: str, signature: Signature) -> bool:
        """Return whether a file needs no look; called from worker threads, one name at a time."""
        if self._known.get(key) == hash(signature):
            return True
        if key in self._gone:
            return False
        published = self._publisher.known(key) if self._publisher is not None else None
        if published is None or published.signature != signature:
            return False
        self._known[key] = hash(signature)
        return True

    @asynccontextmanager
    async def _claim(self, names: Sequence[str], *, is_waiting: bool) -> AsyncIterator[list[str]]:
        """Hold names against other looks: those that are busy are waited for, or left out."""
        claimed: list[str] = []
        done = asyncio.Event()
        try:
            # In one order for all, so that two looks never wait for each other.
            for name in sorted(names):
                while is_waiting and name in self._busy:
                    await self._busy[name].wait()
                if name not in self._busy:
                    self._busy[name] = done
                    claimed.append(name)
            yield claimed
        finally:
            for name in claimed:
                del self._busy[name]
            done.set()

    async def _look(self, names: Sequence[str]) -> list[Look]:
        if not names:
            return []
        looks: list[Look] = await self._run_blocking(look_now, self._directory, names, self._store_id)
        return looks

    async def _look_at_few(self, names: Sequence[str]) -> list[Look]:
        return list(await asyncio.gather(*(self._look_at_one(name) for name in names)))

    async def _look_at_one(self, name: str) -> Look:
        try:
            data, signature = await self._read(self._directory, name)
        except (FileNotFoundError, DamagedDocumentError):
            return (await self._look([name]))[0]
        look: Look = await self._run_blocking(look_at, name, data, signature, self._store_id)
        return look

    async def _settle(self, looks: Sequence[Look], findings: _Findings, *, is_second: bool = False) -> None:
        verdicts = await self._reconciler.settle(looks, is_second=is_second) if looks else []
        for look, verdict in zip(looks, verdicts, strict=True):
            findings.counts[verdict] += 1
            if verdict is Verdict.SUSPECT:
                findings.suspects.append(look)
            if verdict in _FINISHED:
                self._remember(look, is_gone=verdict is Verdict.GONE and bool(look.workflow_id))

    def _remember(self, look: Look, *, is_gone: bool) -> None:
        if look.signature is None:
            self._known.pop(look.key, None)
            if is_gone:
                self._gone.add(look.key)
            return
        self._gone.discard(look.key)
        age_ns = self._clock.now().timestamp() * 1e9 - look.signature.mtime_ns
        self._known[look.key] = _UNREAD if abs(age_ns) < _RACY_NS else hash(look.signature)

    async def _confirm(self, findings: _Findings) -> None:
        """Look again at what was damaged or missing; only what is found the same is believed."""
        if not findings.suspects:
            return
        await self._clock.sleep(_SECOND_LOOK_AFTER_S)
        first = {look.name: look for look in findings.suspects}
        findings.suspects.clear()
        for chunk in _chunks([(name, look.signature.size if look.signature else 0) for name, look in first.items()]):
            async with self._claim(chunk, is_waiting=True) as names:
                looks = await self._look(names)
                same = [look for look in looks if look.is_same(first[look.name])]
                await self._settle(same, findings, is_second=True)
                await self._settle([look for look in looks if look not in same], findings)
        findings.suspects.clear()

    async def _confirm_quietly(self, findings: _Findings) -> None:
        with suppress(OSError, StoreError):
            await self._confirm(findings)


def _nothing_is_known(_key: str, _signature: Signature) -> bool:
    return False


def _chunks(names: Sequence[tuple[str, int]]) -> Iterator[list[str]]:
    """Yield the names in portions of bounded number and bytes."""
    chunk: list[str] = []
    size = 0
    for name, length in names:
        if chunk and (len(chunk) >= _CHUNK or size + length > _CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(name)
        size += length
    if chunk:
        yield chunk
