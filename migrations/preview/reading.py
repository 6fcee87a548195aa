"""What an upgrade would do, found out by reading: a preview that is safe on the live database.

One transaction on one snapshot, rolled back at its end. Everything that has to do with leads or an
export runs READ ONLY, so that Postgres itself lets nothing be written but temporary tables. No lock
is taken but that of any SELECT. It needs SELECT on what an import reads, and TEMPORARY.

The statements are those of an upgrade, on copies (``importer/copies.py``), so the figures and the
verdict of each lead are the same. What a trigger does, only a dry run shows.
"""

import os
from collections.abc import Callable
from dataclasses import replace

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from migrations.deploy.given import names_database
from migrations.deploy.people import people_to_import, refuse_preview_of_real_people
from migrations.history import History, faults, imports_of, read_history, version_table
from migrations.importer.context import Options
from migrations.importer.copies import as_copy, copy_ledger
from migrations.importer.declaration import Leads
from migrations.importer.errors import DatabaseRefused, ExportRefused
from migrations.importer.progress import log
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

    connection: of no transaction yet. An export that is refused has a preview too;
    ``ExportRefused`` is raised after it. Raises ``DatabaseRefused`` as an upgrade would, or if the
    role may not look.
    """
    imports = imports_of(config)
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
    # Temporary tables have to be made, also by a role that reads only if nobody says otherwise.
    connection.execute(text("SET TRANSACTION READ WRITE"))
    history = read_history(connection, config)
    _refuse_faults(history)
    leads = history.imports[-1].leads if history.imports else None
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
    if rehearsal.schema:
        log.info("The schema would get: %s.", ", ".join(rehearsal.schema))
    imported = find_imported(connection, receipts, _find_copy)
    preview = imported.as_preview(
        connection,
        refused,
        leads_table=leads.table if leads else "",
        leads_before=leads_before,
        leads_after=leads_before + imported.created.total,
        schema=rehearsal.schema,
    )
    return preview, refused


def _refuse_faults(history: History) -> None:
    """Raise ``DatabaseRefused`` where an upgrade would."""
    for fault in faults(history):
        if fault.stops_upgrade:
            raise DatabaseRefused(str(fault))


def _rehearse(rehearsal: Rehearsal, config: Config, history: History) -> ExportRefused | None:
    """Run the pending revisions, up to an export that is refused."""
    script = ScriptDirectory.from_config(config)
    try:
        for step in history.steps_to(history.heads):
            rehearsal.run(script.get_revision(step.revision))
    except ExportRefused as error:
        return error
    return None


def _find_copy(connection: Connection, leads: Leads) -> LeadsTable:
    return as_copy(connection, find_table(connection, leads))
