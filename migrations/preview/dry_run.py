"""Collect what a dry run did, as a preview (``figures.py``), before it is rolled back.

    with dry_run(connection, leads, stamp, show):
        ...                              # the very statements of an upgrade
    # show(Preview(leads_before=50, leads_after=257, …)) was called, and nothing is left of them

Triggers and constraints take part. Postgres itself counts the rows of each table, in its
statistics of this transaction. These include the rows triggers write.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sqlalchemy import Connection, text

from migrations.importer.declaration import Leads
from migrations.importer.errors import ExportRefused
from migrations.importer.ledger import Receipt
from migrations.importer.names import quoted
from migrations.importer.schema.catalog import is_there, name_of
from migrations.importer.schema.leads import count_leads, find_table
from migrations.importer.schema.since import find_table_since
from migrations.importer.sql import statement
from migrations.preview.figures import Preview, TableRows
from migrations.preview.imported import find_imported, receipts_by_id

__all__ = ["count_all", "dry_run"]


@dataclass(frozen=True)
class _Start:
    """The database before the dry run."""

    leads: int
    rows: dict[str, tuple[int, int, int]]
    receipts: dict[int, Receipt]


@contextmanager
def dry_run(
    connection: Connection, leads: Leads | None, stamp: str, show: Callable[[Preview], None]
) -> Iterator[None]:
    """Run the block in one transaction, look at the result, undo it, and call ``show``.

    leads: where the code's last import has its leads. stamp: the table of the stamp. If an export
    is refused, ``show`` is called too, then ``ExportRefused`` is raised.
    """
    refused = None
    with connection.begin() as transaction:
        try:
            start = _look(connection, leads)
            try:
                yield
            except ExportRefused as error:
                refused = error
            preview = _take(connection, leads, stamp, start, refused)
        finally:
            transaction.rollback()
    show(preview)
    if refused:
        raise refused from None


def _look(connection: Connection, leads: Leads | None) -> _Start:
    return _Start(
        count_all(connection, leads), _rows_written(connection), receipts_by_id(connection)
    )


def _take(
    connection: Connection,
    leads: Leads | None,
    stamp: str,
    start: _Start,
    refused: ExportRefused | None,
) -> Preview:
    imported = find_imported(connection, start.receipts, find_table)
    name = _name_of(connection, leads)
    return imported.as_preview(
        connection,
        refused,
        leads_table=leads.table if leads else "",
        leads_before=start.leads,
        leads_after=count_all(connection, leads),
        tables=sorted(
            replace(
                _table_rows(table, start.rows.get(table), rows),
                is_leads=table == name,
                is_stamp=table == quoted(stamp),
            )
            for table, rows in _rows_written(connection).items()
        ),
    )


def count_all(connection: Connection, leads: Leads | None) -> int:
    """Count the leads. Without a table of leads it is 0."""
    if leads is None or not is_there(connection, leads.table):
        return 0
    return count_leads(connection, find_table_since(connection, leads))


def _name_of(connection: Connection, leads: Leads | None) -> str | None:
    """Return the name Postgres gives to the table of leads. None if there is no such table."""
    if leads is None or not is_there(connection, leads.table):
        return None
    asked = text("SELECT CAST(to_regclass(:name) AS text)")
    name: str = connection.execute(asked, {"name": name_of(leads.table)}).scalar_one()
    return name


def _rows_written(connection: Connection) -> dict[str, tuple[int, int, int]]:
    rows = connection.execute(text(statement("rows_written")))
    return {row.name: (row.inserted, row.updated, row.deleted) for row in rows}


def _table_rows(table: str, before: Sequence[int] | None, after: Sequence[int]) -> TableRows:
    """Return what was written since."""
    inserted, updated, deleted = (
        now - then for then, now in zip(before or (0, 0, 0), after, strict=True)
    )
    return TableRows(table, inserted, updated, deleted)
