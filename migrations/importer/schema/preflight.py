"""Before any write: is everything there that the work needs? What is missing is listed, all of it.

``check_server`` looks before the first revision, ``check_import`` before an import,
``check_removal`` before created leads are removed again. ``tell_triggers`` says what else runs.
"""

from sqlalchemy import Connection, text

from migrations.importer.errors import DatabaseRefused
from migrations.importer.phone import KEY_FUNCTION
from migrations.importer.progress import log
from migrations.importer.schema.leads import mismatches
from migrations.importer.sql import statement
from migrations.importer.table import LeadsTable

__all__ = ["check_import", "check_removal", "check_server", "refuse", "tell_triggers"]


def check_server(connection: Connection) -> None:
    """Raise ``DatabaseRefused`` unless the server lets the revisions do their work."""
    refuse(_lines(connection, statement("check_server")))


def check_import(connection: Connection, table: LeadsTable, *, is_revert: bool = False) -> None:
    """Raise ``DatabaseRefused`` unless an import finds all that it works with.

    A revert goes on with what is still there of the declared table.
    """
    missing = _lines(connection, statement("check_ledger", function=KEY_FUNCTION))
    if not is_revert:
        missing += mismatches(connection, table.leads)
    refuse(missing)


def check_removal(connection: Connection, table: LeadsTable) -> None:
    """Raise ``DatabaseRefused`` unless the role may remove leads and sees what refers to them."""
    referrers = statement("referrers", table=table)
    refuse(_lines(connection, statement("check_removal", table=table, referrers=referrers)))


def tell_triggers(connection: Connection, table: LeadsTable) -> None:
    """Log the table's triggers: what they tell others, as NOTIFY does, no count of rows shows."""
    names = _lines(connection, statement("find_triggers", table=table))
    if names:
        log.info(
            "%s has triggers, which an import fires too: %s.", table.leads.table, ", ".join(names)
        )


def refuse(missing: list[str], *more: str) -> None:
    """Raise ``DatabaseRefused`` with everything that is missing, if there is anything.

    more: further lines at the end.
    """
    if missing:
        lines = [
            "The database is not ready; nothing was written.",
            *(f"  {line}" for line in missing),
        ]
        raise DatabaseRefused("\n".join([*lines, *more, "Fix this and try again."]))


def _lines(connection: Connection, sql: str) -> list[str]:
    return list(connection.execute(text(sql)).scalars())
