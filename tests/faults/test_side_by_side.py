"""Deploys run beside deploys, and beside the live site."""

from collections.abc import Iterator

import pytest
from sqlalchemy import URL, Connection, text

from tests.support.bundled import BEFORE_IMPORT, records
from tests.support.crm import add_lead, picture
from tests.support.database import connected, run, value, wait_until
from tests.support.deploys import Deploys
from tests.support.ends import A_LOCK_IS_WAITED_FOR
from tests.support.faults import HoldBefore, KillBefore
from tests.support.promises import assert_imported
from tests.support.roles import MAY_IMPORT, another_role


@pytest.fixture
def as_another_role(crm_with_leads: URL) -> Iterator[URL]:
    """Yield the URL of an ordinary role with the rights to import."""
    with another_role(crm_with_leads, *MAY_IMPORT) as url:
        yield url


HAS_LEAD = (
    "SELECT count(*) > 0 FROM leads WHERE lead_phone_key_v1(phone) = lead_phone_key_v1(:phone)"
)


def test_ten_upgrades_at_once_from_an_empty_database(database: URL, deploys: Deploys) -> None:
    """All succeed: one of them imports, and the others find nothing to do."""
    ten = [deploys.start(database, "upgrade", "head") for _ in range(10)]
    assert [deploy.status for deploy in ten] == [0] * 10
    imported = [
        deploy
        for deploy in ten
        if "217 records: 217 created, 0 updated, 0 unchanged" in deploy.output
    ]
    assert len(imported) == 1
    assert value(database, "SELECT count(*) FROM leads") == len(records())
    assert value(database, "SELECT count(*) FROM lead_imports") == 1


def test_ten_upgrades_at_once_in_the_middle_of_the_chain(
    crm_with_leads: URL, deploys: Deploys
) -> None:
    """They do the same after an earlier deploy died in the import."""
    before = picture(crm_with_leads)
    dies = KillBefore("INSERT INTO lead_import_batches", nth=2)
    deploys.run(crm_with_leads, "-x", "batch-size=50", "upgrade", "head", faults=[dies])
    ten = [
        deploys.start(crm_with_leads, "-x", "batch-size=50", "upgrade", "head") for _ in range(10)
    ]
    assert [deploy.status for deploy in ten] == [0] * 10
    assert sum("resumed at record 51 of" in deploy.output for deploy in ten) == 1
    assert_imported(crm_with_leads, before)


def test_a_downgrade_waits_for_the_upgrade_before_it(crm_with_leads: URL, deploys: Deploys) -> None:
    """The import completes before it is reverted, and both succeed."""
    before = picture(crm_with_leads)
    held = HoldBefore("INSERT INTO lead_import_batches", nth=2)
    up = deploys.start(crm_with_leads, "-x", "batch-size=20", "upgrade", "head", faults=[held])
    held.wait()
    down = deploys.start(crm_with_leads, "downgrade", "-1")
    down.wait_until_it_says("production_leads_export.json at record 20 of 217")
    held.let_go()
    assert (up.status, down.status) == (0, 0), up.output + down.output
    assert run(
        crm_with_leads, "SELECT updated, restored FROM lead_imports WHERE reverted_at IS NOT NULL"
    ) == [(10, 10)]
    after = picture(crm_with_leads)
    assert {lead_id: after.leads[lead_id] for lead_id in before.leads} == before.leads


def test_a_run_looks_at_what_it_has_done_before_another_one_begins(
    crm_with_leads: URL, deploys: Deploys
) -> None:
    """Or it would find the other one's work."""
    held = HoldBefore("SELECT version_num", after="UPDATE alembic_version")
    down = deploys.start(crm_with_leads, "downgrade", "-1", faults=[held])
    held.wait()
    up = deploys.start(crm_with_leads, "upgrade", "head")
    up.wait_until_it_says("waiting for another deploy")
    held.let_go()
    assert (down.status, up.status) == (0, 0), down.output + up.output


def test_an_upgrade_waits_for_the_downgrade_before_it(
    crm_with_leads: URL, deploys: Deploys
) -> None:
    """The upgrade begins when the downgrade has ended."""
    held = HoldBefore("DROP TABLE")
    down = deploys.start(crm_with_leads, "downgrade", "-1", faults=[held])
    held.wait()
    up = deploys.start(crm_with_leads, "upgrade", "head")
    up.wait_until_it_says("waiting for another deploy")
    held.let_go()
    assert (down.status, up.status) == (0, 0), down.output + up.output
    assert "0002_phone_key -> 0003_ledger" in up.output
    assert value(crm_with_leads, "SELECT updated FROM lead_imports") == 10


