"""Files of leads as tools write them, and their conversion."""

import csv
import gzip
import io
import json
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from migrations.conversion.choice import Kept
from migrations.conversion.convert import Conversion, Result, understand
from migrations.conversion.options import Options, add_options
from migrations.importer.declaration import STANDARD_FIELDS, Field

__all__ = ["LEADS", "as_csv", "as_json", "as_workbook", "converted", "gzipped", "options", "write"]

Lead = Mapping[str, Any]

LEADS: Sequence[Lead] = (
    {
        "id": 11,
        "lead_number": "IN011",
        "full_name": "Dot Invented",
        "phone": "07700 900201",
        "email": "dot@example.com",
        "status": "qualified",
        "address1": "2 Invented Way",
        "postal_code": "ZZ99 2AA",
        "notes": "first\nsecond",
        "assigned_agent": "tomq",
        "created_at": "2025-09-16T14:15:00+00:00",
    },
    {
        "id": 12,
        "lead_number": "IN012",
        "full_name": "Évé Exämple",
        "phone": "+44 7700 900202",
        "email": "",
        "status": "new",
        "address1": "",
        "postal_code": "",
        "notes": 'says "ring"; later, please',
        "assigned_agent": "",
        "created_at": "2025-09-18T10:30:00+01:00",
    },
)
"""Two leads in the importer's own format."""


def write(folder: Path, content: bytes | str, name: str = "leads.txt") -> Path:
    """Write a file."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def as_json(leads: Sequence[Lead] = LEADS) -> str:
    """Write leads as a JSON array."""
    return json.dumps(leads, ensure_ascii=False)


def as_csv(
    leads: Sequence[Lead] = LEADS, separator: str = ",", encoding: str = "utf-8", end: str = "\r\n"
) -> bytes:
    """Write leads as a table, with these line ends in its cells too."""
    file = io.StringIO(newline="")
    rows = csv.writer(file, delimiter=separator, lineterminator=end)
    rows.writerow(leads[0])
    rows.writerows(lead.values() for lead in leads)
    return file.getvalue().replace("first\nsecond", f"first{end}second").encode(encoding)


def as_workbook(leads: Sequence[Lead] = LEADS, title: Sequence[str] = ()) -> bytes:
    """Write leads as .xlsx, below rows of a title."""
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.worksheets[0]
    for row in title:
        sheet.append([row])
    sheet.append(list(leads[0]))
    for lead in leads:
        sheet.append(list(lead.values()))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def gzipped(content: bytes | str) -> bytes:
    """Pack a file's content."""
    return gzip.compress(content.encode() if isinstance(content, str) else content)


def options(*given: str) -> Options:
    """Read options from a command line."""
    parser = ArgumentParser()
    add_options(parser)
    return Options.given(parser.parse_args(given))


def converted(
    path: Path, *given: str, fields: Sequence[Field] = STANDARD_FIELDS, kept: Sequence[Kept] = ()
) -> tuple[list[dict[str, Any]], Conversion, Result]:
    """Convert a file, and return its records, the conversion and the result."""
    conversion = understand(path, options(*given), fields, kept)
    file = io.BytesIO()
    result = conversion.write(file)
    written = [] if result.problems.total else json.loads(file.getvalue())
    return written, conversion, result
