"""``preview``: show what ``alembic upgrade head`` would do, as text, JSON or a page."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from alembic import command

from migrations.commands.project import alembic_config
from migrations.console import print_json
from migrations.files import private_file
from migrations.preview.figures import Preview
from migrations.preview.page import render
from migrations.preview.words import preview_as_json, print_preview

__all__ = ["add_arguments", "run"]


def add_arguments(parser: ArgumentParser) -> None:
    """Add what ``preview`` understands to its parser."""
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="write a page for a browser that lists every lead"
    )
    parser.add_argument("--json", action="store_true", help="print it as one JSON object")
    parser.add_argument(
        "--show-personal-data",
        action="store_true",
        help="phones and e-mails as they are, on the page and in the JSON",
    )
    parser.add_argument(
        "-x",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of alembic, such as -x batch-size=200",
    )


def run(arguments: Namespace) -> int:
    """Run the upgrade as a dry run and show what it did; returns the exit status."""
    config = alembic_config(x=["dry-run", *arguments.x])
    with private_file(arguments.html) if arguments.html else nullcontext() as write:
        config.attributes["show_preview"] = partial(_show, arguments, write)
        command.upgrade(config, "head")
    return 0


def _show(arguments: Namespace, write: Callable[[str], None] | None, preview: Preview) -> None:
    if arguments.json:
        print_json(preview_as_json(preview, show_personal_data=arguments.show_personal_data))
    else:
        print_preview(preview)
    if write:
        write(render(preview, show_personal_data=arguments.show_personal_data))
        print(
            f"Wrote {arguments.html}, which holds personal data; only you can read it.",
            file=sys.stderr,
        )
