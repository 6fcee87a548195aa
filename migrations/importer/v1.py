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

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection

from migrations.importer.batches import (
    Batch,
    Batches,
    apply_batch,
    preview_batch,
    revert_batch,
)
from migrations.importer.context import Options, People, RevisionContext, connection_of, options_of
from migrations.importer.copies import as_copy, copy_leads, create_copy
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
from migrations.importer.erased import REASON as ERASED_REASON
from migrations.importer.erased import WithoutErased, read_erased
from migrations.importer.errors import DatabaseRefused, ExportRefused, Problem
from migrations.importer.export.reading import Export, find_export, open_export
from migrations.importer.ledger import (
    check_not_half_reverted,
    check_receipt,
    check_same_revert,
    find_receipt,
    find_reverted,
    get_receipt,
    start_import,
)
from migrations.importer.misfits import find_misfits
from migrations.importer.progress import log
from migrations.importer.reverting import create_revert, drop_revert
from migrations.importer.schema.audit import create_audit_trigger, drop_audit_trail
from migrations.importer.schema.crm import create_crm
from migrations.importer.schema.leads import count_leads_in_words, find_table, table_for_script
from migrations.importer.schema.phone_key import create_phone_key, drop_phone_key, ensure_index
from migrations.importer.schema.preflight import check_import, check_removal, tell_triggers
from migrations.importer.schema.tables import Table, create_tables, drop_tables
from migrations.importer.session import DEPLOY_LOCK, Script, Server
from migrations.importer.sql import statement
from migrations.importer.staging import (
    Checked,
    convert,
    copy_export,
    create_stage,
    drop_stage,
    fold_repeats,
    keep_written,
    leave_out_rejected,
    leave_out_rejects,
    refuse_rejected,
    stage_export,
)
from migrations.importer.table import LeadsTable

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
    "invented_in_words",
    "revert",
    "twin_name",
]

DATA = Path(__file__).parents[2] / "data"


@dataclass(frozen=True)
class Import:
    """What one revision imports: frozen values, never computed.

    revision: the revision's id. export: a file's name under ``data/``. sha256: of its bytes, in
    hex. records: how many it holds. leads: where leads live.
    rejected: a record with a problem stops the import before its first write, or is set aside. Then
    ``lead_import_rejects`` keeps its position, field and reason, and the others are imported.
    blanks: an empty field of a record keeps the lead's value, or clears it.
    masked: the sha256 of its twin, the same export with invented people. None if it has no twin,
    ``sha256`` again if its own people are invented.
    """

    revision: str
    export: str
    sha256: str
    records: int
    leads: Leads
    rejected: Literal["stop", "set aside"] = "stop"
    blanks: Literal["keep", "clear"] = "keep"
    masked: str | None = None

    @property
    def twin(self) -> "Import | None":
        """The same import with invented people. None if there is none."""
        if self.masked in (None, self.sha256):
            return self if self.masked else None
        return replace(self, export=twin_name(self.export), sha256=self.masked)

    def of(self, people: People) -> "Import":
        """Choose this import or its twin. Raises ``ExportRefused`` if it has none."""
        if people == "real":
            return self
        if self.twin is None:
            raise ExportRefused(self.export, [Problem(0, "", "has no twin with invented people")])
        return self.twin

    def as_imported(self, sha256: str) -> "Import":
        """Choose the twin if it has this digest, otherwise this import."""
        return self.twin if self.twin and self.masked == sha256 else self

    @property
    def is_invented(self) -> bool:
        """Whether the people in it are known to be invented."""
        return self.masked == self.sha256

    @property
    def keeps_blanks(self) -> bool:
        """Whether a blank keeps the lead's value."""
        return self.blanks == "keep"

    @property
    def sets_aside(self) -> bool:
        """Whether records with problems are left out instead of stopping the import."""
        return self.rejected == "set aside"

    @property
    def policies(self) -> str:
        """Both policies as the ledger keeps them."""
        return f"rejected={self.rejected}, blanks={self.blanks}"

    @property
    def pinned(self) -> dict[str, object]:
        """What the ledger keeps of it. None of it may change until the import is reverted."""
        return {
            "revision": self.revision,
            "export": self.export,
            "sha256": self.sha256,
            "records": self.records,
            "declaration": self.leads.as_json(),
            "policies": self.policies,
        }

    def open(self) -> AbstractContextManager[Export]:
        """Open the export, to be checked against the pins. Raises ``ExportRefused``."""
        if Path(self.export).name != self.export:
            raise ExportRefused(
                self.export, [Problem(0, "", "is not the name of a file under data/")]
            )
        return open_export(
            find_export(DATA, self.export),
            self.sha256,
            self.records,
            set_aside=self.sets_aside,
            fields=self.leads.fields,
        )


def twin_name(export: str) -> str:
    """Return the file name of an export's twin: ``october.masked.json``."""
    return f"{Path(export).stem}.masked.json"


def invented_in_words(records: int) -> str:
    """Say how many of an export's leads are invented, at the end of a line about it."""
    return f" Its {records:,} leads are invented: where people must be real, set LEADS_PEOPLE=real."


def apply(import_: Import, context: RevisionContext) -> None:
    """Import an export, or go on where an earlier run stopped.

    Raises ``ImportStopped``. Committed batches stay.
    """
    people = options_of(context).people
    import_ = import_.of(people)
    erased = read_erased(DATA) if people == "real" else None
    with import_.open() as export:
        source = WithoutErased(export, erased) if erased else export
        if context.as_sql:
            _write_script(import_, export, source, context)
            return
        with _staged(import_, source, context, is_revert=False) as (session, table):
            connection, options = connection_of(context), options_of(context)
            receipt = find_receipt(connection, import_.revision)
            find_misfits(session, table, receipt.next_record if receipt else 0)
            refuse_rejected(session, export.name, set_aside=import_.sets_aside)
            if receipt:
                leave_out_rejects(session, receipt.id)
            fold_repeats(session, table)
            tell_triggers(connection, table)
            leads_before = count_leads_in_words(connection, table)
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
                log.info(
                    "%s Leads: %s before, %s after.%s",
                    get_receipt(connection, import_.revision),
                    leads_before,
                    count_leads_in_words(connection, table),
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
    with import_.open() as export, _staged(import_, export, context, is_revert=True) as work:
        session, table = work
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
                "%s: %s no longer has %s, so nothing is reverted there",
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
        receipt = get_receipt(connection, import_.revision, id=receipt.id)
        log.info("%s", receipt.reverted_in_words)
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


@contextmanager
def _staged(
    import_: Import, source: Checked, context: RevisionContext, *, is_revert: bool
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
        drop_stage(session)
        create_stage(session, table)
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
    table = find_table(connection, import_.leads, keeps_blanks=import_.keeps_blanks)
    if options.reads:
        table = as_copy(connection, table)
    check_import(connection, table, rights=options.rights, is_revert=is_revert)
    if not is_revert:
        ensure_index(context, table)
    if options.reads:
        create_copy(session, table)
    return table


def _write_script(
    import_: Import, export: Export, source: Checked, context: RevisionContext
) -> None:
    """Write the import as part of a script for psql."""
    export.check()  # before a line of it is written
    options = options_of(context)
    table = table_for_script(options, import_.leads, keeps_blanks=import_.keeps_blanks)
    script = Script(context.output_buffer)
    script.execute("SET client_encoding = 'UTF8'")
    script.execute(f"SELECT pg_advisory_xact_lock({DEPLOY_LOCK})")
    create_stage(script, table)
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
