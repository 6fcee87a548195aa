"""Records in a table: CSV of any usual kind, whatever separates its cells."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from statistics import median
from typing import NamedTuple, TextIO

from migrations.conversion.rows import Chunk, Value, chunked
from migrations.importer.phone import are_phones
from migrations.importer.record import LONGEST_RECORD

__all__ = ["SEPARATORS", "NoHeader", "TooManyCells", "of_rows", "read_cells", "separator_of"]

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_BLANKS = {r"\N", "NULL"}
"""What Postgres, MySQL and SQL Server write for a value that is missing."""
_TITLE_ROWS = 20
"""A header stands among the first rows, below a title and blank rows."""
_GUARDED = re.compile(r"'[=+@\t\r-]")
"""An apostrophe that keeps a spreadsheet from taking a text for a formula."""
_FORMULA = re.compile(r'="(.*)"', re.DOTALL)
"""How a CSV keeps a spreadsheet from taking a text for a number."""

csv.field_size_limit(LONGEST_RECORD)


class NoHeader(Exception):
    """The first row has no names of columns."""


class TooManyCells(Exception):
    """A row has values beyond the last column."""

    def __init__(self, row: int) -> None:
        super().__init__(f"row {row} has more cells than the header")


class _Row(NamedTuple):
    """number: of the row as a spreadsheet counts; cells: its values."""

    number: int
    cells: Sequence[Value]


def separator_of(start: str) -> str:
    """Tell what separates the cells: that which makes the most columns in most rows."""

    def width(separator: str) -> float:
        # What is looked at ends anywhere, so its last row may be half of one.
        rows = list(csv.reader(io.StringIO(start, newline=""), delimiter=separator))[:-1] or [[]]
        return median(len(row) for row in rows[:100] if row) if any(rows) else 0

    named = re.match(r"sep=(.)\r?\n", start)
    return named[1] if named else max(SEPARATORS, key=width)


def read_cells(file: TextIO, separator: str) -> Iterator[list[str]]:
    """Read rows. Raises ``csv.Error``, which says where, if quotes do not match."""
    rows = csv.reader(file, delimiter=separator, strict=True)
    try:
        yield from rows
    except csv.Error:
        raise csv.Error(f"line {rows.line_num}") from None


def of_rows(rows: Iterable[Sequence[Value]]) -> Iterator[Chunk]:
    """Turn rows, of which one is the header, into chunks. Raises ``NoHeader``, ``TooManyCells``."""
    numbered = (_Row(number, cells) for number, cells in enumerate(rows, 1))
    header, rest = _header(numbered)
    names = _names(header.cells)
    for some in chunked(row for row in rest if any(map(_is_filled, row.cells))):
        columns = list(zip(*(_fitted(row, len(names)) for row in some), strict=True))
        named = {name: _tidied(column) for name, column in zip(names, columns, strict=True)}
        yield Chunk(
            [row.number for row in some],
            {name: cells for name, cells in named.items() if name},
        )


def _header(rows: Iterator[_Row]) -> tuple[_Row, Iterator[_Row]]:
    """The first row with more than one cell filled, or else the first that has any."""
    fallback: _Row | None = None
    for row in rows:
        filled = [str(cell) for cell in row.cells if _is_filled(cell)]
        if not filled or (len(filled) == 1 and filled[0].lower().startswith("sep=")):
            continue
        if len(filled) > 1:
            if any("@" in cell or are_phones([cell]) for cell in filled):
                raise NoHeader
            return row, rows
        fallback = fallback or row
        if row.number > _TITLE_ROWS:
            break
    raise NoHeader


def _names(cells: Sequence[Value]) -> list[str]:
    """The columns' names. One that comes again gets a number; one without a name has ""."""
    names: list[str] = []
    for cell in cells:
        name = " ".join(str(cell).split()) if _is_filled(cell) else ""
        times = names.count(name)
        names.append(f"{name} ({times + 1})" if name and times else name)
    return names


def _fitted(row: _Row, width: int) -> Sequence[Value]:
    """A row as wide as the header."""
    if len(row.cells) == width:
        return row.cells
    if any(map(_is_filled, row.cells[width:])):
        raise TooManyCells(row.number)
    return [*row.cells[:width], *[""] * (width - len(row.cells))]


def _is_filled(cell: Value) -> bool:
    return cell is not None and cell != "" and not (isinstance(cell, str) and cell.isspace())


def _tidied(cells: Sequence[Value]) -> Sequence[Value]:
    """Cells without outer white space, with one kind of line break, and without guards."""
    tidy = [cell.strip() if isinstance(cell, str) else cell for cell in cells]
    if not _BLANKS.isdisjoint(tidy):
        tidy = ["" if cell in _BLANKS else cell for cell in tidy]
    joined = "\n".join(cell for cell in tidy if isinstance(cell, str))
    if "\r" in joined or "'" in joined or '="' in joined:
        return [_unguarded(cell) if isinstance(cell, str) else cell for cell in tidy]
    return tidy


def _unguarded(cell: str) -> str:
    if formula := _FORMULA.fullmatch(cell):
        cell = formula[1]
    if _GUARDED.match(cell):
        cell = cell[1:]
    return cell.replace("\r\n", "\n").replace("\r", "\n")
