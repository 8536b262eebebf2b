"""What operators call a store by."""

from __future__ import annotations

from engine.observation.embedding import Engine


def place_of(engine: Engine) -> str:
    """Return the store directory where there is one, else the ledger's own name (a URL without credentials)."""
    return engine.facts.place if engine.directory is None else str(engine.directory)
