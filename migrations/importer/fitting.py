"""Do the records fit into ``leads`` as it is here? Asked before the first write.

An adopted table may have shorter columns, or columns that are unique; a record that does not fit
would stop the import in the middle.
"""

from collections.abc import Iterator

from migrations.importer.errors import ExportRefused, Problem
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
_TOO_LONG = "SELECT record FROM lead_import_stage WHERE length({column}) > {length}"
# A value that a lead with another phone has, or that an earlier record with another phone has.
_TAKEN = """
    WITH staged AS (SELECT record, phone_key, coalesce({column}, '') AS value FROM lead_import_stage)
    SELECT s.record
    FROM staged AS s
    WHERE EXISTS (
            SELECT FROM leads AS l
            WHERE l.{column} = s.value
                AND (l.duplicate_of IS NOT NULL OR lead_phone_key_v1(l.phone) IS DISTINCT FROM s.phone_key)
        )
        OR EXISTS (
            SELECT FROM staged AS e WHERE e.value = s.value AND e.record < s.record AND e.phone_key <> s.phone_key
        )
"""


def check_fit(session: Session, export: str) -> None:
    """Raise ``ExportRefused`` with every staged record of ``export`` that ``leads`` has no room for."""
    problems = sorted([*_too_long(session), *_taken(session)])
    if problems:
        raise ExportRefused(export, problems)


def _too_long(session: Session) -> Iterator[Problem]:
    for column, length in session.execute(_LENGTHS, columns=list(COLUMNS)).all():
        for position in session.execute(_TOO_LONG.format(column=column, length=length)).scalars():
            yield Problem(position + 1, column, f"is longer than the {length} characters of leads.{column}")


def _taken(session: Session) -> Iterator[Problem]:
    for column in session.execute(_UNIQUE_COLUMNS, columns=list(COLUMNS)).scalars().all():
        for position in session.execute(_TAKEN.format(column=column)).scalars():
            yield Problem(position + 1, column, f"is another lead's, and leads.{column} is unique")
