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
# Indexes that want one value to be unique, made of one column: plain, of an expression, for some of
# the rows. What looks at several columns is the batch's to find out.
_UNIQUE_VALUES = """
    SELECT
        attname AS column,
        format_type(atttypid, NULL) AS type,
        pg_get_indexdef(indexrelid, 1, true) AS value,
        coalesce(pg_get_expr(indpred, indrelid), 'true') AS predicate
    FROM pg_catalog.pg_index
    JOIN pg_catalog.pg_attribute ON attrelid = indrelid
    WHERE indrelid = to_regclass('leads') AND attname = ANY(:columns) AND indisunique AND indnkeyatts = 1
        AND ARRAY[attnum] = ARRAY(
            SELECT refobjsubid::smallint
            FROM pg_catalog.pg_depend
            WHERE classid = 'pg_class'::regclass AND objid = indexrelid AND refobjid = indrelid
                AND refobjsubid > 0 AND refobjsubid <> ALL ((indkey::smallint[])[1:])
            UNION
            SELECT indkey[0] WHERE indkey[0] > 0
        )
"""
_TOO_LONG = (
    "SELECT record FROM lead_import_stage WHERE record >= :start AND length({column}) > {length}"
)
# A value that a lead with another phone has, or that an earlier record with another phone has. A
# blank that keeps the value of a lead is none.
_TAKEN = """
    WITH named AS (
        SELECT record, phone_key, CAST(coalesce({column}, '') AS {type}) AS {column}
        FROM lead_import_stage AS s
        WHERE {column} IS NOT NULL OR NOT EXISTS (
            SELECT FROM leads AS l
            WHERE lead_phone_key_v1(l.phone) = s.phone_key AND l.duplicate_of IS NULL
        )
    ),
    staged AS (
        SELECT
            record, phone_key, {value} AS value,
            min(phone_key) OVER earlier AS least,
            max(phone_key) OVER earlier AS greatest
        FROM named
        WHERE ({predicate}) AND ({value}) IS NOT NULL
        WINDOW earlier AS (
            PARTITION BY {value}
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
            WHERE ({predicate}) AND ({value}) = s.value
                AND (l.duplicate_of IS NOT NULL OR lead_phone_key_v1(l.phone) IS DISTINCT FROM s.phone_key)
        )
    )
"""


def check_fit(session: Session, export: str, start: int) -> None:
    """Raise ``ExportRefused`` with every staged record of ``export`` that ``leads`` has no room
    for.

    start: the first one that is not imported yet; what people do with the others is their affair.
    """
    problems = sorted([*_too_long(session, start), *_taken(session, start)])
    if problems:
        raise ExportRefused(export, problems)


def _too_long(session: Session, start: int) -> Iterator[Problem]:
    for column, length in session.execute(_LENGTHS, columns=list(COLUMNS)).all():
        for position in session.execute(
            _TOO_LONG.format(column=column, length=length), start=start
        ).scalars():
            yield Problem(
                position + 1, column, f"is longer than the {length} characters of leads.{column}"
            )


def _taken(session: Session, start: int) -> Iterator[Problem]:
    for unique in session.execute(_UNIQUE_VALUES, columns=list(COLUMNS)).mappings().all():
        column = unique["column"]
        # A colon in them begins no parameter.
        parts = {name: part.replace(":", "\\:") for name, part in unique.items()}
        for position in session.execute(_TAKEN.format(**parts), start=start).scalars():
            yield Problem(
                position + 1, column, f"is another lead's or record's, and leads.{column} is unique"
            )
