"""A fix sheet: the problems of a file as CSV, each with its record's own values, for a spreadsheet.

It holds personal data, which its first line says; only its owner can read the file.
"""

import csv
import io
from collections.abc import Mapping

from migrations.conversion.convert import Conversion
from migrations.conversion.rows import Value
from migrations.importer.errors import Problem

__all__ = ["fix_sheet"]

WARNING = "Personal data, for the owner's eyes only: delete this file once the export is corrected."

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def fix_sheet(conversion: Conversion) -> str:
    """List the problems of a file, a line each: where, field, reason, and the record's values."""
    sheet = io.StringIO(newline="")
    lines = csv.writer(sheet)
    columns = list(conversion.look.columns)
    lines.writerow([WARNING])
    lines.writerow([conversion.source.unit, "field", "reason", *map(_cell, columns)])

    def add(problem: Problem, record: Mapping[str, Value]) -> None:
        cells = [_cell(record.get(name)) for name in columns]
        lines.writerow([problem.record, problem.field, problem.reason, *cells])

    conversion.write(io.BytesIO(), add)
    return sheet.getvalue()


def _cell(value: Value) -> str:
    """A value as text; one that a spreadsheet would take for a formula gets an apostrophe."""
    text = "" if value is None else str(value)
    text = text.encode("utf-8", "replace").decode()
    return f"'{text}" if text.startswith(_FORMULA) else text
