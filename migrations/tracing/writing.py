"""Find what an import found in one lead and wrote into it, from the records of its export.

The export is read again. Only records sharing a phone with the lead's are staged, and the server
treats them as in the import.
"""

from collections.abc import Collection, Iterator
from typing import NamedTuple

from sqlalchemy import Connection

from migrations.importer.export.choosing import SomeRecords
from migrations.importer.export.reading import Export
from migrations.importer.ledger import Receipt
from migrations.importer.phone import key_of
from migrations.importer.pinned import Import
from migrations.importer.schema.since import find_table_since
from migrations.importer.session import Server
from migrations.importer.sql import statement
from migrations.importer.staging import stage_again

__all__ = ["Values", "Wrote", "written_by"]

Values = dict[str, str | None]
"""The fields of a lead, as text."""


class Wrote(NamedTuple):
    """The lead after a record of an import, and before it, None if the import added the lead."""

    after: Values
    before: Values | None


def written_by(
    connection: Connection, import_: Import, receipt: Receipt, positions: Collection[int]
) -> dict[int, Wrote]:
    """Find the named lead before and after an import wrote it, by the position of the record.

    positions: of the lead's records. Raises ``ExportRefused`` if the export cannot be read.
    """
    server = Server(connection)
    table = find_table_since(connection, import_.leads, keeps_blanks=import_.keeps_blanks)
    with import_.open() as export:
        keys = set(_keys_at(export, positions))
        alike = SomeRecords(export, lambda _, record: key_of(record.phone) in keys)
        stage_again(server, table, alike, receipt.id)
    wrote: dict[int, Wrote] = {}
    for kind in ("created", "updated"):
        sql = statement("trace_wrote", table=table, kind=kind)
        rows = server.execute(sql, **{"import": receipt.id})
        wrote |= {row.record: Wrote(row.told, row.found) for row in rows}
    return wrote


def _keys_at(export: Export, wanted: Collection[int]) -> Iterator[str]:
    """Find the phone keys of the records at these positions."""
    for positions, records in export.checked():
        for position, record in zip(positions, records, strict=True):
            if position in wanted:
                yield key_of(record.phone)
