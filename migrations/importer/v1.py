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
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection

from migrations.importer.batches import Batch, apply_batch, revert_batch
from migrations.importer.context import Options, People, RevisionContext, connection_of, options_of
from migrations.importer.errors import (
    DatabaseFailed,
    DatabaseRefused,
    ExportRefused,
    Problem,
    Stopped,
    TooManyAtOnce,
)
from migrations.importer.export.reading import Export, find_export, open_export
from migrations.importer.ledger import (
    check_not_half_reverted,
    check_receipt,
    check_same_way_back,
    find_receipt,
    find_reverted,
    get_receipt,
    start_import,
    tell_leads,
)
from migrations.importer.pace import Pace
from migrations.importer.progress import Progress, log
from migrations.importer.retries import sleep_unless, until_the_site_lets_us
from migrations.importer.schema.audit import create_audit_trigger, drop_audit_trail
from migrations.importer.schema.fitting import check_fit
from migrations.importer.schema.phone_key import create_phone_key, drop_phone_key
from migrations.importer.schema.preflight import check_removal, check_tables
from migrations.importer.schema.tables import Table, create_tables, drop_tables
from migrations.importer.session import Script, Server, Session
from migrations.importer.sql import apply as sql
from migrations.importer.sql import revert as back
from migrations.importer.staging import copy_export, fold_repeats, stage_export

__all__ = [
    "Import",
    "Options",
    "People",
    "Table",
    "apply",
    "create_audit_trigger",
    "create_phone_key",
    "create_tables",
    "drop_audit_trail",
    "drop_phone_key",
    "drop_tables",
    "revert",
    "twin_name",
]

DATA = Path(__file__).parents[2] / "data"


@dataclass(frozen=True)
class Import:
    """What one revision imports: frozen values, never computed.

    revision: the revision's id; export: a file's name under ``data/``; sha256: of its bytes, in
    hex; records: how many it holds.
    rejected: a record with a problem stops the import before its first write, or is set aside: it
    is kept in ``lead_import_rejects`` by position, field and reason, and the others are imported.
    blanks: an empty field of a record keeps the lead's value, or clears it.
    masked: the sha256 of its twin, the same export with invented people; None if it has none. The
    same as ``sha256`` says that the people in the export are invented already.
    """

    revision: str
    export: str
    sha256: str
    records: int
    rejected: Literal["stop", "set aside"] = "stop"
    blanks: Literal["keep", "clear"] = "keep"
    masked: str | None = None

    @property
    def twin(self) -> "Import | None":
        """The same import with invented people; None if there is none."""
        if self.masked in (None, self.sha256):
            return self if self.masked else None
        return replace(self, export=twin_name(self.export), sha256=self.masked)

    def of(self, people: People) -> "Import":
        """This import, or its twin. Raises ``ExportRefused`` if it has none."""
        if people == "real":
            return self
        if self.twin is None:
            raise ExportRefused(self.export, [Problem(0, "", "has no twin with invented people")])
        return self.twin

    def as_imported(self, sha256: str) -> "Import":
        """This import, or its twin if that is the one of this digest."""
        return self.twin if self.twin and self.masked == sha256 else self

    def open(self) -> AbstractContextManager[Export]:
        """The export, to be checked against what is pinned. Raises ``ExportRefused``."""
        if Path(self.export).name != self.export:
            raise ExportRefused(
                self.export, [Problem(0, "", "is not the name of a file under data/")]
            )
        set_aside = self.rejected == "set aside"
        path = find_export(DATA, self.export)
        return open_export(path, self.sha256, self.records, set_aside=set_aside)


def twin_name(export: str) -> str:
    """The file name of an export's twin: ``october.masked.json``."""
    return f"{Path(export).stem}.masked.json"


def apply(import_: Import, context: RevisionContext) -> None:
    """Import an export, or go on where an earlier run stopped.

    Raises ``ImportStopped``; the batches that are in stay in.
    """
    import_ = import_.of(options_of(context).people)
    with import_.open() as export:
        if context.as_sql:
            _write_script(import_, export, context)
            return
        with _run(import_, export, context) as run:
            run.stage()
            receipt = find_receipt(run.connection, import_.revision)
            check_fit(run.session, export.name, receipt.next_record if receipt else 0)
            fold_repeats(run.session)
            leads_before = tell_leads(run.connection)
            start_import(run.session, **_ledger_row(import_, context))
            receipt = get_receipt(run.connection, import_.revision)
            check_receipt(receipt, import_.sha256, import_.records)
            check_not_half_reverted(receipt)
            run.session.execute(sql.CREATE_APPLY_BATCH)
            run.in_batches(apply_batch, receipt.next_record)
            receipt = get_receipt(run.connection, import_.revision)
            log.info(
                "%s Leads: %s before, %s after.", receipt, leads_before, tell_leads(run.connection)
            )


def revert(import_: Import, context: RevisionContext) -> None:
    """Take an import back, column by column, where a lead still holds what the import wrote.

    Leads that it created stay, unless the options say ``remove_created``: then those go that nobody
    has touched or referenced since. An import that has not come to its end is taken back as far as
    it has come. Raises ``ImportStopped``; the batches that are reverted stay so.
    """
    if context.as_sql:
        raise DatabaseRefused(
            "The downgrade of an import depends on the leads: it cannot be a script. Run it "
            "without --sql."
        )
    import_ = _as_imported(import_, connection_of(context))
    with import_.open() as export, _run(import_, export, context) as run:
        run.stage()
        reverted = find_reverted(run.connection, import_.revision)
        if reverted and not find_receipt(run.connection, import_.revision):
            # Cut off between its last batch and Alembic's stamp.
            log.info("%s", reverted.way_back)
            return
        fold_repeats(run.session)
        receipt = get_receipt(run.connection, import_.revision)
        check_receipt(receipt, import_.sha256, import_.records)
        remove_created = run.options.remove_created
        check_same_way_back(receipt, remove_created)
        for statement in (
            back.DROP_TEMPORARY_TABLES,
            *back.TEMPORARY_TABLES,
            back.CREATE_REVERT_BATCH,
        ):
            run.session.execute(statement)
        if remove_created:
            check_removal(run.connection)
            run.session.execute(back.FIND_MADE, revision=import_.revision)
        run.in_batches(
            partial(revert_batch, records=import_.records, remove_created=remove_created),
            receipt.revert_next_record,
            "taken back; run the same command again to go on",
        )
        log.info("%s", get_receipt(run.connection, import_.revision, id=receipt.id).way_back)
        run.session.execute(back.DROP_TEMPORARY_TABLES)


