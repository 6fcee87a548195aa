"""Check before any write: is everything there? List all that is missing.

``check_server`` looks before the first revision, ``check_reader`` before a preview and other
commands on leads, ``check_readable`` before the ledger is read, ``check_import`` before an import,
``check_numbers`` once it is staged, ``check_revert`` before a revert, ``check_removal`` before it
removes created leads. ``tell_triggers`` says what else runs.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, text

from migrations.importer.context import MAY_IMPORT
from migrations.importer.declaration import Leads
from migrations.importer.errors import DatabaseRefused
from migrations.importer.ledger import has_ledger
from migrations.importer.names import quoted
from migrations.importer.progress import log
from migrations.importer.schema.catalog import hidden_schemas, is_there, name_of
from migrations.importer.schema.fitting import mismatches
from migrations.importer.schema.leads import find_table
from migrations.importer.schema.sequences import late_sequence, short_sequence_in_words
from migrations.importer.schema.since import why_no_lead_is_found
from migrations.importer.sql import LEDGER_TABLES, statement
from migrations.importer.table import LeadsTable

__all__ = [
    "check_import",
    "check_numbers",
    "check_readable",
    "check_reader",
    "check_removal",
    "check_revert",
    "check_server",
    "refuse",
    "tell_triggers",
]


_NUMBERS = """(
        SELECT id FROM lead_imports
        UNION ALL
        SELECT import_id FROM lead_import_batches
        UNION ALL
        SELECT import_id FROM lead_before_images
    ) AS ledger"""
"""Where the ledger has the number of an import."""


def check_server(connection: Connection, stamp: str, leads: Leads | None) -> None:
    """Raise ``DatabaseRefused`` unless the server lets the revisions do their work.

    stamp: the table of the stamp. leads: where they live, if an import comes first. What that one
    lacks is listed here only beside something else, as one list: ``check_import`` finds it too.
    """
    missing = _lines(connection, "check_session")
    missing += _lines(connection, "check_server", stamp=stamp)
    if is_there(connection, "lead_imports") and not has_ledger(connection):
        missing.append("a table lead_imports is there and is no ledger of ours: rename it")
    if missing and leads is not None:
        if hidden := hidden_schemas(connection, leads.tables):
            refuse(missing + hidden)  # a look into one would fail
        missing += _missing_for_import(connection, find_table(connection, leads), MAY_IMPORT)
    refuse(missing)


def check_reader(connection: Connection, leads: Sequence[Leads], stamp: str) -> None:
    """Raise ``DatabaseRefused`` unless the role may read leads, and make temporary tables.

    leads: where leads live. stamp: the table of the stamp.
    """
    unfit = _lines(connection, "check_reader") + _lines(connection, "check_session")
    refuse(unfit + hidden_schemas(connection, [table for one in leads for table in one.tables]))
    check_readable(connection, leads, stamp)


def check_readable(connection: Connection, leads: Sequence[Leads], stamp: str) -> None:
    """Raise ``DatabaseRefused`` unless the role may read stamp, ledger and leads.

    Names each table it may not read, or sees not all rows of: a hidden receipt would be taken for a
    missing one. What is not there is in nobody's way. leads, stamp: as for ``check_reader``.
    """
    of_leads = sorted({name_of(table) for one in leads for table in one.tables})
    tables = [quoted(stamp), *LEDGER_TABLES, *of_leads]
    unread = _lines(connection, "check_rights", tables=tables, may="SELECT")
    refuse(unread + _hidden(connection, tables))


def check_import(connection: Connection, table: LeadsTable, rights: Sequence[str]) -> None:
    """Raise ``DatabaseRefused`` unless an import finds all it needs.

    rights: those the role needs on the table.
    """
    refuse(_missing_for_import(connection, table, rights))
    # Not before the deploy lock is taken: another deploy may be dropping the ledger.
    refuse(_late_ledger(connection))


def _late_ledger(connection: Connection) -> list[str]:
    """Say if the next import would get the number of one that the rest of the ledger knows."""
    late = late_sequence(connection, name="lead_imports", id="id", column="id", table=_NUMBERS)
    if late is None:
        return []
    return [
        f"lead_imports.id: the sequence {late.name} is behind the ledger, because a part of it "
        f"was emptied or restored: SELECT setval('{late.name}', {late.largest})"
    ]


def check_revert(connection: Connection, table: LeadsTable, revision: str) -> None:
    """Raise ``DatabaseRefused`` unless a revert finds the leads and may write them.

    Some columns may be missing.
    """
    missing = _missing_of_ledger(connection, table, imports=False)
    tables = [name_of(name) for name in table.leads.tables]
    missing += _lines(connection, "check_rights", tables=tables, may="SELECT")
    missing += _lines(connection, "check_rights", tables=[table.catalog_name], may="UPDATE")
    refuse(missing)
    # A hidden lead would be taken for a removed one.
    hidden = _hidden(connection, [table.catalog_name])
    refuse(hidden + why_no_lead_is_found(connection, table, revision))
    refuse([] if table.compared else [f"{table.leads.table}: has none of the declared columns"])


def _missing_for_import(
    connection: Connection, table: LeadsTable, rights: Sequence[str]
) -> list[str]:
    missing = _missing_of_ledger(connection, table, imports=True)
    # Somebody hidden would be nobody, and the lead somebody else's.
    hidden = _hidden(connection, [name_of(name) for name in table.leads.tables[1:]])
    return missing + mismatches(connection, table, rights) + hidden


def _missing_of_ledger(connection: Connection, table: LeadsTable, *, imports: bool) -> list[str]:
    tables = list(LEDGER_TABLES)
    return _lines(connection, "check_ledger", tables=tables, function=table.key, imports=imports)


def check_removal(connection: Connection, table: LeadsTable) -> None:
    """Raise ``DatabaseRefused`` unless the role may remove leads and sees who refers to them."""
    referrers = statement("referrers", table=table)
    asked = statement("check_removal", table=table, referrers=referrers)
    refuse(list(connection.execute(text(asked)).scalars()))


def check_numbers(connection: Connection, table: LeadsTable, start: int) -> None:
    """Raise ``DatabaseRefused`` unless the sequence of the ids has a number for each new lead.

    start: the first staged record not imported yet, from 0.
    """
    if table.leads.id not in table.leads.new:
        short = short_sequence_in_words(connection, table, start)
        refuse([short] if short else [])


def tell_triggers(connection: Connection, table: LeadsTable) -> None:
    """Log the table's triggers, because no count of rows shows what they tell others (NOTIFY)."""
    names = _lines(connection, "find_triggers", name=table.catalog_name)
    if names:
        log.info(
            "%s has triggers, and an import fires them too: %s.",
            table.leads.table,
            ", ".join(names),
        )


def refuse(missing: list[str], *more: str) -> None:
    """Raise ``DatabaseRefused`` with everything missing, if there is anything.

    more: further lines at the end.
    """
    if missing:
        lines = [
            "The database is not ready. Nothing was written.",
            *(f"  {line}" for line in missing),
        ]
        raise DatabaseRefused("\n".join([*lines, *more, "Fix this and try again."]))


def _hidden(connection: Connection, tables: Sequence[str]) -> list[str]:
    return _lines(connection, "find_hidden", tables=list(tables))


def _lines(connection: Connection, asked: str, **parameters: object) -> list[str]:
    return list(connection.execute(text(statement(asked)), parameters).scalars())
