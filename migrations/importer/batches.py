"""A batch: some records of an export that reach the database together, or not at all.

Each is one transaction and one call, in an order of which every other loses somebody's edit: move
the checkpoint, find the leads that are there, add the missing ones, lock those that will change and
keep their before-images, update them, write the ledger, and make sure that nothing else was
written.
"""

from typing import NamedTuple

from migrations.importer.session import Session
from migrations.importer.sql import apply as sql
from migrations.importer.sql import revert as back

__all__ = ["Batch", "apply_batch", "revert_batch"]


class Batch(NamedTuple):
    """The staged records from position ``here`` up to, not including, ``next``."""

    here: int
    next: int

    def halves(self) -> "tuple[Batch, Batch]":
        """The same records in two batches."""
        middle = (self.here + self.next) // 2
        return Batch(self.here, middle), Batch(middle, self.next)

    def __str__(self) -> str:
        if self.next - self.here == 1:
            return f"record {self.next}"
        return f"records {self.here + 1} to {self.next}"


def apply_batch(session: Session, batch: Batch, revision: str) -> None:
    """Bring one batch into the database. Raises ``TryAgain`` where the site was in the way."""
    with session.batch(str(batch)):
        session.execute(sql.APPLY_BATCH, revision=revision, here=batch.here, next=batch.next)


def revert_batch(
    session: Session, batch: Batch, revision: str, *, records: int, remove_created: bool = False
) -> None:
    """Take one batch back: ``apply_batch``'s inverse, as far as nobody has edited since.

    batch: positions from the end of the export's ``records`` on, which is taken back from its last
    to its first. remove_created: whether leads that it added go again. Raises ``TryAgain`` where
    the site was in the way.
    """
    with session.batch(f"reverting {Batch(records - batch.next, records - batch.here)}"):
        session.execute(
            back.REVERT_BATCH,
            revision=revision,
            here=batch.here,
            next=batch.next,
            remove_created=remove_created,
        )
