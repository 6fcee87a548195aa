"""The door: everything a revision may import, and the procedure in order.

    from alembic import op

    from migrations.crm import LEADS
    from migrations.importer.v1 import Import, apply, revert

    IMPORT = Import(
        revision=revision,
        export="production_leads_export.json",
        sha256="…",
        records=217,
        leads=LEADS,
    )


    def upgrade() -> None:
        apply(IMPORT, op.get_context())


    def downgrade() -> None:
        revert(IMPORT, op.get_context())

Frozen: the same export and the same leads before give the same leads after, for ever. As long as
this holds, you may rewrite everything behind the door. A rule that must change gets a ``v2``. Only
people erased on request (``erased.py``) stay away from then on.
"""

from functools import partial

from sqlalchemy import Connection

from migrations.importer.batches import Batches, apply_batch, preview_batch, revert_batch
from migrations.importer.context import Options, People, RevisionContext, connection_of, options_of
from migrations.importer.declaration import (
    E164,
    Boolean,
    Date,
    Integer,
    Leads,
    Lookup,
    New,
    Numeric,
    Text,
    Timestamp,
    Values,
)
from migrations.importer.errors import DatabaseRefused
from migrations.importer.ledger import (
    check_not_half_reverted,
    check_receipt,
    check_same_revert,
    find_receipt,
    find_reverted,
    get_receipt,
    read_again,
    start_import,
)
from migrations.importer.misfits import find_misfits
from migrations.importer.pinned import Import, invented_in_words, without_erased
from migrations.importer.progress import log
from migrations.importer.reverting import create_revert, drop_revert
from migrations.importer.schema.audit import create_audit_trigger, drop_audit_trail
from migrations.importer.schema.crm import create_crm
from migrations.importer.schema.leads import count_leads_in_words
from migrations.importer.schema.phone_key import create_phone_key, drop_phone_key
from migrations.importer.schema.preflight import check_numbers, check_removal, tell_triggers
from migrations.importer.schema.tables import Table, create_tables, drop_tables
from migrations.importer.scripting import write_script
from migrations.importer.sql import statement
from migrations.importer.staged import staged
from migrations.importer.staging import (
    fold_repeats,
    keep_written,
    leave_out_rejected_before,
    refuse_rejected,
)

__all__ = [
    "E164",
    "Boolean",
    "Date",
    "Import",
    "Integer",
    "Leads",
    "Lookup",
    "New",
    "Numeric",
    "Options",
    "People",
    "Table",
    "Text",
    "Timestamp",
    "Values",
    "apply",
    "create_audit_trigger",
    "create_crm",
    "create_phone_key",
    "create_tables",
    "drop_audit_trail",
    "drop_phone_key",
    "drop_tables",
    "revert",
]


def apply(import_: Import, context: RevisionContext) -> None:
    """Import an export, or go on where an earlier run stopped.

    Raises ``ImportStopped``. Committed batches stay.
    """
    people = options_of(context).people
    import_ = import_.of(people)
    with import_.open() as export:
        source = without_erased(export, people)
        if context.as_sql:
            write_script(import_, export, source, context)
            return
        with staged(import_, source, context, is_revert=False) as (session, table):
            connection, options = connection_of(context), options_of(context)
            receipt = find_receipt(connection, import_.revision)
            start = receipt.next_record if receipt else 0
            find_misfits(session, table, start)
            refuse_rejected(session, export.name, set_aside=import_.sets_aside)
            if receipt:
                leave_out_rejected_before(session, receipt.id)
            fold_repeats(session, table)
            check_numbers(connection, table, start)
            tell_triggers(connection, table)
            leads_before = count_leads_in_words(connection, table.leads)
            start_import(session, import_.pinned, options)
            receipt = get_receipt(connection, import_.revision)
            check_receipt(receipt, import_.pinned)
            check_not_half_reverted(receipt)
            batches = Batches(
                session,
                export,
                import_.revision,
                options,
                saved="saved; deploy again to continue",
            )
            batches.run(preview_batch if options.reads else apply_batch, receipt.next_record)
            if not options.keeps_nothing:
                before = "" if receipt.next_record else f"{leads_before} before, "
                log.info(
                    "%s Leads: %s%s after.%s",
                    read_again(connection, receipt),
                    before,
                    count_leads_in_words(connection, table.leads),
                    invented_in_words(import_.records) if import_.is_invented else "",
                )


def revert(import_: Import, context: RevisionContext) -> None:
    """Revert an import, column by column, where a lead still holds what the import wrote.

    Created leads stay. With the option ``remove_created`` they go, unless somebody has touched or
    referenced them since. An unfinished import is reverted as far as it came. Raises
    ``ImportStopped``. Reverted batches stay reverted.
    """
    if context.as_sql:
        raise DatabaseRefused(
            "The downgrade of an import depends on the leads: it cannot be a script. "
            "Run it without --sql."
        )
    import_ = _as_imported(import_, connection_of(context))
    with (
        import_.open() as export,
        staged(import_, export, context, is_revert=True) as (session, table),
    ):
        connection, options = connection_of(context), options_of(context)
        reverted = find_reverted(connection, import_.revision)
        if reverted and not find_receipt(connection, import_.revision):
            # Cut off between its last batch and Alembic's stamp.
            log.info("%s", reverted.reverted_in_words)
            return
        receipt = get_receipt(connection, import_.revision)
        check_receipt(receipt, import_.pinned)
        keep_written(session, receipt.id)
        fold_repeats(session, table)
        check_same_revert(receipt, options.remove_created)
        create_revert(session, table)
        if table.missing:
            log.warning(
                "%s: %s no longer has %s as declared. The rest is reverted.",
                export.name,
                import_.leads.table,
                ", ".join(table.missing),
            )
        if options.remove_created:
            check_removal(connection, table)
            session.execute(statement("find_made"), revision=import_.revision)
        batches = Batches(
            session,
            export,
            import_.revision,
            options,
            saved="reverted; run the same command again to continue",
        )
        batches.run(
            partial(revert_batch, records=import_.records, remove_created=options.remove_created),
            receipt.revert_next_record,
        )
        log.info("%s", read_again(connection, receipt).reverted_in_words)
        if not options.dry_run:
            log.info(
                "The next 'alembic upgrade head' imports %s again. To revert it for good: "
                "docs/when-it-fails.md.",
                export.name,
            )
        drop_revert(session)


def _as_imported(import_: Import, connection: Connection) -> Import:
    """Choose the import whose people the database has, whatever the environment says by now."""
    receipt = find_receipt(connection, import_.revision)
    receipt = receipt or find_reverted(connection, import_.revision)
    return import_.as_imported(receipt.sha256) if receipt else import_
