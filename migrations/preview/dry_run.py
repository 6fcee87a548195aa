"""What a dry run did, collected before it is rolled back, as a preview (``figures.py``).

    with previewed(connection, show):
        ...                              # the very statements of an upgrade
    # show(Preview(leads_before=50, leads_after=257, …)) was called, and nothing is left of them

The figures are read from the ledger that the dry run wrote; the rows of each table are counted by
Postgres itself, in its statistics of this transaction, so that what triggers write is counted too.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Row, text

from migrations.deploy.connection import named
from migrations.importer.declaration import Leads
from migrations.importer.errors import ExportRefused, Problem
from migrations.importer.ledger import OUTCOMES, REVERT_OUTCOMES, Receipt, all_receipts
from migrations.importer.schema.leads import count_leads, find_table, is_there
from migrations.importer.sql import statement
from migrations.importer.table import LeadsTable
from migrations.preview.figures import (
    LONGEST_SHOWN,
    MOST_LISTED,
    ChangedLead,
    CreatedLead,
    Figures,
    Preview,
    TableRows,
    Values,
)

__all__ = ["previewed"]

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class _Start:
    """The database before the dry run, which the preview compares with."""

    leads: int
    rows: dict[str, tuple[int, int, int]]
    receipts: dict[int, Receipt]


@contextmanager
def previewed(
    connection: Connection, leads: Leads | None, show: Callable[[Preview], None]
) -> Iterator[None]:
    """Run the block in one transaction, look at it, undo it, and call ``show``.

    leads: where the last import of the code has its leads. An export that is refused has a preview
    too; ``ExportRefused`` is raised after it.
    """
    refused = None
    with connection.begin() as transaction:
        try:
            start = _look(connection, leads)
            try:
                yield
            except ExportRefused as error:
                refused = error
            preview = _take(connection, leads, start, refused)
        finally:
            transaction.rollback()
    show(preview)
    if refused:
        raise refused from None


def _look(connection: Connection, leads: Leads | None) -> _Start:
    receipts = {receipt.id: receipt for receipt in all_receipts(connection)}
    return _Start(_count_leads(connection, leads), _rows_written(connection), receipts)


def _take(
    connection: Connection, leads: Leads | None, start: _Start, refused: ExportRefused | None
) -> Preview:
    after = _look(connection, leads)
    done = [
        _Done(receipt, start.receipts.get(id))
        for id, receipt in after.receipts.items()
        if receipt != start.receipts.get(id)
    ]
    # Of a revert there are figures alone. Its ledger's empty tables may be dropped by now.
    applied = [one for one in done if one.is_apply]
    created, changed, problems = Listed[CreatedLead](), Listed[ChangedLead](), Listed[Problem]()
    for declaration in dict.fromkeys(one.receipt.declaration for one in applied):
        alike = [one for one in applied if one.receipt.declaration == declaration]
        table = find_table(connection, Leads.from_json(declaration))
        created.add(*_created(connection, table, alike))
        changed.add(*_changed(connection, table, alike))
    if applied:
        problems.add(*_rejected(connection, applied))
    name = _name_of(connection, leads)
    return Preview(
        database=named(connection),
        taken_at=datetime.now(UTC),
        leads_table=leads.table if leads else "",
        leads_before=start.leads,
        leads_after=after.leads,
        imports=[one.figures for one in done],
        tables=sorted(
            _table_rows(table, start.rows.get(table), rows, is_leads=table == name)
            for table, rows in after.rows.items()
        ),
        created=created.listed,
        changed=changed.listed,
        total_created=created.total,
        total_changed=changed.total,
        refused=refused.export if refused else "",
        problems=refused.problems if refused else problems.listed,
        total_problems=refused.total if refused else problems.total,
    )


def _count_leads(connection: Connection, leads: Leads | None) -> int:
    if leads is None or not is_there(connection, leads):
        return 0
    table = find_table(connection, leads)
    return count_leads(connection, table)


def _name_of(connection: Connection, leads: Leads | None) -> str | None:
    """The table of leads as Postgres names it."""
    if leads is None or not is_there(connection, leads):
        return None
    regclass = find_table(connection, leads).regclass
    name: str = connection.execute(text(f"SELECT CAST({regclass} AS text)")).scalar_one()
    return name


def _rows_written(connection: Connection) -> dict[str, tuple[int, int, int]]:
    rows = connection.execute(text(statement("rows_written")))
    return {row.name: (row.inserted, row.updated, row.deleted) for row in rows}


def _table_rows(
    table: str, before: Sequence[int] | None, after: Sequence[int], *, is_leads: bool
) -> TableRows:
    inserted, updated, deleted = (
        now - then for then, now in zip(before or (0, 0, 0), after, strict=True)
    )
    return TableRows(table, inserted, updated, deleted, is_leads)


@dataclass(frozen=True)
class _Done:
    """What a dry run did of one import: its receipt after it, and before it."""

    receipt: Receipt
    before: Receipt | None

    def gained(self, count: str) -> int:
        """How much a count of the ledger has grown."""
        difference: int = getattr(self.receipt, count) - getattr(self.before, count, 0)
        return difference

    @property
    def is_apply(self) -> bool:
        """Whether it imported records, and did not revert them."""
        return self.gained("next_record") > 0

    @property
    def start(self) -> int:
        """The position of the first record that it imported."""
        return self.before.next_record if self.before else 0

    @property
    def figures(self) -> Figures:
        """What it counted."""
        return Figures(
            revision=self.receipt.revision,
            export=self.receipt.export,
            sha256=self.receipt.sha256,
            records=self.receipt.records,
            done=self.gained("next_record" if self.is_apply else "revert_next_record"),
            counts={
                name: self.gained(name) for name in (OUTCOMES if self.is_apply else REVERT_OUTCOMES)
            },
        )


@dataclass
class Listed(Generic[Kind]):
    """The first ones of a kind, and how many there are."""

    listed: list[Kind] = field(default_factory=list)
    total: int = 0

    def add(self, more: Sequence[Kind], total: int) -> None:
        """Add what was found of one table."""
        self.listed += more[: MOST_LISTED - len(self.listed)]
        self.total += total


def _created(
    connection: Connection, table: LeadsTable, done: Sequence[_Done]
) -> tuple[list[CreatedLead], int]:
    asked = statement("preview_created", table=table, longest=LONGEST_SHOWN, most=MOST_LISTED)
    rows = connection.execute(text(asked), _parameters(done)).all()
    leads = [CreatedLead(_values(row.told), row.position) for row in rows]
    return leads, rows[0].total if rows else 0


def _changed(
    connection: Connection, table: LeadsTable, done: Sequence[_Done]
) -> tuple[list[ChangedLead], int]:
    asked = statement("preview_changed", table=table, longest=LONGEST_SHOWN, most=MOST_LISTED)
    rows = connection.execute(text(asked), _parameters(done)).all()
    return [_changed_lead(row) for row in rows], rows[0].total if rows else 0


def _changed_lead(row: Row[Any]) -> ChangedLead:
    old, new = _values(row.old), _values(row.new)
    return ChangedLead(
        id=row.id,
        lead_number=new.get("lead_number") or "",
        full_name=new.get("full_name") or "",
        fields=[name for name in old if old[name] != new[name]],
        old=old,
        new=new,
        position=row.position,
    )


def _rejected(connection: Connection, done: Sequence[_Done]) -> tuple[list[Problem], int]:
    asked = text(statement("preview_rejected"))
    rows = connection.execute(asked, {**_parameters(done), "most": MOST_LISTED}).all()
    problems = [Problem(row.record, row.field, row.reason) for row in rows]
    return problems, rows[0].total if rows else 0


def _parameters(done: Sequence[_Done]) -> dict[str, list[int]]:
    return {"imports": [one.receipt.id for one in done], "starts": [one.start for one in done]}


def _values(told: Values) -> Values:
    return {name: _shown(value) for name, value in told.items()}


def _shown(value: str | None) -> str | None:
    return value if value is None or len(value) <= LONGEST_SHOWN else value[:LONGEST_SHOWN] + "…"
