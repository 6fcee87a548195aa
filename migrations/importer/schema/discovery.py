"""Find where leads may live in an undeclared database: tables with phones."""

from collections.abc import Iterator, Sequence

from msgspec import Struct
from sqlalchemy import Connection, text

from migrations.importer.schema.naming import (
    LAST_NAMES,
    NAMES,
    columns_of_table,
    first_named,
    names_a_phone,
    words_of,
)
from migrations.importer.schema.suggesting import suggest
from migrations.importer.sql import statement

__all__ = [
    "PhoneColumn",
    "declaration_in_words",
    "find_phone_columns",
    "likeliest",
    "phone_columns_in_words",
]

MOST_NAMED = 12
"""How many columns a refusal names."""

_NO_TEXTS = ("json", "jsonb", "bigint", "numeric", "double precision")
"""The other types with room for a phone, beside arrays."""


class PhoneColumn(Struct, frozen=True):
    """A column apparently of phones. why_not: what keeps it from being declared, or ""."""

    table: str
    column: str
    why_not: str = ""


def find_phone_columns(connection: Connection) -> list[PhoneColumn]:
    """Find the columns of the owner's tables apparently holding phones."""
    return list(_phone_columns(connection))


def phone_columns_in_words(phones: Sequence[PhoneColumn]) -> list[str]:
    """Name the columns, a line each."""
    lines = [
        f"  {phone.table}.{phone.column}" + (f": {phone.why_not}" if phone.why_not else "")
        for phone in phones[:MOST_NAMED]
    ]
    rest = len(phones) - MOST_NAMED
    return [*lines, f"  … and {rest} more"] if rest > 0 else lines


def declaration_in_words(connection: Connection, phones: Sequence[PhoneColumn]) -> list[str]:
    """Say what to declare: a declaration of the likeliest table, to paste."""
    best = likeliest(connection, phones)
    if best is None:
        return ["Declare in migrations/crm.py where leads live and try again."]
    return [
        f"Declare where leads live: 'python -m migrations adopt {best}' writes this into",
        "migrations/crm.py, for you to complete where it says CHECK:",
        "",
        suggest(connection, best),
    ]


def likeliest(connection: Connection, phones: Sequence[PhoneColumn]) -> str | None:
    """Return the table most like one of leads."""
    tables = dict.fromkeys(phone.table for phone in phones if not phone.why_not)
    return max(tables, key=lambda table: _likeness(connection, table), default=None)


def _phone_columns(connection: Connection) -> Iterator[PhoneColumn]:
    for row in connection.execute(text(statement("find_text_columns"))):
        table = row.table if row.is_first else f"{row.schema}.{row.table}"
        is_id = words_of(row.column)[-1:] == ["id"]  # phone_number_id
        if not names_a_phone(row.column):
            if row.refers and row.column in ("number", "value") and names_a_phone(row.table):
                yield PhoneColumn(table, row.column, "phones lie in a table of their own")
        elif (row.type in _NO_TEXTS or row.type.endswith("[]")) and not is_id:
            yield PhoneColumn(table, row.column, f"phones lie in {row.type}")
        elif row.is_text and row.is_foreign:
            yield PhoneColumn(table, row.column, "it is a foreign table")
        elif row.is_text and not row.may_read:
            yield PhoneColumn(table, row.column, "the role may not read it")
        elif row.is_text:
            elsewhere = is_id or (row.refers and names_a_phone(row.table))
            told = "phones lie in a table of their own" if elsewhere else ""
            yield PhoneColumn(table, row.column, told)


def _likeness(connection: Connection, table: str) -> int:
    """Return how much a table looks like one of leads."""
    columns = columns_of_table(connection, table)
    kinds = [*NAMES.values(), LAST_NAMES]  # a last name stands for a name in two columns
    fields = sum(bool(first_named(columns, names)) for names in kinds)
    words = set(words_of(table.rpartition(".")[2]))
    return fields + 3 * bool(words & {"lead", "leads"}) - 3 * bool(words & {"user", "users"})
