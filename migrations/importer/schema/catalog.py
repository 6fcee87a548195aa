"""Ask the catalog about a table by its name, with its schema or without."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, text

from migrations.importer.column import Found
from migrations.importer.names import qualified, unescaped
from migrations.importer.sql import statement

__all__ = [
    "find_columns",
    "hidden_schemas",
    "is_there",
    "labels_of",
    "may_be_same",
    "may_read",
    "name_of",
]


def name_of(table: str) -> str:
    """Return the name as ``to_regclass`` takes it."""
    return unescaped(qualified(table))


def is_there(connection: Connection, table: str) -> bool:
    """Whether there is a table, or something like one, of that name."""
    asked = text("SELECT to_regclass(:name) IS NOT NULL")
    return bool(connection.execute(asked, {"name": name_of(table)}).scalar_one())


def may_be_same(connection: Connection, one: str, other: str) -> bool:
    """Whether two names may be of one table. A table that has gone may have been the other one."""
    differ = text("SELECT to_regclass(:one) <> to_regclass(:other)")
    names = {"one": name_of(one), "other": name_of(other)}
    return not connection.execute(differ, names).scalar_one()


def may_read(connection: Connection, table: str) -> bool:
    """Whether the role may read a table."""
    asked = text("SELECT has_table_privilege(:name, 'SELECT')")
    return bool(connection.execute(asked, {"name": name_of(table)}).scalar_one())


def find_columns(connection: Connection, table: str) -> dict[str, Found]:
    """Return the columns of a table by their names, in their order. Empty if it is not there."""
    rows = connection.execute(text(statement("find_columns")), {"name": name_of(table)})
    return {row.name: _found(row) for row in rows}


def _found(row: Row[Any]) -> Found:
    """The statement names its columns as ``Found`` does."""
    told = {**row._mapping, "computed_of": tuple(row.computed_of)}
    del told["name"]
    return Found(**told)


def labels_of(connection: Connection, enum: str) -> list[str]:
    """Return the labels of an enum in their order. Another type has none."""
    return list(connection.execute(text(statement("find_labels")), {"enum": enum}).scalars())


def hidden_schemas(connection: Connection, tables: Iterable[str]) -> list[str]:
    """List the schemas of some tables the role may not look into. Nothing is found in there."""
    schemas = [table.split(".")[0] for table in tables if "." in table]
    asked = text(statement("find_hidden_schemas"))
    return list(connection.execute(asked, {"schemas": schemas}).scalars())