def test_an_upgrade_waits_for_the_downgrade_of_its_import(
    crm_with_leads: URL, deploys: Deploys
) -> None:
    """The stamp says nothing is pending, but the upgrade waits for the revert and imports again."""
    deploys.succeed(crm_with_leads, "upgrade", "head")
    held = HoldBefore("SET revert_next_record = _end", nth=2)
    down = deploys.start(crm_with_leads, "-x", "batch-size=20", "downgrade", "-1", faults=[held])
    held.wait()
    up = deploys.start(crm_with_leads, "upgrade", "head")
    up.wait_until_it_says("waiting for another deploy")
    held.let_go()
    assert (down.status, up.status) == (0, 0), down.output + up.output
    ledger = run(
        crm_with_leads, "SELECT reverted_at IS NULL, updated FROM lead_imports ORDER BY id"
    )
    assert ledger == [(False, 10), (True, 10)]


def test_a_holder_whose_session_may_not_be_seen_is_named_all_the_same(
    crm_with_leads: URL, as_another_role: URL, deploys: Deploys
) -> None:
    """Only a superuser sees how long another role's session has existed, but everybody can wait for
    it."""
    with connected(crm_with_leads) as other:
        other.execute(text("SET application_name = 'another deploy'"))
        other.execute(text("SELECT pg_advisory_lock(:key)"), {"key": int.from_bytes(b"leads-im")})
        deploy = deploys.start(as_another_role, "upgrade", "head")
        deploy.wait_until_it_says("another deploy (server process")
    assert deploy.status == 0, deploy.output


def test_a_ledger_that_is_being_dropped_does_not_end_the_wait(
    crm_with_leads: URL, deploys: Deploys
) -> None:
    """The wait can still name the holder, but not its progress."""
    with connected(crm_with_leads) as other, connected(crm_with_leads) as downgrade:
        other.execute(text("SELECT pg_advisory_lock(:key)"), {"key": int.from_bytes(b"leads-im")})
        downgrade.execute(text("BEGIN"))
        downgrade.execute(text("LOCK TABLE lead_imports IN ACCESS EXCLUSIVE MODE"))
        deploy = deploys.start(crm_with_leads, "upgrade", "head")
        deploy.wait_until_it_says("(server process")
        downgrade.execute(text("ROLLBACK"))
    assert deploy.status == 0, deploy.output
    assert "trying again" not in deploy.output


def test_without_the_lock_alembic_does_not_even_look_for_work(
    crm_with_leads: URL, deploys: Deploys
) -> None:
    """Another deploy may change what is pending, so nothing read before the lock counts."""
    looks = KillBefore("SELECT alembic_version.version_num")
    deploys.succeed(crm_with_leads, "downgrade", BEFORE_IMPORT, faults=[looks])


def test_rows_that_refer_to_a_lead_are_added_meanwhile(
    crm_with_leads: URL, deploys: Deploys
) -> None:
    """The site records a call to an updated lead without waiting for the batch."""
    before = picture(crm_with_leads)
    run(crm_with_leads, "CREATE TABLE calls (lead_id bigint NOT NULL REFERENCES leads (id))")
    held = HoldBefore("COMMIT", after="INSERT INTO lead_import_batches")
    deploy = deploys.start(crm_with_leads, "upgrade", "head", faults=[held])
    held.wait()
    with connected(crm_with_leads) as site:
        site.execute(text("SET lock_timeout = '200ms'"))
        site.execute(text("INSERT INTO calls SELECT id FROM leads WHERE full_name LIKE 'Known %'"))
    held.let_go()
    assert deploy.status == 0, deploy.output
    assert value(crm_with_leads, "SELECT count(*) FROM calls") == 10
    assert_imported(crm_with_leads, before)


def test_a_deadlock_with_the_site_ends_no_transaction_of_the_site(
    crm_with_leads: URL, deploys: Deploys
) -> None:
    """The batch lets go before the server checks for deadlocks, so the site gets through and the
    next attempt succeeds."""
    before = picture(crm_with_leads)
    low, high = value(
        crm_with_leads, "SELECT ARRAY[min(id), max(id)] FROM leads WHERE full_name LIKE 'Known %'"
    )
    held = HoldBefore("FOR NO KEY UPDATE")
    deploy = deploys.start(crm_with_leads, "upgrade", "head", faults=[held])
    held.wait()
    with connected(crm_with_leads) as site:
        site.execute(text("BEGIN"))
        lock(site, high)
        held.let_go()
        wait_until(crm_with_leads, A_LOCK_IS_WAITED_FOR)
        lock(site, low)
        site.execute(text("COMMIT"))
    assert deploy.status == 0, deploy.output
    assert (
        "55P03 lock not available. Run the same command again. This was attempt 1" in deploy.output
    )
    assert_imported(crm_with_leads, before)


