"""The commands around the revisions.

    python -m migrations check EXPORT              check an export; no database is needed
    python -m migrations add EXPORT -m MESSAGE     put an export into the next deploy

Exit status: 0 done, 1 refused, 2 called wrongly.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from migrations.add import add_export
from migrations.importer.errors import ExportRefused, ImportStopped
from migrations.importer.export import open_export

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    given = _parser().parse_args(arguments)
    try:
        status: int = given.command(given)
    except ImportStopped as error:
        print(error, file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m migrations", description="The commands around the revisions.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    check = commands.add_parser("check", help="check an export; no database is needed")
    check.add_argument("export", type=Path, metavar="EXPORT")
    check.add_argument("--json", action="store_true", help="print the result as one JSON object")
    check.set_defaults(command=_check)

    add = commands.add_parser("add", help="copy an export into data/ and write the revision that imports it")
    add.add_argument("export", type=Path, metavar="EXPORT")
    add.add_argument("-m", "--message", required=True, help='what it is, such as "import october leads"')
    add.set_defaults(command=_add)
    return parser


def _check(given: argparse.Namespace) -> int:
    try:
        with open_export(given.export) as export:
            found = {"export": export.name, "sha256": export.sha256, "records": export.count, "problems": []}
    except ExportRefused as error:
        if not given.json:
            raise
        problems = [problem._asdict() for problem in error.problems]
        print(json.dumps({"export": given.export.name, "problems": problems, "total": error.total}))
        return 1
    if given.json:
        print(json.dumps(found | {"total": 0}))
    else:
        print(f"{found['export']}: {found['records']} records, no problems.\nsha256 {found['sha256']}")
    return 0


def _add(given: argparse.Namespace) -> int:
    added = add_export(given.export, given.message)
    print(
        f"{added.export}: {added.records} records, no problems.\n"
        f"Wrote {added.path}, which imports it.\n\n"
        "Next:\n"
        "  alembic -x dry-run upgrade head    look what it would do\n"
        "  make test                          the whole chain on a throwaway database\n"
        f"  git add data migrations            commit, push: the next deploy imports it, once"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
