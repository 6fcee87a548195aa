"""Copy leads and ledger into temporary tables, for a preview to import into.

A preview runs an import's own statements, so both come to the same. They write here and nowhere
else. Leads with a phone of the export are copied, the others are read in place. The ledger's copies
hide the real tables of the same names. A later import finds the leads as the earlier one would
leave them.
"""

import re

from sqlalchemy import Connection, text

from migrations.importer.ledger import has_ledger
from migrations.importer.names import quoted
from migrations.importer.phone import KEY_FUNCTION
from migrations.importer.session import Session
from migrations.importer.sql import LEDGER_TABLES, statement
from migrations.importer.table import LeadsTable

__all__ = ["as_copy", "copy_leads", "copy_ledger", "create_copy"]


def copy_ledger(connection: Connection) -> None:
    """Make a temporary table of each existing table of the ledger, with its receipts."""
    connection.execute(text(statement("temporary_first")))
    tables = {"tables": list(LEDGER_TABLES)}
    for found in connection.execute(text(statement("find_ledger")), tables).all():
        names = {"name": found.name, "schema": found.schema}
        connection.execute(text(statement("copy_table", **names)))
        if found.name == "lead_imports" and has_ledger(connection):
            connection.execute(text(statement("copy_receipts", **names)))
        if found.name == "lead_import_rejects":
            connection.execute(text(statement("copy_rejects", **names)))


def as_copy(connection: Connection, table: LeadsTable) -> LeadsTable:
    """Return a table with a copy for whatever is written. The copy need not exist yet."""
    asked = text(statement("find_key"))
    key: str = connection.execute(asked, {"function": KEY_FUNCTION}).scalar_one()
    return table.copied(_temporary("copy", table), _temporary("whole", table), key)


def create_copy(session: Session, table: LeadsTable) -> None:
    """Make room for copies of a table's leads, unless an earlier import of this preview has."""
    if session.execute("SELECT to_regclass(:name)", name=table.name).scalar_one():
        return
    uniques = session.execute(statement("find_unique"), name=table.catalog_name).all()
    numbers = _temporary("numbers", table)
    session.execute(statement("create_copy", table=table, uniques=uniques, numbers=numbers))


def copy_leads(session: Session, table: LeadsTable) -> None:
    """Copy the leads of the staged phones."""
    with session.transaction("copying the leads of the export's phones"):
        # Without ANALYZE the server knows nothing of temporary tables.
        session.execute("ANALYZE pg_temp.lead_import_stage (phone_key)")
        session.execute(statement("copy_leads", table=table))


def _temporary(what: str, table: LeadsTable) -> str:
    return "pg_temp." + quoted(re.sub(r"\W", "_", f"lead_preview_{what}_{table.leads.table}"))
