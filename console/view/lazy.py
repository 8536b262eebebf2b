"""Rows made when they are drawn: a list looks only at those on the screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, overload

from console.cells import Row

ValueT = TypeVar("ValueT")


class LazyRows(Sequence[Row], Generic[ValueT]):
    """A sequence of rows over a sequence of values.

    Args:
        values: what the rows are made of.
        key: tells a value's row from all others; the first of equal ones counts.
        make: makes the row of a value.
    """

    def __init__(self, values: Sequence[ValueT], key: Callable[[ValueT], str], make: Callable[[ValueT], Row]) -> None:
        self.values = values
        self.make = make
        self._places: dict[str, int] = {}
        for index, value in enumerate(values):
            self._places.setdefault(key(value), index)

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...

    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return [self.make(value) for value in self.values[index]]
        return self.make(self.values[index])

    def index_of(self, key: str) -> int | None:
        """Return the position of the row with ``key``, or None."""
        return self._places.get(key)

    def value_of(self, key: str) -> ValueT | None:
        """Return the value whose row has ``key``, or None."""
        index = self._places.get(key)
        return None if index is None else self.values[index]
