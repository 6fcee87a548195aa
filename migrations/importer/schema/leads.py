"""Find the declared table in this database, and hold it against its declaration.

List everything that does not fit, by name, before anything is written.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

from psycopg2.errorcodes import INSUFFICIENT_PRIVILEGE
from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import DBAPIError

from migrations.importer.column import Found
from migrations.importer.context import MAY_IMPORT, Options
from migrations.importer.declaration import Date, Leads, Lookup, New, Timestamp, Values, columns_of
from migrations.importer.names import as_sql, literal, qualified, quoted
from migrations.importer.sql import statement
from migrations.importer.table import LeadsTable

__all__ = [
    "assumed_table",
    "count_leads",
    "count_leads_in_words",
    "find_table",
    "is_there",
    "may_read",
    "mismatches",
    "table_for_script",
]

MOST_COUNTED = 1_000_000
"""Counting more leads would take longer than importing."""

_MOMENTS = {"timestamp with time zone", "timestamp without time zone", "date"}
_NUMBERS = {"smallint", "integer", "bigint", "numeric", "real", "double precision"}
_UNKNOWN = {"json", "jsonb", "bytea", "xml", "tsvector"}
_PARTS_OF_A_PHONE = ("country_code", "countrycode", "calling_code", "callingcode", "dial_code")

_CALL = re.compile(r"(\w+)\"?\s*\(")
"""A function's name in SQL, without its schema."""

_TEXT = Found("text", "text", is_text=True)
_BIGINT = Found("bigint", "bigint", is_text=False)
_TIMESTAMP = Found("timestamp with time zone", "timestamp with time zone", is_text=False)


def is_there(connection: Connection, leads: Leads) -> bool:
    """Whether there is a table, or something like one, of the declared name."""
    found = f"SELECT to_regclass({_name(leads)}) IS NOT NULL"
    return bool(connection.execute(text(found)).scalar_one())


def find_table(connection: Connection, leads: Leads, *, keeps_blanks: bool = True) -> LeadsTable:
    """Find the declared table. Its ``missing`` lists declared columns it does not have."""
    found = {row.name: _found(row) for row in _columns(connection, leads)}
    drawn = [column for column in _drawn(connection, leads) if _may_be_a_number(found.get(column))]
    return LeadsTable(leads, found, keeps_blanks=keeps_blanks, drawn=drawn)


def table_for_script(options: Options, leads: Leads, *, keeps_blanks: bool = True) -> LeadsTable:
    """Return the table a script is for: as it is there, else as the baseline makes it."""
    with options.look() as connection:
        if connection is not None and is_there(connection, leads):
            return find_table(connection, leads, keeps_blanks=keeps_blanks)
    return assumed_table(leads, keeps_blanks=keeps_blanks)


def assumed_table(leads: Leads, *, keeps_blanks: bool = True) -> LeadsTable:
    """Return the declared table as the baseline makes it, for a script without a database."""
    found = dict.fromkeys(leads.columns, _TEXT)
    found[leads.id] = _BIGINT
    for column in (leads.targets.get("created_at"), leads.touch):
        if isinstance(column, str):
            found[column] = _TIMESTAMP
    return LeadsTable(leads, found, keeps_blanks=keeps_blanks)


def count_leads(connection: Connection, table: LeadsTable) -> int:
    """Count the leads of the table."""
    counted = f"SELECT count(*) FROM {table.name} WHERE {table.only}"
    count: int = connection.execute(text(counted)).scalar_one()
    return count


def count_leads_in_words(connection: Connection, table: LeadsTable) -> str:
    """Say how many leads there are, up to a million."""
    some = f"SELECT FROM {table.name} WHERE {table.only} LIMIT {MOST_COUNTED} + 1"
    count: int = connection.execute(text(f"SELECT count(*) FROM ({some}) AS counted")).scalar_one()
    return f"{count:,}" if count <= MOST_COUNTED else f"over {MOST_COUNTED:,}"


