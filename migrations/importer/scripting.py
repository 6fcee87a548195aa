"""Write an import as part of a script for psql: the statements of a run, values by COPY."""

from migrations.importer.batches import Batch, apply_batch
from migrations.importer.context import RevisionContext, options_of
from migrations.importer.erased import REASON as ERASED_REASON
from migrations.importer.export.reading import Export
from migrations.importer.ledger import start_import
from migrations.importer.pinned import Import
from migrations.importer.schema.leads import table_for_script
from migrations.importer.schema.phone_key import write_index
from migrations.importer.session import DEPLOY_LOCK, SPELLINGS, Script
from migrations.importer.sql import statement
from migrations.importer.staging import (
    Records,
    convert,
    copy_export,
    create_stage,
    drop_stage,
    fold_repeats,
    leave_out_rejected,
)

__all__ = ["write_script"]


def write_script(
    import_: Import, export: Export, source: Records, context: RevisionContext
) -> None:
    """Write the import as part of a script for psql."""
    export.check()  # before a line of it is written
    options = options_of(context)
    table = table_for_script(options, import_.leads, keeps_blanks=import_.keeps_blanks)
    write_index(context, table)
    script = Script(context.output_buffer)
    script.execute("SET client_encoding = 'UTF8'")
    for name, value in SPELLINGS.items():
        script.execute(f"SET {name} = '{value}'")
    script.execute(f"SELECT pg_advisory_xact_lock({DEPLOY_LOCK})")
    create_stage(script, table)
    script.execute(statement("create_proof"))
    script.execute(statement("apply_batch", table=table))
    copy_export(script, table, source)
    convert(script, table)
    if not import_.sets_aside:
        script.execute(statement("refuse_rejected", erased=ERASED_REASON))
    leave_out_rejected(script)
    fold_repeats(script, table)
    start_import(script, import_.pinned, options)
    for first in range(0, export.count, options.batch_size):
        batch = Batch(first, min(first + options.batch_size, export.count))
        apply_batch(script, batch, import_.revision)
    drop_stage(script)
