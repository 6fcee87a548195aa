"""The server refuses a statement: try passing faults again, and no others."""

import time

import pytest
from alembic.util import CommandError
from sqlalchemy import URL, text
from sqlalchemy.exc import OperationalError

from migrations.importer.errors import DatabaseFailed
from migrations.importer.session import Server
from tests.support.bundled import records
from tests.support.crm import picture
from tests.support.database import connected, run, value, wait_until
from tests.support.deploys import Deploys
from tests.support.ends import A_LOCK_IS_WAITED_FOR
from tests.support.faults import HoldBefore
from tests.support.promises import assert_imported
from tests.support.roles import MAY_IMPORT, another_role
from tests.support.upgrades import downgrade, upgrade


def test_a_serialization_failure_is_retried(crm_with_leads: URL, deploys: Deploys) -> None:
    """The next attempt at the batch reaches the same end."""
    before = picture(crm_with_leads)
    run(crm_with_leads, "CREATE SEQUENCE attempts")  # No transaction takes its numbers back.
    run(
        crm_with_leads,
        """
        CREATE FUNCTION once() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF nextval('attempts') = 1 THEN
                RAISE EXCEPTION 'once' USING ERRCODE = '40001';
            END IF;
            RETURN NEW;
        END $$
        """,
    )
    run(
        crm_with_leads,
        "CREATE TRIGGER once BEFORE INSERT ON leads FOR EACH ROW EXECUTE FUNCTION once()",
    )
    deploy = deploys.succeed(crm_with_leads, "-x", "batch-size=20", "upgrade", "head")
    assert "records 1 to 20: the server answered 40001 serialization failure" in deploy.output
    assert_imported(crm_with_leads, before)


def test_what_is_refused_between_transactions_is_not_called_by_the_last_one(crm: URL) -> None:
    """It says what this was: a part of the run."""
    with connected(crm) as connection:
        server = Server(connection)
        with server.transaction("folding the records"):
            server.execute("SELECT 1")
        with pytest.raises(DatabaseFailed, match=r"^this run: the server answered 22012"):
            server.execute("SELECT 1 / 0")


def test_a_constraint_that_comes_in_the_middle_is_narrowed_down_to_its_record(
    crm_with_leads: URL, deploys: Deploys
) -> None:
    """The message names the record and the constraint without a value, and the next deploy goes on
    from the committed batches."""
    before = picture(crm_with_leads)
    breaks = records()[30]["lead_number"]
    held = HoldBefore("BEGIN ISOLATION", after="INSERT INTO lead_import_batches")
    deploy = deploys.start(crm_with_leads, "-x", "batch-size=20", "upgrade", "head", faults=[held])
    held.wait()
    run(
        crm_with_leads,
        f"ALTER TABLE leads ADD CONSTRAINT not_this_one CHECK (lead_number <> '{breaks}')",
    )
    held.let_go()
    assert deploy.status != 0
    assert "record 31: " in deploy.output
    assert "constraint not_this_one" in deploy.output
    assert breaks not in deploy.output
    assert "trying again" not in deploy.output
    assert value(crm_with_leads, "SELECT next_record FROM lead_imports") == 30
    run(crm_with_leads, "ALTER TABLE leads DROP CONSTRAINT not_this_one")
    deploys.succeed(crm_with_leads, "upgrade", "head")
    assert_imported(crm_with_leads, before)


def test_a_right_that_is_taken_away_in_the_middle_is_not_tried_again(
    crm_with_leads: URL, deploys: Deploys
) -> None:
    """The deploy stops and says what to grant, and committed batches stay."""
    before = picture(crm_with_leads)
    with another_role(crm_with_leads, *MAY_IMPORT) as url:
        held = HoldBefore("BEGIN ISOLATION", after="INSERT INTO lead_import_batches")
        deploy = deploys.start(url, "-x", "batch-size=20", "upgrade", "head", faults=[held])
        held.wait()
        run(crm_with_leads, f"REVOKE INSERT ON lead_import_batches FROM {url.username}")
        held.let_go()
        assert deploy.status != 0
        assert "records 21 to 40: the server answered 42501 insufficient privilege" in deploy.output
        assert "Grant what is missing to the role of DATABASE_URL" in deploy.output
        assert "trying again" not in deploy.output
        assert value(crm_with_leads, "SELECT next_record FROM lead_imports") == 20
        deploys.succeed(crm_with_leads, "upgrade", "head")
        assert_imported(crm_with_leads, before)


def test_the_site_never_waits_longer_for_a_batch_than_for_its_lock_timeout(
    crm_with_leads: URL, deploys: Deploys
) -> None:
    """A batch holds leads while it waits for another, and after half a second it releases them
    all."""
    before = picture(crm_with_leads)
    low, high = value(
        crm_with_leads, "SELECT ARRAY[min(id), max(id)] FROM leads WHERE full_name LIKE 'Known %'"
    )
    edit = text("UPDATE leads SET updated_at = updated_at WHERE id = :id")
    with connected(crm_with_leads) as slow, connected(crm_with_leads) as quick:
        slow.execute(text("BEGIN"))
        slow.execute(edit, {"id": high})
        deploy = deploys.start(crm_with_leads, "upgrade", "head")
        wait_until(crm_with_leads, A_LOCK_IS_WAITED_FOR)
        begun = time.monotonic()
        quick.execute(edit, {"id": low})
        waited = time.monotonic() - begun
        slow.execute(text("ROLLBACK"))
    assert deploy.status == 0, deploy.output
    assert 0.2 < waited < 2
    assert "55P03 lock not available" in deploy.output
    run(crm_with_leads, "TRUNCATE lead_audit")
    assert_imported(crm_with_leads, before)


def test_a_database_that_is_dropped_ends_the_deploy(crm_with_leads: URL, deploys: Deploys) -> None:
    """It looks like a restart, so the deploy tries to connect again, but not for ever."""
    held = HoldBefore("INSERT INTO lead_import_batches", nth=2)
    arguments = ("-x", "batch-size=20", "-x", "time-budget=4", "upgrade", "head")
    deploy = deploys.start(crm_with_leads, *arguments, faults=[held])
    held.wait()
    run(
        crm_with_leads.set(database="postgres"),
        f'DROP DATABASE "{crm_with_leads.database}" WITH (FORCE)',
    )
    held.let_go()
    assert deploy.wait(seconds=20) not in (0, 1)
    assert "The server does not answer" in deploy.output
    assert "does not exist" in deploy.output
    with pytest.raises(OperationalError):
        run(crm_with_leads, "SELECT 1")


def test_a_downgrade_that_fails_is_not_called_an_upgrade(crm: URL) -> None:
    """Whatever the command, the message fits."""
    run(crm, "ALTER TABLE alembic_version RENAME version_num TO version")
    with pytest.raises(CommandError, match="this run: the server answered 42703"):
        downgrade(crm, "base")


def test_what_the_ledger_refuses_is_not_blamed_on_leads(crm: URL) -> None:
    """Such as a column somebody has added to it."""
    run(crm, "ALTER TABLE lead_imports ADD org bigint NOT NULL")
    with pytest.raises(CommandError, match=r"column org\)\..* breaks that rule"):
        upgrade(crm)
