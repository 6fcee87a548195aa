"""A dump from the middle of an import, restored elsewhere."""

import subprocess

from sqlalchemy import URL

from tests.conftest import NewDatabase
from tests.support.bundled import BEFORE_IMPORT, records
from tests.support.crm import picture
from tests.support.database import shown, value
from tests.support.deploys import Deploys
from tests.support.faults import HoldBefore
from tests.support.promises import assert_imported
from tests.support.reverts import Counts, counts
from tests.support.servers import tool
from tests.support.upgrades import downgrade, upgrade


def copy(url: URL, elsewhere: URL) -> None:
    """Dump one database, and restore it in an empty one."""
    dump, psql = tool("pg_dump", url), tool("psql", url)
    dumped = subprocess.run([dump, shown(url)], check=True, capture_output=True)
    restore = [psql, "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", shown(elsewhere)]
    subprocess.run(restore, check=True, input=dumped.stdout, stdout=subprocess.DEVNULL)


def test_a_dump_taken_in_mid_import_resumes_elsewhere(
    crm_with_leads: URL, new_database: NewDatabase, deploys: Deploys
) -> None:
    """It holds committed batches, their ledger and no lock, so an upgrade there resumes."""
    before = picture(crm_with_leads)
    held = HoldBefore("INSERT INTO lead_import_batches", nth=3)
    deploy = deploys.start(crm_with_leads, "-x", "batch-size=20", "upgrade", "head", faults=[held])
    held.wait()
    elsewhere = new_database()
    copy(crm_with_leads, elsewhere)
    resumed = deploys.succeed(elsewhere, "upgrade", "head")
    assert f"resumed at record 41 of {len(records())}" in resumed.output
    assert_imported(elsewhere, before)
    held.let_go()
    assert deploy.status == 0, deploy.output
    assert_imported(crm_with_leads, before)


def test_created_leads_of_a_restored_dump_stay(
    crm_with_leads: URL, new_database: NewDatabase
) -> None:
    """Nobody can tell whether people have written their rows. Old values come back all the same."""
    upgrade(crm_with_leads)
    elsewhere = new_database()
    copy(crm_with_leads, elsewhere)
    downgrade(elsewhere, BEFORE_IMPORT, "remove-created")
    created = value(crm_with_leads, "SELECT created FROM lead_imports")
    assert counts(elsewhere) == Counts(restored=10, kept=created)
