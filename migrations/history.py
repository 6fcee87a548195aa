"""Is what the database is stamped with really there? Asked before an upgrade, and after it from a
fresh connection.

Alembic believes the stamp: it can end with success although its work was rolled back, or was never
done. Both look the same from the connection that did it.
"""

import logging
from collections.abc import Iterable
from typing import Any

from alembic.runtime.migration import MigrationInfo
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from migrations.importer.errors import DatabaseFailed
from migrations.importer.ledger import Receipt, find_receipt, find_reverted, tell_leads
from migrations.importer.phone import KEY_INDEX
from migrations.importer.sql.apply import WRITTEN_TABLES
from migrations.importer.v1 import Import

__all__ = [
    "Steps",
    "check_steps",
    "imports_of",
    "log_nothing_pending",
    "stamped_heads",
    "why_incomplete",
]

log = logging.getLogger("importer")

_ALL_THERE = "SELECT bool_and(to_regclass(needed) IS NOT NULL) FROM unnest(:needed) AS needed"


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


def check_steps(
    connection: Connection, heads: set[str], upgraded: Iterable[str], script: ScriptDirectory
) -> None:
    """Raise ``DatabaseFailed`` unless a fresh connection finds what a run has done.

    heads: what the database should be stamped with; upgraded: the revisions that should be in.
    """
    stamped = set(stamped_heads(connection))
    if stamped != heads:
        raise DatabaseFailed(
            f"The database is stamped {_names(stamped)}, expected {_names(heads)}: the upgrade "
            f"was not "
            "committed. Run the same command again."
        )
    if why := why_incomplete(connection, script, upgraded):
        raise DatabaseFailed(why)


def why_incomplete(
    connection: Connection, script: ScriptDirectory, revisions: Iterable[str] | None = None
) -> str | None:
    """What keeps the first import that is not in as a whole from being so, and what to do; None
    where all are in.

    It is so where the database was stamped without importing, where somebody emptied the ledger,
    and where a downgrade has stopped on its way. revisions: those that should be in, in their
    order; if not given, all that the database is stamped with.
    """
    for import_ in imports_of(
        script, _applied(connection, script) if revisions is None else revisions
    ):
        receipt = find_receipt(connection, import_.revision)
        if receipt is None:
            return _without_receipt(connection, script, import_)
        if receipt.revert_next_record:
            at = f"at record {receipt.revert_next_record} of {receipt.records}"
            return _half_reverted(connection, receipt, f"has stopped {at}")
        if not receipt.complete:
            at = f"record {receipt.next_record} of {receipt.records}"
            fact = f"the import of {receipt.export} has come to {at} only: it was stamped by hand"
            return _stamped_too_early(connection, script, import_, fact)
    return None


def _without_receipt(connection: Connection, script: ScriptDirectory, import_: Import) -> str:
    if not connection.execute(text(_ALL_THERE), {"needed": [KEY_INDEX, *WRITTEN_TABLES]}).scalar():
        return (
            f"The database is stamped {import_.revision}, but what the revisions before it make "
            f"is not there, nor is "
            f"the import of {import_.export}: it was stamped without running them. Run 'alembic "
            f"stamp base', then "
            "'alembic upgrade head': it adopts the tables that are there."
        )
    if reverted := find_reverted(connection, import_.revision):
        return _half_reverted(connection, reverted, "is not stamped")
    fact = f"its ledger has no import of {import_.export}: it was stamped by hand, or the ledger was emptied"
    return _stamped_too_early(connection, script, import_, fact)


def _half_reverted(connection: Connection, receipt: Receipt, fact: str) -> str:
    heads = stamped_heads(connection)
    if heads == (receipt.revision,):
        steps = [receipt.downgrade, "alembic upgrade head"]
    else:
        steps = [
            f"alembic stamp {receipt.revision}",
            receipt.downgrade,
            *_up_and_stamp(receipt.revision, heads),
        ]
    return f"{receipt.export}: its downgrade {fact}. Finish it, then import again: {_one_by_one(steps)}."


def _stamped_too_early(
    connection: Connection, script: ScriptDirectory, import_: Import, fact: str
) -> str:
    before = f"alembic stamp {script.get_revision(import_.revision).down_revision}"
    heads = stamped_heads(connection)
    again = (
        ["alembic upgrade head"]
        if heads == (import_.revision,)
        else _up_and_stamp(import_.revision, heads)
    )
    return (
        f"The database is stamped {import_.revision}, but {fact}. Restore the ledger's tables "
        f"from a backup; or "
        f"import the export again, over what was edited since: {_one_by_one([before, *again])}."
    )


def _up_and_stamp(revision: str, heads: Iterable[str]) -> list[str]:
    """To a revision below those that the database is at, which are not to run again."""
    return [f"alembic upgrade {revision}", f"alembic stamp {' '.join(heads)}"]


def _one_by_one(commands: Iterable[str]) -> str:
    return ", then ".join(f"'{command}'" for command in commands)


def log_nothing_pending(connection: Connection, script: ScriptDirectory) -> None:
    """Say on the log that the last import is in, and that this run had nothing to add to it."""
    imports = imports_of(script, _applied(connection, script))
    if not imports:
        return
    receipt = find_receipt(connection, imports[-1].revision)
    if receipt is None or receipt.finished_at is None or receipt.revert_next_record:
        log.warning("%s", why_incomplete(connection, script))
        return
    leads = tell_leads(connection)
    log.info(
        "%s: %d records, imported on %s. This run: 0 created, 0 updated, %d unchanged. Leads: %s "
        "before, %s after.",
        *(
            receipt.export,
            receipt.records,
            f"{receipt.finished_at:%Y-%m-%d %H:%M} UTC",
            receipt.records,
            leads,
            leads,
        ),
    )


def _applied(connection: Connection, script: ScriptDirectory) -> list[str]:
    """The revisions that the database is stamped with, and all before them, the first one first."""
    heads = tuple(script.get_revision(head).revision for head in stamped_heads(connection))
    return (
        [step.revision for step in script.iterate_revisions(heads, "base")][::-1] if heads else []
    )


def imports_of(script: ScriptDirectory, revisions: Iterable[str]) -> list[Import]:
    """The imports among some revisions: those whose file declares an ``IMPORT``."""
    modules = [script.get_revision(revision).module for revision in revisions]
    return [
        module.IMPORT for module in modules if isinstance(getattr(module, "IMPORT", None), Import)
    ]


def _names(heads: set[str]) -> str:
    return ", ".join(sorted(heads)) or "with nothing"
