"""Read what the imports of one run did, from the ledger and the leads, for a preview."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Row, text

from migrations.deploy.connection import named
from migrations.importer.declaration import Leads
from migrations.importer.errors import ExportRefused, Problem
from migrations.importer.ledger import OUTCOMES, REVERT_OUTCOMES, Receipt, all_receipts
from migrations.importer.sql import statement
from migrations.importer.table import LeadsTable
from migrations.preview.figures import (
    LONGEST_SHOWN,
    MOST_LISTED,
    ChangedLead,
    CreatedLead,
    Figures,
    Preview,
    Values,
)

__all__ = ["Imported", "find_imported", "receipts_by_id"]

Kind = TypeVar("Kind")
FindTable = Callable[[Connection, Leads], LeadsTable]


@dataclass
class Listed(Generic[Kind]):
    """The first items of a kind, and how many there are."""

    listed: list[Kind] = field(default_factory=list)
    total: int = 0

    def add(self, more: Sequence[Kind], total: int) -> None:
        """Add what one table gave."""
        self.listed += more[: MOST_LISTED - len(self.listed)]
        self.total += total


@dataclass
class Imported:
    """What the imports did.

    imports: figures of each. created, changed: leads. problems: of rejected records. created_in:
    how many leads in which table.
    """

    imports: list[Figures] = field(default_factory=list)
    created: Listed[CreatedLead] = field(default_factory=Listed)
    changed: Listed[ChangedLead] = field(default_factory=Listed)
    problems: Listed[Problem] = field(default_factory=Listed)
    created_in: Counter[str] = field(default_factory=Counter)

    def as_preview(
        self, connection: Connection, refused: ExportRefused | None, **more: Any
    ) -> Preview:
        """Return a preview. more: what only the caller knows about the run."""
        return Preview(
            database=named(connection),
            taken_at=datetime.now(UTC),
            imports=self.imports,
            created=self.created.listed,
            changed=self.changed.listed,
            total_created=self.created.total,
            total_changed=self.changed.total,
            refused=refused.export if refused else "",
            is_file_wrong=refused is None or refused.is_file_wrong,
            problems=refused.problems if refused else self.problems.listed,
            total_problems=refused.total if refused else self.problems.total,
            **more,
        )


def receipts_by_id(connection: Connection) -> dict[int, Receipt]:
    """Return all receipts of the ledger, by id."""
    return {receipt.id: receipt for receipt in all_receipts(connection)}


def find_imported(
    connection: Connection, before: Mapping[int, Receipt], find_table: FindTable
) -> Imported:
    """Find what was imported, or reverted.

    before: the earlier receipts, by id. find_table: finds a declared table of leads.
    """
    done = [
        _Done(receipt, before.get(id))
        for id, receipt in receipts_by_id(connection).items()
        if receipt != before.get(id)
    ]
    found = Imported([one.figures for one in done])
    # A revert has figures alone. It may have dropped the ledger's empty tables by now.
    applied = [one for one in done if one.is_apply]
    for declaration in dict.fromkeys(one.receipt.declaration for one in applied):
        alike = [one for one in applied if one.receipt.declaration == declaration]
        leads = Leads.from_json(declaration)
        table = find_table(connection, leads)
        if leads.id not in table.found:
            continue  # A later revision of the run has moved it, so its leads are not listed.
        created, total = _created(connection, table, alike)
        found.created.add(created, total)
        found.created_in[leads.table] += total
        found.changed.add(*_changed(connection, table, alike))
    if applied:
        found.problems.add(*_rejected(connection, applied))
    return found


@dataclass(frozen=True)
class _Done:
    """What a run did of one import: the receipts after and before the run."""

    receipt: Receipt
    before: Receipt | None

    def gained(self, count: str) -> int:
        """Return how much a count of the ledger has grown."""
        difference: int = getattr(self.receipt, count) - getattr(self.before, count, 0)
        return difference

    @property
    def is_apply(self) -> bool:
        """Whether the run imported records."""
        return self.gained("next_record") > 0

    @property
    def start(self) -> int:
        """The position of the first imported record, from 0."""
        return self.before.next_record if self.before else 0

    @property
    def figures(self) -> Figures:
        """What the run counted."""
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
        fields=row.fields,
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
