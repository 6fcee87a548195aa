"""The ledger: which imports ran, how far they came, what they counted, and what a revert did.

A revert puts each lead the import wrote into one class:

- **restored**: updated by the import, and again as it was before.
- **kept**: edited since. Either an updated lead with a column unlike before, while its other
  columns are restored, or a created lead unlike the import made it.
- **removed**: created by the import, and removed.
- **referenced**: created by the import and unchanged, but a row of some table refers to it.
- **unrestored**: updated by the import, and its before-image is forgotten or lost.
- None of these: people have deleted it meanwhile.

A revert looks at created leads only to remove them (``remove_created``). Then it looks at those of
all imports of the revision, because an earlier one may have been reverted without its leads. If a
later import wrote to one and its revert put the old values back, it is not edited.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from msgspec import Struct
from sqlalchemy import Connection, Row, TextClause, text

from migrations.importer.context import Options
from migrations.importer.declaration import BadDeclaration, Leads
from migrations.importer.errors import DatabaseRefused
from migrations.importer.session import Session
from migrations.importer.sql import statement

__all__ = [
    "OUTCOMES",
    "REVERT_OUTCOMES",
    "Receipt",
    "State",
    "Work",
    "all_receipts",
    "all_work",
    "check_not_half_reverted",
    "check_receipt",
    "check_same_revert",
    "find_receipt",
    "find_reverted",
    "get_receipt",
    "has_ledger",
    "read_again",
    "start_import",
    "still_there",
]

OUTCOMES = ("created", "updated", "unchanged", "rejected", "folded")
"""What becomes of a record. The five counts add up to the records."""

REVERT_OUTCOMES = ("restored", "kept", "removed", "referenced", "unrestored")
"""What becomes of a lead in a revert."""

KNOWN_BY = ("revision", "export", "sha256", "declaration", "next_record", "reverted_at")
"""A table called ``lead_imports`` is ours if it has these columns."""

State = Literal["complete", "unfinished", "being reverted", "reverted"]


class Receipt(Struct, frozen=True):
    """What an import left in the ledger. The fields are the columns of ``lead_imports``.

    forgotten: deleted before-images. unrestored: leads whose before-images were forgotten before
    the revert.
    """

    id: int
    revision: str
    export: str
    sha256: str
    records: int
    declaration: str
    policies: str
    next_record: int
    created: int
    updated: int
    unchanged: int
    rejected: int
    folded: int
    shared: int
    started_at: datetime
    finished_at: datetime | None
    ran_by: str
    release: str
    revert_next_record: int
    restored: int
    kept: int
    removed: int
    referenced: int
    remove_created: bool | None
    reverted_at: datetime | None
    forgotten: int = 0
    unrestored: int = 0

    @property
    def complete(self) -> bool:
        """Whether every record of the export is in."""
        return self.next_record == self.records and self.finished_at is not None

    @property
    def downgrade(self) -> str:
        """The command to go on with a downgrade as it began."""
        return f"alembic {'-x remove-created ' if self.remove_created else ''}downgrade -1"

    @property
    def state(self) -> State:
        """How far the import has come, there and back."""
        if self.reverted_at:
            return "reverted"
        if self.revert_next_record:
            return "being reverted"
        return "complete" if self.complete else "unfinished"

    @property
    def is_at_its_start(self) -> bool:
        """Whether nothing is imported yet, so that another export may still take its place."""
        return self.state == "unfinished" and self.next_record == 0

    @property
    def is_open(self) -> bool:
        """Whether the import or its revert is still to be finished."""
        return self.state in ("unfinished", "being reverted")

    @property
    def took(self) -> timedelta | None:
        """How long the import took. None while it is unfinished."""
        return None if self.finished_at is None else self.finished_at - self.started_at

    @property
    def revert_in_words(self) -> str:
        """Say what the revert did, in one line."""
        counts = [
            f"{self.restored:,} {'lead' if self.restored == 1 else 'leads'} restored",
            f"{self.kept:,} kept because edited since or held by a rule",
        ]
        written = self.updated
        if self.remove_created:
            counts += [f"{self.removed:,} removed", f"{self.referenced:,} kept because referenced"]
            written += self.created
        if self.unrestored:
            counts.append(
                f"{self.unrestored:,} kept because their old values are forgotten or lost"
            )
        gone = written - sum(getattr(self, outcome) for outcome in REVERT_OUTCOMES)
        if gone > 0:
            counts.append(f"{gone:,} deleted by people before")
        stay = self.created and not self.remove_created
        rest = f" Created leads stay: {self.created:,}." if stay else ""
        return f"{', '.join(counts)}.{rest}"

    @property
    def reverted_in_words(self) -> str:
        """Say what the revert did, with the export's name, for the log."""
        return f"{self.export}: reverted: {self.revert_in_words}"

    @property
    def leads(self) -> Leads:
        """Where the import found the leads."""
        return Leads.from_json(self.declaration)

    def __str__(self) -> str:
        counts = f"{self.created:,} created, {self.updated:,} updated, {self.unchanged:,} unchanged"
        rare = ((self.rejected, "rejected"), (self.folded, "folded"))
        counts = ", ".join([counts, *(f"{n:,} {word}" for n, word in rare if n)])
        told = f"{self.export}: {self.records:,} records: {counts}."
        if self.shared:
            told += f" {self.shared:,} phones belong to several leads: the oldest was taken."
        return told


class Work(Struct, frozen=True):
    """What an import has done so far.

    records: how many went through its batches. seconds: the batches' own time, without the pauses
    between them. last_at: when the last one ended.
    """

    records: int
    seconds: float
    last_at: datetime

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / max(self.seconds, 1e-6)


