"""``check``: look through an export before it becomes a revision; no database is needed."""

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from migrations.commands.fix_sheet import fix_sheet
from migrations.crm import LEADS
from migrations.files import private_file
from migrations.importer.errors import ExportRefused
from migrations.importer.export.reading import open_export

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add what ``check`` understands to its parser."""
    parser.add_argument("export", type=Path, metavar="EXPORT", help="the JSON file")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    parser.add_argument(
        "--fix-sheet", type=Path, metavar="FILE.csv", help="write the problems beside their records"
    )


def run(arguments: Namespace) -> int:
    """Check an export and print the result; returns the exit status."""
    try:
        with open_export(arguments.export, fields=LEADS.fields) as export:
            export.check()
            found = {
                "export": export.name,
                "sha256": export.sha256,
                "records": export.count,
                "problems": [],
            }
    except ExportRefused as error:
        if arguments.fix_sheet and arguments.export.is_file():
            with private_file(arguments.fix_sheet) as write:
                write(fix_sheet(arguments.export))
            print(
                f"Wrote {arguments.fix_sheet}, which holds personal data; only you can read it.",
                file=sys.stderr,
            )
        if not arguments.json:
            raise
        problems = [problem._asdict() for problem in error.problems]
        name = arguments.export.name
        print(json.dumps({"export": name, "problems": problems, "total": error.total}))
        return 1
    if arguments.json:
        print(json.dumps(found | {"total": 0}))
    else:
        print(
            f"{found['export']}: {found['records']} records, no problems.\nsha256 {found['sha256']}"
        )
    return 0
