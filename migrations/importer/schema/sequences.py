"""Find a sequence of ids that cannot give each new row a number of its own."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, text

from migrations.importer.names import escaped
from migrations.importer.sql import statement
from migrations.importer.table import LeadsTable

__all__ = ["Late", "late_sequences", "short_sequences"]


class Late(NamedTuple):
    """A sequence whose next number is taken already, and the largest one taken."""

    name: str
    largest: int


def late_sequences(
    connection: Connection, *, name: str, id: str, column: str, table: str
) -> list[Late]:
    """Find the sequence of a column, if its next number is taken already.

    name, id: of the table as ``name_of`` gives it, and of the column. column, table: SQL for where
    numbers are.
    """
    # First of the two: meanwhile the site draws numbers and adds rows with them.
    largest = connection.execute(text(f"SELECT max({column}) FROM {table}")).scalar()
    if largest is None:
        return []
    return [
        Late(sequence.name, largest)
        for sequence in _sequences(connection, name, id)
        if largest > (sequence.last_value or 0)
        and not sequence.is_in_steps
        and not _begins_after(connection, sequence, largest)
    ]


def short_sequences(connection: Connection, table: LeadsTable, start: int) -> list[str]:
    """Say if the sequence of the ids ends before each new lead has one.

    start: the first staged record not imported yet, from 0.
    """
    staged = connection.execute(text("SELECT count(*) FROM lead_import_stage")).scalar_one()
    short = [
        sequence
        for sequence in _sequences(connection, table.catalog_name, table.leads.id)
        if sequence.numbers is not None and sequence.numbers < staged
    ]
    if not short:
        return []
    asked = text(statement("count_new", table=table))
    new: int = connection.execute(asked, {"start": start}).scalar_one()
    retype = f"ALTER TABLE {table.source} ALTER {table.id} TYPE bigint; "
    wider = "" if table.id_type == "bigint" else retype
    return [
        f"{table.leads.table}.{table.leads.id}: the sequence {sequence.name} has numbers for "
        f"{sequence.numbers} of {new} new leads: "
        f"{wider}ALTER SEQUENCE {sequence.name} AS bigint NO MAXVALUE"
        for sequence in short
        if sequence.numbers < new
    ]


def _sequences(connection: Connection, name: str, id: str) -> Sequence[Row[Any]]:
    """Find the sequence of a column, if it has one and the role may ask it."""
    return connection.execute(text(statement("find_sequence")), {"name": name, "id": id}).all()


def _begins_after(connection: Connection, sequence: Row[Any], largest: int) -> bool:
    """Whether a sequence that has given no number yet begins after the largest one.

    The catalog does not say where it begins.
    """
    if sequence.last_value is not None or not sequence.may_look:
        return False
    asked = f"SELECT last_value > :largest FROM {escaped(sequence.name)} WHERE NOT is_called"
    return bool(connection.execute(text(asked), {"largest": largest}).scalar())
