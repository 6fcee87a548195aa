"""What imports have left in the ledger, beside what the code still has to import."""

from dataclasses import asdict, dataclass
from typing import Any

from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from migrations.history import imports_of, stamped_heads
from migrations.importer.ledger import Receipt, all_receipts
from migrations.importer.v1 import Import

__all__ = ["Status", "read_status", "receipt_as_json", "state_of"]


@dataclass(frozen=True)
class Status:
    """stamped: the database's revisions; receipts: the oldest first; pending: imports
    without one."""

    stamped: list[str]
    receipts: list[Receipt]
    pending: list[Import]


def read_status(connection: Connection, script: ScriptDirectory) -> Status:
    """Read the ledger. Where there is none, there are no receipts, and all imports are pending."""
    receipts = all_receipts(connection)
    live = {receipt.revision for receipt in receipts if receipt.reverted_at is None}
    revisions = [step.revision for step in script.walk_revisions()][::-1]
    pending = [import_ for import_ in imports_of(script, revisions) if import_.revision not in live]
    return Status(sorted(stamped_heads(connection)), receipts, pending)


def state_of(receipt: Receipt) -> str:
    """One of "reverted", "being reverted", "complete" and "unfinished"."""
    if receipt.reverted_at:
        return "reverted"
    if receipt.revert_next_record:
        return "being reverted"
    return "complete" if receipt.complete else "unfinished"


def receipt_as_json(receipt: Receipt) -> dict[str, Any]:
    """All of a receipt for machines: times in ISO 8601, its state, and how many seconds it took."""
    seconds = (
        (receipt.finished_at - receipt.started_at).total_seconds() if receipt.finished_at else None
    )
    times = ("started_at", "finished_at", "reverted_at")
    told = {
        name: moment and moment.isoformat() for name in times for moment in [getattr(receipt, name)]
    }
    return asdict(receipt) | told | {"state": state_of(receipt), "seconds": seconds}
