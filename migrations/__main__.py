"""The commands around the revisions.

    python -m migrations check EXPORT              check an export; no database is needed
    python -m migrations add EXPORT -m MESSAGE     put an export into the next deploy
    python -m migrations keygen                    make a key for sealed exports
    python -m migrations seal EXPORT               seal an export for those in data/recipients.txt
    python -m migrations unseal EXPORT.age > FILE  write what a sealed export holds
    python -m migrations reseal                    seal every data/*.age for the recipients of now
    python -m migrations mask REVISION             write the twin of an export, with invented people
    python -m migrations preview [--html FILE]     show what `alembic upgrade head` would do;
    nothing is kept python -m migrations status                    list what was imported: the
    receipts of the ledger python -m migrations verify [--strict]         check that every import is
    there, as the ledger says

Exit status: 0 done, 1 refused or found wrong, 2 called wrongly, 130 stopped by Ctrl-C.
"""

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from migrations.commands import keygen, mask, reseal, seal, unseal
from migrations.commands.add import add_export
from migrations.commands.fix_sheet import fix_sheet
from migrations.commands.output import (
    preview_as_json,
    take_any_text,
    tell_json,
    tell_preview,
    tell_status,
    tell_verdict,
)
from migrations.commands.status import read_status
from migrations.commands.verify import verify
from migrations.deploy.connection import connect, database
from migrations.importer.errors import ExportRefused, ImportStopped, from_database
from migrations.importer.export.reading import open_export
from migrations.preview.figures import Preview
from migrations.preview.page import page_file, render

__all__ = ["main"]

