"""``adopt``: declare where leads live in an existing CRM, or check that declaration."""

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from runpy import run_path
from typing import Any

from sqlalchemy import Connection

from migrations.commands.project import reading
from migrations.declared import DECLARED, last_declaration, open_questions
from migrations.files import write_whole
from migrations.importer.declaration import STANDARD_FIELDS, Leads
from migrations.importer.errors import DatabaseRefused
from migrations.importer.ledger import all_receipts
from migrations.importer.schema.catalog import hidden_schemas, is_there, may_read
from migrations.importer.schema.discovery import (
    PhoneColumn,
    find_phone_columns,
    likeliest,
    phone_columns_in_words,
)
from migrations.importer.schema.fitting import mismatches
from migrations.importer.schema.leads import find_table
from migrations.importer.schema.preflight import refuse
from migrations.importer.schema.suggesting import suggest

__all__ = ["add_arguments", "run"]

_DECLARATION = re.compile(r"^LEADS = Leads\(\n.*?^\)\n", re.MULTILINE | re.DOTALL)
_IMPORT = re.compile(r"^from migrations\.importer\.v1 import .*\n", re.MULTILINE)
_KINDS = ("E164", "Leads", "Lookup", "New", "Values")
_FIELDS: dict[str, Any] = {field.name: field.name for field in STANDARD_FIELDS}
_BUNDLED = Leads("leads", touch="updated_at", **_FIELDS)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``adopt`` to its parser."""
    parser.add_argument(
        "table",
        nargs="?",
        metavar="TABLE",
        help="the table of leads, such as leads_lead or sales.customers (default: check the "
        "declaration, or find the likeliest table if there is none)",
    )


def run(arguments: Namespace) -> int:
    """Declare a table, or check the declaration, and return the exit status."""
    with reading("looking for leads") as connection:
        if arguments.table is None and (_declared() != _BUNDLED or _is_released(connection)):
            return _check(connection)
        phones = find_phone_columns(connection)
        table = arguments.table or _likeliest(connection, phones)
        _declare(connection, table)
        print(f"Wrote the declaration of {table} into migrations/crm.py.")
        others = {phone.table for phone in phones if not phone.why_not} - {table}
        if others and not arguments.table:
            print(
                f"There are phones in {', '.join(sorted(others))} too. If leads live there, put "
                "the bundled file back ('git checkout -- migrations/crm.py') and name the table: "
                "python -m migrations adopt TABLE"
            )
        return _check(connection)


def _likeliest(connection: Connection, phones: Sequence[PhoneColumn]) -> str:
    table = likeliest(connection, phones)
    if table is None:
        raise DatabaseRefused(
            "\n".join(
                [
                    "No table seems to have a column of phones.",
                    *phone_columns_in_words(phones),
                    "Name the table: python -m migrations adopt TABLE",
                ]
            )
        )
    return table


def _declare(connection: Connection, table: str) -> None:
    """Replace the bundled declaration by a guessed one."""
    if _is_released(connection):
        raise DatabaseRefused(
            "migrations/crm.py declares a table already. A released declaration is never edited: "
            "write the new one below it, and the next export is imported by that."
        )
    if _declared() != _BUNDLED:
        raise DatabaseRefused(
            "migrations/crm.py declares a table already, and adopt does not overwrite it. If no "
            "import has used it, put the bundled file back ('git checkout -- migrations/crm.py') "
            f"and run 'python -m migrations adopt {table}'. A released declaration is never "
            "edited: write the new one below it."
        )
    refuse(hidden_schemas(connection, [table]))
    if not is_there(connection, table):
        raise DatabaseRefused(f"There is no table {table}. Name an existing one and try again.")
    refuse([] if may_read(connection, table) else [f"the role may not SELECT {table}"])
    source = DECLARED.read_text(encoding="utf-8")
    declaration = suggest(connection, table)
    used = [kind for kind in _KINDS if re.search(rf"\b{kind}\(", declaration)]
    source = _IMPORT.sub(f"from migrations.importer.v1 import {', '.join(used)}\n", source)
    write_whole(DECLARED, _DECLARATION.sub(lambda _: f"{declaration}\n", source))


def _is_released(connection: Connection) -> bool:
    """Whether the database has an import by the declaration."""
    declared = _declared().as_json()
    return any(receipt.declaration == declared for receipt in all_receipts(connection))


def _declared() -> Leads:
    _, leads = last_declaration(run_path(str(DECLARED)))
    return leads


def _check(connection: Connection) -> int:
    """Say what is left to complete, and what does not match."""
    marks = open_questions()
    leads = _declared()
    hidden = hidden_schemas(connection, leads.tables)
    problems = hidden or mismatches(connection, find_table(connection, leads))
    for line in [*marks, *problems]:
        print(f"  {line}")
    if marks or problems:
        action = (
            "It has imported: write a new one below it in migrations/crm.py"
            if _is_released(connection)
            else "Complete migrations/crm.py"
        )
        print(f"{action}, then check it with 'python -m migrations adopt'.")
        return 1
    if unnamed := [field.name for field in STANDARD_FIELDS if field.name not in leads.targets]:
        print(f"Not imported, because no column is named for it: {', '.join(unnamed)}.")
    print(f"{leads.table} matches migrations/crm.py. Next: python -m migrations preview")
    return 0
