"""Hold the table against its declaration: does it fit?

List everything that does not, by name, before anything is made or written.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from psycopg2.errorcodes import INSUFFICIENT_PRIVILEGE
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, OperationalError

from migrations.importer.column import Found
from migrations.importer.context import MAY_IMPORT
from migrations.importer.declaration import (
    Date,
    Leads,
    Lookup,
    Timestamp,
    Values,
    columns_of,
    inner_of,
)
from migrations.importer.names import escaped, literal, qualified, quoted
from migrations.importer.schema.catalog import find_columns, may_be_same, may_read
from migrations.importer.schema.sequences import late_sequence
from migrations.importer.sql import statement
from migrations.importer.table import LeadsTable

__all__ = ["MOMENTS", "mismatches", "objection_to", "only_problems", "unfit_words"]

MOMENTS = {"timestamp with time zone", "timestamp without time zone", "date"}
_UNKNOWN = {
    *("json", "jsonb", "bytea", "xml", "tsvector"),
    *("name", '"char"'),  # cut a text off in silence
    *("point", "line", "lseg", "box", "path", "polygon", "circle"),
}
_PARTS_OF_A_PHONE = ("countrycode", "callingcode", "dialcode")


def mismatches(
    connection: Connection, table: LeadsTable, rights: Sequence[str] = MAY_IMPORT
) -> list[str]:
    """List every difference between the table and its declaration.

    rights: those the role needs on the table.
    """
    leads = table.leads
    if not table.found:
        return [f"{leads.table}: is not there"]
    problems = [*_table_problems(connection, table, rights), *_column_problems(table)]
    for name, target in leads.targets.items():
        inner = inner_of(target)
        if isinstance(inner, Lookup):
            problems += _lookup_problems(connection, table, name, inner)
        if isinstance(inner, Values):
            problems += _values_problems(connection, table, name, inner)
    if may_read(connection, leads.table):
        problems += _sequence_problems(connection, table)
        problems += _sql_problems(connection, table)
    if not problems:
        problems += _default_problems(connection, table)
    return problems


def _table_problems(
    connection: Connection, table: LeadsTable, rights: Sequence[str]
) -> Iterator[str]:
    asked = {
        "name": table.catalog_name,
        "id": table.leads.id,
        "phone": table.leads.phone,
        "rights": list(rights),
        "given": sorted(table.given),
        "writes": "INSERT" in rights,
    }
    yield from connection.execute(text(statement("find_table_problems")), asked).scalars()


def _column_problems(table: LeadsTable) -> Iterator[str]:
    leads, rows = table.leads, table.found
    for column in table.missing:
        yield f"{leads.table}.{column}: is not there"
    for column, row in rows.items():
        if row.is_computed and column in leads.columns[1:]:
            yield f"{leads.table}.{column}: the server computes it. Leave it out of the declaration"
        is_needed = not (row.nullable or row.is_filled or row.is_computed)
        if is_needed and column not in table.given:
            yield (
                f"{leads.table}.{column}: is NOT NULL without a default, and the declaration has "
                f'no value for it: name a field for it, or add new={{"{column}": "…"}}'
            )
    for name, target in leads.targets.items():
        for column in columns_of(target):
            if column in rows:
                yield from _type_problems(leads, name, column, rows[column])
    touch = rows.get(leads.touch or "")
    if touch and touch.base not in MOMENTS:
        yield f"{leads.table}.{leads.touch}: found {touch.base}, expected a time"
    yield from _phone_problems(leads, rows)


def _type_problems(leads: Leads, name: str, column: str, row: Found) -> Iterator[str]:
    target = leads.targets[name]
    where = f"{leads.table}.{column}"
    if row.base in _UNKNOWN or row.base.endswith("[]") or row.kind == "c":
        yield f"{where}: found {row.base}, but no field fits into that"
    elif name == "created_at" or isinstance(target, Timestamp | Date):
        if row.base not in MOMENTS:
            yield f"{where}: found {row.base}, expected a time or a date"
    elif isinstance(target, tuple) and not row.is_text:
        yield f"{where}: found {row.base}, expected text for a part of {name}"


def _phone_problems(leads: Leads, rows: Mapping[str, Found]) -> Iterator[str]:
    phone = leads.phone
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
        and lower.replace("_", "").endswith(_PARTS_OF_A_PHONE)
    )


def _lookup_problems(
    connection: Connection, table: LeadsTable, name: str, lookup: Lookup
) -> Iterator[str]:
    columns = find_columns(connection, lookup.table)
    if not columns:
        yield f"{name}: the table {lookup.table} is not there"
        return
    is_itself = may_be_same(connection, lookup.table, table.leads.table)
    for column in (*lookup.tried, lookup.id):
        if column not in columns:
            yield f"{name}: {lookup.table}.{column} is not there"
        elif is_itself and column in table.given:
            yield (
                f"{name}: looks into {lookup.table}.{column}, which the import itself changes. "
                "Look into another column, or leave the field out"
            )
    if not may_read(connection, lookup.table):
        yield f"{name}: the role may not SELECT {lookup.table}"


def _values_problems(
    connection: Connection, table: LeadsTable, name: str, values: Values
) -> Iterator[str]:
    if not values.values and values.otherwise is not None:
        yield (
            f"{name}: Values maps no word, so every lead would become {values.otherwise!r}. Map "
            "the export's words"
        )
    if row := table.found.get(values.column):
        for word in unfit_words(connection, values, row):
            yield f"{table.leads.table}.{values.column}: {row.base} has no value {word!r}"


def unfit_words(connection: Connection, values: Values, row: Found) -> list[str]:
    """List the CRM's words that a column, such as one of numbers or of an enum, cannot take."""
    if row.is_text:
        return []
    return [
        word
        for word in values.words
        if objection_to(connection, f"SELECT CAST({literal(word)} AS {row.type})")
    ]