ROOT = Path(__file__).parents[1]

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    given = _parser().parse_args(arguments)
    take_any_text()
    try:
        status: int = given.command(given)
        sys.stdout.flush()
    except (ImportStopped, CommandError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        _tell_unwritten(error)
        return 1
    return status


def _tell_unwritten(error: OSError) -> None:
    """Say what took no more; not of a reader that has seen enough, as in ``status | head -1``."""
    if not isinstance(error, BrokenPipeError):
        where = error.filename or "Standard output"
        print(f"{where}: {error.strerror}. Put that right, then run again.", file=sys.stderr)
    if error.filename is None:
        # What it did not take would be offered to it again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m migrations",
        description="Around the import of leads: what it would do, what it did, and the next "
        "export.",
        epilog="DATABASE_URL names the database; without it, it is a local one in .postgres/. "
        "Exit status: 0 done, 1 refused or found wrong, 2 called wrongly, 130 stopped by Ctrl-C.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(run: Command, name: str, what: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=what, description=f"{what[:1].upper()}{what[1:]}.")
        added.set_defaults(command=run)
        return added

    check = command(_check, "check", "check an export; no database is needed")
    check.add_argument("export", type=Path, metavar="EXPORT", help="the JSON file")
    check.add_argument("--json", action="store_true", help="print the result as one JSON object")
    check.add_argument(
        "--fix-sheet", type=Path, metavar="FILE.csv", help="write the problems beside their records"
    )

    add = command(_add, "add", "copy an export into data/ and write the revision that imports it")
    add.add_argument("export", type=Path, metavar="EXPORT", help="the JSON file")
    add.add_argument(
        "-m", "--message", required=True, help='what it is, such as "import october leads"'
    )

    add.add_argument("--clear", action="store_true", help="do not seal it, though others are")
    add.add_argument("--no-twin", action="store_true", help="write no twin with invented people")

    preview = command(
        _preview, "preview", "show what `alembic upgrade head` would do; nothing is kept"
    )
    preview.add_argument(
        "--html", type=Path, metavar="FILE", help="write a page for a browser that lists every lead"
    )
    preview.add_argument("--json", action="store_true", help="print it as one JSON object")
    preview.add_argument(
        "--show-personal-data",
        action="store_true",
        help="phones and e-mails as they are, on the page and in the JSON",
    )
    preview.add_argument(
        "-x",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of alembic, such as -x batch-size=200",
    )

    for module, name, what in (
        (keygen, "keygen", "make a key that can open sealed exports"),
        (seal, "seal", "check an export and seal it for those in data/recipients.txt"),
        (unseal, "unseal", "write what a sealed export holds to standard output"),
        (reseal, "reseal", "seal every data/*.age anew, for those in data/recipients.txt now"),
        (mask, "mask", "write the twin of a revision's export, with invented people"),
    ):
        module.add_arguments(command(module.run, name, what))

    status = command(_status, "status", "list what was imported: the receipts of the ledger")
    status.add_argument("--json", action="store_true", help="print it as one JSON object")

    verify = command(
        _verify,
        "verify",
        "check that every import is there, as the ledger says; nothing is written",
    )
    verify.add_argument(
        "--strict",
        action="store_true",
        help="leads that were edited or removed since are wrong too",
    )
    verify.add_argument("--json", action="store_true", help="print it as one JSON object")
    return parser


def _check(given: argparse.Namespace) -> int:
    try:
        with open_export(given.export) as export:
            export.check()
            found = {
                "export": export.name,
                "sha256": export.sha256,
                "records": export.count,
                "problems": [],
            }
    except ExportRefused as error:
        if given.fix_sheet and given.export.is_file():
            with page_file(given.fix_sheet) as write:
                write(fix_sheet(given.export))
            print(
                f"Wrote {given.fix_sheet}, which holds personal data; only you can read it.",
                file=sys.stderr,
            )
        if not given.json:
            raise
        problems = [problem._asdict() for problem in error.problems]
        print(json.dumps({"export": given.export.name, "problems": problems, "total": error.total}))
        return 1
    if given.json:
        print(json.dumps(found | {"total": 0}))
    else:
        print(
            f"{found['export']}: {found['records']} records, no problems.\nsha256 {found['sha256']}"
        )
    return 0


def _add(given: argparse.Namespace) -> int:
    added = add_export(given.export, given.message, clear=given.clear, twin=not given.no_twin)
    print(
        f"{added.export}: {added.records} records, no problems.\n"
        f"{added.bundled.in_words()}\n"
        f"Wrote {added.path}, which imports it.\n\n"
        "Next:\n"
        "  alembic -x dry-run upgrade head    look what it would do\n"
        "  make test                          the whole chain on a throwaway database\n"
        f"  {added.bundled.git_add()}            commit, push: the next deploy imports it, once"
    )
    return 0


def _preview(given: argparse.Namespace) -> int:
    def show(preview: Preview) -> None:
        if given.json:
            tell_json(preview_as_json(preview, show_personal_data=given.show_personal_data))
        else:
            tell_preview(preview)
        if write:
            write(render(preview, show_personal_data=given.show_personal_data))
            print(
                f"Wrote {given.html}, which holds personal data; only you can read it.",
                file=sys.stderr,
            )

    config = _config(x=["dry-run", *given.x])
    config.attributes["show_preview"] = show
    with page_file(given.html) if given.html else nullcontext() as write:
        command.upgrade(config, "head")
    return 0


def _status(given: argparse.Namespace) -> int:
    with _reading("reading the ledger") as connection:
        tell_status(
            read_status(connection, ScriptDirectory.from_config(_config())), as_json=given.json
        )
    return 0


def _verify(given: argparse.Namespace) -> int:
    with _reading("verifying") as connection:
        verdict = verify(connection, ScriptDirectory.from_config(_config()))
    tell_verdict(verdict, as_json=given.json)
    return int(bool(verdict.all_problems) or (given.strict and not verdict.is_as_imported))


def _config(x: Sequence[str] = ()) -> Config:
    return Config(ROOT / "alembic.ini", cmd_opts=argparse.Namespace(x=list(x), quiet=True))


@contextmanager
def _reading(doing: str) -> Iterator[Connection]:
    """A connection that commits statement by statement, its log on standard error."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with database() as url, connect(url) as connection:
        try:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")
        except DBAPIError as error:
            raise from_database(error, doing) from None


if __name__ == "__main__":
    sys.exit(main())
