"""A fix sheet: the problems of an export as CSV, each with its record's own values, for a
spreadsheet.

It holds personal data, which its first line says; only its owner can read the file.
"""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

from migrations.crm import LEADS
from migrations.importer.export.problems import Malformed, with_problems
from migrations.importer.export.reading import open_content

__all__ = ["fix_sheet"]

WARNING = "Personal data, for the owner's eyes only: delete this file once the export is corrected."
FIELDS = ("id", *(field.name for field in LEADS.fields))
BLOCK = 1 << 20

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def fix_sheet(export: Path) -> str:
    """The problems of an export, a line each: record, field, reason, and the record's values."""
    sheet = io.StringIO(newline="")
    lines = csv.writer(sheet)
    lines.writerow([WARNING])
    lines.writerow(["record", "field", "reason", *FIELDS])
    with open_content(export) as file:
        blocks = iter(lambda: file.read(BLOCK), b"")
        try:
            for value, problems in with_problems(blocks, LEADS.fields):
                values = dict(_pairs(value))
                for problem in problems:
                    lines.writerow(
                        [problem.record, problem.field, problem.reason, *map(values.get, FIELDS)]
                    )
        except Malformed as error:
            lines.writerow(["", "", f"from here on the file is no JSON: {error}"])
    return sheet.getvalue()


def _pairs(value: object) -> Iterator[tuple[str, str]]:
    """A record's fields as cells; a text that a spreadsheet would take for a formula gets an
    apostrophe."""
    if not isinstance(value, list):
        return
    for pair in value:
        if isinstance(pair, tuple):
            key, field = pair
            cell = field if isinstance(field, str) else json.dumps(field, default=str)
            cell = cell.encode("utf-8", "replace").decode()
            yield key, f"'{cell}" if cell.startswith(_FORMULA) else cell
