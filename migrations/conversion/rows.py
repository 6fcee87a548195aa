"""Hand records on column by column, because converting whole columns is much faster."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import chain, compress, islice
from typing import NamedTuple, TypeVar

__all__ = ["UNNAMED", "Chunk", "Source", "Value", "chunked", "of_objects"]

CHUNK = 1000
"""Records in memory at a time."""

UNNAMED = "unnamed column"
"""The name of a column without one, before its number."""

Value = str | int | float | Decimal | bool | date | None
"""A cell's or a JSON value. A ``datetime`` is a ``date``."""

Item = TypeVar("Item")


class Chunk(NamedTuple):
    """Some records. positions: of each in its file. columns: by name, each as long."""

    positions: Sequence[int]
    columns: Mapping[str, Sequence[Value]]

    def where(self, chosen: Sequence[bool]) -> "Chunk":
        """Return the chosen records. chosen: for each record."""
        columns = {name: list(compress(values, chosen)) for name, values in self.columns.items()}
        return Chunk(list(compress(self.positions, chosen)), columns)


@dataclass(frozen=True)
class Source:
    """A recognised file.

    name: the file's. format: in words. unit: what a position counts, such as "row".
    chunks: reads the file from its start at each call.
    """

    name: str
    format: str
    unit: str
    chunks: Callable[[], Iterator[Chunk]]


def chunked(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Cut items into lists of at most ``CHUNK``."""
    iterator = iter(items)
    while some := list(islice(iterator, CHUNK)):
        yield some


def of_objects(objects: Iterable[Mapping[str, Value]]) -> Iterator[Chunk]:
    """Turn records, counted from 1, into chunks. Missing values become None."""
    first = 1
    for some in chunked(objects):
        names = dict.fromkeys(chain.from_iterable(some))
        columns = {name: [record.get(name) for record in some] for name in names}
        yield Chunk(range(first, first + len(some)), columns)
        first += len(some)
