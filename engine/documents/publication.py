"""One batch of publications, as a worker thread does it: compare, render, write, rename."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from engine.documents.codec import read_mark, render
from engine.documents.files import (
    Signature,
    document_name,
    open_directory,
    read_now,
    signature_of,
    status_of,
    write_document,
)
from engine.documents.stripes import HeldStripes
from engine.errors import DamagedDocumentError
from engine.model.workflow import Workflow

_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A version of a document that may be replaced: published by us, or another's that is in the ledger.

    Attributes:
        digest: hex SHA-256 of its bytes.
        revision: the ledger's revision it stands for.
    """

    signature: Signature
    digest: str
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A document to be published.

    Attributes:
        history: the newest part of the state history, and ``older`` the number of entries before it.
        known: what is expected in the document's place; None where nothing is known of it.
        is_overwriting: replace whatever is there: the operator saw it and decided.
    """

    workflow: Workflow
    history: Sequence[Mapping[str, Any]]
    older: int
    known: Known | None = None
    is_overwriting: bool = False

    def expecting(self, known: Known) -> Draft:
        """Return the draft with another expectation."""
        return replace(self, known=known)


@dataclass(frozen=True, slots=True)
class Published:
    """The revision is on disk."""

    workflow_id: str
    known: Known


@dataclass(frozen=True, slots=True)
class Foreign:
    """Another program's version is in the document's place; it was left as it is."""

    workflow_id: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The document could not be written; the old one stands."""

    workflow_id: str
    why: str


Result = Published | Foreign | Failed


def publish_now(directory: Path, drafts: Sequence[Draft], store_id: str, held: HeldStripes) -> list[Result]:
    """Publish each draft whose place holds nothing but what may be replaced; blocks, for worker threads.

    Nothing is written once the batch that holds the stripes is over.
    """
    if not held.enter():
        return [Failed(draft.workflow.workflow_id, "the publication was given up") for draft in drafts]
    try:
        with open_directory(directory) as dir_fd:
            return [_publish(dir_fd, draft, store_id) for draft in drafts]
    except OSError as error:
        why = error.strerror or str(error)
        return [Failed(draft.workflow.workflow_id, why) for draft in drafts]
    finally:
        held.leave()


def _publish(dir_fd: int, draft: Draft, store_id: str) -> Result:
    workflow_id = draft.workflow.workflow_id
    try:
        for _ in range(_ATTEMPTS):
            found = status_of(dir_fd, document_name(workflow_id))
            if found is not None and not draft.is_overwriting:
                if not _is_replaceable(dir_fd, draft, store_id, found):
                    return Foreign(workflow_id)
                current = _current(draft, found)
                if current is not None:
                    return Published(workflow_id, current)
            known = _write(dir_fd, draft, store_id, found)
            if known is not None:
                return Published(workflow_id, known)
    except (OSError, ValueError) as error:
        return Failed(workflow_id, getattr(error, "strerror", None) or str(error))
    return Failed(workflow_id, "another program keeps writing the document")


def _write(dir_fd: int, draft: Draft, store_id: str, found: os.stat_result | None) -> Known | None:
    """Write the document unless what was ``found`` in its place is replaced meanwhile; None where it was."""
    name = document_name(draft.workflow.workflow_id)
    data = render(draft.workflow, draft.history, draft.older, store_id)

    def is_still_there() -> bool:
        now = status_of(dir_fd, name)
        if now is None or found is None:
            return now is found
        return signature_of(now) == signature_of(found)

    signature = write_document(dir_fd, draft.workflow.workflow_id, data, only_if=is_still_there)
    if signature is None:
        return None
    digest = hashlib.sha256(data).hexdigest()
    return Known(signature=signature, digest=digest, revision=draft.workflow.revision)


def _is_replaceable(dir_fd: int, draft: Draft, store_id: str, found: os.stat_result) -> bool:
    known = draft.known
    if known is not None and signature_of(found) == known.signature:
        return True
    try:
        data, _ = read_now(dir_fd, document_name(draft.workflow.workflow_id))
    except DamagedDocumentError:
        return False
    except FileNotFoundError:
        return True
    if known is not None and hashlib.sha256(data).hexdigest() == known.digest:
        return True
    mark = read_mark(data)
    return mark is not None and mark.is_of(store_id) and mark.revision <= draft.workflow.revision


def _current(draft: Draft, found: os.stat_result) -> Known | None:
    """Return what is known of the file that was found, where it is this very revision already."""
    known = draft.known
    if known is None or known.signature != signature_of(found) or known.revision != draft.workflow.revision:
        return None
    return known
