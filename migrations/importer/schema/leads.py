"""Find the declared table in this database, and count its leads."""

import re

from sqlalchemy import Connection, text

from migrations.importer.column import WHOLE_NUMBERS, Found
from migrations.importer.context import Options
from migrations.importer.declaration import Leads
from migrations.importer.names import escaped, qualified
from migrations.importer.schema.catalog import find_columns, is_there
from migrations.importer.sql import statement
from migrations.importer.table import LeadsTable

__all__ = [
    "assumed_table",
    "count_leads",
    "count_leads_in_words",
    "find_table",
    "table_for_script",
]

MOST_COUNTED = 1_000_000
"""Counting more leads would take longer than importing."""

_NUMBERS = {*WHOLE_NUMBERS, "numeric", "real", "double precision"}

_CALL = re.compile(r"(\w+)\"?\s*\(")
"""A function's name in SQL, without its schema."""

_TEXT = Found("text", "text", is_text=True)
_BIGINT = Found("bigint", "bigint", is_text=False)
_TIMESTAMP = Found("timestamp with time zone", "timestamp with time zone", is_text=False)


def find_table(connection: Connection, leads: Leads, *, keeps_blanks: bool = True) -> LeadsTable:
    """Find the declared table. Its ``missing`` lists declared columns it does not have."""
    found = find_columns(connection, leads.table)
    drawn = [column for column in _drawn(connection, leads) if _may_be_a_number(found.get(column))]
    return LeadsTable(leads, found, keeps_blanks=keeps_blanks, drawn=drawn)


def table_for_script(options: Options, leads: Leads, *, keeps_blanks: bool = True) -> LeadsTable:
    """Return the table a script is for: as it is there, else as the baseline makes it."""
    with options.look() as connection:
        if connection is not None and is_there(connection, leads.table):
            return find_table(connection, leads, keeps_blanks=keeps_blanks)
    return assumed_table(leads, keeps_blanks=keeps_blanks)


def assumed_table(leads: Leads, *, keeps_blanks: bool = True) -> LeadsTable:
    """Return the declared table as the baseline makes it, for a script without a database."""
    found = dict.fromkeys(leads.columns, _TEXT)
    found[leads.id] = _BIGINT
    for column in (leads.targets.get("created_at"), leads.touch):
        if isinstance(column, str):
            found[column] = _TIMESTAMP
    return LeadsTable(leads, found, keeps_blanks=keeps_blanks)


def count_leads(connection: Connection, table: LeadsTable) -> int:
    """Count the leads of the table."""
    counted = f"SELECT count(*) FROM {table.name} WHERE {table.only}"
    count: int = connection.execute(text(counted)).scalar_one()
    return count


def count_leads_in_words(connection: Connection, leads: Leads) -> str:
    """Say how many leads there are, up to a million."""
    only = escaped(leads.only) or "true"
    some = f"SELECT FROM {qualified(leads.table)} WHERE {only} LIMIT {MOST_COUNTED} + 1"
    count: int = connection.execute(text(f"SELECT count(*) FROM ({some}) AS counted")).scalar_one()
    return f"{count:,}" if count <= MOST_COUNTED else f"over {MOST_COUNTED:,}"


def _drawn(connection: Connection, leads: Leads) -> list[str]:
    """List the columns of ``new`` whose SQL may draw from a sequence."""
    calls = {
        column: {*_CALL.findall(sql), *_CALL.findall(sql.lower())}
        for column, sql in leads.new.items()
    }
    called = sorted(set().union(*calls.values()))
    if not called:
        return []
    found = set(connection.execute(text(statement("find_drawing")), {"called": called}).scalars())
    return [column for column, names in calls.items() if names & found]


def _may_be_a_number(found: Found | None) -> bool:
    """Whether a preview's own number can stand in a column. Other values it lets be drawn."""
    return found is not None and (found.is_text or found.base in _NUMBERS)
