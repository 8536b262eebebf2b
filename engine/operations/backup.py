"""Backup: a copy of the whole ledger while others go on writing."""

from __future__ import annotations

import asyncio
from pathlib import Path

from engine.errors import RefusedError
from engine.observation.embedding import Engine


async def backup(engine: Engine, target: Path) -> Path:
    """Copy the ledger to ``target``, or into it under a dated name where it is a directory; return the copy's path.

    Raises:
        RefusedError: the copy's place exists, or its directory does not.
        StoreError: the copy could not be written.
    """
    if await asyncio.to_thread(target.is_dir):
        target = target / f"ledger-{engine.clock.now():%Y%m%dT%H%M%SZ}.db"
    if await asyncio.to_thread(target.exists):
        raise RefusedError(f"{target} exists already. Nothing was copied; name another file.")
    if not await asyncio.to_thread(target.parent.is_dir):
        raise RefusedError(f"There is no directory {target.parent}. Nothing was copied.")
    await engine.store.backup(target)
    return target
