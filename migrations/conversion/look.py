"""Look through a whole file: its columns, how many of their cells are filled, and with what."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from migrations.conversion.rows import UNNAMED, Source, Value

__all__ = ["DAY_FIRST", "MONTH_FIRST", "Column", "Look", "look"]

DAY_FIRST, MONTH_FIRST = "day-first", "month-first"

LONGEST_ID = 18
"""Digits. More might not fit into 63 bits."""

_TWO_NUMBERS = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-]\d{2,4}(?!\d)")


@dataclass
class Column:
    """What a column holds.

    filled: number of cells. is_whole: whether all are whole numbers above 0. orders: of day and
    month, as its dates prove. For example, 16/09/2025 proves the day comes first.
    """

    filled: int = 0
    is_whole: bool = True
    orders: set[str] = field(default_factory=set)

    def add(self, values: Sequence[Value]) -> None:
        """Count more cells."""
        self.filled += len(values) - values.count("") - values.count(None)
        self.is_whole = self.is_whole and _are_whole(values)
        self.orders |= _orders(values)


@dataclass
class Look:
    """A file's columns in their order, and its number of records."""

    columns: dict[str, Column] = field(default_factory=dict)
    records: int = 0

    @property
    def filled(self) -> dict[str, int]:
        """Number of filled cells, by column."""
        return {name: column.filled for name, column in self.columns.items()}


def look(source: Source) -> Look:
    """Read a file to its end, and describe it."""
    found = Look()
    for positions, columns in source.chunks():
        found.records += len(positions)
        for name, values in columns.items():
            found.columns.setdefault(name, Column()).add(values)
    empty = [name for name, of in found.columns.items() if not of.filled]
    for name in empty:
        if name.startswith(UNNAMED):
            del found.columns[name]
    return found


def _are_whole(values: Sequence[Value]) -> bool:
    texts = ["" if value is None else str(value) for value in values]
    digits = "".join(texts)
    return (
        digits.isascii()
        and digits.isdecimal()
        and all(text.strip("0") and len(text) <= LONGEST_ID for text in texts)
    )


def _orders(values: Sequence[Value]) -> set[str]:
    """Find the orders proved by dates such as 16/09/2025. The first text must be such a date."""
    first = next((value for value in values if value), None)
    if not isinstance(first, str) or not _TWO_NUMBERS.match(first):
        return set()
    dates = [_TWO_NUMBERS.match(value) for value in values if isinstance(value, str)]
    proofs = {DAY_FIRST: 1, MONTH_FIRST: 2}
    return {
        order
        for order, group in proofs.items()
        if any(date and int(date[group]) > 12 for date in dates)
    }
