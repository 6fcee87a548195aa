"""The baseline: keep the owner's CRM, or make the bundled one if there is none.

An existing table of leads is the owner's: compare it with its declaration and make nothing. If no
table could hold leads, make the bundled CRM's tables. If an undeclared table has phones, refuse:
its CRM would never read the imported leads.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from migrations.importer.context import RevisionContext, connection_of, options_of
from migrations.importer.declaration import Leads
from migrations.importer.errors import DatabaseRefused
from migrations.importer.progress import log
from migrations.importer.schema.catalog import hidden_schemas, is_there
from migrations.importer.schema.discovery import (
    declaration_in_words,
    find_phone_columns,
    phone_columns_in_words,
)
from migrations.importer.schema.fitting import mismatches
from migrations.importer.schema.leads import find_table
from migrations.importer.schema.tables import Table, create_tables, missing_tables

__all__ = ["create_crm"]


def create_crm(
    context: RevisionContext, leads: Leads, *tables: Table, beside: Sequence[Table] = ()
) -> list[str]:
    """Make the tables of the bundled CRM, or none if the owner has leads. Returns their names.

    tables: those an import or the audit trail writes. beside: the others, in any shape if they
    exist. Raises ``DatabaseRefused`` before anything is made.
    """
    if context.as_sql:
        with options_of(context).look() as database:
            has_leads = database is not None and is_there(database, leads.table)
        return [] if has_leads else create_tables(context, *beside, *tables)
    connection = connection_of(context)
    if hidden := hidden_schemas(connection, leads.tables):
        raise DatabaseRefused("\n".join(["Nothing was made.", *hidden, "Grant it and try again."]))
    if is_there(connection, leads.table):
        _check_fit(connection, leads, options_of(context).rights)
        log.info("found the table %s, as migrations/crm.py declares it", leads.table)
        return []
    if leads.table not in [table.name for table in tables]:
        raise DatabaseRefused(
            f"migrations/crm.py declares the table {leads.table}, but it is not there. Nothing was "
            "made. Name an existing table, or the database with this one, and try again."
        )
    phones = [] if options_of(context).new_crm else find_phone_columns(connection)
    if phones:
        raise DatabaseRefused(
            "\n".join(
                [
                    f"There is no table {leads.table}, and other tables have phones. "
                    "Nothing was made.",
                    *phone_columns_in_words(phones),
                    *declaration_in_words(connection, phones),
                    "If none of them holds leads: alembic -x new-crm upgrade head",
                ]
            )
        )
    return create_tables(context, *missing_tables(context, beside), *tables)


def _check_fit(connection: Connection, leads: Leads, rights: Sequence[str]) -> None:
    """Raise ``DatabaseRefused`` unless the owner's table is as declared."""
    table = find_table(connection, leads)
    problems = mismatches(connection, table, rights)
    if not problems:
        return
    if table.missing:
        remedy = declaration_in_words(connection, find_phone_columns(connection))
    else:
        remedy = ["Fix this, or what migrations/crm.py declares, and try again."]
    raise DatabaseRefused(
        "\n".join(
            [
                f"The table {leads.table} is not as the import needs it. Nothing was made.",
                *(f"  {problem}" for problem in problems),
                *remedy,
            ]
        )
    )
