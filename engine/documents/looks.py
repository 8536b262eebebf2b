"""Looks: what lies in the store directory now, read without changing or waiting for anything."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.documents.codec import Mark, ParsedDocument, parse, read_mark
from engine.documents.files import (
    SUFFIX,
    Signature,
    kind_problem,
    open_directory,
    printable,
    read_now,
    signature_of,
    status_of,
)
from engine.errors import DamagedDocumentError
from engine.model.names import is_plain_id

_BAD_NAME: Final = "its name is not a workflow id followed by .json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look at one name found.

    Attributes:
        name: as the file system has it; undecodable bytes as lone surrogates.
        signature: None where nothing bears the name.
        digest: hex SHA-256 of the bytes, "" where they were not read.
        mark: whose document it says it is.
        parsed: None where it is missing, damaged, no workflow, or ours and untouched.
        damage: why it cannot be read, "" where it can.
    """

    name: str
    signature: Signature | None = None
    digest: str = ""
    mark: Mark | None = None
    parsed: ParsedDocument | None = None
    damage: str = ""

    @property
    def key(self) -> str:
        """The name as the ledger keeps it: printable."""
        return printable(self.name)

    @property
    def workflow_id(self) -> str:
        """The id that the name stands for, "" where it cannot stand for one."""
        stem = self.name.removesuffix(SUFFIX)
        return stem if is_plain_id(stem) else ""

    def is_same(self, other: Look) -> bool:
        """Return whether both looks found the same thing."""
        return (self.signature, self.digest, self.damage) == (other.signature, other.digest, other.damage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What one pass over the directory found.

    Attributes:
        files: how many names there are.
        changed: name and size in bytes of each that is new or not as it was known.
        missing: keys that were known and are gone.
        cpu_s: CPU seconds the pass took.
    """

    files: int
    changed: Sequence[tuple[str, int]]
    missing: Sequence[str]
    cpu_s: float


IsKnown = Callable[[str, Signature], bool]
"""Whether a key with that signature needs no look."""


def is_document_name(name: str) -> bool:
    """Return whether a name is looked at at all: hidden files, ours among them, are not."""
    return name.endswith(SUFFIX) and not name.startswith(".")


def list_now(directory: Path, known: Mapping[str, int], is_known: IsKnown) -> Listing:
    """Compare every document's status with what is known; for worker threads.

    Raises:
        OSError: the directory is missing or closed to this user.
    """
    began_s = time.thread_time()
    files, seen, changed = 0, 0, []
    with open_directory(directory) as dir_fd, os.scandir(dir_fd) as entries:
        for entry in entries:
            name = entry.name
            if not is_document_name(name):
                continue
            try:
                signature = signature_of(entry.stat(follow_symlinks=False))
            except OSError:
                continue
            files += 1
            key = printable(name)
            if not is_known(key, signature):
                changed.append((name, signature.size))
            seen += key in known
        missing = _missing(dir_fd, known) if seen < len(known) else []
    return Listing(files=files, changed=changed, missing=missing, cpu_s=time.thread_time() - began_s)


def changed_now(directory: Path, names: Iterable[str], is_known: IsKnown) -> list[tuple[str, int]]:
    """Return those of ``names`` that are new, gone or not as they were known, with their sizes in bytes.

    Raises:
        OSError: the directory is missing or closed to this user.
    """
    changed = []
    with open_directory(directory) as dir_fd:
        for name in names:
            status = status_of(dir_fd, name)
            if status is None or not is_known(printable(name), signature_of(status)):
                changed.append((name, 0 if status is None else status.st_size))
    return changed


def look_now(directory: Path, names: Sequence[str], store_id: str) -> list[Look]:
    """Look at each name; for worker threads.

    Raises:
        OSError: the directory is missing, or this process or machine is short of something.
    """
    with open_directory(directory) as dir_fd:
        return [_look(dir_fd, name, store_id) for name in names]


def look_at(name: str, data: bytes, signature: Signature, store_id: str) -> Look:
    """Return what was found by reading ``data``; an untouched document of this store is not parsed."""
    digest = hashlib.sha256(data).hexdigest()
    mark = read_mark(data)
    if mark is not None and mark.is_of(store_id):
        return Look(name=name, signature=signature, digest=digest, mark=mark)
    try:
        parsed = parse(data, name)
    except DamagedDocumentError as error:
        return Look(name=name, signature=signature, digest=digest, damage=error.why)
    return Look(
        name=name, signature=signature, digest=digest, mark=mark if parsed is None else parsed.mark, parsed=parsed
    )


def problem_look(dir_fd: int, name: str, why: str) -> Look:
    """Return a look at a name that is not read, with its status as it is now."""
    status = status_of(dir_fd, name)
    return Look(name=name) if status is None else Look(name=name, signature=signature_of(status), damage=why)


def _look(dir_fd: int, name: str, store_id: str) -> Look:
    if not is_plain_id(name.removesuffix(SUFFIX)):
        status = status_of(dir_fd, name)
        return problem_look(dir_fd, name, (status is not None and kind_problem(status)) or _BAD_NAME)
    try:
        data, signature = read_now(dir_fd, name)
    except FileNotFoundError:
        return Look(name=name)
    except DamagedDocumentError as error:
        return problem_look(dir_fd, name, error.why)
    return look_at(name, data, signature, store_id)


def _missing(dir_fd: int, known: Mapping[str, int]) -> list[str]:
    with os.scandir(dir_fd) as entries:
        present = {printable(entry.name) for entry in entries}
    return [key for key in list(known) if key not in present]
