"""Look at what a run of Alembic has done, from a fresh connection.

Alembic believes the stamp, so it can report success although its work was rolled back or never
done.
"""

from typing import Any

from alembic.config import Config
from alembic.runtime.migration import MigrationInfo
from sqlalchemy import Connection

from migrations.history.judging import faults_after
from migrations.history.reading import History, read_history
from migrations.importer.errors import DatabaseFailed
from migrations.importer.ledger import Receipt
from migrations.importer.pinned import invented_in_words

__all__ = ["Done", "check_done", "last_import", "nothing_new_in_words"]


class Done:
    """The revisions a run went through: ``context.configure(on_version_apply=done)``."""

    def __init__(self) -> None:
        self.heads: set[str] | None = None
        self._upgraded: dict[str, bool] = {}

    def __call__(self, *, step: MigrationInfo, heads: set[str], **_: Any) -> None:
        self.heads = heads
        if not step.is_stamp:
            self._upgraded.update(dict.fromkeys(step.up_revision_ids, step.is_upgrade))

    @property
    def upgraded(self) -> list[str]:
        """The revisions upgraded to and not downgraded again."""
        return [revision for revision, up in self._upgraded.items() if up]


def check_done(connection: Connection, config: Config, done: Done) -> None:
    """Raise ``DatabaseFailed`` unless the database has what a run has done."""
    assert done.heads is not None
    wrong = faults_after(read_history(connection, config), done.heads, done.upgraded)
    if wrong:
        raise DatabaseFailed(str(wrong[0]))


def last_import(history: History) -> Receipt | None:
    """Find the receipt of the last import that should be in. None if there is none."""
    applied = [import_ for import_ in history.imports if import_.revision in history.applied]
    return history.receipt_of(applied[-1].revision) if applied else None


def nothing_new_in_words(receipt: Receipt, leads: str, *, is_invented: bool = False) -> str:
    """Say: the import is in, and this run added nothing.

    leads: how many there are, "" if nobody can tell. is_invented: whether the import's people are.
    """
    counted = f" Leads: {leads} before, {leads} after." if leads else ""
    return (
        f"{receipt.export}: {receipt.records:,} records, imported on "
        f"{receipt.finished_at:%Y-%m-%d %H:%M} UTC. This run: 0 created, 0 updated, "
        f"{receipt.records:,} unchanged.{counted}"
        f"{invented_in_words(receipt.records) if is_invented else ''}"
    )
