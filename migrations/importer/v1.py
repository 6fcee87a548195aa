"""The door: what a revision may import, and the procedure in order.

    from alembic import op

    from migrations.importer.v1 import Import, apply, revert

    IMPORT = Import(
        revision=revision,
        export="production_leads_export.json",
        sha256="…",
        records=217,
    )


    def upgrade() -> None:
        apply(IMPORT, op.get_context())


    def downgrade() -> None:
        revert(IMPORT, op.get_context())

Frozen: the same export and the same leads before give the same leads after, for ever. What lies
behind this door may be rewritten as long as that holds; a rule that must change gets a ``v2``.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from migrations.importer import statements as sql
from migrations.importer.audit import create_audit_trigger, drop_audit_function
from migrations.importer.batch import Batch, apply_batch, batches, find_repeats, revert_batch
from migrations.importer.context import Options, RevisionContext, connection_of, options_of
from migrations.importer.errors import DatabaseRefused, ExportRefused, Problem, TryAgain
from migrations.importer.export import Export, open_export
from migrations.importer.ledger import check_receipt, count_leads, get_receipt, start_import
from migrations.importer.phone_index import create_phone_key, drop_phone_key
from migrations.importer.progress import Progress, log
from migrations.importer.session import Script, Server, Session
from migrations.importer.tables import Table, create_tables, drop_tables

__all__ = [
    "Import",
    "Options",
    "Table",
    "apply",
    "create_audit_trigger",
    "create_phone_key",
    "create_tables",
    "drop_audit_function",
    "drop_phone_key",
    "drop_tables",
    "revert",
]

DATA = Path(__file__).parents[2] / "data"

ATTEMPTS = 8
"""Of a batch that the site is in the way of; with the waits between them about a minute."""


@dataclass(frozen=True)
class Import:
    """What one revision imports: frozen values, never computed.

    revision: the revision's id; export: a file's name under ``data/``; sha256: of its bytes, in
    hex; records: how many it holds.
    """

    revision: str
    export: str
    sha256: str
    records: int

    def open(self) -> AbstractContextManager[Export]:
        """The export, checked against what is pinned. Raises ``ExportRefused``."""
        if Path(self.export).name != self.export:
            raise ExportRefused(self.export, [Problem(0, "", "is not the name of a file under data/")])
        return open_export(DATA / self.export, self.sha256, self.records)


def apply(import_: Import, context: RevisionContext) -> None:
    """Import an export, or go on where an earlier run stopped.

    Raises ``ImportStopped``; the batches that are in stay in.
    """
    with import_.open() as export:
        if context.as_sql:
            _write_script(import_, export, context)
            return
        with _session(context) as session:
            connection = connection_of(context)
            last_of = _compare_phones(session, export)
            leads_before = count_leads(connection)
            _start(session, import_, context)
            receipt = get_receipt(connection, import_.revision)
            check_receipt(receipt, import_.sha256, import_.records)
            if receipt.next_record:
                log.info("%s: resumed at record %d of %d", export.name, receipt.next_record + 1, export.count)
            _in_batches(apply_batch, session, import_, export, receipt.next_record, last_of, options_of(context))
            receipt = get_receipt(connection, import_.revision)
            log.info("%s Leads: %d before, %d after.", receipt, leads_before, count_leads(connection))


def revert(import_: Import, context: RevisionContext) -> None:
    """Take an import back, column by column, where a lead still holds what the import wrote.

    Leads that it created stay. Raises ``ImportStopped``; the batches that are reverted stay so.
    """
    if context.as_sql:
        raise DatabaseRefused("A downgrade of an import depends on the leads: it cannot be a script. Run it online.")
    with import_.open() as export, _session(context) as session:
        receipt = get_receipt(connection_of(context), import_.revision)
        check_receipt(receipt, import_.sha256, import_.records)
        last_of = _compare_phones(session, export)
        _in_batches(revert_batch, session, import_, export, receipt.revert_next_record, last_of, options_of(context))
        receipt = get_receipt(connection_of(context), import_.revision, id=receipt.id)
        log.info(
            "%s: reverted. Of %d updated leads %d were restored; %d keep what people have edited since. "
            "The %d leads that it created stay.",
            *(export.name, receipt.updated, receipt.restored, receipt.kept, receipt.created),
        )


def _in_batches(
    work: Callable[[Session, Batch, str], None],
    session: Session,
    import_: Import,
    export: Export,
    start: int,
    last_of: dict[int, int],
    options: Options,
) -> None:
    progress = Progress(export.name, export.count)
    for batch in batches(export, options.batch_size, start, last_of):
        for attempt in _until_the_site_lets_us():
            with attempt:
                work(session, batch, import_.revision)
        progress.done(batch.next)


def _until_the_site_lets_us() -> Retrying:
    """Attempts at one batch, with growing pauses of random length. A lost connection is not ours to mend."""
    return Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, TryAgain) and not error.lost),
        wait=wait_random_exponential(multiplier=0.1, max=15),
        stop=stop_after_attempt(ATTEMPTS),
        reraise=True,
    )


@contextmanager
def _session(context: RevisionContext) -> Iterator[Server]:
    dry_run = options_of(context).dry_run
    with nullcontext() if dry_run else context.autocommit_block():
        session = Server(connection_of(context), one_transaction=dry_run)
        for table in sql.TEMPORARY_TABLES:
            session.execute(table)
        yield session


def _compare_phones(session: Session, export: Export) -> dict[int, int]:
    last_of, without_key = find_repeats(session, export)
    if without_key:
        problems = [Problem(position + 1, "phone", "is not one phone number") for position in without_key]
        raise ExportRefused(export.name, problems)
    return last_of


def _start(session: Session, import_: Import, context: RevisionContext) -> None:
    options = options_of(context)
    start_import(
        session,
        import_.revision,
        import_.export,
        import_.sha256,
        import_.records,
        ran_by=options.ran_by,
        release=options.release,
    )


def _write_script(import_: Import, export: Export, context: RevisionContext) -> None:
    """The import as one batch of a script that psql can run."""
    assert context.output_buffer is not None
    context.output_buffer.write("-- This script holds personal data: keep it as carefully as the database.\n")
    script = Script(context.output_buffer)
    for table in sql.TEMPORARY_TABLES:
        script.execute(table)
    _start(script, import_, context)
    apply_batch(script, Batch(0, export.count, list(export.records()), repeats=True), import_.revision)
