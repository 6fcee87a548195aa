"""Write a fix sheet: the problems of a file with their records' values, as CSV for a spreadsheet.

Its first line warns of personal data, and only its owner can read the file.
"""

import io
from collections.abc import Mapping

from migrations.conversion.convert import Conversion
from migrations.conversion.rows import Value
from migrations.importer.errors import Problem
from migrations.sheets import as_csv

__all__ = ["fix_sheet"]

WARNING = "Personal data, for the owner's eyes only: delete this file once the export is corrected."


def fix_sheet(conversion: Conversion) -> str:
    """List the problems of a file, one a line: where, field, reason, and the record's values."""
    columns = list(conversion.look.columns)
    lines: list[list[object]] = [[WARNING], [conversion.source.unit, "field", "reason", *columns]]

    def add(problem: Problem, record: Mapping[str, Value]) -> None:
        cells = ["" if value is None else str(value) for value in map(record.get, columns)]
        lines.append([problem.record, problem.field, problem.reason, *cells])

    conversion.write(io.BytesIO(), add)
    return as_csv(lines)