def mismatches(
    connection: Connection, leads: Leads, rights: Sequence[str] = MAY_IMPORT
) -> list[str]:
    """List every difference between the table and its declaration.

    rights: those the role needs on the table.
    """
    if not is_there(connection, leads):
        return [f"{leads.table}: is not there"]
    rows = {row.name: row for row in _columns(connection, leads)}
    problems = [*_table_problems(connection, leads, rights), *_column_problems(leads, rows)]
    for name, target in leads.targets.items():
        inner = target.column if isinstance(target, New) else target
        if isinstance(inner, Lookup):
            problems += _lookup_problems(connection, leads, name, inner)
        if isinstance(inner, Values) and not inner.values and inner.otherwise is not None:
            problems.append(
                f"{name}: Values maps no word, so every lead would become {inner.otherwise!r}. Map "
                "the export's words"
            )
        if isinstance(inner, Values) and inner.column in rows:
            problems += _label_problems(connection, leads, inner, rows[inner.column])
    if leads.id in rows and may_read(connection, leads.table):
        problems += _sequence_problems(connection, leads, rows)
    if not problems:
        problems += _sql_problems(connection, leads, rows)
    return problems


def may_read(connection: Connection, table: str) -> bool:
    """Whether the role may read a table."""
    name = literal(qualified(table).replace("\\:", ":"))
    asked = f"SELECT has_table_privilege({name}, 'SELECT')"
    return bool(connection.execute(text(asked)).scalar_one())


def _name(leads: Leads) -> str:
    return literal(qualified(leads.table).replace("\\:", ":"))


def _columns(connection: Connection, leads: Leads) -> list[Row[tuple[object, ...]]]:
    return list(connection.execute(text(statement("find_columns", name=_name(leads)))).all())


def _drawn(connection: Connection, leads: Leads) -> list[str]:
    """List the columns of ``new`` whose SQL may draw from a sequence."""
    calls = {
        column: {*_CALL.findall(sql), *_CALL.findall(sql.lower())}
        for column, sql in leads.new.items()
    }
    called = sorted(set().union(*calls.values()))
    if not called:
        return []
    found = set(connection.execute(text(statement("find_drawing")), {"called": called}).scalars())
    return [column for column, names in calls.items() if names & found]


def _may_be_a_number(found: Found | None) -> bool:
    """Whether a preview's own number can stand in a column. Other values it lets be drawn."""
    return found is not None and (found.is_text or found.base in _NUMBERS)


def _found(row: Row[tuple[object, ...]]) -> Found:
    base = "citext" if row.base.endswith("citext") else row.base
    return Found(
        row.type,
        base,
        is_text=row.is_text,
        nullable=row.nullable,
        is_filled=row.is_filled,
        is_numbered=row.is_numbered,
        is_generated=row.is_generated,
        is_key=row.is_key,
        is_bytewise=row.is_bytewise,
        default=row.default,
        domain=row.domain,
    )


def _table_problems(connection: Connection, leads: Leads, rights: Sequence[str]) -> Iterator[str]:
    asked = statement("find_table_problems", name=_name(leads), id=literal(leads.id), rights=rights)
    yield from connection.execute(text(asked)).scalars()


def _column_problems(leads: Leads, rows: dict[str, Row[tuple[object, ...]]]) -> Iterator[str]:
    table = leads.table
    for column in leads.columns:
        if column not in rows:
            yield f"{table}.{column}: is not there"
    for column, row in rows.items():
        if row.is_computed and column in leads.columns[1:]:
            yield f"{table}.{column}: the server computes it. Leave it out of the declaration"
        is_needed = not (row.nullable or row.is_filled or row.is_computed)
        if is_needed and column not in _given(leads):
            yield (
                f"{table}.{column}: is NOT NULL without a default, and the declaration has no "
                f'value for it: name a field for it, or add new={{"{column}": "…"}}'
            )
    for name, target in leads.targets.items():
        for column in columns_of(target):
            if column in rows:
                yield from _type_problems(leads, name, column, rows[column])
    if leads.touch in rows and rows[leads.touch].base not in _MOMENTS:
        yield f"{table}.{leads.touch}: found {rows[leads.touch].base}, expected a time"
    yield from _phone_problems(leads, rows)


def _given(leads: Leads) -> set[str]:
    """Return the columns an import fills in a new lead."""
    return {*leads.columns[1:], *leads.new}


def _type_problems(
    leads: Leads, name: str, column: str, row: Row[tuple[object, ...]]
) -> Iterator[str]:
    target = leads.targets[name]
    where = f"{leads.table}.{column}"
    if row.base in _UNKNOWN or row.base.endswith("[]") or row.kind == "c":
        yield f"{where}: found {row.base}, but no field fits into that"
    elif name == "created_at" or isinstance(target, Timestamp | Date):
        if row.base not in _MOMENTS:
            yield f"{where}: found {row.base}, expected a time or a date"
    elif isinstance(target, tuple) and not row.is_text:
        yield f"{where}: found {row.base}, expected text for a part of {name}"


