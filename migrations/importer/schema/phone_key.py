"""Make what a declared table gets: one plain index on the phone's key, and the key's function.

The index is built CONCURRENTLY, so the site goes on. If an earlier attempt left an INVALID one
behind, drop and build it again.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from itertools import count
from typing import Any

from sqlalchemy import Connection, Row, text

from migrations.importer.context import RevisionContext, connection_of, options_of
from migrations.importer.declaration import Leads
from migrations.importer.names import escaped, qualified, quoted, unescaped
from migrations.importer.phone import KEY_FUNCTION
from migrations.importer.progress import log
from migrations.importer.schema.functions import create_function
from migrations.importer.schema.leads import find_table, table_for_script
from migrations.importer.schema.preflight import refuse
from migrations.importer.session import LOCK_TIMEOUT
from migrations.importer.sql import statement
from migrations.importer.table import LeadsTable

__all__ = ["create_phone_key", "drop_phone_key", "ensure_index", "write_index"]

LONGEST_NAME = 63
"""Bytes of an identifier: NAMEDATALEN - 1."""

# CONCURRENTLY waits for older transactions, such as a long report, and nobody waits behind it.
_PATIENTLY = "SET lock_timeout = '20s'"
_QUICKLY = f"SET lock_timeout = '{LOCK_TIMEOUT}'"


def create_phone_key(context: RevisionContext, leads: Leads) -> None:
    """Make the key's function and the index, unless they are there."""
    create_function(context, f"{KEY_FUNCTION}(text)", statement(KEY_FUNCTION))
    # The site's own roles compute the key whenever they write a lead.
    context.execute(f"GRANT EXECUTE ON FUNCTION {KEY_FUNCTION}(text) TO PUBLIC")
    # A dry run is one transaction, and nothing can be built concurrently in one.
    with nullcontext() if options_of(context).keeps_nothing else context.autocommit_block():
        if context.as_sql:
            table = table_for_script(options_of(context), leads)
            context.execute(_create_index(table, _index_name(leads), "CONCURRENTLY"))
        else:
            ensure_index(context, find_table(connection_of(context), leads))


def drop_phone_key(context: RevisionContext, leads: Leads) -> None:
    """Drop the indexes, and the function unless something of the owner's uses it by now.

    leads: where they live, for a script. Otherwise the database knows where the indexes are.
    """
    concurrently = "" if options_of(context).dry_run else "CONCURRENTLY"
    indexes = [_first_index(leads)] if context.as_sql else _our_indexes(connection_of(context))
    with nullcontext() if options_of(context).dry_run else context.autocommit_block():
        for index in indexes:
            context.execute(f"DROP INDEX {concurrently} IF EXISTS {index}")
    users = [] if context.as_sql else _users_of_key(connection_of(context))
    if users:
        log.warning("kept the function %s: %s needs it", KEY_FUNCTION, ", ".join(users))
    else:
        context.execute(f"DROP FUNCTION IF EXISTS {KEY_FUNCTION}(text)")


def ensure_index(context: RevisionContext, table: LeadsTable) -> None:
    """Build the index unless the table has one on the phone's key, under any name.

    Raises ``DatabaseRefused`` if the role does not own the table.
    """
    connection, options = connection_of(context), options_of(context)
    found = _indexes(connection, table)
    if any(index.is_valid for index in found):
        return
    if not options.reads:
        _check_owner(connection, table)
    name = _free_name(connection, table, {index.bare for index in found})
    concurrently = "" if options.keeps_nothing else "CONCURRENTLY"
    for index in found:
        log.info("dropping the index %s: an earlier attempt left it unfinished", index.name)
        _patiently(context, f"DROP INDEX {concurrently} {index.name}", concurrently)
    _patiently(context, _create_index(table, name, concurrently), concurrently)


def write_index(context: RevisionContext, table: LeadsTable) -> None:
    """Write the index into an import's script if the database it is for has none.

    An earlier revision in the script may make it.
    """
    with options_of(context).look() as connection:
        if connection is None or any(index.is_valid for index in _indexes(connection, table)):
            return
    with context.autocommit_block():
        name = _index_name(table.leads)
        context.execute(_create_index(table, name, "CONCURRENTLY IF NOT EXISTS"))


def _indexes(connection: Connection, table: LeadsTable) -> Sequence[Row[Any]]:
    """Find the table's indexes on the phone's key, valid or not."""
    asked = {"name": table.catalog_name, "phone": unescaped(table.phone)}
    return connection.execute(text(statement("find_index")), asked).all()


def _create_index(table: LeadsTable, name: str, concurrently: str) -> str:
    return (
        f"CREATE INDEX {concurrently} {quoted(name)} "
        f"ON {table.source} ({KEY_FUNCTION}(CAST({table.phone} AS text)))"
    )


def _free_name(connection: Connection, table: LeadsTable, ours: set[str]) -> str:
    """Name the index. One on another column, or of a table kept aside, may have the first name.

    ours: the names of indexes to be dropped.
    """
    named = {"name": table.catalog_name}
    taken = set(connection.execute(text(statement("find_relations")), named).scalars()) - ours
    names = (_index_name(table.leads, n) for n in count(1))
    return next(name for name in names if name not in taken)


def _index_name(leads: Leads, n: int = 1) -> str:
    ending = "_phone_key_v1" if n == 1 else f"_{n}_phone_key_v1"
    name = leads.table.split(".")[-1].encode()[: LONGEST_NAME - len(ending)]
    return name.decode(errors="ignore") + ending


def _first_index(leads: Leads) -> str:
    schema = leads.table.split(".")[0] + "." if "." in leads.table else ""
    return qualified(schema + _index_name(leads))


def _our_indexes(connection: Connection) -> list[str]:
    """List the indexes on the key that have a name of ours, whatever became of their tables."""
    asked = text(statement("find_our_indexes"))
    return list(map(escaped, connection.execute(asked, {"function": KEY_FUNCTION}).scalars()))


def _users_of_key(connection: Connection) -> list[str]:
    """List what depends on the function."""
    asked = text(statement("find_key_users"))
    return list(connection.execute(asked, {"function": KEY_FUNCTION}).scalars())


def _check_owner(connection: Connection, table: LeadsTable) -> None:
    asked = text(statement("check_owner"))
    refuse(list(connection.execute(asked, {"name": table.catalog_name}).scalars()))


def _patiently(context: RevisionContext, sql: str, concurrently: str) -> None:
    """Run a statement about an index. Only a concurrent one may wait long."""
    if not concurrently:
        context.execute(sql)
        return
    connection = connection_of(context)
    connection.execute(text(_PATIENTLY))
    try:
        context.execute(sql)
    finally:
        if not connection.invalidated:
            connection.execute(text(_QUICKLY))