def start_import(session: Session, pinned: Mapping[str, object], options: Options) -> None:
    """Open the ledger's row of an import, unless an earlier run has.

    pinned: ``revision``, ``export`` and whatever else must not change until it is reverted.
    """
    with session.batch("opening the ledger"):  # an audit trigger on all tables lets it pass
        session.execute(
            statement("start_import"), **pinned, ran_by=options.ran_by, release=options.release
        )


def has_ledger(connection: Connection) -> bool:
    """Whether there is a ledger of ours.

    A downgrade may have dropped it, no revision may have made it yet, or the table may be somebody
    else's.
    """
    asked = text(statement("count_ledger_columns"))
    found: int = connection.execute(asked, {"columns": list(KNOWN_BY)}).scalar_one()
    return found == len(KNOWN_BY)


def all_receipts(connection: Connection) -> list[Receipt]:
    """Return every import in the ledger, the oldest first. Empty if there is no ledger."""
    if not has_ledger(connection):
        return []
    return [_receipt(row) for row in connection.execute(_receipts("true ORDER BY id"))]


def all_work(connection: Connection) -> dict[int, Work]:
    """Return what each import has done, by its id. Leave out those without a batch."""
    return {
        row.import_id: Work(int(row.records), row.seconds, row.last_at)
        for row in connection.execute(text(statement("sum_work")))
    }


def find_receipt(connection: Connection, revision: str) -> Receipt | None:
    """Find the row of a revision's import, unless it is reverted. There must be a ledger."""
    asked = _receipts("revision = :revision AND reverted_at IS NULL")
    row = connection.execute(asked, {"revision": revision}).one_or_none()
    return None if row is None else _receipt(row)


def find_reverted(connection: Connection, revision: str) -> Receipt | None:
    """Find the row of a revision's last reverted import."""
    asked = _receipts("revision = :revision AND reverted_at IS NOT NULL ORDER BY id DESC LIMIT 1")
    row = connection.execute(asked, {"revision": revision}).one_or_none()
    return None if row is None else _receipt(row)


def still_there(receipts: Sequence[Receipt]) -> list[Receipt]:
    """Leave out imports of which nothing is there: not begun, or reverted to the last value.

    receipts: the oldest first. A revision's last revert looks at the leads of all its imports.
    """
    last = {receipt.revision: receipt for receipt in receipts}
    unclean = {
        receipt.revision
        for receipt in receipts
        if not receipt.reverted_at or receipt.kept or receipt.unrestored
    }
    gone = {
        revision
        for revision, receipt in last.items()
        if revision not in unclean and receipt.remove_created and not receipt.referenced
    }
    return [
        receipt
        for receipt in receipts
        if receipt.revision not in gone and not receipt.is_at_its_start
    ]


def get_receipt(connection: Connection, revision: str) -> Receipt:
    """Get the receipt ``find_receipt`` finds. Raises ``DatabaseRefused`` if there is none."""
    receipt = find_receipt(connection, revision)
    if receipt is None:
        raise DatabaseRefused(f"The ledger has no import of revision {revision}. {_ASK_STATUS}")
    return receipt


def read_again(connection: Connection, receipt: Receipt) -> Receipt:
    """Read a receipt as it is by now, reverted or not."""
    return _receipt(connection.execute(_receipts("id = :id"), {"id": receipt.id}).one())


def _receipts(condition: str) -> TextClause:
    return text(f"SELECT * FROM lead_imports WHERE {condition}")


def check_receipt(receipt: Receipt, pinned: Mapping[str, object]) -> None:
    """Refuse to go on if the ledger pins something else. Raises ``DatabaseRefused``."""
    if any(getattr(receipt, name) != value for name, value in pinned.items()):
        raise DatabaseRefused(
            f"The ledger's import of {receipt.export} is not what revision {receipt.revision} "
            f"pins. {_ASK_STATUS}"
        )


def check_not_half_reverted(receipt: Receipt) -> None:
    """Refuse to import over an unfinished downgrade. Raises ``DatabaseRefused``."""
    if receipt.state == "being reverted":
        raise DatabaseRefused(
            f"{receipt.export}: its downgrade has only reached record "
            f"{receipt.revert_next_record:,} of {receipt.records:,}. {_ASK_STATUS}"
        )


_ASK_STATUS = "Run 'python -m migrations status': it says what to do."


def check_same_revert(receipt: Receipt, remove_created: bool) -> None:
    """Refuse to finish a downgrade otherwise than it began, because its counts would mix two kinds.

    Raises ``DatabaseRefused``.
    """
    if receipt.remove_created not in (None, remove_created):
        raise DatabaseRefused(
            f"{receipt.export}: this downgrade began "
            f"{'with' if receipt.remove_created else 'without'} "
            f"-x remove-created and has reached record {receipt.revert_next_record:,} of "
            f"{receipt.records:,}. "
            f"Finish it as it began: '{receipt.downgrade}'."
        )


def _receipt(row: Row[Any]) -> Receipt:
    """Read a row as this release knows it: another release may have more columns.

    Raises ``DatabaseRefused`` if it cannot be one of ours.
    """
    known = Receipt.__struct_fields__
    try:
        receipt = Receipt(**{name: value for name, value in row._mapping.items() if name in known})
        receipt.leads  # noqa: B018 - it may be no declaration
    except (BadDeclaration, AttributeError, LookupError, TypeError, ValueError):
        raise DatabaseRefused(
            "The ledger cannot be read: a newer release has written it, or somebody has changed a "
            "column or a declaration of lead_imports. Run the newer release, or restore "
            "lead_imports and the tables that refer to it from a backup."
        ) from None
    return receipt
