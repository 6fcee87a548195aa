"""A batch: some records of an export that reach the database together, or not at all.

Each is one transaction, in an order of which every other loses somebody's edit: stage the records,
move the checkpoint, find the leads that are there, add the missing ones, lock those that will
change, keep their before-images, update them, write the ledger, and make sure that nothing else was
written.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from migrations.importer import statements as sql
from migrations.importer.export import Export
from migrations.importer.record import Record
from migrations.importer.session import Session

__all__ = ["Batch", "Row", "apply_batch", "batches", "find_repeats", "revert_batch"]

PHONES_AT_A_TIME = 10_000


class Row(NamedTuple):
    """A record to stage. ``last``: the position of the last record of its phone, often its own."""

    last: int
    position: int
    record: Record


@dataclass
class Batch:
    """Records from position ``here`` up to, not including, ``next``.

    rows: those to stage; of several records of one phone all stand in the batch of the last one.
    """

    here: int
    next: int
    rows: list[Row] = field(default_factory=list)

    @property
    def repeats(self) -> bool:
        """Whether there are several records of one phone."""
        return any(row.last != row.position for row in self.rows)

    def halves(self) -> "tuple[Batch, Batch]":
        """The same records in two batches."""
        middle = (self.here + self.next) // 2
        return (
            Batch(self.here, middle, [row for row in self.rows if row.last < middle]),
            Batch(middle, self.next, [row for row in self.rows if row.last >= middle]),
        )

    def __str__(self) -> str:
        if self.next - self.here == 1:
            return f"record {self.next}"
        return f"records {self.here + 1} to {self.next}"


def batches(export: Export, size: int, start: int, last_of: Mapping[int, int]) -> Iterator[Batch]:
    """Cut an export into batches of ``size`` records, from the checkpoint ``start`` on.

    last_of: for a record whose phone comes again, the position of the last one that has it.
    """
    batch = Batch(start, start)
    waiting: dict[int, list[Row]] = {}
    for position, record in export.records():
        last = last_of.get(position, position)
        row = Row(last, position, record)
        if last > position:
            waiting.setdefault(last, []).append(row)
        elif position >= start:
            batch.rows += [*waiting.pop(position, ()), row]
        batch.next = max(start, position + 1)
        if batch.next - batch.here == size:
            yield batch
            batch = Batch(batch.next, batch.next)
    if batch.next > batch.here:
        yield batch


def find_repeats(session: Session, export: Export) -> tuple[dict[int, int], list[int]]:
    """Ask the server which records share a phone, for only the server knows what one phone is.

    Returns ``last_of`` for ``batches``, and the positions of records whose phone has no key.
    """
    last_of: dict[int, int] = {}
    without_key: list[int] = []
    with session.transaction("comparing the export's phones"):
        rows: list[tuple[str, str]] = []
        for position, record in export.records():
            rows.append((str(position), record.phone))
            if len(rows) == PHONES_AT_A_TIME:
                session.copy(sql.PHONES, rows)
                rows.clear()
        session.copy(sql.PHONES, rows)
        for position, last, no_key in session.execute(sql.FIND_REPEATS):
            if no_key:
                without_key.append(position)
            else:
                last_of[position] = last
    return last_of, without_key


def apply_batch(session: Session, batch: Batch, revision: str) -> None:
    """Bring one batch into the database. Raises ``TryAgain`` where the site was in the way."""
    where = {"revision": revision, "here": batch.here, "next": batch.next}
    with session.transaction(str(batch)):
        _begin(session, batch)
        session.expect_one(sql.MOVE_CHECKPOINT, **where)
        session.execute(sql.MATCH)
        session.execute(sql.ADD_LEADS)
        session.execute(sql.LOCK_LEADS)
        session.execute(sql.ASSERT_EVERY_RECORD_HAS_ITS_LEAD)
        session.execute(sql.KEEP_BEFORE_IMAGES, revision=revision)
        for update in sql.UPDATE_LEADS:
            session.execute(update)
        session.execute(sql.RECORD_BATCH, **where)
        session.execute(sql.ASSERT_ONLY_LEADS_WERE_WRITTEN)


def revert_batch(session: Session, batch: Batch, revision: str) -> None:
    """Take one batch back: ``apply_batch``'s inverse, as far as nobody has edited since."""
    where = {"revision": revision, "here": batch.here, "next": batch.next}
    with session.transaction(f"reverting {batch}"):
        _begin(session, batch)
        session.expect_one(sql.MOVE_REVERT_CHECKPOINT, **where)
        session.execute(sql.LOCK_IMPORTED_LEADS, **where)
        session.execute(sql.RESTORE_LEADS, **where)
        session.execute(sql.ASSERT_ONLY_LEADS_WERE_WRITTEN)


def _begin(session: Session, batch: Batch) -> None:
    session.execute(sql.SKIP_AUDIT)
    session.copy(sql.STAGE, (_staged(row.position, row.record) for row in batch.rows))
    if batch.repeats:
        for statement in sql.FOLD:
            session.execute(statement)


def _staged(position: int, record: Record) -> tuple[str, ...]:
    return (
        str(position),
        record.lead_number,
        record.full_name,
        record.phone,
        record.email,
        record.status,
        record.address1,
        record.postal_code,
        record.notes,
        record.assigned_agent,
        record.created_at.isoformat(),
    )
