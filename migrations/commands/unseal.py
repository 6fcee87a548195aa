"""``unseal``: write the content of a sealed export to standard output."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from migrations.importer.errors import ImportStopped
from migrations.importer.export.reading import open_content
from migrations.importer.sealing import BLOCK, SUFFIX

__all__ = ["add_arguments", "run"]


class CannotShow(ImportStopped):
    """There is nothing to unseal, or nowhere to put it."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``unseal`` to its parser."""
    parser.add_argument("export", type=Path, metavar="EXPORT.age", help="the sealed export")


def run(arguments: Namespace) -> int:
    """Write the content of a sealed export, after checking all of it."""
    export: Path = arguments.export
    if not export.name.endswith(SUFFIX):
        raise CannotShow(f"{export.name} is not sealed: its name does not end in {SUFFIX}.")
    if sys.stdout.isatty():
        raise CannotShow(
            f"{export.name} holds personal data, never shown on a terminal. "
            f"Name a file: python -m migrations unseal {export.name} > FILE"
        )
    # Damage shows only on reaching it, so read everything before writing anything.
    with open_content(export) as content:
        while content.read(BLOCK):
            pass
    with open_content(export) as content:
        while block := content.read(BLOCK):
            sys.stdout.buffer.write(block)
    return 0
