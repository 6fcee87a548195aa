"""Compare leads with what an import wrote: what have people edited or removed since?

Write to temporary tables only. If a later import has updated a lead, compare the lead as the later
import found it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from migrations.importer.batches import Batch
from migrations.importer.export.reading import Export
from migrations.importer.ledger import Receipt
from migrations.importer.progress import Progress
from migrations.importer.session import Server
from migrations.importer.sql import statement
from migrations.importer.staging import stage_again
from migrations.importer.table import LeadsTable

__all__ = ["Edits", "compare_leads"]

RECORDS_AT_A_TIME = 5_000


@dataclass
class Edits:
    """What people have done to the leads of an import.

    edited: leads. fields: how many of them in which field. removed: deleted leads.
    lost: records whose phone no lead has any more. They changed nothing, so the ledger does not
    know their leads.
    """

    edited: int = 0
    removed: int = 0
    lost: int = 0
    fields: dict[str, int] = field(default_factory=dict)


def compare_leads(
    server: Server, table: LeadsTable, export: Export, receipt: Receipt, later: Sequence[Receipt]
) -> Edits:
    """Compare the leads with what an import wrote into them.

    later: the imports after it, without reverted ones. Raises ``ExportRefused``.
    """
    with server.writable():
        server.execute(statement("drop_verify"))
        server.execute(statement("create_verify"))
    stage_again(server, table, export, receipt.id)
    _compare(server, table, export, receipt, later)
    edits = _count(server)
    return edits if table.has_phones else replace(edits, lost=0)  # nobody can tell


def _compare(
    server: Server, table: LeadsTable, export: Export, receipt: Receipt, later: Sequence[Receipt]
) -> None:
    alike = [other.id for other in later if other.declaration == receipt.declaration]
    with server.transaction("reading the ledger"):
        server.execute(statement("verify_created"), **{"import": receipt.id})
        server.execute(statement("verify_later", table=table), later=alike)
    with Progress(f"comparing {export.name}", "records") as progress:
        for first in range(0, export.count, RECORDS_AT_A_TIME):
            batch = Batch(first, min(first + RECORDS_AT_A_TIME, export.count))
            with server.transaction(f"comparing {batch}"):
                where = {"first": batch.first, "end": batch.end}
                server.execute(statement("compare", table=table, kind="created"), **where)
                server.execute(
                    statement("compare", table=table, kind="updated"),
                    **where,
                    **{"import": receipt.id},
                )
                if table.has_phones:
                    server.execute(statement("compare", table=table, kind="unchanged"), **where)
            progress.at(batch.end, export.count)


def _count(server: Server) -> Edits:
    with server.transaction("counting the leads"):
        counts = server.execute(statement("count_verified")).one()
        fields = {row.field: row.leads for row in server.execute(statement("count_edited_fields"))}
    return Edits(counts.edited, counts.removed, counts.lost, fields)
