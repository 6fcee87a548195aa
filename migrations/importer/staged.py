"""Bring an export to the server, so that batches can be made of it."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from migrations.importer.context import RevisionContext, connection_of, options_of
from migrations.importer.copies import as_copy, copy_leads, create_copy
from migrations.importer.pinned import Import
from migrations.importer.schema.catalog import hidden_schemas
from migrations.importer.schema.leads import find_table
from migrations.importer.schema.phone_key import ensure_index
from migrations.importer.schema.preflight import check_import, check_revert, refuse
from migrations.importer.schema.since import find_table_since
from migrations.importer.session import Server
from migrations.importer.sql import statement
from migrations.importer.staging import Records, convert, create_stage, drop_stage, stage_export
from migrations.importer.table import LeadsTable

__all__ = ["staged"]


@contextmanager
def staged(
    import_: Import, source: Records, context: RevisionContext, *, is_revert: bool
) -> Iterator[tuple[Server, LeadsTable]]:
    """Bring the export to the server, check it and convert it for the table as it is there."""
    connection, options = connection_of(context), options_of(context)
    with nullcontext() if options.keeps_nothing else context.autocommit_block():
        session = Server(
            connection,
            one_transaction=options.keeps_nothing,
            statement_timeout=options.statement_timeout,
        )
        table = _checked(import_, context, session, is_revert=is_revert)
        with session.transaction("preparing the import"):
            drop_stage(session)
            create_stage(session, table)
            session.execute(statement("create_proof"))
            if not is_revert:
                session.execute(statement("apply_batch", table=table))
        with session.read_only() if options.reads else nullcontext():
            stage_export(session, table, source, options.why_stop)
            convert(session, table)
            if options.reads:
                copy_leads(session, table)
            yield session, table
        drop_stage(session)


def _checked(
    import_: Import, context: RevisionContext, session: Server, *, is_revert: bool
) -> LeadsTable:
    """Find the table and make sure of all the work needs. A preview gets a copy of it."""
    connection, options = connection_of(context), options_of(context)
    refuse(hidden_schemas(connection, import_.leads.tables))
    if is_revert:
        table = find_table_since(connection, import_.leads, keeps_blanks=import_.keeps_blanks)
        check_revert(connection, table, import_.revision)
        return table
    table = find_table(connection, import_.leads, keeps_blanks=import_.keeps_blanks)
    if options.reads:
        table = as_copy(connection, table)
    check_import(connection, table, options.rights)
    ensure_index(context, table)
    if options.reads:
        create_copy(session, table)
    return table