def _sequence_problems(connection: Connection, table: LeadsTable) -> Iterator[str]:
    leads = table.leads
    if not table.has_whole_ids:
        return
    late = late_sequence(
        connection,
        name=table.catalog_name,
        id=leads.id,
        column=table.id,
        table=table.source,
    )
    if late:
        yield (
            f"{leads.table}.{leads.id}: the sequence {late.name} is behind the ids, because "
            "rows were added with ids of their own: "
            f"SELECT setval('{late.name}', {late.largest})"
        )


def only_problems(connection: Connection, leads: Leads) -> list[str]:
    """List what the server has against the declaration's ``only``, if anything."""
    if not leads.only:
        return []
    # Under a name nobody writes: the import knows the table by several.
    leads_table = f"{qualified(leads.table)} AS lead_import_only"
    asked = f"SELECT FROM {leads_table} WHERE ({escaped(leads.only)}) LIMIT 0"
    trouble = objection_to(connection, asked)
    return [f"only={leads.only!r}: {trouble}"] if trouble else []


def _sql_problems(connection: Connection, table: LeadsTable) -> Iterator[str]:
    """Let the server parse the declaration's SQL."""
    yield from only_problems(connection, table.leads)
    for column, sql in table.leads.new.items():
        if column not in table.found:
            continue
        type_ = table.found[column].domain or table.found[column].type
        # Without brackets, as an import writes it: a query needs its own.
        asked = f"SELECT CAST({escaped(sql)} AS {type_}) LIMIT 0"
        # An INSERT takes less: no 0 as a false, no aggregate, no set. Preparing one needs no right.
        written = (
            f"PREPARE lead_import_new AS INSERT INTO {table.source} ({quoted(column)})"
            f" VALUES (NULL), ({escaped(sql)}); DEALLOCATE lead_import_new"
        )
        if trouble := objection_to(connection, asked) or objection_to(connection, written):
            yield f"new={{{column!r}: {sql!r}}}: {trouble}"


def _default_problems(connection: Connection, table: LeadsTable) -> Iterator[str]:
    """Let the server compute the defaults new leads get, but for volatile ones.

    A NULL is no problem if a trigger may fill it.
    """
    for column, row in table.found.items():
        if not row.default or row.is_numbered or row.is_volatile or column in table.given:
            continue
        asked = f"SELECT CAST(({escaped(row.default)}) AS {row.domain or row.type}) AS made"
        trouble = objection_to(connection, asked)
        if not (trouble or row.nullable or row.may_be_filled):
            is_null = connection.execute(text(f"SELECT made IS NULL FROM ({asked}) AS one"))
            trouble = "it is NULL" if is_null.scalar_one() else None
        if trouble:
            yield (
                f"{table.leads.table}.{column}: its default gives no value here ({trouble}), and "
                f'the declaration has none: add new={{"{column}": "…"}}'
            )


def objection_to(connection: Connection, sql: str) -> str | None:
    """Return the server's objection to a statement, which reads no row. None if it has none."""
    driver: Any = connection.connection.driver_connection
    try:
        with nullcontext() if driver.autocommit else connection.begin_nested():
            connection.execute(text(sql))
    except OperationalError:  # a lock, a cancel or a lost connection says nothing of the statement
        raise
    except DBAPIError as error:
        diagnostics = getattr(error.orig, "diag", None)
        if getattr(error.orig, "pgcode", "") == INSUFFICIENT_PRIVILEGE:
            return "the role may not do that"
        return str(getattr(diagnostics, "message_primary", None) or "is no SQL")
    return None
