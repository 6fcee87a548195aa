"""Records in a table: CSV of any usual kind, whatever separates its cells."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
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
_BLANKS = {r"\N", "NULL"}
"""What Postgres, MySQL and SQL Server write for a value that is missing."""
_TITLE_ROWS = 20
"""A header stands among the first rows, below a title and blank rows."""
_GUARDED = re.compile(r"'[=+@\t\r-]")
"""An apostrophe that keeps a spreadsheet from taking a text for a formula."""
_FORMULA = re.compile(r'="(.*)"', re.DOTALL)
"""How a CSV keeps a spreadsheet from taking a text for a number."""

_EMAIL = re.compile(r"\s*[^@\s]+@[^@\s]+\.\w+\s*")
_ESCAPED = re.compile(r'[^,;\t|"\\]\\"[^,;\t|\r\n]')
"""A quote inside a cell with a backslash before it, as MySQL writes it."""

csv.field_size_limit(LONGEST_RECORD)


class Dialect(NamedTuple):
    """separator: of the cells; escape: what stands before a quote inside of one, if not a quote."""

    separator: str
    escape: str | None


class NoHeader(Exception):
    """The first row has no names of columns."""


class TooManyCells(Exception):
    """A row has values beyond the last column."""

    def __init__(self, row: int) -> None:
        super().__init__(f"row {row} has more cells than the header")


def dialect_of(start: str) -> Dialect:
    """Tell how a table is written: the separator is what makes the most columns in most rows."""

    def width(separator: str) -> float:
        # What is looked at ends anywhere, so its last row may be half of one.
        rows = list(csv.reader(io.StringIO(start, newline=""), delimiter=separator))[:-1]
        return median([len(row) for row in rows[:100] if row] or [0])

    named = re.match(r"sep=(.)\r?\n", start)
    has_escapes = _ESCAPED.search(start) and '""' not in start
    return Dialect(named[1] if named else max(SEPARATORS, key=width), "\\" if has_escapes else None)


def read_cells(file: TextIO, dialect: Dialect) -> Iterator[list[str]]:
    """Read rows. Raises ``csv.Error``, which says where, if quotes do not match."""
    rows = csv.reader(file, delimiter=dialect.separator, escapechar=dialect.escape, strict=True)
    try:
        yield from rows
    except csv.Error:
        raise csv.Error(f"line {rows.line_num}") from None


def of_rows(rows: Iterable[Sequence[Value]]) -> Iterator[Chunk]:
    """Turn rows, of which one is the header, into chunks. Raises ``NoHeader``, ``TooManyCells``."""
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
    """The first row with more than one cell filled, and its number: above it may be a title."""
    for number, cells in enumerate(islice(rows, _TITLE_ROWS), 1):
        filled = [str(cell) for cell in cells if cell is not None and str(cell).strip()]
        if len(filled) > 1:
            if any(_EMAIL.fullmatch(cell) or are_phones([cell]) for cell in filled):
                raise NoHeader
            return number, cells
    raise NoHeader


def _names(cells: Sequence[Value]) -> list[str]:
    """The columns' names. One that comes again gets a number, as does one without a name."""
    names: list[str] = []
    for number, cell in enumerate(cells, 1):
        name = " ".join(str(cell or "").split()) or f"{UNNAMED} {number}"
        times = names.count(name)
        names.append(f"{name} ({times + 1})" if times else name)
    return names


def _fitted(rows: Sequence[Sequence[Value]], width: int, first: int) -> Iterable[Sequence[Value]]:
    """Rows as wide as the header. first: the number of the first one."""
    if set(map(len, rows)) == {width}:
        return rows
    for number, cells in enumerate(rows, first):
        if any(cells[width:]):
            raise TooManyCells(number)
    return [[*cells[:width], *[""] * (width - len(cells))] for cells in rows]


def _tidied(cells: Sequence[Value]) -> Sequence[Value]:
    """Cells without outer white space, with one kind of line break, and without guards."""
    try:
        texts = list(map(str.strip, cells))  # type: ignore[arg-type]  # a workbook has others, too
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
