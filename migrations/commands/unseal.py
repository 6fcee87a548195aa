"""``python -m migrations unseal``: the content of a sealed export, on standard output."""

import argparse
import sys
from pathlib import Path

from migrations.importer.errors import ImportStopped
from migrations.importer.export.reading import open_content
from migrations.importer.sealing import BLOCK, SUFFIX

__all__ = ["add_arguments", "run"]


class CannotShow(ImportStopped):
    """There is nothing to unseal, or nowhere to put it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes: the sealed export."""
    parser.add_argument("export", type=Path, metavar="EXPORT.age", help="the sealed export")


def run(given: argparse.Namespace) -> int:
    """Write what a sealed export holds, once all of it has been found whole."""
    export: Path = given.export
    if not export.name.endswith(SUFFIX):
        raise CannotShow(f"{export.name} is not sealed: its name does not end in {SUFFIX}.")
    if sys.stdout.isatty():
        raise CannotShow(
            f"{export.name} holds people, who are not shown on a terminal. "
            f"Name a file: python -m migrations unseal {export.name} > FILE"
        )
    # Damage shows only where it is, after all that stands before it.
    with open_content(export) as content:
        while content.read(BLOCK):
            pass
    with open_content(export) as content:
        while block := content.read(BLOCK):
            sys.stdout.buffer.write(block)
    return 0
