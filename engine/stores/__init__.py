"""Implementations of the store protocol; the contract is in :mod:`engine.store.protocol`."""
