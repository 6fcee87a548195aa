"""The history of one lead: what imports made of it, and what people changed between them.

    trace(connection, history, table, lead)

What an import found is its before-image, what it left is the record of its export. Whatever the
next one found otherwise, or the lead holds otherwise today, people have changed. If an export
cannot be read, what it left is taken from what was found next. The bundled CRM's own audit trail
says who changed what, as far as it goes.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from itertools import pairwise
from operator import attrgetter
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, text

from migrations.history import History
from migrations.importer.declaration import Leads, columns_of
from migrations.importer.errors import ExportRefused, Problem
from migrations.importer.ledger import Receipt
from migrations.importer.sql import statement
from migrations.importer.table import LeadsTable
from migrations.importer.v1 import Import
from migrations.tracing.finding import MeantLead, not_found
from migrations.tracing.writing import Values, written_by

__all__ = ["Change", "Event", "Step", "Trace", "timeline", "trace"]

Kind = Literal["created", "updated", "reverted", "added", "edited", "removed"]


class Change(NamedTuple):
    """A field of a lead, and what it held before and afterwards."""

    field: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class Event:
    """One thing that happened to a lead.

    kind: by an import created, updated, reverted; by people added, edited, removed. at: when; None
    for by now. since: of an edit that nobody wrote down, the time after which it was made.
    export, record: of an import, the record counted from 1. by: who, if anybody has written it
    down. changes: None if they are not known.
    """

    kind: Kind
    at: datetime | None
    changes: tuple[Change, ...] | None = ()
    since: datetime | None = None
    export: str = ""
    revision: str = ""
    record: int = 0
    by: str = ""


@dataclass(frozen=True)
class Step:
    """What one record of an import did to a lead.

    record: its position; found: the lead before it, None if it added the lead; wrote: the lead
    after it, None if the export cannot be read.
    """

    receipt: Receipt
    record: int
    at: datetime
    found: Values | None
    wrote: Values | None = None


@dataclass(frozen=True)
class Trace:
    """The history of one lead.

    is_there: whether the table holds it. forgotten: receipts whose old values are gone, so that
    they may have changed the lead too. unread: exports that cannot be read, and why.
    """

    table: str
    lead: MeantLead
    is_there: bool
    events: list[Event]
    forgotten: list[Receipt]
    unread: dict[str, str]


def trace(connection: Connection, history: History, table: LeadsTable, lead: MeantLead) -> Trace:
    """Put together what ledger, exports and audit trail know of the lead that is meant.

    Raises ``LeadNotFound`` if none of them knows it.
    """
    receipts = [receipt for receipt in history.receipts if _is_of(receipt, table)]
    steps = list(_steps(connection, receipts))
    now, trail = _lead_now(connection, table), list(_trail(connection, table))
    if now is None and not steps and not trail:
        raise not_found(table)
    steps, unread = _with_records(connection, history, steps)
    known = {step.receipt.id for step in steps}
    return Trace(
        table.leads.table,
        lead,
        now is not None,
        timeline(steps, now, trail),
        [receipt for receipt in receipts if receipt.forgotten and receipt.id not in known],
        unread,
    )


def _is_of(receipt: Receipt, table: LeadsTable) -> bool:
    return (receipt.leads.table, receipt.leads.id) == (table.leads.table, table.leads.id)


# What is written down.


def _steps(connection: Connection, receipts: Iterable[Receipt]) -> Iterator[Step]:
    """What imports did to the lead, without what they left: the ledger does not hold that."""
    known = {receipt.id: receipt for receipt in receipts}
    for row in connection.execute(text(statement("trace_created"))):
        if row.import_id in known:
            yield Step(known[row.import_id], row.record, row.at, None)
    for row in connection.execute(text(statement("trace_updated"))):
        if row.import_id in known:
            receipt = known[row.import_id]
            yield Step(receipt, row.record, row.at, _old_values(receipt.leads, row.old_values))


def _old_values(leads: Leads, old: Sequence[str | None]) -> Values:
    """The fields of a before-image."""
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
    """The same steps with what they left, and which exports cannot be read, and why not."""
    unread: dict[str, str] = {}
    wrote: dict[tuple[int, int], Values] = {}
    steps = list(steps)
    for receipt in {step.receipt.id: step.receipt for step in steps}.values():
        positions = {step.record for step in steps if step.receipt == receipt}
        try:
            import_ = _import_of(history, receipt)
            for record, values in written_by(connection, import_, receipt, positions).items():
                wrote[receipt.id, record] = values
        except ExportRefused as error:
            unread[receipt.export] = error.problems[0].reason
    with_records = [
        replace(step, wrote=wrote.get((step.receipt.id, step.record))) for step in steps
    ]
    return with_records, unread


def _import_of(history: History, receipt: Receipt) -> Import:
    """The import of a receipt, as it was. Raises ``ExportRefused`` if the code has another one."""
    for import_ in history.imports:
        as_imported = import_.as_imported(receipt.sha256)
        if (import_.revision, as_imported.sha256) == (receipt.revision, receipt.sha256):
            return as_imported
    raise ExportRefused(receipt.export, [Problem(0, "", "is not an export of this release")])


def _lead_now(connection: Connection, table: LeadsTable) -> Values | None:
    found: Values | None = connection.execute(text(statement("trace_lead", table=table))).scalar()
    return found


def _trail(connection: Connection, table: LeadsTable) -> Iterator[Event]:
    """What the bundled CRM's audit trail says of the lead."""
    if not connection.execute(text(statement("has_audit_trail", table=table))).scalar_one():
        return
    kinds: dict[str, Kind] = {"insert": "added", "update": "edited", "delete": "removed"}
    for row in connection.execute(text(statement("trace_audit"))):
        before, after = (_columns(table.leads, held) for held in (row.before, row.after))
        changes = _changes(before, after)
        if changes or row.action != "update":
            yield Event(kinds[row.action], row.at, changes, by=row.changed_by)


