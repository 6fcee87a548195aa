"""Read what ledger, exports, table and audit trail know of one lead.

    known = read_known(connection, history, table)
    timeline(known.steps, known.now, known.trail)

Call ``find_lead`` first: it names the lead.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, text

from migrations.history import History
from migrations.importer.declaration import Leads, columns_of
from migrations.importer.errors import ExportRefused, Problem
from migrations.importer.ledger import Receipt
from migrations.importer.pinned import Import
from migrations.importer.schema.since import find_table_since
from migrations.importer.sql import statement
from migrations.importer.table import LeadsTable
from migrations.tracing.events import Event, Kind, Step, changes
from migrations.tracing.finding import LeadNotFound, not_found
from migrations.tracing.writing import Values, Wrote, written_by

__all__ = ["Known", "import_of", "read_known", "table_of_leads"]


_NOT_HERE = Problem(0, "", "is not an export of this release")


@dataclass(frozen=True)
class Known:
    """What is known of one lead.

    receipts: the imports into its table. elsewhere: those that know leads by another table or id.
    steps: what they did to it. now: the lead as it stands, None if it is gone. trail: changes of
    fields in the audit trail. audit_rows: how many rows that has. unread: exports that cannot be
    read, and why.
    """

    receipts: list[Receipt]
    steps: list[Step]
    now: Values | None
    trail: list[Event]
    audit_rows: int
    unread: dict[str, str]
    elsewhere: Sequence[Receipt] = ()

    @property
    def forgotten(self) -> list[Receipt]:
        """Imports whose old values are forgotten. They may have changed the lead too."""
        told = {step.receipt.id for step in self.steps}
        return [
            receipt for receipt in self.receipts if receipt.forgotten and receipt.id not in told
        ]


def table_of_leads(connection: Connection, history: History) -> LeadsTable:
    """Find the last import's table. Raises ``LeadNotFound`` if nothing was imported."""
    if not history.receipts:
        raise LeadNotFound("The ledger has no imports yet, so it knows no lead.")
    if history.missing:
        lacks = " and ".join(history.missing)
        raise LeadNotFound(
            f"The database lacks {lacks}. Run 'python -m migrations status': it says what to do."
        )
    leads = history.receipts[-1].leads
    table = find_table_since(connection, leads)
    if leads.id not in table.found:
        lacks = (
            f"the column {leads.table}.{leads.id}" if table.found else f"the table {leads.table}"
        )
        raise LeadNotFound(
            f"The database no longer has {lacks}, so no lead can be found. Put that back, or "
            "write a new declaration for the next import."
        )
    return table


def read_known(connection: Connection, history: History, table: LeadsTable) -> Known:
    """Read everything known of the lead. Raises ``LeadNotFound`` if nothing is."""
    receipts = [receipt for receipt in history.receipts if _is_of(receipt, table)]
    elsewhere = [receipt for receipt in history.receipts if receipt not in receipts]
    steps, now = list(_steps(connection, receipts)), _lead_now(connection, table)
    audit = _audit(connection, table)
    if now is None and not steps and not audit:
        raise not_found(table)
    steps, unread = _with_records(connection, history, steps)
    trail = list(_trail(audit, table.leads))
    return Known(receipts, steps, now, trail, len(audit), unread, elsewhere)


def _is_of(receipt: Receipt, table: LeadsTable) -> bool:
    return (receipt.leads.table, receipt.leads.id) == (table.leads.table, table.leads.id)


def _steps(connection: Connection, receipts: Iterable[Receipt]) -> Iterator[Step]:
    """List what imports did to the lead, without the values they left: the ledger has none."""
    known = {receipt.id: receipt for receipt in receipts}
    for row in connection.execute(text(statement("trace_created"))):
        if row.import_id in known:
            yield Step(known[row.import_id], row.record, row.at, None)
    for row in connection.execute(text(statement("trace_updated"))):
        if row.import_id in known:
            receipt = known[row.import_id]
            yield Step(receipt, row.record, row.at, _old_values(receipt.leads, row.old_values))


def _old_values(leads: Leads, old: Sequence[str | None]) -> Values:
    """Return the fields of a before-image."""
    held = dict(zip(leads.changed_columns, old, strict=False))
    return {
        name: _joined([held[column] for column in columns_of(target)])
        for name, target in leads.targets.items()
        if set(columns_of(target)) <= held.keys()
    }


def _joined(values: Sequence[str | None]) -> str | None:
    return values[0] if len(values) == 1 else " ".join(value for value in values if value)


def _with_records(
    connection: Connection, history: History, steps: Iterable[Step]
) -> tuple[list[Step], dict[str, str]]:
    """Add to the steps what they left. Return these, and why an export cannot be read, by name."""
    unread: dict[str, str] = {}
    wrote: dict[tuple[int, int], Wrote] = {}
    steps = list(steps)
    for receipt in {step.receipt.id: step.receipt for step in steps}.values():
        positions = {step.record for step in steps if step.receipt == receipt}
        try:
            import_ = import_of(history, receipt)
            if import_ is None:
                raise ExportRefused(receipt.export, [_NOT_HERE])
            for record, values in written_by(connection, import_, receipt, positions).items():
                wrote[receipt.id, record] = values
        except ExportRefused as error:
            unread[receipt.export] = error.problems[0].reason
    return [_with_record(step, wrote.get((step.receipt.id, step.record))) for step in steps], unread


def _with_record(step: Step, wrote: Wrote | None) -> Step:
    if wrote is None:
        return step
    if wrote.before is None or step.found is None:
        return replace(step, wrote=wrote.after)
    today = {name: wrote.before.get(name) or old for name, old in step.found.items()}
    return replace(step, found=today, wrote=wrote.after)


def import_of(history: History, receipt: Receipt) -> Import | None:
    """Find the import of a receipt, with its own people. None if the code has another export there,
    or none."""
    for import_ in history.imports:
        as_imported = import_.as_imported(receipt.sha256)
        if (import_.revision, as_imported.sha256) == (receipt.revision, receipt.sha256):
            return as_imported
    return None


def _lead_now(connection: Connection, table: LeadsTable) -> Values | None:
    found: Values | None = connection.execute(text(statement("trace_lead", table=table))).scalar()
    return found


def _audit(connection: Connection, table: LeadsTable) -> Sequence[Row[Any]]:
    """Read the lead's rows in the bundled CRM's audit trail."""
    asked = text(statement("has_audit_trail"))
    if not connection.execute(asked, {"name": table.catalog_name}).scalar_one():
        return []
    return connection.execute(text(statement("trace_audit"))).all()


def _trail(audit: Iterable[Row[Any]], leads: Leads) -> Iterator[Event]:
    kinds: dict[str, Kind] = {"insert": "added", "update": "edited", "delete": "removed"}
    for row in audit:
        changed = changes(_columns(leads, row.before), _columns(leads, row.after))
        if changed or row.action != "update":
            yield Event(kinds[row.action], row.at, changed, by=row.changed_by)


def _columns(leads: Leads, held: Mapping[str, Any] | None) -> Values:
    row = held or {}
    texts = [None if row.get(name) is None else str(row[name]) for name in leads.changed_columns]
    return _old_values(leads, texts)