@pytest.mark.parametrize(
    ("edit", "when"),
    [
        ("UPDATE leads SET phone = '0600000999' WHERE full_name = 'Known 3'", "FOR NO KEY UPDATE"),
        ("DELETE FROM leads WHERE full_name = 'Known 3'", "FOR NO KEY UPDATE"),
        ("INSERT INTO leads (full_name, phone) VALUES ('Site', :phone)", "INSERT INTO leads"),
    ],
    ids=["gets another phone", "is deleted", "is added"],
)  # fmt: skip
def test_a_lead_that_while_a_batch_looks_at_it(
    edit: str, when: str, crm_with_leads: URL, deploys: Deploys
) -> None:
    """The batch runs again on what the site has written, and unique phones reveal an added lead."""
    run(crm_with_leads, "CREATE UNIQUE INDEX ON leads (phone)")
    held = HoldBefore(when)
    deploy = deploys.start(crm_with_leads, "upgrade", "head", faults=[held])
    held.wait()
    run(crm_with_leads, edit, **({"phone": records()[1]["phone"]} if ":phone" in edit else {}))
    run(crm_with_leads, "TRUNCATE lead_audit")
    before = picture(crm_with_leads)
    held.let_go()
    assert deploy.status == 0, deploy.output
    assert "halves" not in deploy.output
    assert_imported(crm_with_leads, before)


def test_a_lead_that_the_site_adds_beside_a_batch_is_as_if_it_were_added_after_it(
    crm_with_leads: URL, deploys: Deploys
) -> None:
    """A site free to hold two leads with one phone may do so during an import too."""
    before = picture(crm_with_leads)
    held = HoldBefore("INSERT INTO leads")
    deploy = deploys.start(crm_with_leads, "upgrade", "head", faults=[held])
    held.wait()
    site = add_lead(crm_with_leads, full_name="Site", phone=records()[1]["phone"])
    held.let_go()
    assert deploy.status == 0, deploy.output
    assert "trying again" not in deploy.output
    assert picture(crm_with_leads).leads[site]["full_name"] == "Site"
    run(crm_with_leads, "DELETE FROM leads WHERE id = :id", id=site)
    run(crm_with_leads, "TRUNCATE lead_audit")
    assert_imported(crm_with_leads, before)


def test_the_site_edits_and_adds_leads_during_an_import(
    crm_with_leads: URL, deploys: Deploys
) -> None:
    """Nothing is locked between two batches, and what the site writes is audited as ever."""
    held = HoldBefore("BEGIN ISOLATION", after="INSERT INTO lead_import_batches")
    deploy = deploys.start(crm_with_leads, "-x", "batch-size=100", "upgrade", "head", faults=[held])
    held.wait()
    site = add_lead(crm_with_leads, full_name="Site", phone="0600000777")
    run(crm_with_leads, "UPDATE leads SET status = 'booked' WHERE full_name = 'Kept 1'")
    held.let_go()
    assert deploy.status == 0, deploy.output
    assert run(crm_with_leads, "SELECT action FROM lead_audit ORDER BY id") == [
        ("insert",),
        ("update",),
    ]
    leads = picture(crm_with_leads).leads
    assert leads[site]["full_name"] == "Site"
    assert [lead["status"] for lead in leads.values() if lead["full_name"] == "Kept 1"] == [
        "booked"
    ]


@pytest.mark.parametrize("batch_size", [100, 217], ids=["in two batches", "in one batch"])
def test_a_lead_that_is_given_the_phone_of_a_later_record(
    batch_size: int, crm_with_leads: URL, deploys: Deploys
) -> None:
    """It is updated twice with a before-image each, and the downgrade reverts both."""
    known = value(crm_with_leads, "SELECT id FROM leads WHERE full_name = 'Known 0'")
    later = next(
        record
        for record in records()[101:]
        if not value(crm_with_leads, HAS_LEAD, phone=record["phone"])
    )
    held = HoldBefore("BEGIN ISOLATION", after="INSERT INTO lead_import_batches")
    deploy = deploys.start(crm_with_leads, "-x", "batch-size=100", "upgrade", "head", faults=[held])
    held.wait()
    run(
        crm_with_leads,
        "UPDATE leads SET phone = :phone WHERE id = :id",
        phone=later["phone"],
        id=known,
    )
    held.let_go()
    assert deploy.status == 0, deploy.output
    assert picture(crm_with_leads).leads[known]["full_name"] == later["full_name"]
    images = "SELECT old_values[2] FROM lead_before_images WHERE lead_id = :id ORDER BY record"
    assert run(crm_with_leads, images, id=str(known)) == [
        ("Known 0",),
        (records()[0]["full_name"],),
    ]
    assert run(
        crm_with_leads,
        "SELECT updated = (SELECT count(*) FROM lead_before_images) FROM lead_imports",
    ) == [(True,)]
    deploys.succeed(crm_with_leads, "-x", f"batch-size={batch_size}", "downgrade", "-1")
    lead = picture(crm_with_leads).leads[known]
    assert (lead["full_name"], lead["email"], lead["phone"]) == (
        "Known 0",
        "known@example.org",
        later["phone"],
    )
    assert run(crm_with_leads, "SELECT restored + kept - updated, kept FROM lead_imports") == [
        (0, 1)
    ]


def lock(site: Connection, lead_id: int) -> None:
    """Lock a lead as the site does before an edit."""
    site.execute(text("SELECT FROM leads WHERE id = :id FOR UPDATE"), {"id": lead_id})
