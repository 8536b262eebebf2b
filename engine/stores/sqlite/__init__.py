"""The ledger on SQLite: one file that several processes share, or ``:memory:``."""

from engine.stores.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
