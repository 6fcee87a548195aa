"""The ledger: which imports ran, how far they came, and what they counted."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from migrations.importer.errors import DatabaseRefused
from migrations.importer.session import Session

__all__ = ["Receipt", "check_receipt", "count_leads", "find_receipt", "get_receipt", "start_import"]

_COLUMNS = """
    id, revision, export, sha256, records, next_record, created, updated, unchanged, rejected, folded,
    started_at, finished_at, ran_by, release, revert_next_record, restored, kept, reverted_at
"""

_START = """
    INSERT INTO lead_imports (revision, export, sha256, records, ran_by, release)
    VALUES (:revision, :export, :sha256, :records, :ran_by, :release)
    ON CONFLICT (revision) WHERE reverted_at IS NULL DO NOTHING
"""


@dataclass(frozen=True)
class Receipt:
    """What an import left in the ledger; the fields are the columns of ``lead_imports``."""

    id: int
    revision: str
    export: str
    sha256: str
    records: int
    next_record: int
    created: int
    updated: int
    unchanged: int
    rejected: int
    folded: int
    started_at: datetime
    finished_at: datetime | None
    ran_by: str
    release: str
    revert_next_record: int
    restored: int
    kept: int
    reverted_at: datetime | None

    @property
    def complete(self) -> bool:
        """Whether every record of the export is in."""
        return self.next_record == self.records and self.finished_at is not None

    def __str__(self) -> str:
        counts = f"{self.created} created, {self.updated} updated, {self.unchanged} unchanged"
        rare = [f"{n} {word}" for n, word in ((self.rejected, "rejected"), (self.folded, "folded")) if n]
        return f"{self.export}: {self.records} records: {', '.join([counts, *rare])}."


def start_import(session: Session, **row: object) -> None:
    """Open the ledger's row of an import, unless it is open since an earlier run.

    row: ``revision``, ``export``, ``sha256``, ``records``; ``ran_by`` and ``release``, who runs it
    and which release of the code it is.
    """
    session.execute(_START, **row)


def find_receipt(connection: Connection, revision: str) -> Receipt | None:
    """The ledger's row of a revision's import that has not been reverted; None if there is none."""
    if connection.execute(text("SELECT to_regclass('lead_imports')")).scalar() is None:
        return None
    statement = f"SELECT {_COLUMNS} FROM lead_imports WHERE revision = :revision AND reverted_at IS NULL"
    row = connection.execute(text(statement), {"revision": revision}).one_or_none()
    return None if row is None else _receipt(row)


def get_receipt(connection: Connection, revision: str, id: int | None = None) -> Receipt:
    """Like ``find_receipt``, but there must be one; ``id`` names it where it may be reverted."""
    if id is not None:
        row = connection.execute(text(f"SELECT {_COLUMNS} FROM lead_imports WHERE id = :id"), {"id": id}).one()
        return _receipt(row)
    receipt = find_receipt(connection, revision)
    if receipt is None:
        raise DatabaseRefused(
            f"The ledger has no import of revision {revision}, though the database is stamped with it: it was "
            "stamped by hand, or the ledger was emptied. Nothing was written; stamp the revision before it, "
            "then run 'alembic upgrade head'."
        )
    return receipt


def count_leads(connection: Connection) -> int:
    """How many leads there are now, marked duplicates among them."""
    count: int = connection.execute(text("SELECT count(*) FROM leads")).scalar_one()
    return count


def check_receipt(receipt: Receipt, sha256: str, records: int) -> None:
    """Refuse to go on with another export than the one that the ledger knows."""
    if (receipt.sha256, receipt.records) != (sha256, records):
        raise DatabaseRefused(
            f"The ledger holds an import of {receipt.export} under revision {receipt.revision} with sha256 "
            f"{receipt.sha256} and {receipt.records} records; this revision has {sha256} and {records}. "
            "A released export is never edited: put the old one back and add the new one with "
            "'python -m migrations add'."
        )


def _receipt(row: Row[Any]) -> Receipt:
    return Receipt(**row._mapping)
