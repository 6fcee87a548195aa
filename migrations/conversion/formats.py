"""Tell what a file is by its first bytes, never by its name.

source = recognise(Path("october.csv"))
source.format                            'CSV with semicolons'
for chunk in source.chunks(): ...
"""

import csv
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from migrations.console import printable
from migrations.conversion import json_lists, tables, workbooks
from migrations.conversion.encodings import encoding_of, is_gzipped, open_text, opened, start_of
from migrations.conversion.errors import Unreadable
from migrations.conversion.rows import Chunk, Source, of_objects

__all__ = ["recognise"]

_OTHERS = {
    b"age-encryption.org/v1": ("a sealed export", "Let its name end in .age."),
    b"\xd0\xcf\x11\xe0": ("an Excel workbook from before 2007 (.xls)", "Save it as .xlsx."),
    b"SQLite format 3": ("an SQLite database", "Export its table of leads as CSV."),
    b"PAR1": ("Parquet", "Export it as CSV."),
    b"%PDF": ("PDF", "Export it as CSV or JSON where it comes from."),
    b"BEGIN:VCARD": ("vCard", "Import it into Google Contacts or Outlook, and export CSV there."),
    b"<": ("HTML or XML", "Open it in a spreadsheet and save it as .xlsx."),
    b"version https://git-lfs": ("a Git LFS pointer", "Run 'git lfs pull'."),
    b"-- ": ("an SQL dump", "Export the table of leads as CSV."),
    b"INSERT INTO": ("an SQL dump", "Export the table of leads as CSV."),
    b"PGDMP": ("a Postgres dump", "Export the table of leads as CSV."),
}
_BEHIND = re.compile(r"(?:^|[=(/])[ \t]*\[\s*\{", re.MULTILINE)
"""A list of objects behind a comment, a warning, a guard or the name of a variable."""
_KINDS = "It has to be JSON, CSV or .xlsx, gzipped or not."


def recognise(path: Path, encoding: str | None = None) -> Source:
    """Tell what a file is.

    encoding: what its owner says. Raises ``Unreadable`` and ``Undecided``, for example if the file
    does not show its encoding. Reading the source may raise them, too.
    """
    if path.is_symlink():
        raise Unreadable(path.name, "is a symbolic link", "Name the file itself.")
    if not path.is_file():
        raise Unreadable(path.name, "is not a file", "Name the exported file.")
    start = start_of(path)
    _refuse_others(path.name, start)
    packed = "gzipped " if is_gzipped(path) else ""
    if start.startswith(workbooks.WORKBOOK):
        return _workbook(path, packed)
    encoding = encoding_of(start, encoding)
    source = _of_text(path, encoding, start.decode(encoding, "ignore"))
    in_words = encoding.removesuffix("-sig").upper()
    return replace(source, format=f"{packed}{source.format}, {in_words}")


def _refuse_others(name: str, start: bytes) -> None:
    if not start.strip():
        raise Unreadable(name, "is empty", _KINDS)
    for mark, (kind, action) in _OTHERS.items():
        if start.lstrip().startswith(mark):
            raise Unreadable(name, f"looks like {kind}", action)


def _of_text(path: Path, encoding: str, start: str) -> Source:
    if kind := json_lists.kind_of(start):
        unit = "line" if kind == "JSON lines" else "record"
        return Source(path.name, kind, unit, lambda: _read_json(path, encoding, kind))
    if _BEHIND.search(start):
        action = "Remove it, up to the first [."
        raise Unreadable(path.name, "has something before its JSON", action)
    dialect = tables.dialect_of(start)
    format = f"CSV with {tables.SEPARATORS.get(dialect.separator, dialect.separator)}"
    return Source(path.name, format, "row", lambda: _read_csv(path, encoding, dialect))


def _read_json(path: Path, encoding: str, kind: str) -> Iterator[Chunk]:
    try:
        with open_text(path, encoding) as file:
            yield from of_objects(json_lists.read_objects(file, kind))
    except json_lists.NotJson as error:
        action = "Export it again, or look at its end with a text editor."
        raise Unreadable(path.name, f"begins as JSON, but {error}", action) from None


def _read_csv(path: Path, encoding: str, dialect: tables.Dialect) -> Iterator[Chunk]:
    with open_text(path, encoding) as file, _refused(path.name):
        yield from tables.of_rows(tables.read_cells(file, dialect))


def _workbook(path: Path, packed: str) -> Source:
    with _refused(path.name), _seekable(path) as file:
        sheet = workbooks.sheet_name(file)
    format = f"{packed}Excel workbook, sheet {printable(sheet)}"
    return Source(path.name, format, "row", lambda: _read_workbook(path))


def _read_workbook(path: Path) -> Iterator[Chunk]:
    with _refused(path.name), _seekable(path) as file:
        yield from tables.of_rows(workbooks.read_rows(file))


@contextmanager
def _seekable(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading back and forth. Gzip is too slow for that."""
    with opened(path) as file:
        if not is_gzipped(path):
            yield file
            return
        with tempfile.TemporaryFile() as unpacked:
            shutil.copyfileobj(file, unpacked)
            yield unpacked


@contextmanager
def _refused(name: str) -> Iterator[None]:
    """Say what is wrong with a table, without its values."""
    try:
        yield
    except tables.NoHeader:
        action = "Put a row of column names above the first lead."
        raise Unreadable(name, "has no header or is not a table", action) from None
    except tables.TooManyCells as error:
        action = "A cell holds the separator without quotes around it. Export it again."
        raise Unreadable(name, str(error), action) from None
    except csv.Error as error:
        action = "Quotes inside a cell must be doubled. Export it again."
        raise Unreadable(name, f"has quotes that do not match up to {error}", action) from None
    except workbooks.NotAWorkbook:
        action = "Unpack it if it is a ZIP archive, or save the spreadsheet as .xlsx again."
        raise Unreadable(
            name, "looks like a ZIP archive, but not like an Excel workbook", action
        ) from None