def _phone_problems(leads: Leads, rows: dict[str, Row[tuple[object, ...]]]) -> Iterator[str]:
    (phone,) = columns_of(leads.targets["phone"])
    if phone not in rows:
        return
    if not rows[phone].is_text:
        yield f"{leads.table}.{phone}: found {rows[phone].base}, expected text for a phone"
    parts = [column for column in rows if _is_part_of_a_phone(column, phone)]
    if parts:
        yield (
            f"{leads.table}.{phone}: the phone lies in several columns ({', '.join(parts)} too), "
            "and this import knows phones in one column"
        )


def _is_part_of_a_phone(column: str, phone: str) -> bool:
    lower = column.lower()
    return (
        column != phone
        and any(word in lower for word in ("phone", "mobile", "tel"))
        and lower.replace("_", "").endswith(
            tuple(part.replace("_", "") for part in _PARTS_OF_A_PHONE)
        )
    )


def _lookup_problems(
    connection: Connection, leads: Leads, name: str, lookup: Lookup
) -> Iterator[str]:
    found = connection.execute(
        text(statement("find_columns", name=literal(qualified(lookup.table).replace("\\:", ":"))))
    )
    columns = {row.name for row in found}
    if not columns:
        yield f"{name}: the table {lookup.table} is not there"
        return
    by = (lookup.by,) if isinstance(lookup.by, str) else lookup.by
    for column in (*by, lookup.id):
        if column not in columns:
            yield f"{name}: {lookup.table}.{column} is not there"
    if not may_read(connection, lookup.table):
        yield f"{name}: the role may not SELECT {lookup.table}"


def _label_problems(
    connection: Connection, leads: Leads, values: Values, row: Row[tuple[object, ...]]
) -> Iterator[str]:
    if row.kind != "e":
        return
    asked = (
        f"SELECT enumlabel FROM pg_catalog.pg_enum WHERE enumtypid = {literal(row.base)}::regtype"
    )
    labels = set(connection.execute(text(asked)).scalars())
    wanted = [*values.values.values(), *([values.otherwise] if values.otherwise else [])]
    for value in sorted(set(wanted) - labels):
        yield f"{leads.table}.{values.column}: {row.base} has no value {value!r}"


def _sequence_problems(
    connection: Connection, leads: Leads, rows: dict[str, Row[tuple[object, ...]]]
) -> Iterator[str]:
    if rows[leads.id].base not in ("integer", "bigint", "smallint"):
        return
    asked = statement(
        "find_late_sequence",
        name=_name(leads),
        id=literal(leads.id),
        column=quoted(leads.id),
        table=qualified(leads.table),
    )
    for late in connection.execute(text(asked)):
        yield (
            f"{leads.table}.{leads.id}: the sequence {late.sequence} is behind the ids, because "
            "rows were added with ids of their own: "
            f"SELECT setval('{late.sequence}', {late.largest})"
        )


def _sql_problems(
    connection: Connection, leads: Leads, rows: dict[str, Row[tuple[object, ...]]]
) -> Iterator[str]:
    """Let the server parse the declaration's SQL."""
    name = qualified(leads.table)
    if leads.only:
        trouble = _parse(connection, f"SELECT FROM {name} WHERE ({as_sql(leads.only)}) LIMIT 0")
        if trouble:
            yield f"only={leads.only!r}: {trouble}"
    for column, sql in leads.new.items():
        asked = (
            f"SELECT CAST(({as_sql(sql)}) AS {rows[column].domain or rows[column].type}) LIMIT 0"
        )
        if trouble := _parse(connection, asked):
            yield f"new={{{column!r}: {sql!r}}}: {trouble}"


def _parse(connection: Connection, sql: str) -> str | None:
    """Return the server's objection to a statement, which reads no row. None if it has none."""
    driver: Any = connection.connection.driver_connection
    try:
        with nullcontext() if driver.autocommit else connection.begin_nested():
            connection.execute(text(sql))
    except DBAPIError as error:
        diagnostics = getattr(error.orig, "diag", None)
        if getattr(error.orig, "pgcode", "") == INSUFFICIENT_PRIVILEGE:
            return "the role may not do that"
        return str(getattr(diagnostics, "message_primary", None) or "is no SQL")
    return None
