"""Make and drop a revert's tools: temporary tables, and the functions of its batches."""

from migrations.importer.session import Session
from migrations.importer.sql import statement
from migrations.importer.staging import create_old_values
from migrations.importer.table import LeadsTable

__all__ = ["create_revert", "drop_revert"]


def create_revert(session: Session, table: LeadsTable) -> None:
    """Make the temporary tables and functions of a revert. Replace existing ones."""
    drop_revert(session)
    session.execute(statement("create_revert", table=table))
    session.execute(statement("find_ours"))
    session.execute(statement("find_same"))
    create_old_values(session, table)
    referrers = statement("referrers", table=table)
    session.execute(statement("revert_batch", table=table, referrers=referrers))


def drop_revert(session: Session) -> None:
    """Drop what ``create_revert`` made, if it is there."""
    session.execute(statement("drop_revert"))
