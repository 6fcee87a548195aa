"""A batch: some records of an export that reach the database together, or not at all.

Each is one transaction, in an order of which every other loses somebody's edit: stage the records,
move the checkpoint, find the leads that are there, add the missing ones, lock those that will
change, keep their before-images, update them, write the ledger, and make sure that nothing else was
written.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from migrations.importer import revert_statements as back
from migrations.importer import statements as sql
from migrations.importer.errors import Problem
from migrations.importer.export import Export
from migrations.importer.record import Record
from migrations.importer.session import Session

__all__ = ["Batch", "Row", "apply_batch", "batches", "find_repeats", "revert_batch", "stage"]

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
    rejects: what is wrong with records that are set aside.
    blanks_clear: a blank of a record clears the lead's value, instead of keeping it.
    """

    here: int
    next: int
    rows: list[Row] = field(default_factory=list)
    rejects: list[Problem] = field(default_factory=list)
    blanks_clear: bool = False

    @property
    def repeats(self) -> bool:
        """Whether there are several records of one phone."""
        return any(row.last != row.position for row in self.rows)

    def halves(self) -> "tuple[Batch, Batch]":
        """The same records in two batches."""
        middle = (self.here + self.next) // 2
        first = replace(
            self,
            next=middle,
            rows=[row for row in self.rows if row.last < middle],
            rejects=[problem for problem in self.rejects if problem.record <= middle],
        )
        second = replace(
            self,
            here=middle,
            rows=[row for row in self.rows if row.last >= middle],
            rejects=[problem for problem in self.rejects if problem.record > middle],
        )
        return first, second

    def __str__(self) -> str:
        if self.next - self.here == 1:
            return f"record {self.next}"
        return f"records {self.here + 1} to {self.next}"


def batches(
    export: Export, size: int, start: int, last_of: Mapping[int, int], *, blanks_clear: bool = False
) -> Iterator[Batch]:
    """Cut an export into batches of ``size`` records, from the checkpoint ``start`` on.

    last_of: for a record whose phone comes again, the position of the last one that has it.
    """
    batch = Batch(start, start, blanks_clear=blanks_clear)
    waiting: dict[int, list[Row]] = {}
    for position, record in _with_rejected(export):
        if record is None:
            batch.rejects += export.rejected[position] if position >= start else []
        else:
            last = last_of.get(position, position)
            row = Row(last, position, record)
            if last > position:
                waiting.setdefault(last, []).append(row)
            elif position >= start:
                batch.rows += [*waiting.pop(position, ()), row]
        batch.next = max(start, position + 1)
        if batch.next - batch.here == size:
            yield batch
            batch = Batch(batch.next, batch.next, blanks_clear=blanks_clear)
    if batch.next > batch.here:
        yield batch


def _with_rejected(export: Export) -> Iterator[tuple[int, Record | None]]:
    """Every position of an export with its record, None for one that is set aside."""
    expected = 0
    for position, record in export.records():
        for rejected in range(expected, position):
            yield rejected, None
        yield position, record
        expected = position + 1
    for rejected in range(expected, export.count):
        yield rejected, None


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
        for problem in batch.rejects:
            session.execute(sql.SET_ASIDE, revision=revision, **_position_and_reason(problem))
        session.execute(sql.RECORD_BATCH, **where)
        session.execute(sql.ASSERT_ONLY_LEADS_WERE_WRITTEN)


def revert_batch(session: Session, batch: Batch, revision: str, *, remove_created: bool = False) -> None:
    """Take one batch back: ``apply_batch``'s inverse, as far as nobody has edited since.

    remove_created: whether leads that it added go again. Raises ``TryAgain`` where the site was in the way.
    """
    where = {"revision": revision, "here": batch.here, "next": batch.next}
    with session.transaction(f"reverting {batch}"):
        for statement in back.BEGIN:
            session.execute(statement)
        _begin(session, batch)
        session.expect_one(back.MOVE_CHECKPOINT, **where, remove_created=remove_created)
        session.execute(back.LOCK_UPDATED_LEADS, **where)
        session.execute(back.FIND_OLD_VALUES, **where)
        session.execute(back.RESTORE_LEADS)
        if remove_created:
            session.execute(back.FIND_CREATED_LEADS, **where)
            session.execute(back.LOCK_CREATED_LEADS)
            session.execute(back.SPARE_TOUCHED_LEADS)
            session.execute(back.MARK_REFERENCED_LEADS)
            session.execute(back.REMOVE_LEADS)
        session.execute(back.RECORD_BATCH, revision=revision, next=batch.next)
        session.execute(back.ASSERT_ONLY_LEADS_WERE_TAKEN_BACK)


def _begin(session: Session, batch: Batch) -> None:
    session.execute(sql.SKIP_AUDIT)
    stage(session, batch)


def stage(session: Session, batch: Batch) -> None:
    """Send a batch's records to the server, one for each phone."""
    rows = (_staged(row.position, row.record) for row in batch.rows)
    session.copy(sql.STAGE, rows, blank_is_null=not batch.blanks_clear)
    if batch.repeats:
        for statement in sql.FOLD:
            session.execute(statement)


def _position_and_reason(problem: Problem) -> dict[str, object]:
    return problem._asdict() | {"record": problem.record - 1}


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
