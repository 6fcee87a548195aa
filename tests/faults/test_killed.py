"""A deploy is killed (SIGKILL: it can neither say nor tidy up anything), and the next one
follows."""

import signal
from itertools import count

import pytest
from sqlalchemy import URL

from tests.conftest import NewDatabase
from tests.support.crm import picture, slow_down, speed_up
from tests.support.database import value, wait_until
from tests.support.deploys import Deploys
from tests.support.ends import LOCK_IS_FREE, left_by_the_import
from tests.support.faults import KillBefore
from tests.support.promises import assert_imported

# Where it dies: just before this statement. Two batches: 110 records and 107.
PLACES = {
    "before the lock": KillBefore("pg_try_advisory_lock"),
    "with the lock held": KillBefore("SELECT alembic_version.version_num"),
    "during validation": KillBefore("COPY lead_import_stage"),
    "while phones are compared": KillBefore("INSERT INTO lead_import_repeats"),
    "before the ledger's row": KillBefore("INSERT INTO lead_imports"),
    "after the ledger's row": KillBefore("app.skip_audit"),
    "between a commit and the next batch": KillBefore(
        "BEGIN ISOLATION", after="INSERT INTO lead_import_batches"
    ),
    "before the batch skips the audit": KillBefore("app.skip_audit", nth=2),
    "before the batch is called": KillBefore("SELECT pg_temp.lead_import_apply_batch", nth=2),
    "before the checkpoint moves": KillBefore("SET next_record = _end", nth=2),
    "before leads are looked for": KillBefore("INSERT INTO lead_import_place", nth=2),
    "before leads are added": KillBefore("INSERT INTO leads", nth=2),
    "before leads are locked": KillBefore("FOR NO KEY UPDATE", nth=2),
    "before leads are updated": KillBefore("-- step: update leads", nth=2),
    "before the records are counted": KillBefore("count(*) INTO _staged", nth=2),
    "before the batch is recorded": KillBefore("INSERT INTO lead_import_batches", nth=2),
    "before the writes are counted": KillBefore("-- step: prove writes", nth=2),
    "before the batch commits": KillBefore("COMMIT", nth=2, after="INSERT INTO lead_imports"),
    "after the last batch": KillBefore("DROP TABLE IF EXISTS", nth=2),
    "before the version is stamped": KillBefore("UPDATE alembic_version"),
    "before the stamp is committed": KillBefore("COMMIT", after="UPDATE alembic_version"),
    "after everything": KillBefore("SELECT version_num", after="UPDATE alembic_version"),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_deploy_killed(place: str, crm_with_leads: URL, deploys: Deploys) -> None:
    """Committed batches stay, the lock is free within a second, and the next deploy reaches the
    same end."""
    before = picture(crm_with_leads)
    killed = deploys.run(
        crm_with_leads, "-x", "batch-size=110", "upgrade", "head", faults=[PLACES[place]]
    )
    assert killed.status == -signal.SIGKILL, killed.output
    wait_until(crm_with_leads, LOCK_IS_FREE, seconds=1)
    deploys.succeed(crm_with_leads, "upgrade", "head")
    assert_imported(crm_with_leads, before)


def test_every_deploy_in_a_row_killed_in_its_first_batch_but_one(
    crm_with_leads: URL, deploys: Deploys
) -> None:
    """Each deploy imports one batch and dies in the next, until a last one reaches the same end."""
    before = picture(crm_with_leads)
    for batch in (1, 2, 3):
        dies = KillBefore("INSERT INTO lead_import_batches", nth=2)
        killed = deploys.run(
            crm_with_leads, "-x", "batch-size=60", "upgrade", "head", faults=[dies]
        )
        assert killed.status == -signal.SIGKILL
        assert value(crm_with_leads, "SELECT next_record FROM lead_imports") == 60 * batch
    deploys.succeed(crm_with_leads, "-x", "batch-size=60", "upgrade", "head")
    assert_imported(crm_with_leads, before)


def test_a_long_statement_does_not_outlive_its_killed_client(
    crm_with_leads: URL, deploys: Deploys
) -> None:
    """The server notices within two seconds and frees the lock."""
    if value(crm_with_leads, "SHOW server_version_num") < "140000":
        pytest.skip("client_connection_check_interval came with Postgres 14")
    before = picture(crm_with_leads)
    slow_down(crm_with_leads, 60)
    killed = deploys.start(crm_with_leads, "upgrade", "head")
    wait_until(
        crm_with_leads, "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    )
    killed.send(signal.SIGKILL)
    wait_until(crm_with_leads, LOCK_IS_FREE, seconds=2)
    speed_up(crm_with_leads)
    deploys.succeed(crm_with_leads, "upgrade", "head")
    assert_imported(crm_with_leads, before)


@pytest.mark.chaos
def test_an_upgrade_from_nothing_killed_before_each_of_its_statements(
    new_database: NewDatabase, deploys: Deploys
) -> None:
    """From no tables at all, in three batches, the rows are the same wherever it dies."""
    undisturbed = new_database()
    deploys.succeed(undisturbed, "upgrade", "head")
    for n in count(1):
        url = new_database()
        killed = deploys.run(
            url, "-x", "batch-size=80", "upgrade", "head", faults=[KillBefore(nth=n)]
        )
        if killed.status == 0:
            break
        assert killed.status == -signal.SIGKILL, killed.output
        wait_until(url, LOCK_IS_FREE, seconds=1)
        deploys.succeed(url, "upgrade", "head")
        assert left_by_the_import(url) == left_by_the_import(undisturbed), (
            f"killed before statement {n}"
        )
    assert n > 100


@pytest.mark.chaos
def test_a_downgrade_killed_before_each_of_its_statements(
    new_database: NewDatabase, crm_with_leads: URL, deploys: Deploys
) -> None:
    """The next downgrade resumes and reaches the same end, and the import can come again."""
    before = picture(crm_with_leads)
    deploys.succeed(crm_with_leads, "upgrade", "head")
    undisturbed = new_database(str(crm_with_leads.database))
    deploys.succeed(undisturbed, "downgrade", "-1")
    for n in count(1):
        url = new_database(str(crm_with_leads.database))
        killed = deploys.run(
            url, "-x", "batch-size=110", "downgrade", "-1", faults=[KillBefore(nth=n)]
        )
        if killed.status == 0:
            break
        assert killed.status == -signal.SIGKILL, killed.output
        deploys.succeed(url, "downgrade", "0003_ledger")
        assert left_by_the_import(url) == left_by_the_import(undisturbed), (
            f"killed before statement {n}"
        )
        deploys.succeed(url, "upgrade", "head")
        assert len(picture(url).leads) == len(picture(crm_with_leads).leads)
    assert n > 30
    assert before.users == picture(url).users
