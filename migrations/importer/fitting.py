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
_TOO_LONG = "SELECT record FROM lead_import_stage WHERE record >= :start AND length({column}) > {length}"
# A value that a lead with another phone has, or that an earlier record with another phone has. A blank that keeps
# the value of a lead is none.
_TAKEN = """
    WITH staged AS (
        SELECT
            record, phone_key, coalesce({column}, '') AS value,
            min(phone_key) OVER earlier AS least,
            max(phone_key) OVER earlier AS greatest
        FROM lead_import_stage AS s
        WHERE {column} IS NOT NULL OR NOT EXISTS (
            SELECT FROM leads AS l
            WHERE lead_phone_key_v1(l.phone) = s.phone_key AND l.duplicate_of IS NULL
        )
        WINDOW earlier AS (
            PARTITION BY coalesce({column}, '')
            ORDER BY record
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
    )
    SELECT s.record
    FROM staged AS s
    WHERE s.record >= :start AND (
        s.least <> s.phone_key
        OR s.greatest <> s.phone_key
        OR EXISTS (
            SELECT FROM leads AS l
            WHERE l.{column} = s.value
                AND (l.duplicate_of IS NOT NULL OR lead_phone_key_v1(l.phone) IS DISTINCT FROM s.phone_key)
        )
    )
"""


def check_fit(session: Session, export: str, start: int) -> None:
    """Raise ``ExportRefused`` with every staged record of ``export`` that ``leads`` has no room for.

    start: the first one that is not imported yet; what people do with the others is their affair.
    """
    problems = sorted([*_too_long(session, start), *_taken(session, start)])
    if problems:
        raise ExportRefused(export, problems)


def _too_long(session: Session, start: int) -> Iterator[Problem]:
    for column, length in session.execute(_LENGTHS, columns=list(COLUMNS)).all():
        for position in session.execute(_TOO_LONG.format(column=column, length=length), start=start).scalars():
            yield Problem(position + 1, column, f"is longer than the {length} characters of leads.{column}")


def _taken(session: Session, start: int) -> Iterator[Problem]:
    for column in session.execute(_UNIQUE_COLUMNS, columns=list(COLUMNS)).scalars().all():
        for position in session.execute(_TAKEN.format(column=column), start=start).scalars():
            yield Problem(position + 1, column, f"is another lead's, and leads.{column} is unique")
