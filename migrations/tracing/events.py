"""Tell the history of one lead: what imports wrote into it, and what people changed in between.

An import found the before-image and left the record of its export. If the next import found other
values, or the lead holds others today, people changed them. If an export cannot be read, the next
values found stand for its own. The bundled CRM's audit trail says who changed what, as far as it
goes.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from itertools import pairwise
from operator import attrgetter
from typing import Literal, NamedTuple

from migrations.importer.ledger import Receipt
from migrations.tracing.writing import Values

__all__ = ["Change", "Event", "Kind", "Step", "changes", "timeline"]

Kind = Literal["created", "updated", "reverted", "added", "edited", "removed"]


class Change(NamedTuple):
    """A field of a lead, with its values before and afterwards."""

    field: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class Event:
    """One thing that happened to a lead.

    kind: created, updated, reverted by an import, or added, edited, removed by people. at: when, or
    None for by now. since: the earliest time of an edit nobody wrote down. export, record: of an
    import, the record counted from 1. by: who, if written down. changes: None if unknown.
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

    record: its position. found: the lead before it, None if it added the lead. wrote: the lead
    after it, None if the export cannot be read.
    """

    receipt: Receipt
    record: int
    at: datetime
    found: Values | None
    wrote: Values | None = None


@dataclass(frozen=True)
class Moment:
    """When an import wrote the lead or was reverted, or people edited it according to the trail."""

    at: datetime
    step: Step | None = None
    is_revert: bool = False
    told: Event | None = None

    @property
    def writes(self) -> bool:
        """Whether an import wrote the lead here."""
        return self.step is not None and not self.is_revert


def timeline(steps: Iterable[Step], now: Values | None, trail: Iterable[Event] = ()) -> list[Event]:
    """Put imports, reverts and edits in order.

    now: the lead as it stands, None if it is gone. trail: what the site has written down. Changes
    it does not explain were edits too.
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
    """Tell what happened from an import until the next one, or until today.

    rest: reverts, and edits from the trail. found_next: the lead the next import found, or today's.
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
    # People edited any value other than the reverts would have left, most likely before them.
    kept = set()
    if found_next is not None:
        kept = {change.field for change in changes(reduce(_after, rest, left), found_next)}
    for moment in rest:
        before, left = left, _after(left, moment, kept)
        yield moment.told or _event_of(moment, before, left)
    if found_next is not None and (edits := changes(left, found_next)):
        yield Event("edited", until, edits, since=write.at)


def _after(left: Values, moment: Moment, kept: Collection[str] = ()) -> Values:
    """Return the lead after an edit, or after a revert: it restores values the import wrote."""
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
    """Make an event of an import. new: None if unknown."""
    step = moment.step
    assert step
    kind: Kind = "created" if step.found is None else "updated"
    return Event(
        "reverted" if moment.is_revert else kind,
        moment.at,
        None if new is None else changes(old or {}, new),
        export=step.receipt.export,
        revision=step.receipt.revision,
        record=step.record + 1,
        by=step.receipt.ran_by,
    )


def changes(old: Values, new: Values) -> tuple[Change, ...]:
    """List the fields with different values. Of an added or removed lead, list the filled ones."""
    names = new if not old else old if not new else [name for name in new if name in old]
    pairs = (Change(name, old.get(name), new.get(name)) for name in names)
    return tuple(change for change in pairs if (change.old or "") != (change.new or ""))
