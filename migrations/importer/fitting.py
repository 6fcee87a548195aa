"""Do the records fit into ``leads`` as it is here? Asked before the first write.

An adopted table may have shorter columns, or columns that are unique; a record that does not fit
would stop the import in the middle.
"""

from collections.abc import Iterator

from sqlalchemy import Connection, text

from migrations.importer.errors import ExportRefused, Problem
from migrations.importer.export import Export
from migrations.importer.record import COLUMNS
from migrations.importer.session import Session

__all__ = ["check_fit"]

_LENGTHS = """
    SELECT attname AS column, atttypmod - 4 AS length
    FROM pg_catalog.pg_attribute
    WHERE attrelid = to_regclass('leads') AND attname = ANY(:columns) AND NOT attisdropped
        AND atttypid = 'varchar'::regtype AND atttypmod > 4
"""
_UNIQUE_COLUMNS = """
    SELECT DISTINCT attname
    FROM pg_catalog.pg_index
    JOIN pg_catalog.pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
    WHERE indrelid = to_regclass('leads') AND attname = ANY(:columns)
        AND indisunique AND indnkeyatts = 1 AND indpred IS NULL AND indexprs IS NULL
"""
VALUES = "lead_import_values (record, phone, value)"
_VALUES_TABLE = """
    CREATE TEMPORARY TABLE lead_import_values (record integer, phone text, value text)
"""
# A record's value that a lead with another phone has, or that an earlier record with another phone has.
_TAKEN = """
    WITH keyed AS (SELECT record, lead_phone_key_v1(phone) AS key, value FROM lead_import_values)
    SELECT k.record
    FROM keyed AS k
    WHERE EXISTS (
            SELECT FROM leads AS l
            WHERE l.{column} = k.value
                AND (l.duplicate_of IS NOT NULL OR lead_phone_key_v1(l.phone) IS DISTINCT FROM k.key)
        )
        OR EXISTS (SELECT FROM keyed AS e WHERE e.value = k.value AND e.record < k.record AND e.key <> k.key)
    ORDER BY k.record
"""


def check_fit(connection: Connection, session: Session, export: Export) -> None:
    """Raise ``ExportRefused`` with every record that ``leads`` has no room for."""
    problems = [*_too_long(connection, export), *_taken(connection, session, export)]
    if problems:
        raise ExportRefused(export.name, sorted(problems))


def _too_long(connection: Connection, export: Export) -> Iterator[Problem]:
    found = connection.execute(text(_LENGTHS), {"columns": list(COLUMNS)})
    lengths = {row.column: row.length for row in found}
    if not lengths:
        return
    for position, record in export.records():
        for column, length in lengths.items():
            if len(getattr(record, column)) > length:
                yield Problem(position + 1, column, f"is longer than the {length} characters of leads.{column}")


def _taken(connection: Connection, session: Session, export: Export) -> Iterator[Problem]:
    for column in connection.execute(text(_UNIQUE_COLUMNS), {"columns": list(COLUMNS)}).scalars().all():
        with session.transaction(f"comparing the export's values of {column}"):
            session.execute(_VALUES_TABLE)
            rows = ((str(position), record.phone, getattr(record, column)) for position, record in export.records())
            session.copy(VALUES, rows)
            for position in session.execute(_TAKEN.format(column=column)).scalars():
                yield Problem(position + 1, column, f"is another lead's, and leads.{column} is unique")
            session.execute("DROP TABLE lead_import_values")
