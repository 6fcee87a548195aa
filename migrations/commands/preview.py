"""``preview``: show what ``alembic upgrade head`` would do."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

from migrations.commands.project import alembic_config, connected
from migrations.console import print_json, say_private
from migrations.deploy.options import read_settings
from migrations.files import private_file
from migrations.history import imports_of
from migrations.importer.context import Options
from migrations.importer.pinned import Import
from migrations.preview.completing import completed
from migrations.preview.figures import Preview
from migrations.preview.markdown import preview_as_markdown
from migrations.preview.page import render
from migrations.preview.reading import read_preview
from migrations.preview.sheet import preview_as_csv
from migrations.preview.words import preview_as_json, print_preview

__all__ = ["add_arguments", "options_of", "run"]

RECORDS_AT_A_TIME = "100000"
"""Each batch is a subtransaction. Beyond 64 of them Postgres must look each one up, even in the
site's sessions."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``preview`` to its parser."""
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="write a page listing every lead, for a browser"
    )
    parser.add_argument(
        "--csv",
        type=Path,
        metavar="FILE",
        help="write a line for each lead, with old and new values, for a spreadsheet",
    )
    printed = parser.add_mutually_exclusive_group()
    printed.add_argument("--json", action="store_true", help="print it as one JSON object")
    printed.add_argument(
        "--markdown",
        action="store_true",
        help="print counts and names of fields as Markdown, for a pull request's comment",
    )
    parser.add_argument(
        "--show-personal-data",
        action="store_true",
        help="show all values unmasked: on the terminal, in the JSON, on the page and in the sheet",
    )
    parser.add_argument(
        "-x",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of alembic, such as -x new-crm",
    )


def run(arguments: Namespace) -> int:
    """Find out what an upgrade would do, show it, and return the exit status."""
    config, options = alembic_config(), options_of(arguments.x)
    with _opened(arguments.html) as page, _opened(arguments.csv) as sheet:
        show = partial(_show, arguments, page, sheet, imports_of(config))
        with connected("the preview") as connection:
            read_preview(connection, config, options, show)
    return 0


def options_of(x: Sequence[str]) -> Options:
    """Read options as ``alembic -x`` does. Raises ``BadOption``."""
    given = dict(option.partition("=")[::2] for option in x)
    return read_settings({"batch-size": RECORDS_AT_A_TIME, **given}).importer


Write = Callable[[str], None]


def _opened(path: Path | None) -> AbstractContextManager[Write | None]:
    return private_file(path) if path else nullcontext()


def _show(
    arguments: Namespace,
    page: Write | None,
    sheet: Write | None,
    imports: list[Import],
    preview: Preview,
) -> None:
    preview = completed(preview, imports)
    open_ = arguments.show_personal_data
    if arguments.json:
        print_json(preview_as_json(preview, show_personal_data=open_))
    elif arguments.markdown:
        print(preview_as_markdown(preview), end="")
    else:
        print_preview(preview, leads=True, show_personal_data=open_)
    if page:
        page(render(preview, show_personal_data=open_))
        say_private(arguments.html)
    if sheet:
        sheet(preview_as_csv(preview, show_personal_data=open_))
        say_private(arguments.csv)
        _say_what_is_left_out(preview)


def _say_what_is_left_out(preview: Preview) -> None:
    listed = len(preview.changed) + len(preview.created)
    if (total := preview.total_changed + preview.total_created) > listed:
        print(f"It lists the first {listed:,} of {total:,} leads.", file=sys.stderr)
