"""Find out what an upgrade would do, by reading. This is safe on the live database.

All happens in one transaction on one snapshot, rolled back at its end. Everything about leads or an
export runs READ ONLY, so Postgres itself lets it write nothing but temporary tables. It takes no
locks but those of any SELECT. It needs SELECT on what an import reads, and TEMPORARY.

It runs an upgrade's statements on copies (``importer/copies.py``), so the figures and each lead's
verdict are the same. Only a dry run shows what triggers do.
"""

import os
from collections.abc import Callable

from alembic.config import Config
from alembic.script import ScriptDirectory
from msgspec.structs import replace
from sqlalchemy import Connection, text

from migrations.declared import refuse_open_questions
from migrations.deploy.given import names_database
from migrations.deploy.people import people_to_import, refuse_preview_of_real_people
from migrations.history import History, imports_of, read_history, upgrade_faults, version_table
from migrations.importer.context import Options
from migrations.importer.copies import as_copy, copy_ledger
from migrations.importer.declaration import Leads
from migrations.importer.errors import DatabaseRefused, ExportRefused
from migrations.importer.schema.leads import find_table
from migrations.importer.schema.preflight import check_reader
from migrations.importer.table import LeadsTable
from migrations.preview.dry_run import count_all
from migrations.preview.figures import Preview
from migrations.preview.imported import find_imported, receipts_by_id
from migrations.preview.rehearsal import Rehearsal

__all__ = ["read_preview"]


def read_preview(
    connection: Connection, config: Config, options: Options, show: Callable[[Preview], None]
) -> None:
    """Find out what ``alembic upgrade head`` would do, and call ``show``.

    connection: not in a transaction. If an export is refused, ``show`` is called too, then
    ``ExportRefused`` is raised. Raises ``DatabaseRefused`` as an upgrade would, or if the role may
    not read.
    """
    imports = imports_of(config)
    refuse_open_questions()
    refuse_preview_of_real_people(os.environ, imports)
    connection = connection.execution_options(isolation_level="REPEATABLE READ")
    check_reader(connection, [import_.leads for import_ in imports], version_table(config))
    connection.rollback()
    with connection.begin() as transaction:
        try:
            preview, refused = _read(connection, config, options)
        finally:
            transaction.rollback()
    show(preview)
    if refused:
        raise refused from None


def _read(
    connection: Connection, config: Config, options: Options
) -> tuple[Preview, ExportRefused | None]:
    # A role may be read-only by default, but temporary tables must be made.
    connection.execute(text("SET TRANSACTION READ WRITE"))
    history = read_history(connection, config)
    _refuse_faults(history)
    leads = history.imports[-1].leads if history.imports else None
    table = leads.table if leads else ""
    leads_before, receipts = count_all(connection, leads), receipts_by_id(connection)
    people = people_to_import(
        history.due(history.heads),
        history.receipts,
        history.imports,
        is_local=not names_database(config),
    )
    copy_ledger(connection)
    rehearsal = Rehearsal(connection, replace(options, reads=True, people=people))
    refused = _rehearse(rehearsal, config, history)
    imported = find_imported(connection, receipts, _find_copy)
    preview = imported.as_preview(
        connection,
        refused,
        leads_table=table,
        leads_before=leads_before,
        leads_after=leads_before + imported.created_in[table],
        schema=rehearsal.schema,
    )
    return preview, refused


def _refuse_faults(history: History) -> None:
    """Raise ``DatabaseRefused`` if an upgrade would."""
    if wrong := upgrade_faults(history):
        raise DatabaseRefused(str(wrong[0]))


def _rehearse(rehearsal: Rehearsal, config: Config, history: History) -> ExportRefused | None:
    """Run the pending revisions. Stop at a refused export and return its error."""
    script = ScriptDirectory.from_config(config)
    try:
        for step in history.steps_to(history.heads):
            rehearsal.run(script.get_revision(step.revision))
    except ExportRefused as error:
        return error
    return None


def _find_copy(connection: Connection, leads: Leads) -> LeadsTable:
    return as_copy(connection, find_table(connection, leads))
