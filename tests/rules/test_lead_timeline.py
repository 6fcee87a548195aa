"""Derive the history of one lead from before-images and exports."""

from datetime import UTC, datetime, timedelta

import pytest

from migrations.crm import LEADS
from migrations.importer.ledger import Receipt
from migrations.tracing.events import Change, Event, Step, timeline
from migrations.tracing.finding import as_id

START = datetime(2026, 9, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    """Return a day of the history."""
    return START + timedelta(days=number)


def step(
    imported: int,
    found: dict[str, str | None] | None,
    wrote: dict[str, str | None] | None,
    *,
    reverted: int | None = None,
) -> Step:
    """Return an import on one day, reverted on another if given."""
    receipt = Receipt(
        **dict.fromkeys(
            ("next_record", "created", "updated", "unchanged", "rejected", "folded", "shared"), 0
        ),
        **dict.fromkeys(("revert_next_record", "restored", "kept", "removed", "referenced"), 0),
        id=imported,
        revision=f"r{imported}",
        export=f"{imported}.json",
        sha256="",
        records=1,
        declaration=LEADS.as_json(),
        policies="",
        started_at=day(imported),
        finished_at=day(imported),
        ran_by="crm",
        release="",
        remove_created=None,
        reverted_at=None if reverted is None else day(reverted),
    )
    return Step(receipt, 0, day(imported), found, wrote)


def told(events: list[Event]) -> list[tuple[str, dict[str, tuple[str | None, str | None]] | None]]:
    """Return the kinds and changes."""
    return [
        (
            event.kind,
            None
            if event.changes is None
            else {name: (old, new) for name, old, new in event.changes},
        )
        for event in events
    ]


def test_what_the_next_import_found_otherwise_was_edited_between() -> None:
    """The same goes for what the lead holds today, after the last import."""
    events = timeline(
        [step(1, None, {"status": "a"}), step(5, {"status": "b"}, {"status": "c"})], {"status": "d"}
    )
    assert told(events) == [
        ("created", {"status": (None, "a")}),
        ("edited", {"status": ("a", "b")}),
        ("updated", {"status": ("b", "c")}),
        ("edited", {"status": ("c", "d")}),
    ]
    assert [(event.since, event.at) for event in events[1::2]] == [(day(1), day(5)), (day(5), None)]


def test_a_revert_puts_back_what_nobody_has_edited() -> None:
    """Later edits stay, and count as edits."""
    reverted = step(1, {"status": "a", "notes": "m"}, {"status": "b", "notes": "n"}, reverted=2)
    assert told(timeline([reverted], {"status": "a", "notes": "x"})) == [
        ("updated", {"status": ("a", "b"), "notes": ("m", "n")}),
        ("reverted", {"status": ("b", "a")}),
        ("edited", {"notes": ("n", "x")}),
    ]


def test_reverts_one_after_the_other_are_nobodys_edit() -> None:
    """The last import is reverted first, and each revert restores what its import found."""
    steps = [
        step(1, {"status": "a"}, {"status": "b"}, reverted=4),
        step(2, {"status": "b"}, {"status": "c"}, reverted=3),
    ]
    assert told(timeline(steps, {"status": "a"}))[2:] == [
        ("reverted", {"status": ("c", "b")}),
        ("reverted", {"status": ("b", "a")}),
    ]


def test_an_import_after_a_revert_finds_what_the_revert_left() -> None:
    """The same revision runs again."""
    steps = [
        step(1, {"status": "a"}, {"status": "b"}, reverted=2),
        step(3, {"status": "a"}, {"status": "b"}),
    ]
    assert [kind for kind, _ in told(timeline(steps, {"status": "b"}))] == [
        "updated",
        "reverted",
        "updated",
    ]


def test_a_reverted_import_leaves_the_lead_that_it_created() -> None:
    """Its values do not change."""
    events = timeline([step(1, None, {"status": "a"}, reverted=2)], {"status": "a"})
    assert told(events) == [("created", {"status": (None, "a")}), ("reverted", {})]


def test_without_the_export_a_revert_hides_what_was_written() -> None:
    """Neither the imported values nor the reverted ones are known."""
    events = timeline([step(1, {"status": "a"}, None, reverted=2)], {"status": "a"})
    assert told(events) == [("updated", None), ("reverted", None)]


def test_the_trail_says_who_and_the_rest_was_edited_too() -> None:
    """A trail emptied in between explains less."""
    trail = [
        Event("edited", day(0), (Change("notes", "", "before"),), by="ann"),
        Event("edited", day(2), (Change("status", "b", "x"),), by="bob"),
    ]
    events = timeline(
        [step(1, {"status": "a", "notes": "before"}, {"status": "b", "notes": "n"})],
        {"status": "x", "notes": "y"},
        trail,
    )
    assert [(event.kind, event.by) for event in events] == [
        ("edited", "ann"),
        ("updated", "crm"),
        ("edited", "bob"),
        ("edited", ""),
    ]
    assert told(events)[-1] == ("edited", {"notes": ("n", "y")})


def test_an_edit_after_a_revert_that_the_trail_tells_is_told_once() -> None:
    """The revert came before the edit."""
    trail = [Event("edited", day(3), (Change("status", "a", "x"),), by="ann")]
    events = timeline(
        [step(1, {"status": "a"}, {"status": "b"}, reverted=2)], {"status": "x"}, trail
    )
    assert told(events)[1:] == [
        ("reverted", {"status": ("b", "a")}),
        ("edited", {"status": ("a", "x")}),
    ]


@pytest.mark.parametrize(
    ("asked", "of_type", "written"),
    [
        ("007", "integer", "7"),
        (
            "A0EEBC999C0B4EF8BB6D6BB9BD380A11",
            "uuid",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        ),
        ("007", "text", "007"),
    ],
)
def test_an_id_is_asked_for_as_the_ledger_writes_it(asked: str, of_type: str, written: str) -> None:
    """Only the ledger knows the id of a lead that is gone."""
    assert as_id(asked, of_type) == written