def _columns(leads: Leads, held: Mapping[str, Any] | None) -> Values:
    row = held or {}
    texts = [None if row.get(name) is None else str(row[name]) for name in leads.changed_columns]
    return _old_values(leads, texts)


# What follows from it.


@dataclass(frozen=True)
class Moment:
    """When an import wrote the lead or was reverted, or when the trail says that people did."""

    at: datetime
    step: Step | None = None
    is_revert: bool = False
    told: Event | None = None

    @property
    def writes(self) -> bool:
        """Whether an import wrote the lead, and knows as what it found it."""
        return self.step is not None and not self.is_revert


def timeline(steps: Iterable[Step], now: Values | None, trail: Iterable[Event] = ()) -> list[Event]:
    """Put imports, reverts and edits in order.

    now: the lead as it stands, None if it is gone. trail: what the site has written down. What it
    does not explain was edited too.
    """
    moments = sorted([*_moments(steps), *_told(trail)], key=attrgetter("at"))
    writes = [n for n, moment in enumerate(moments) if moment.writes]
    first = writes[0] if writes else len(moments)
    events = [moment.told for moment in moments[:first] if moment.told]
    for n, end in pairwise([*writes, len(moments)]):
        then = moments[end] if end < len(moments) else None
        found_next = then.step.found if then and then.step else now
        events += _from_import_on(
            moments[n], moments[n + 1 : end], found_next, then.at if then else None
        )
    return events


def _moments(steps: Iterable[Step]) -> Iterator[Moment]:
    for step in sorted(steps, key=lambda step: (step.receipt.id, step.at, step.record)):
        yield Moment(step.at, step)
        if step.receipt.reverted_at:
            yield Moment(step.receipt.reverted_at, step, is_revert=True)


def _told(trail: Iterable[Event]) -> Iterator[Moment]:
    for event in trail:
        assert event.at
        yield Moment(event.at, told=event)


def _from_import_on(
    write: Moment, rest: Sequence[Moment], found_next: Values | None, until: datetime | None
) -> Iterator[Event]:
    """What happened from an import until the next one, or until today.

    rest: reverts, and what the trail says; found_next: what the next import found, or today's lead;
    until: the time of that, None for today.
    """
    step = write.step
    assert step
    left = step.wrote
    if left is None:
        was_reverted = any(moment.is_revert for moment in rest)
        yield _event_of(write, step.found, None if was_reverted else found_next)
        yield from (moment.told or _event_of(moment, None, None) for moment in rest)
        return
    yield _event_of(write, step.found, left)
    # What is not as the reverts would have left it was edited, most likely before them.
    kept = set()
    if found_next is not None:
        kept = {change.field for change in _changes(reduce(_after, rest, left), found_next)}
    for moment in rest:
        before, left = left, _after(left, moment, kept)
        yield moment.told or _event_of(moment, before, left)
    if found_next is not None and (changes := _changes(left, found_next)):
        yield Event("edited", until, changes, since=write.at)


def _after(left: Values, moment: Moment, kept: Collection[str] = ()) -> Values:
    """The lead after a revert, which puts back what is as the import wrote it, or after an edit."""
    if moment.told:
        return left | {change.field: change.new for change in moment.told.changes or ()}
    step = moment.step
    if step is None or step.found is None or step.wrote is None:
        return left  # a lead that was created stays
    return {
        name: step.found.get(name, held)
        if held == step.wrote.get(name) and name not in kept
        else held
        for name, held in left.items()
    }


def _event_of(moment: Moment, old: Values | None, new: Values | None) -> Event:
    """An event of an import. new: None if nobody knows what it left."""
    step = moment.step
    assert step
    kind: Kind = "created" if step.found is None else "updated"
    return Event(
        "reverted" if moment.is_revert else kind,
        moment.at,
        None if new is None else _changes(old or {}, new),
        export=step.receipt.export,
        revision=step.receipt.revision,
        record=step.record + 1,
        by=step.receipt.ran_by,
    )


def _changes(old: Values, new: Values) -> tuple[Change, ...]:
    """The fields that differ; of a lead that was added or removed, those that hold something."""
    names = new if not old else old if not new else [name for name in new if name in old]
    pairs = (Change(name, old.get(name), new.get(name)) for name in names)
    return tuple(change for change in pairs if (change.old or "") != (change.new or ""))
