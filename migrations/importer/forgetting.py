"""Delete before-images, a lead's old values, from the ledger. Receipts keep only their number.

Forgotten values cannot be restored: a downgrade keeps what the import wrote into these leads.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from migrations.importer.ledger import Receipt
from migrations.importer.session import Server
from migrations.importer.sql import statement

__all__ = ["OldValues", "find_forgettable", "forget_batches", "forget_lead"]

AT_A_TIME = 1000


class OldValues(NamedTuple):
    """How many leads an import keeps old values of."""

    id: int
    export: str
    old_values: int


def find_forgettable(server: Server, days: int) -> list[OldValues]:
    """Find imports with old values, complete or reverted for at least so many days."""
    rows = server.execute(statement("find_forgettable"), days=days)
    found = [OldValues(row.id, row.export, row.old_values) for row in rows]
    return [old for old in found if old.old_values]


def forget_batches(server: Server, import_id: int) -> Iterator[int]:
    """Forget what an import found, batch by batch. Yields how many leads are done."""
    done = 0
    while gone := _forget_batch(server, import_id):
        done += gone
        yield done


def _forget_batch(server: Server, import_id: int) -> int:
    with server.transaction("forgetting old values"):
        given = {"import": import_id, "most": AT_A_TIME}
        gone: int = server.execute(statement("forget_batch"), **given).scalar_one()
    return gone


def forget_lead(server: Server, receipts: Sequence[Receipt]) -> None:
    """Forget what these imports found in the lead in ``lead_trace_lead``."""
    with server.transaction("forgetting old values"):
        server.execute(statement("forget_lead"), imports=[receipt.id for receipt in receipts])
