"""Each crucial line is needed: a scenario succeeds with it and fails without it.

A scenario is a function raising ``AssertionError`` if a promise is broken. ``without.py`` takes the
line out, in the deploy's process.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import pytest
from sqlalchemy import URL, text
from sqlalchemy.exc import DBAPIError

from tests.conftest import NewDatabase, Template, build_crm, build_crm_with_leads
from tests.support import without
from tests.support.bundled import records
from tests.support.crm import add_lead, picture
from tests.support.database import connected, run, value, wait_until
from tests.support.deploys import Deploys, Fault
from tests.support.ends import A_LOCK_IS_WAITED_FOR
from tests.support.faults import HoldBefore
from tests.support.promises import assert_imported

Scenario = Callable[[URL, Deploys, list[Fault]], None]


def two_upgrades_at_once_both_end_well(url: URL, deploys: Deploys, faults: list[Fault]) -> None:
    """Hold one of them in the middle of the chain, before it makes a table."""
    held = HoldBefore("CREATE TABLE lead_imports")
    first = deploys.start(url, "upgrade", "head", faults=[held, *faults])
    held.wait()
    second = deploys.start(url, "upgrade", "head", faults=faults)
    while second.running and "waiting for another deploy" not in second.output:
        time.sleep(0.01)
    held.let_go()
    assert (first.status, second.status) == (0, 0), first.output + second.output
    assert value(url, "SELECT count(*) FROM lead_imports") == 1


def a_batch_that_another_process_has_imported_is_left_alone(
    url: URL, deploys: Deploys, faults: list[Fault]
) -> None:
    """Let another process without the lock import the records this one is about to begin with."""
    # Without the lock the audit trail sees no import, and not every table has one.
    run(url, "ALTER TABLE leads DISABLE TRIGGER audit_only_imports_skip")
    before = picture(url)
    held = HoldBefore("SET next_record = _end", nth=2)
    deploy = deploys.start(url, "-x", "batch-size=20", "upgrade", "head", faults=[held, *faults])
    held.wait()
    deploys.succeed(url, "upgrade", "head", faults=[without.deploy_lock_taken])
    held.let_go()
    assert deploy.status != 0, "it imported the same records again"
    assert_imported(url, before)
    assert "another process is at the same import" in deploy.output, "stopped by something else"


def an_edit_during_a_batch_is_kept_somewhere(
    url: URL, deploys: Deploys, faults: list[Fault]
) -> None:
    """Edit a lead during its batch: the edit must be in the lead or in the before-image."""
    held = HoldBefore("-- step: update leads")
    deploy = deploys.start(url, "upgrade", "head", faults=[held, *faults])
    held.wait()
    with connected(url) as site:
        site.execute(text("SET lock_timeout = '200ms'"))
        edit = "UPDATE leads SET full_name = 'Edited' WHERE full_name = 'Known 0'"
        try:
            site.execute(text(edit))
        except DBAPIError:  # It waits for the batch, as it should.
            held.let_go()
            deploy.wait()
            site.execute(
                text("UPDATE leads SET full_name = 'Edited' WHERE created_at = '2024-03-01T09:00Z'")
            )
    held.let_go()
    assert deploy.status == 0
    kept = "SELECT full_name FROM leads UNION ALL SELECT old_values[2] FROM lead_before_images"
    assert ("Edited",) in run(url, kept), "the edit is lost"


def a_site_that_locks_leads_in_their_order_gets_through(
    url: URL, deploys: Deploys, faults: list[Fault]
) -> None:
    """Lock the first lead and then the last: the batch must wait for the first without holding the
    last."""
    low, high = value(url, "SELECT ARRAY[min(id), max(id)] FROM leads")
    lock = text("SELECT FROM leads WHERE id = :id FOR UPDATE NOWAIT")
    held = HoldBefore("WITH locked AS")
    deploy = deploys.start(url, "upgrade", "head", faults=[held, *faults])
    held.wait()
    with connected(url) as site:
        site.execute(text("BEGIN"))
        site.execute(lock, {"id": low})
        held.let_go()
        wait_until(url, A_LOCK_IS_WAITED_FOR)
        try:
            site.execute(lock, {"id": high})
        except DBAPIError as error:
            raise AssertionError(
                "the batch has a later lead while it waits for an earlier one"
            ) from error
        finally:
            site.execute(text("ROLLBACK"))
    assert deploy.status == 0


def an_upgrade_that_ends_well_is_there(url: URL, deploys: Deploys, faults: list[Fault]) -> None:
    """Look for its tables from outside."""
    deploys.succeed(url, "upgrade", "0001_baseline", faults=faults)
    assert value(
        url,
        "SELECT to_regclass('leads') IS NOT NULL AND to_regclass('alembic_version') IS NOT NULL",
    )


def an_upgrade_that_is_not_there_does_not_end_well(
    url: URL, deploys: Deploys, faults: list[Fault]
) -> None:
    """Roll everything back, so Alembic alone would end with success."""
    deploy = deploys.run(
        url, "upgrade", "0001_baseline", faults=[without.commit_before_configure, *faults]
    )
    assert value(url, "SELECT to_regclass('leads')") is None
    assert deploy.status != 0, "ended well, and nothing is there"
    assert "The database is stamped with nothing, expected 0001_baseline" in deploy.output


def build_crm_out_of_order(url: URL) -> None:
    """Add leads with ids in the reverse order of the export and of the disk."""
    build_crm(url)
    for n, record in enumerate(records()[:40]):
        add_lead(url, id=10_000 - n, phone=record["phone"])
    run(url, "SELECT setval('leads_id_seq', 10000)")
    run(url, "TRUNCATE lead_audit")


class Line(NamedTuple):
    """A line of the product: what takes it out, which scenario needs it, and how it fails without
    it.

    build: creates the scenario's database. None starts from an empty one.
    """

    take_out: Fault
    scenario: Scenario
    fails: str
    build: Callable[[URL], None] | None = None


LINES = {
    "deploy lock": Line(
        without.deploy_lock_taken,
        two_upgrades_at_once_both_end_well,
        "42P07 duplicate table",
    ),
    "compare-and-swap": Line(
        without.compare_and_swap,
        a_batch_that_another_process_has_imported_is_left_alone,
        "stopped by something else",  # The ledger's own key stops it later.
        build_crm_with_leads,
    ),
    "row lock": Line(
        without.row_lock,
        an_edit_during_a_batch_is_kept_somewhere,
        "the edit is lost",
        build_crm_with_leads,
    ),
    "order of locks": Line(
        without.order_of_locks,
        a_site_that_locks_leads_in_their_order_gets_through,
        "the batch has a later lead while it waits for an earlier one",
        build_crm_out_of_order,
    ),
    "commit before configure": Line(
        without.commit_before_configure,
        an_upgrade_that_ends_well_is_there,
        "The database is stamped with nothing",
    ),
    "check afterwards": Line(
        without.after_check,
        an_upgrade_that_is_not_there_does_not_end_well,
        "ended well, and nothing is there",
    ),
}


@pytest.mark.parametrize("line", LINES)
def test_the_product_would_not_be_right_without_its(
    line: str, new_database: NewDatabase, template: Template, deploys: Deploys
) -> None:
    """The scenario succeeds, and with the line taken out it fails."""
    take_out, scenario, fails, build = LINES[line]

    def start() -> URL:
        return new_database(template(build.__name__, build) if build else None)

    scenario(start(), deploys, [])
    with pytest.raises(AssertionError, match=fails):
        scenario(start(), deploys, [take_out])