def _as_imported(import_: Import, connection: Connection) -> Import:
    """The import with the people whom the database has, whatever the environment says by now."""
    receipt = find_receipt(connection, import_.revision)
    receipt = receipt or find_reverted(connection, import_.revision)
    return import_.as_imported(receipt.sha256) if receipt else import_


class _Run:
    """One run of an import, or of its way back, on a server."""

    def __init__(self, import_: Import, export: Export, context: RevisionContext) -> None:
        self.options = options_of(context)
        self.connection = connection_of(context)
        self.session = Server(
            self.connection,
            one_transaction=self.options.dry_run,
            statement_timeout=self.options.statement_timeout,
        )
        self.pace = Pace(self.options.batch_size, self.options.pause)
        self.import_ = import_
        self.export = export

    def stage(self) -> None:
        """Check the export, and have it on the server."""
        for statement in (sql.DROP_TEMPORARY_TABLES, *sql.TEMPORARY_TABLES):
            self.session.execute(statement)
        stage_export(
            self.session,
            self.export,
            self.options.why_stop,
            blanks_clear=self.import_.blanks == "clear",
        )

    def in_batches(
        self,
        work: Callable[[Session, Batch, str], None],
        start: int,
        how_far: str = "saved; deploy again to continue",
    ) -> None:
        """Do the ``work`` batch by batch, from the checkpoint ``start`` on.

        how_far: what is said of the records before the checkpoint where it stops between two
        batches.
        """
        if 0 < start < self.export.count:
            log.info(
                "%s: resumed at record %d of %d", self.export.name, start + 1, self.export.count
            )
        here, done = start, 0
        with Progress(self.export.name, "records") as progress:
            while here < self.export.count:
                if done.bit_count() == 1:  # 1, 2, 4, 8, …
                    self.session.execute(sql.PLAN_ANEW)
                batch = Batch(here, min(here + self.pace.batch_size, self.export.count))
                self._whole_or_in_halves(work, batch, how_far)
                here, done = batch.next, done + 1
                progress.at(here, self.export.count, self.pace.note)
                if (
                    here < self.export.count and not self.options.dry_run
                ):  # which holds its locks all the while
                    sleep_unless(self.options.why_stop, self.pace.rest)

    def _whole_or_in_halves(
        self, work: Callable[[Session, Batch, str], None], batch: Batch, how_far: str
    ) -> None:
        try:
            for attempt in until_the_site_lets_us(self.options.why_stop):
                with attempt:
                    self._stop_if_asked(batch, how_far)
                    work(self.session, batch, self.import_.revision)
                    self.pace.after(batch.next - batch.here, self.session.took)
        except TooManyAtOnce as error:
            if batch.next - batch.here == 1:
                raise DatabaseFailed(
                    f"{error} It is one record alone, so fewer at a time will not do: see what "
                    f"the server is busy "
                    "with. What was committed stays; run again to continue.",
                    error.sqlstate,
                ) from None
            log.info("%s In two halves, then.", error)
            for half in batch.halves():
                self._whole_or_in_halves(work, half, how_far)

    def _stop_if_asked(self, batch: Batch, how_far: str) -> None:
        if reason := self.options.why_stop():
            how_far = (
                "gone through, and a dry run keeps nothing" if self.options.dry_run else how_far
            )
            raise Stopped(
                f"{self.export.name}: stopped, for {reason}. {batch.here} of {self.export.count} "
                f"records are {how_far}."
            )


@contextmanager
def _run(import_: Import, export: Export, context: RevisionContext) -> Iterator[_Run]:
    with nullcontext() if options_of(context).dry_run else context.autocommit_block():
        run = _Run(import_, export, context)
        check_tables(run.connection)
        yield run
        run.session.execute(sql.DROP_TEMPORARY_TABLES)


def _ledger_row(import_: Import, context: RevisionContext) -> dict[str, Any]:
    options = options_of(context)
    row = {name: getattr(import_, name) for name in ("revision", "export", "sha256", "records")}
    return row | {"ran_by": options.ran_by, "release": options.release}


def _write_script(import_: Import, export: Export, context: RevisionContext) -> None:
    """The import as part of a script that psql can run."""
    export.check()  # before a line of it is written
    context.output_buffer.write(
        "-- This script holds personal data: keep it as carefully as the database.\n"
    )
    script = Script(context.output_buffer)
    for statement in (
        "SET client_encoding = 'UTF8'",
        *sql.TEMPORARY_TABLES,
        sql.CREATE_APPLY_BATCH,
    ):
        script.execute(statement)
    copy_export(script, export, blanks_clear=import_.blanks == "clear")
    fold_repeats(script)
    start_import(script, **_ledger_row(import_, context))
    size = options_of(context).batch_size
    for here in range(0, export.count, size):
        apply_batch(script, Batch(here, min(here + size, export.count)), import_.revision)
    script.execute(sql.DROP_TEMPORARY_TABLES)
