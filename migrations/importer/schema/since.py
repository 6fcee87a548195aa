"""Find a declared table as it is by now, for a look back at an import: what is still there?

A revert, ``verify`` and ``lead`` go on with the columns that are still as declared. Without the
table, or its ids, no lead of the ledger can be found.
"""

from collections.abc import Iterator
from copy import copy

from sqlalchemy import Connection, text

from migrations.importer.column import WHOLE_NUMBERS, Found
from migrations.importer.declaration import Leads, Lookup, Values, columns_of, inner_of
from migrations.importer.schema.catalog import find_columns, is_there, name_of
from migrations.importer.schema.fitting import MOMENTS, objection_to, only_problems, unfit_words
from migrations.importer.schema.leads import find_table
from migrations.importer.sql import statement
from migrations.importer.table import LeadsTable

__all__ = ["find_table_since", "why_no_lead_is_found"]

_IDS = {
    **dict.fromkeys(WHOLE_NUMBERS, "^-?[0-9]+$"),
    "uuid": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
}
"""How the ledger has the ids of a type. Any text is one of the other types."""


def find_table_since(
    connection: Connection, leads: Leads, *, keeps_blanks: bool = True
) -> LeadsTable:
    """Find the declared table. Its ``missing`` lists what is no longer as declared."""
    table = find_table(connection, leads, keeps_blanks=keeps_blanks)
    unlike = set(_unlike(connection, table))
    if unlike:
        found = {name: one for name, one in table.found.items() if name not in unlike}
        table = LeadsTable(leads, found, keeps_blanks=keeps_blanks)
    if table.found and only_problems(connection, leads):
        table = copy(table)
        table.only = "true"
        table.missing += (f"what only={leads.only!r} names",)
    return table


def why_no_lead_is_found(connection: Connection, table: LeadsTable, revision: str) -> list[str]:
    """List why the leads of an import cannot be found, by name. Empty if they can.

    A view of the table's old name will not do: its rows do not say which transaction wrote them.
    """
    name, id = table.leads.table, table.leads.id
    if not is_there(connection, name):
        return [f"{name}: is not there"]
    if not _is_table(connection, name):
        return [f"{name}: is no longer a plain table"]
    if id not in table.found:
        return [f"{name}.{id}: is not there"]
    base = table.found[id].base
    pattern = _IDS.get(base)
    asked = text(statement("has_other_ids"))
    if pattern and connection.execute(asked, {"revision": revision, "id": pattern}).scalar_one():
        return [f"{name}.{id}: found {base}, and the ledger knows the leads by other ids"]
    return []


def _is_table(connection: Connection, name: str) -> bool:
    asked = text("SELECT relkind = 'r' FROM pg_catalog.pg_class WHERE oid = to_regclass(:name)")
    return bool(connection.execute(asked, {"name": name_of(name)}).scalar_one())


def _unlike(connection: Connection, table: LeadsTable) -> Iterator[str]:
    """Yield the columns that no longer take what is declared for them."""
    leads, rows = table.leads, table.found
    for name in (leads.targets.get("created_at"), leads.touch):
        if isinstance(name, str) and name in rows and rows[name].base not in MOMENTS:
            yield name
    for target in leads.targets.values():
        inner = inner_of(target)
        if isinstance(inner, Lookup) and not _may_look_up(connection, inner):
            yield inner.column
        if (
            isinstance(inner, Values)
            and inner.column in rows
            and unfit_words(connection, inner, rows[inner.column])
        ):
            yield inner.column
        for column in columns_of(target):
            if column in rows and (
                rows[column].computed is not None
                or (isinstance(target, tuple) and not rows[column].is_text)
                or _has_no_equality(connection, rows[column])
            ):
                yield column


def _may_look_up(connection: Connection, lookup: Lookup) -> bool:
    there = find_columns(connection, lookup.table)
    return there.keys() >= {*lookup.tried, lookup.id}


def _has_no_equality(connection: Connection, row: Found) -> bool:
    null = f"CAST(NULL AS {row.type})"
    # An array has one, but perhaps not its elements.
    return row.base.endswith("[]") or bool(objection_to(connection, f"SELECT {null} = {null}"))
