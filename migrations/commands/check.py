"""``check``: say what ``add`` would make of a file. It needs no database."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from migrations.commands import sources
from migrations.commands.fix_sheet import fix_sheet
from migrations.console import counted, print_json, say_private
from migrations.conversion.convert import ConversionRefused
from migrations.files import private_file
from migrations.importer.pinned import DATA

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``check`` to its parser."""
    sources.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    parser.add_argument(
        "--fix-sheet", type=Path, metavar="FILE.csv", help="list the problems with their records"
    )


def run(arguments: Namespace) -> int:
    """Check a file, print the result, and return the exit status."""
    try:
        with sources.readable(arguments, DATA) as found:
            if arguments.json:
                print_json(_as_json(found))
            else:
                sources.print_readable(found)
                print(f"{found.source.name}: {counted(found.records, 'record')}, no problems.")
                print(f"sha256 {found.sha256}")
    except ConversionRefused as error:
        if arguments.fix_sheet:
            _write_fix_sheet(error, arguments.fix_sheet)
        if not arguments.json:
            raise
        problems = [problem._asdict() for problem in error.problems.first]
        name = arguments.export.name
        print_json({"export": name, "problems": problems, "total": error.problems.total})
        return 1
    return 0


def _as_json(found: sources.Readable) -> dict[str, Any]:
    told: dict[str, Any] = {
        "export": found.source.name,
        "sha256": found.sha256,
        "records": found.records,
        "problems": [],
        "total": 0,
    }
    if conversion := found.conversion:
        told["format"] = conversion.source.format
        told["fields"] = conversion.choice.fields
        told["left_out"] = conversion.choice.left_out
        told["without_phone"] = found.without_phone
    return told


def _write_fix_sheet(error: ConversionRefused, path: Path) -> None:
    with private_file(path) as write:
        write(fix_sheet(error.conversion))
    say_private(path)
