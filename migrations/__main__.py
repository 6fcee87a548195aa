"""The commands around the revisions: ``python -m migrations`` lists them."""
# ruff: noqa: E402  # Hear Ctrl-C while importing the rest.

import signal
import sys

from migrations.starting import Heard, prepare_process

HEARD = Heard(signal.SIGINT) if __name__ == "__main__" else Heard()

import tomllib
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from migrations.console import accept_any_text, did_you_mean
from migrations.deploy.stop import Interrupted
from migrations.ending import fault_in_words, give_up_output, tell

try:
    from migrations.commands import (
        add,
        adopt,
        check,
        forget,
        keygen,
        lead,
        mask,
        preview,
        reseal,
        seal,
        status,
        unseal,
        verify,
    )
except Exception as error:
    if told := fault_in_words(error):
        sys.exit(told)
    raise

__all__ = ["main"]

PROGRAM = "python -m migrations"
PROJECT = Path(__file__).parents[1] / "pyproject.toml"


class Command(Protocol):
    """A module under ``commands/``."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the command's arguments to its parser."""

    def run(self, arguments: Namespace) -> int:
        """Do it, and return the exit status."""


class Told(NamedTuple):
    """A command, and its help. examples: arguments for it."""

    command: Command
    what: str
    examples: Sequence[str]


COMMANDS = {
    "adopt": Told(
        adopt,
        "declare where leads live in an existing CRM, or check that declaration",
        ["", "public.contacts"],
    ),
    "check": Told(
        check,
        "check a file of leads, without a database",
        ["october.csv", "october.csv --fix-sheet october.fix-sheet.csv"],
    ),
    "add": Told(
        add,
        "put a file of leads into data/ and write the revision to import it",
        [
            'october.csv -m "import october leads"',
            'october.xlsx -m "import october leads" --field phone=Mobile --timezone Europe/London',
            "real.csv --replace",
        ],
    ),
    "keygen": Told(keygen, "make a key for sealed exports", ["> leads.key"]),
    "seal": Told(
        seal,
        "check an export and seal it for those in data/recipients.txt",
        ["data/october.json"],
    ),
    "unseal": Told(
        unseal,
        "write the content of a sealed export to standard output",
        ["data/october.json.age > october.json"],
    ),
    "reseal": Told(
        reseal, "seal every data/*.age again, for those in data/recipients.txt now", [""]
    ),
    "mask": Told(
        mask,
        "write the twin of a revision's export, with invented people",
        ["0005_import_october_leads"],
    ),
    "preview": Told(
        preview,
        "show what `alembic upgrade head` would do, without writing",
        ["", "--html preview.html", "-x batch-size=200"],
    ),
    "status": Told(
        status,
        "list what was imported: the receipts of the ledger",
        ["", "--json"],
    ),
    "verify": Told(
        verify,
        "check that every import is there, without writing",
        ["", "--strict"],
    ),
    "lead": Told(
        lead,
        "tell what imports and people did to one lead",
        ['"07700 900123"', "MS017 --by number"],
    ),
    "forget": Told(
        forget,
        "delete old values from the ledger, and keep a person out of later imports",
        ["--older-than 90d --dry-run", "--lead 4711"],
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, and return the exit status."""
    is_closed = sys.stdout is None
    prepare_process()
    if is_closed:
        tell("Standard output is closed. Open it and try again.")
        return 1
    try:
        HEARD.interrupt()
        given = _parsed(sys.argv[1:] if arguments is None else arguments)
        accept_any_text()
        exit_status: int = given.run(given)
        sys.stdout.flush()
    except (KeyboardInterrupt, Exception) as error:
        return _failed(error)
    return exit_status


def _parsed(arguments: Sequence[str]) -> Namespace:
    parser = _parser()
    if not arguments:
        parser.print_help(sys.stderr)
        parser.exit(2)
    name = arguments[0]
    if name not in COMMANDS and not name.startswith("-"):
        meant = did_you_mean(name, COMMANDS)
        parser.error(f"{name} is not a command.{meant} Commands are: {', '.join(COMMANDS)}.")
    return parser.parse_args(arguments)


def _failed(error: BaseException) -> int:
    """Explain an error to the user, and return the exit status. Raises our own bugs."""
    if HEARD.numbers or isinstance(error, KeyboardInterrupt | Interrupted):
        # Ctrl-C may surface as any error, such as one from a busy library.
        tell(error if isinstance(error, Interrupted) else "Stopped by Ctrl-C.")
        return 130
    give_up_output(error)
    told = fault_in_words(error)
    if told is None:
        raise error
    if told:
        tell(told)
    return 1


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog=PROGRAM,
        description="See what an import of leads would do, check what it did, and add the next "
        "export.",
        epilog="DATABASE_URL names the database. Without it, a local one in .postgres/ is used. "
        "Exit status: 0 done, 1 refused or found wrong, 2 called wrongly, 130 stopped by Ctrl-C.",
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (command, what, examples) in COMMANDS.items():
        lines = (f"  {PROGRAM} {name} {example}".rstrip() for example in examples)
        added = commands.add_parser(
            name,
            help=what,
            description=f"{what[:1].upper()}{what[1:]}.",
            epilog="\n".join(["such as:", *lines]),
            formatter_class=RawDescriptionHelpFormatter,
        )
        added.set_defaults(run=command.run)
        command.add_arguments(added)
    return parser


def _version() -> str:
    """Read the version in pyproject.toml. A copy in a CRM has none, or the CRM's own file there."""
    if not PROJECT.exists():
        return "unknown"
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8")).get("project", {})
    return str(project["version"]) if project.get("name") == "lead-import" else "unknown"


if __name__ == "__main__":
    sys.exit(main())
