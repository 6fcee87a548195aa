"""Read records from tables: any usual kind of CSV, whatever separates its cells."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count, islice
from statistics import median
from typing import NamedTuple, TextIO

from migrations.conversion.rows import UNNAMED, Chunk, Value, chunked
from migrations.importer.phone import are_phones
from migrations.importer.record import LONGEST_RECORD

__all__ = [
    "SEPARATORS",
    "Dialect",
    "NoHeader",
    "TooManyCells",
    "dialect_of",
    "of_rows",
    "read_cells",
]

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_BLANKS = {r"\N", "NULL", "#N/A"}
"""What Postgres, MySQL, SQL Server and a spreadsheet's lookup write for a missing value."""
_TITLE_ROWS = 20
"""Rows to search for the header: a title and blank rows may stand above it."""
_GUARDED = re.compile(r"'[=+@\t\r-]")
"""An apostrophe keeps a spreadsheet from taking the text for a formula."""
_FORMULA = re.compile(r'="(.*)"', re.DOTALL)
"""This spelling keeps a spreadsheet from taking the text for a number."""

_EMAIL = re.compile(r"\s*[^@\s]+@[^@\s]+\.\w+\s*")
_ESCAPED = re.compile(r'[^,;\t|"\\]\\"[^,;\t|\r\n]')
"""A quote inside a cell, with a backslash before it, as MySQL writes it."""

csv.field_size_limit(LONGEST_RECORD)


class Dialect(NamedTuple):
    """How a table is written.

    separator: between cells. escape: stands before a quote inside a cell, if not another quote.
    """

    separator: str
    escape: str | None


class NoHeader(Exception):
    """No row has the names of the columns."""


class TooManyCells(Exception):
    """A row has values beyond the last column of the header."""

    def __init__(self, row: int) -> None:
        super().__init__(f"row {row} has more cells than the header")


def dialect_of(start: str) -> Dialect:
    """Tell how a table is written. The separator makes the most columns in most rows."""

    def width(separator: str) -> float:
        # The start of a file may end in the middle of a row.
        rows = list(csv.reader(io.StringIO(start, newline=""), delimiter=separator))[:-1]
        return median([len(row) for row in rows[:100] if row] or [0])

    named = re.match(r"sep=(.)\r?\n", start)
    has_escapes = _ESCAPED.search(start) and '""' not in start
    return Dialect(named[1] if named else max(SEPARATORS, key=width), "\\" if has_escapes else None)


def read_cells(file: TextIO, dialect: Dialect) -> Iterator[list[str]]:
    """Read rows. Raises ``csv.Error``, with the place, if quotes do not match."""
    rows = csv.reader(file, delimiter=dialect.separator, escapechar=dialect.escape, strict=True)
    try:
        yield from rows
    except csv.Error:
        raise csv.Error(f"line {rows.line_num}") from None


def of_rows(rows: Iterable[Sequence[Value]]) -> Iterator[Chunk]:
    """Turn a header and its rows into chunks. Raises ``NoHeader``, ``TooManyCells``."""
    rows = iter(rows)
    header_at, header = _header(rows)
    names = _names(header)
    first = header_at + 1
    for some in chunked(rows):
        columns = zip(*_fitted(some, len(names), first), strict=True)
        named = {name: _tidied(column) for name, column in zip(names, columns, strict=True)}
        chunk = Chunk(range(first, first + len(some)), named)
        yield chunk if all(map(any, some)) else chunk.where(list(map(any, some)))
        first += len(some)


def _header(rows: Iterator[Sequence[Value]]) -> tuple[int, Sequence[Value]]:
    """Find the header: the first row with more than one filled cell. Returns its number, too."""
    for number, cells in enumerate(islice(rows, _TITLE_ROWS), 1):
        filled = [str(cell) for cell in cells if cell is not None and str(cell).strip()]
        if len(filled) > 1:
            if any(_EMAIL.fullmatch(cell) or are_phones([cell]) for cell in filled):
                raise NoHeader
            return number, cells
    raise NoHeader


def _names(cells: Sequence[Value]) -> list[str]:
    """Name the columns. Repeated and missing names get a number."""
    names: dict[str, None] = {}
    for number, cell in enumerate(cells, 1):
        name = " ".join(str(cell or "").split()) or f"{UNNAMED} {number}"
        numbered = (f"{name} ({times})" for times in count(2))
        names[next(free for free in chain([name], numbered) if free not in names)] = None
    return list(names)


def _fitted(rows: Sequence[Sequence[Value]], width: int, first: int) -> Iterable[Sequence[Value]]:
    """Make rows as wide as the header. first: the number of the first row."""
    if set(map(len, rows)) == {width}:
        return rows
    for number, cells in enumerate(rows, first):
        if any(cells[width:]):
            raise TooManyCells(number)
    return [[*cells[:width], *[""] * (width - len(cells))] for cells in rows]


def _tidied(cells: Sequence[Value]) -> Sequence[Value]:
    """Strip white space and guards from cells, and use one kind of line break."""
    try:
        texts = list(map(str.strip, cells))  # type: ignore[arg-type]  # workbooks have others, too
        joined = "".join(texts)
    except TypeError:
        return [_tidied([cell])[0] if isinstance(cell, str) else cell for cell in cells]
    if not _BLANKS.isdisjoint(texts):
        texts = ["" if text in _BLANKS else text for text in texts]
    if "\r" in joined or "'" in joined or '="' in joined:
        return list(map(_unguarded, texts))
    return texts


def _unguarded(cell: str) -> str:
    if formula := _FORMULA.fullmatch(cell):
        cell = formula[1]
    if _GUARDED.match(cell):
        cell = cell[1:]
    return cell.replace("\r\n", "\n").replace("\r", "\n")
