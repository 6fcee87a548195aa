"""Batches: some records of an export reach the database together, or not at all.

Each is one transaction and one call. Any other order would lose somebody's edit: move the
checkpoint, find existing leads, add the missing ones, lock those about to change and keep their
before-images, update them, write the ledger, and make sure nothing else was written.
"""

from collections.abc import Callable
from typing import NamedTuple

from migrations.importer.context import Options
from migrations.importer.errors import DatabaseFailed, Stopped, TooManyAtOnce, TryAgain
from migrations.importer.export.reading import Export
from migrations.importer.pace import Pace
from migrations.importer.progress import Progress, log
from migrations.importer.retries import BATCH_ATTEMPTS, sleep_unless, until_the_site_lets_us
from migrations.importer.session import Server, Session
from migrations.importer.sql import statement

__all__ = ["Batch", "Batches", "apply_batch", "preview_batch", "revert_batch"]


class Batch(NamedTuple):
    """The staged records from position ``first`` up to, not including, ``end``."""

    first: int
    end: int

    @property
    def size(self) -> int:
        """How many records it has."""
        return self.end - self.first

    def halves(self) -> "tuple[Batch, Batch]":
        """Return the same records in two batches."""
        middle = (self.first + self.end) // 2
        return Batch(self.first, middle), Batch(middle, self.end)

    def __str__(self) -> str:
        if self.size == 1:
            return f"record {self.end:,}"
        return f"records {self.first + 1:,} to {self.end:,}"


def apply_batch(session: Session, batch: Batch, revision: str) -> None:
    """Bring one batch into the database. Raises ``TryAgain`` if the site was in the way."""
    with session.batch(str(batch)):
        session.execute(
            statement("call_apply_batch"), revision=revision, first=batch.first, end=batch.end
        )


def preview_batch(session: Session, batch: Batch, revision: str) -> None:
    """Bring one batch into copies. DELETE, because a read-only transaction may not TRUNCATE."""
    session.execute("DELETE FROM lead_import_place")
    apply_batch(session, batch, revision)


def revert_batch(
    session: Session, batch: Batch, revision: str, *, records: int, remove_created: bool = False
) -> None:
    """Revert one batch, as far as nobody has edited since: ``apply_batch``'s inverse.

    batch: positions counted from the end of the export's ``records``, because a revert goes from
    the last record to the first. remove_created: whether created leads go again. Raises
    ``TryAgain`` if the site was in the way.
    """
    with session.batch(f"reverting {Batch(records - batch.end, records - batch.first)}"):
        session.execute(
            statement("call_revert_batch"),
            revision=revision,
            first=batch.first,
            end=batch.end,
            remove_created=remove_created,
        )


Work = Callable[[Session, Batch, str], None]
"""Apply or revert one batch of a revision's import."""


class Batches:
    """The batches of one export, one after the other.

    saved: what a message says of the records before the checkpoint if it stops between two batches.
    """

    def __init__(
        self, session: Server, export: Export, revision: str, options: Options, *, saved: str
    ) -> None:
        self._session = session
        self._export = export
        self._revision = revision
        self._options = options
        self._saved = "checked; a dry run saves nothing" if options.dry_run else saved
        self._pace = Pace(options.batch_size, options.pause)

    def run(self, work: Work, checkpoint: int) -> None:
        """Do the work batch by batch, from the checkpoint on. Raises ``ImportStopped``."""
        if 0 < checkpoint < self._export.count:
            log.info(
                "%s: resumed at record %s of %s",
                self._export.name,
                f"{checkpoint + 1:,}",
                f"{self._export.count:,}",
            )
        first, done, plan_anew_at = checkpoint, 0, 1
        with Progress(self._export.name, "records") as progress:
            while first < self._export.count:
                if done == plan_anew_at:
                    self._session.execute(statement("plan_anew"))
                    plan_anew_at *= 2
                batch = Batch(first, min(first + self._pace.batch_size, self._export.count))
                self._whole_or_in_halves(work, batch)
                first, done = batch.end, done + 1
                progress.at(first, self._export.count, self._pace.note)
                if first < self._export.count and not self._options.keeps_nothing:
                    # No rest in a single transaction: it would hold its locks even longer.
                    sleep_unless(self._options.why_stop, self._pace.rest)

    def _whole_or_in_halves(self, work: Work, batch: Batch, *, again: bool = False) -> None:
        try:
            for attempt in until_the_site_lets_us(self._options.why_stop):
                with attempt:
                    self._stop_if_asked(batch)
                    work(self._session, batch, self._revision)
                    if not self._options.keeps_nothing:
                        self._pace.after(batch.size, self._session.took)
        except TryAgain as error:
            if error.lost:
                raise
            # Not TryAgain, or the whole run would try again.
            told = f"{error} It was tried {BATCH_ATTEMPTS} times."
            raise DatabaseFailed(told, error.sqlstate) from None
        except TooManyAtOnce as error:
            if error.look_again and not again:
                self._whole_or_in_halves(work, batch, again=True)
                return
            if batch.size == 1:
                raise DatabaseFailed(f"{error} {error.alone}", error.sqlstate) from None
            log.info("%s Trying in two halves.", error)
            for half in batch.halves():
                self._whole_or_in_halves(work, half)

    def _stop_if_asked(self, batch: Batch) -> None:
        if reason := self._options.why_stop():
            raise Stopped(
                f"{self._export.name}: stopped because {reason}. {batch.first:,} of "
                f"{self._export.count:,} records are {self._saved}."
            )
