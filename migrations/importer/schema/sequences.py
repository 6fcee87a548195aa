"""Find a sequence of ids that cannot give each new row a number of its own."""

from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, text

from migrations.importer.names import escaped
from migrations.importer.sql import statement
from migrations.importer.table import LeadsTable

__all__ = ["Late", "late_sequence", "short_sequence_in_words"]


class Late(NamedTuple):
    """A sequence whose next number is taken already, and the largest one taken."""

    name: str
    largest: int


def late_sequence(
    connection: Connection, *, name: str, id: str, column: str, table: str
) -> Late | None:
    """Find the sequence of a column, if its next number is taken already.

    name, id: of the table as ``name_of`` gives it, and of the column. column, table: SQL for where
    numbers are.
    """
    # First of the two: meanwhile the site draws numbers and adds rows with them.
    largest = connection.execute(text(f"SELECT max({column}) FROM {table}")).scalar()
    if largest is None:
        return None
    sequence = _sequence(connection, name, id)
    if sequence is None or sequence.is_in_steps or largest <= (sequence.last_value or 0):
        return None
    return None if _begins_after(connection, sequence, largest) else Late(sequence.name, largest)


def short_sequence_in_words(connection: Connection, table: LeadsTable, start: int) -> str | None:
    """Say if the sequence of the ids ends before each new lead has one.

    start: the first staged record not imported yet, from 0.
    """
    sequence = _sequence(connection, table.catalog_name, table.leads.id)
    if sequence is None or sequence.numbers is None:
        return None
    staged: int = connection.execute(text("SELECT count(*) FROM lead_import_stage")).scalar_one()
    if sequence.numbers >= staged:
        return None  # without a search for each record's lead
    asked = text(statement("count_new", table=table))
    new: int = connection.execute(asked, {"start": start}).scalar_one()
    if sequence.numbers >= new:
        return None
    retype = f"ALTER TABLE {table.source} ALTER {table.id} TYPE bigint; "
    wider = "" if table.id_type == "bigint" else retype
    return (
        f"{table.leads.table}.{table.leads.id}: the sequence {sequence.name} has numbers for "
        f"{sequence.numbers} of {new} new leads: "
        f"{wider}ALTER SEQUENCE {sequence.name} AS bigint NO MAXVALUE"
    )


def _sequence(connection: Connection, name: str, id: str) -> Row[Any] | None:
    """Find the sequence of a column, if it has one and the role may ask it."""
    asked = text(statement("find_sequence"))
    return connection.execute(asked, {"name": name, "id": id}).one_or_none()


def _begins_after(connection: Connection, sequence: Row[Any], largest: int) -> bool:
    """Whether a sequence that has given no number yet begins after the largest one.

    The catalog does not say where it begins.
    """
    if sequence.last_value is not None or not sequence.may_look:
        return False
    asked = f"SELECT last_value > :largest FROM {escaped(sequence.name)} WHERE NOT is_called"
    return bool(connection.execute(text(asked), {"largest": largest}).scalar())
