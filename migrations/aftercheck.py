"""After an upgrade or a downgrade, from a fresh connection: is what was reported really there?

Alembic can end with success although its work was rolled back, and can commit rows without stamping
their revision; both look the same from the connection that did it.
"""

import logging
from collections.abc import Iterable
from typing import Any

from alembic.runtime.migration import MigrationInfo
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from migrations.importer.errors import DatabaseFailed
from migrations.importer.ledger import count_leads, find_receipt
from migrations.importer.v1 import Import

__all__ = ["Steps", "check_steps", "imports_of", "log_nothing_pending", "stamped_heads"]

log = logging.getLogger("importer")


class Steps:
    """The revisions that a run went through; ``context.configure(on_version_apply=steps)``."""

    def __init__(self) -> None:
        self.heads: set[str] | None = None
        self._upgraded: dict[str, bool] = {}

    def __call__(self, *, step: MigrationInfo, heads: set[str], **_: Any) -> None:
        self.heads = heads
        if not step.is_stamp:
            self._upgraded.update(dict.fromkeys(step.up_revision_ids, step.is_upgrade))

    @property
    def upgraded(self) -> list[str]:
        """The revisions that were upgraded to and not taken back again."""
        return [revision for revision, up in self._upgraded.items() if up]


def stamped_heads(connection: Connection) -> tuple[str, ...]:
    """The revisions that the database is stamped with; none where it knows no revisions yet."""
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
        return ()
    return tuple(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())


def check_steps(connection: Connection, heads: set[str], upgraded: Iterable[str], script: ScriptDirectory) -> None:
    """Raise ``DatabaseFailed`` unless a fresh connection finds what a run has done.

    heads: what the database should be stamped with; upgraded: the revisions that should be in.
    """
    stamped = set(stamped_heads(connection))
    if stamped != heads:
        raise DatabaseFailed(
            f"The database is stamped {_names(stamped)}, expected {_names(heads)}: the upgrade was not "
            "committed. Run the same command again."
        )
    for import_ in imports_of(script, upgraded):
        receipt = find_receipt(connection, import_.revision)
        if receipt is None or not receipt.complete:
            raise DatabaseFailed(
                f"The database is stamped {import_.revision}, but its ledger has no complete import of "
                f"{import_.export}. Run 'alembic downgrade -1', then the same command again."
            )


def log_nothing_pending(connection: Connection, script: ScriptDirectory) -> None:
    """Say on the log that the last import is in, and that this run had nothing to add to it."""
    heads = stamped_heads(connection)
    applied = [step.revision for step in script.iterate_revisions(heads, "base")] if heads else []
    imports = imports_of(script, applied)
    if not imports:
        return
    receipt = find_receipt(connection, imports[0].revision)
    if receipt is None or receipt.finished_at is None:
        log.warning(
            "The database is stamped %s, but its ledger has no complete import of %s: it was stamped by hand, "
            "or the ledger was emptied.",
            *(imports[0].revision, imports[0].export),
        )
    elif receipt.revert_next_record:
        log.warning(
            "%s: a downgrade has stopped at record %d of %d. Run it again to finish it; then upgrade.",
            *(receipt.export, receipt.revert_next_record, receipt.records),
        )
    else:
        leads = count_leads(connection)
        log.info(
            "%s: %d records, imported on %s. This run: 0 created, 0 updated, %d unchanged. Leads: %d before, %d after.",
            *(
                receipt.export,
                receipt.records,
                f"{receipt.finished_at:%Y-%m-%d %H:%M} UTC",
                receipt.records,
                leads,
                leads,
            ),
        )


def imports_of(script: ScriptDirectory, revisions: Iterable[str]) -> list[Import]:
    """The imports among some revisions: those whose file declares an ``IMPORT``."""
    modules = [script.get_revision(revision).module for revision in revisions]
    return [module.IMPORT for module in modules if isinstance(getattr(module, "IMPORT", None), Import)]


def _names(heads: set[str]) -> str:
    return ", ".join(sorted(heads)) or "with nothing"
