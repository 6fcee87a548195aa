"""The state of each import and its remedy, judged without a database."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from migrations.crm import LEADS
from migrations.history import (
    PINNED,
    Fault,
    History,
    Step,
    faults,
    faults_after,
    last_import,
    nothing_new_in_words,
    stamp_faults,
)
from migrations.importer.declaration import Leads
from migrations.importer.errors import DatabaseRefused
from migrations.importer.ledger import Receipt, check_not_half_reverted, check_receipt
from migrations.importer.pinned import Import

SCHEMA, FIRST, SECOND = "0001_schema", "0002_first", "0003_second"
STEPS = (
    Step(SCHEMA),
    Step(FIRST, (SCHEMA,), Import(FIRST, "first.json", "f1", 217, LEADS)),
    Step(SECOND, (FIRST,), Import(SECOND, "second.json", "5e", 3, LEADS)),
)
NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


def receipt(revision: str = FIRST, **changed: Any) -> Receipt:
    """Return the receipt of a complete import."""
    import_ = next(step.import_ for step in STEPS if step.revision == revision)
    assert import_ is not None
    complete = Receipt(
        id=1,
        revision=revision,
        export=import_.export,
        sha256=import_.sha256,
        records=import_.records,
        declaration=import_.leads.as_json(),
        policies=import_.policies,
        next_record=import_.records,
        created=import_.records,
        updated=0,
        unchanged=0,
        rejected=0,
        folded=0,
        shared=0,
        started_at=NOON,
        finished_at=NOON,
        ran_by="crm",
        release="",
        revert_next_record=0,
        restored=0,
        kept=0,
        removed=0,
        referenced=0,
        remove_created=None,
        reverted_at=None,
    )
    return replace(complete, **changed)


def test_a_revert_of_one_lead_is_told_in_the_singular() -> None:
    """Leads that stay are told if there are any."""
    one = receipt(created=0, updated=1, restored=1)
    assert one.revert_in_words == (
        "1 lead restored, 0 kept because edited since or held by a rule."
    )
    assert receipt().revert_in_words.endswith(f" Created leads stay: {receipt().created}.")


def half_imported(revision: str = FIRST) -> Receipt:
    return receipt(revision, next_record=100, finished_at=None)


def half_reverted(revision: str = FIRST, **changed: Any) -> Receipt:
    return receipt(revision, revert_next_record=50, **changed)


def reverted(revision: str = FIRST) -> Receipt:
    return receipt(revision, revert_next_record=217, remove_created=False, reverted_at=NOON)


def history(
    *stamped: str, receipts: tuple[Receipt, ...] = (), missing: tuple[str, ...] = ()
) -> History:
    """Return the history of a database, for code with two imports."""
    return History(STEPS, stamped, receipts, missing)


def commands(fault: Fault) -> list[str]:
    """Return the commands in a remedy, in order."""
    return re.findall(r"'((?:alembic|python) [^']+)'", fault.remedy)


def fault_of(found: History, revision: str = FIRST) -> Fault:
    """Return the one fault of an import."""
    [fault] = [fault for fault in faults(found) if fault.revision == revision]
    return fault


ALL_IN = history(SECOND, receipts=(receipt(FIRST), receipt(SECOND, id=2)))


def test_imports_that_are_all_in_have_no_fault() -> None:
    """They are stamped and complete, and match what the revisions pin."""
    assert faults(ALL_IN) == []
    assert faults_after(ALL_IN, {SECOND}, [FIRST, SECOND]) == []


@pytest.mark.parametrize(
    ("found", "fact", "remedy"),
    [
        (history(), "first.json is not imported", ["alembic upgrade head"]),
        (history(SCHEMA, receipts=(reverted(),)), "is not imported", ["alembic upgrade head"]),
        (
            history(SCHEMA, receipts=(half_imported(),)),
            "stopped at record 100 of 217, or is running now",
            ["alembic upgrade head"],
        ),
        (
            history(SCHEMA, receipts=(receipt(),)),
            f"first.json is imported, but the database is not stamped {FIRST}",
            ["alembic upgrade head"],
        ),
    ],
    ids=["pending", "reverted", "unfinished", "not stamped"],
)
def test_what_an_upgrade_mends_does_not_stop_it(
    found: History, fact: str, remedy: list[str]
) -> None:
    """Until an upgrade it counts as wrong."""
    fault = fault_of(found)
    assert fact in fault.fact
    assert commands(fault) == remedy
    assert not fault.stops_upgrade


@pytest.mark.parametrize(
    ("found", "fact", "remedy"),
    [
        (
            history(FIRST, missing=("the table lead_imports",)),
            "its ledger has no import of first.json: it was stamped without running",
            ["alembic stamp base", "alembic upgrade head"],
        ),
        (
            history(FIRST),
            "its ledger has no import of first.json: it was stamped by hand, or the ledger",
            [f"alembic stamp {SCHEMA}", "alembic upgrade head"],
        ),
        (
            history(FIRST, receipts=(half_imported(),)),
            "has only reached record 100 of 217: it was stamped by hand",
            [f"alembic stamp {SCHEMA}", "alembic upgrade head"],
        ),
        (
            history(FIRST, receipts=(half_reverted(),)),
            "its downgrade has only reached record 50 of 217",
            ["alembic downgrade -1", "alembic upgrade head"],
        ),
        (
            history(FIRST, receipts=(half_reverted(remove_created=True),)),
            "its downgrade has only reached record 50 of 217",
            ["alembic -x remove-created downgrade -1", "alembic upgrade head"],
        ),
        (
            history(SCHEMA, receipts=(half_reverted(),)),
            "its downgrade has only reached record 50 of 217",
            [f"alembic stamp {FIRST}", "alembic downgrade -1", "alembic upgrade head"],
        ),
        (
            history(FIRST, receipts=(reverted(),)),
            "its downgrade is not stamped",
            ["alembic downgrade -1", "alembic upgrade head"],
        ),
        (
            history(FIRST, receipts=(receipt(sha256="other", records=216),)),
            f"is not what revision {FIRST} pins: sha256 found other, expected f1, records found "
            "216, expected 217",
            ["python -m migrations add", f"alembic downgrade {SCHEMA}"],
        ),
    ],
    ids=[
        "stamped without running",
        "no receipt",
        "stamped too early",
        "half reverted",
        "half reverted with its created leads",
        "half reverted and stamped back",
        "reverted and not stamped",
        "another export",
    ],
)
def test_an_import_that_is_not_in_stops_an_upgrade(
    found: History, fact: str, remedy: list[str]
) -> None:
    """Nothing is imported over it, and it is not called complete."""
    fault = fault_of(found)
    assert fact in fault.fact
    assert commands(fault) == remedy
    assert fault.stops_upgrade


def test_revisions_above_a_mended_import_do_not_run_again() -> None:
    """They are stamped again instead."""
    again = [f"alembic upgrade {FIRST}", f"alembic stamp {SECOND}"]
    second = receipt(SECOND, id=2)
    assert commands(fault_of(history(SECOND, receipts=(second,)))) == [
        f"alembic stamp {SCHEMA}",
        *again,
    ]
    assert commands(fault_of(history(SECOND, receipts=(half_reverted(), second)))) == [
        f"alembic stamp {FIRST}",
        "alembic downgrade -1",
        *again,
    ]


def test_the_first_revision_of_all_is_run_again_from_the_base() -> None:
    """There is nothing before it to stamp."""
    only = History((replace(STEPS[1], parents=()),), (FIRST,))
    assert commands(fault_of(only))[0] == "alembic stamp base"


@pytest.mark.parametrize("column", PINNED)
@pytest.mark.parametrize("stamped", [SCHEMA, FIRST])
def test_everything_that_is_pinned_is_compared(column: str, stamped: str) -> None:
    """An import that is not stamped yet does not go on with another export either."""
    value = Leads("other", phone="phone").as_json() if column == "declaration" else "other"
    other = receipt(finished_at=None if stamped == SCHEMA else NOON, **{column: value})
    fault = fault_of(history(stamped, receipts=(other,)))
    told = 'of table found "other"' if column == "declaration" else "found other"
    assert f"{column} {told}, expected" in fault.fact
    assert fault.stops_upgrade


def test_the_last_of_several_reverts_is_the_one_to_be_stamped() -> None:
    """An import may be applied and reverted more than once."""
    first, last = replace(reverted(), remove_created=True), replace(reverted(), id=2)
    fault = fault_of(history(FIRST, receipts=(first, last)))
    assert commands(fault)[0] == "alembic downgrade -1"


def test_faults_come_in_the_order_of_the_revisions() -> None:
    """You mend the first one first."""
    found = faults(history(SECOND))
    assert [fault.revision for fault in found] == [FIRST, SECOND]


def test_an_import_that_this_release_does_not_know_stops_nothing() -> None:
    """A newer release stopped halfway, say, and the older one is deployed again."""
    newer = replace(half_imported(), id=3, revision="9999_future")
    [fault] = faults(replace(ALL_IN, receipts=(*ALL_IN.receipts, newer)))
    assert "under revision 9999_future, which this release does not know" in fault.fact
    assert not fault.stops_upgrade


def test_what_an_import_works_with_is_missed_only_after_an_import() -> None:
    """It stops nothing, because the next import makes sure of it."""
    lacks = ("the function f", "the index i")
    [fault] = faults(replace(ALL_IN, missing=lacks))
    assert "but the function f and the index i are not there" in fault.fact
    assert commands(fault) == ["alembic stamp base", "alembic upgrade head"]
    assert not fault.stops_upgrade
    assert not any("not there" in fault.fact for fault in faults(history(missing=lacks)))


def test_an_unfinished_import_of_another_export_is_stamped_before_its_downgrade() -> None:
    """Alembic does not revert a revision without a stamp."""
    other = receipt(finished_at=None, sha256="other")
    assert commands(fault_of(history(SCHEMA, receipts=(other,))))[1:] == [
        f"alembic stamp {FIRST}",
        f"alembic downgrade {SCHEMA}",
    ]


def test_an_application_may_have_many_revisions() -> None:
    """They are walked one by one, without recursion."""
    many = [Step("0")] + [Step(str(n), (str(n - 1),)) for n in range(1, 5000)]
    assert len(History(tuple(many), ("4999",)).applied) == 5000


# The stamp.


def test_a_stamp_of_a_newer_release_has_a_way_out() -> None:
    """You deploy that release, or downgrade with it to the last revision known here."""
    found = replace(ALL_IN, stamped=("9999_future",))
    [fault] = faults(found)
    assert "stamped 9999_future, which this release does not know" in fault.fact
    assert commands(fault) == [f"alembic downgrade {SECOND}"]
    assert fault.stops_upgrade


def test_a_stamp_of_the_crms_own_revisions_is_all_that_is_told() -> None:
    """Without an import in the ledger nobody can say that one is missing."""
    [fault] = faults(history("c3b7a6f5e4d3"))
    assert "stamped c3b7a6f5e4d3, which this release does not know" in fault.fact
    assert "see 'Beside your own tools' in docs/your-crm.md" in fault.remedy


def test_another_export_may_take_the_place_of_one_that_has_not_begun() -> None:
    """Its first batch failed, so nothing was imported by the old pins."""
    begun = receipt(next_record=0, finished_at=None, sha256="other", policies="other")
    assert not fault_of(history(SCHEMA, receipts=(begun,))).stops_upgrade


def test_a_revision_that_is_stamped_beside_a_later_one_is_too_much() -> None:
    """Alembic finds no path from there, so the remedy keeps the last one."""
    [fault] = stamp_faults(history(SCHEMA, SECOND))
    assert f"stamped {SCHEMA} and {SECOND}" in fault.fact
    assert commands(fault) == [f"alembic stamp --purge {SECOND}"]
    assert fault.stops_upgrade


def test_branches_may_be_stamped_side_by_side() -> None:
    """Neither comes before the other."""
    other = Step("0003_other", (FIRST,))
    both = replace(ALL_IN, steps=(*STEPS, other), stamped=(other.revision, SECOND))
    assert faults(both) == []
    assert commands(stamp_faults(replace(both, stamped=(SCHEMA, *both.stamped)))[0]) == [
        f"alembic stamp --purge {other.revision} {SECOND}"
    ]


# After a run.


def test_a_run_that_was_not_committed_is_noticed() -> None:
    """The stamp is not the one Alembic has set."""
    [fault] = faults_after(history(SCHEMA), {FIRST}, [FIRST])
    assert fault.fact == (
        f"The database is stamped {SCHEMA}, expected {FIRST}: the run was not committed"
    )
    [fault] = faults_after(history(), {FIRST}, [FIRST])
    assert "stamped with nothing" in fault.fact


def test_a_run_is_asked_for_what_it_did_alone() -> None:
    """A missing import from before is not its concern."""
    found = history(SECOND, receipts=(receipt(SECOND),))
    assert faults_after(found, {SECOND}, [SECOND]) == []
    assert [fault.revision for fault in faults_after(found, {SECOND}, [FIRST, SECOND])] == [FIRST]


def test_a_run_without_work_names_the_last_import_that_should_be_in() -> None:
    """An import above the stamp is not named."""
    assert last_import(history(SCHEMA, receipts=(receipt(),))) is None
    found = last_import(replace(ALL_IN, stamped=(FIRST,)))
    assert found is not None
    assert nothing_new_in_words(found, "257") == (
        "first.json: 217 records, imported on 2026-01-02 12:00 UTC. This run: 0 created, 0 "
        "updated, 217 unchanged. Leads: 257 before, 257 after."
    )


# The importer's own assertion.


def test_the_importer_works_on_no_receipt_that_does_not_fit() -> None:
    """The message names the command that knows the remedy."""
    with pytest.raises(DatabaseRefused, match=r"is not what revision .* status'"):
        check_receipt(receipt(), {"sha256": "other"})
    with pytest.raises(DatabaseRefused, match=r"has only reached record 50 of 217.* status'"):
        check_not_half_reverted(half_reverted())
    check_receipt(receipt(), {"sha256": "f1", "records": 217})
    check_not_half_reverted(half_imported())
