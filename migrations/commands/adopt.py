"""``adopt``: declare where leads live in a CRM that exists, or hold that declaration against it."""

import re
from argparse import ArgumentParser, Namespace
from pathlib import Path
from runpy import run_path

from sqlalchemy import Connection

from migrations.commands.project import ROOT, reading
from migrations.importer.declaration import Leads
from migrations.importer.errors import DatabaseRefused
from migrations.importer.schema.discovery import find_phones, likeliest, phones_in_words, suggest
from migrations.importer.schema.leads import misfits

__all__ = ["add_arguments", "run"]

CRM = ROOT / "migrations" / "crm.py"
MARK = "# CHECK"

_DECLARATION = re.compile(r"^LEADS = Leads\(\n.*?^\)\n", re.MULTILINE | re.DOTALL)
_IMPORT = re.compile(r"^from migrations\.importer\.v1 import .*\n", re.MULTILINE)
_KINDS = ("E164", "Leads", "Lookup", "New", "Values")


def add_arguments(parser: ArgumentParser) -> None:
    """Add what ``adopt`` understands to its parser."""
    parser.add_argument(
        "table",
        nargs="?",
        metavar="TABLE",
        help="the table of leads, as in leads_lead or sales.customers (default: the likeliest; or "
        "a check of the declaration, once there is one)",
    )


def run(arguments: Namespace) -> int:
    """Declare a table, or check the declaration that is there; returns the exit status."""
    with reading("looking for leads") as connection:
        if arguments.table is None and not _is_untouched(CRM.read_text(encoding="utf-8")):
            return _check(connection)
        table = arguments.table or _likeliest(connection)
        _declare(connection, table)
        print(f"Wrote the declaration of {table} into {CRM.relative_to(ROOT)}.")
        return _check(connection)


def _likeliest(connection: Connection) -> str:
    phones = find_phones(connection)
    table = likeliest(connection, phones)
    if table is None:
        raise DatabaseRefused(
            "\n".join(
                [
                    "No table has a column that seems to hold a phone.",
                    *phones_in_words(phones),
                    "Name the table: python -m migrations adopt TABLE",
                ]
            )
        )
    return table


def _declare(connection: Connection, table: str) -> None:
    """Put a guessed declaration in the place of the bundled one."""
    source = CRM.read_text(encoding="utf-8")
    if not _is_untouched(source):
        raise DatabaseRefused(
            f"{CRM.relative_to(ROOT)} declares another table already. A released declaration is "
            "never edited: write the new one beside it, and name it in the next revision."
        )
    declaration = suggest(connection, table)
    used = [kind for kind in _KINDS if re.search(rf"\b{kind}\(", declaration)]
    source = _IMPORT.sub(f"from migrations.importer.v1 import {', '.join(used)}\n", source)
    partial = CRM.with_name(".crm.py.partial")
    partial.write_text(_DECLARATION.sub(lambda _: f"{declaration}\n", source), encoding="utf-8")
    partial.replace(CRM)


def _is_untouched(source: str) -> bool:
    """Whether the declaration is still the bundled CRM's."""
    return '\nLEADS = Leads(\n    "leads",\n    lead_number="lead_number",' in source


def _check(connection: Connection) -> int:
    """Say what is left to complete and what does not fit."""
    marks = list(_marks(CRM))
    leads: Leads = run_path(str(CRM))["LEADS"]
    problems = misfits(connection, leads)
    for line in [*marks, *problems]:
        print(f"  {line}")
    if marks or problems:
        print(
            f"Complete {CRM.relative_to(ROOT)} and run 'python -m migrations adopt' again: it "
            "checks the declaration."
        )
        return 1
    print(f"{leads.table} is as {CRM.relative_to(ROOT)} declares it. Next: make preview")
    return 0


def _marks(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [f"line {n}: {line.strip()}" for n, line in enumerate(lines, start=1) if MARK in line]
