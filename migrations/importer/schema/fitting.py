"""Do the records fit into the table as it is here? Asked before the first write.

An owner's table may have short columns, or values that must be unique. A record that does not fit
would stop the import in the middle.
"""

import re
from collections.abc import Iterator

from migrations.importer.errors import ExportRefused, Problem
from migrations.importer.session import Session
from migrations.importer.sql import statement
from migrations.importer.table import LeadsTable

__all__ = ["check_fit"]


def check_fit(session: Session, table: LeadsTable, export: str, start: int) -> None:
    """Refuse an export with records that the table has no room for: ``ExportRefused`` lists them.

    start: the position of the first record that is not imported yet. What people do with the others
    is their affair.
    """
    problems = sorted([*_too_long(session, table, start), *_taken(session, table, start)])
    if problems:
        raise ExportRefused(export, problems)


def _too_long(session: Session, table: LeadsTable, start: int) -> Iterator[Problem]:
    for column in table.columns:
        limit = re.search(r"\((\d+)\)", column.found.type)
        if not column.is_plain or not limit:
            continue
        longer = (
            "SELECT record FROM lead_import_stage AS s "
            f"WHERE record >= :start AND length({column.staged}) > {limit[1]}"
        )
        for position in session.execute(longer, start=start).scalars():
            reason = f"is longer than the {limit[1]} characters of {table.told(column)}"
            yield Problem(position + 1, column.field.name, reason)


def _taken(session: Session, table: LeadsTable, start: int) -> Iterator[Problem]:
    for unique in session.execute(statement("find_unique", table=table)).all():
        written = [column for column in table.columns if column.bare in unique.columns]
        if not written or not set(unique.columns) <= table.given:
            continue
        asked = statement("taken", table=table, unique=unique)
        columns = ", ".join(table.told(column) for column in written)
        for position in session.execute(asked, start=start).scalars():
            reason = f"is another lead's or record's, and {columns} is unique"
            yield Problem(position + 1, written[0].field.name, reason)
