"""A fix sheet: the problems of a file as CSV, each with its record's own values, for a spreadsheet.

It holds personal data, which its first line says; only its owner can read the file.
"""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from migrations.conversion.convert import Conversion
from migrations.conversion.rows import Value
from migrations.crm import LEADS
from migrations.importer.errors import Problem
from migrations.importer.export.problems import Malformed, with_problems
from migrations.importer.export.reading import open_content

__all__ = ["fix_sheet", "fix_sheet_of_sealed"]

WARNING = "Personal data, for the owner's eyes only: delete this file once the export is corrected."

BLOCK = 1 << 20

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


def fix_sheet_of_sealed(export: Path) -> str:
    """List the problems of a sealed export in the same way. It is opened in memory alone."""
    sheet = io.StringIO(newline="")
    lines = csv.writer(sheet)
    fields = ["id", *(field.name for field in LEADS.fields)]
    lines.writerow([WARNING])
    lines.writerow(["record", "field", "reason", *fields])
    with open_content(export) as file:
        blocks = iter(lambda: file.read(BLOCK), b"")
        try:
            for value, problems in with_problems(blocks, LEADS.fields):
                pairs = value if isinstance(value, list) else []
                values: dict[str, Any] = dict(pair for pair in pairs if isinstance(pair, tuple))
                cells = [_cell(values.get(field)) for field in fields]
                for problem in problems:
                    lines.writerow([problem.record, problem.field, problem.reason, *cells])
        except Malformed as error:
            lines.writerow(["", "", f"from here on the file is no JSON: {error}"])
    return sheet.getvalue()


def _cell(value: Value) -> str:
    """A value as text; one that a spreadsheet would take for a formula gets an apostrophe."""
    text = "" if value is None else str(value)
    text = text.encode("utf-8", "replace").decode()
    return f"'{text}" if text.startswith(_FORMULA) else text
