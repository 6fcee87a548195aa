"""``seal``: seal an export for those who may open it."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from migrations.commands.project import next_declaration
from migrations.importer.export.reading import open_export
from migrations.importer.pinned import DATA
from migrations.importer.sealing import SUFFIX
from migrations.recipients import CannotSeal, read_recipients, recipients_from, seal_file

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``seal`` to its parser."""
    parser.add_argument("export", type=Path, metavar="EXPORT", help="the JSON file")
    parser.add_argument(
        "--recipient",
        action="append",
        metavar="age1…",
        help="seal for this key instead of those in data/recipients.txt (repeatable)",
    )


def run(arguments: Namespace) -> int:
    """Check an export and write ``EXPORT.age`` beside it."""
    source: Path = arguments.export
    target = source.with_name(f"{source.name}{SUFFIX}")
    if source.name.endswith(SUFFIX):
        raise CannotSeal(f"{source.name} is sealed already. Nothing was written.")
    if target.exists():
        raise CannotSeal(
            f"{target.name} is there already. Nothing was written. Remove it first. To seal it for "
            "other keys, run 'python -m migrations reseal' instead."
        )
    if arguments.recipient:
        recipients = recipients_from(arguments.recipient, "--recipient")
    else:
        recipients = read_recipients(DATA)
    _, leads = next_declaration()
    with open_export(source, fields=leads.fields) as export:
        export.check()
    seal_file(source, target, recipients)
    print(f"{target.name}: {export.count:,} records, sealed for {len(recipients)}.")
    if len(recipients) == 1:
        print("Only one key opens it. Seal it for a second one too, kept offline.", file=sys.stderr)
    print(f"{source.name} is still here in clear: delete it.")
    return 0
