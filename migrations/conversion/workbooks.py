"""Read records from an Excel workbook (.xlsx): from the first sheet with rows."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

from migrations.conversion.rows import Value
from migrations.importer.errors import ImportStopped

__all__ = ["WORKBOOK", "NotAWorkbook", "read_rows", "sheet_name"]

WORKBOOK = b"PK\x03\x04"


class NotAWorkbook(Exception):
    """The file is another kind of ZIP archive, or damaged."""


def sheet_name(file: BinaryIO) -> str:
    """Return the name of the sheet with the records."""
    with _sheet(file) as sheet:
        return str(sheet.title)


def read_rows(file: BinaryIO) -> Iterator[Sequence[Value]]:
    """Read the values of a sheet. Formulas give their results."""
    with _sheet(file) as sheet:
        yield from sheet.iter_rows(values_only=True)


@contextmanager
def _sheet(file: BinaryIO) -> Iterator[Any]:
    try:
        from openpyxl import load_workbook  # noqa: PLC0415  # a deploy does without
    except ImportError:
        raise ImportStopped(
            "An Excel workbook needs openpyxl, which is not installed. "
            "Run 'python -m pip install openpyxl' and try again."
        ) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl drops some things nobody needs
            book = load_workbook(file, read_only=True, data_only=True)
            sheets: list[Any] = [one for one in book.worksheets if one.sheet_state == "visible"]
            for sheet in sheets:
                # A workbook is often wrong about its size. Trusting it would cut rows off.
                sheet.reset_dimensions()
            yield next((one for one in sheets if any(one.iter_rows(max_row=2))), sheets[0])
    except Exception:  # of any kind: openpyxl stumbles over what it does not expect
        raise NotAWorkbook from None
