"""A dump from the middle of an import, restored elsewhere."""

import subprocess

from sqlalchemy import URL

from tests.conftest import NewDatabase
from tests.support.bundled import records
from tests.support.crm import picture
from tests.support.database import shown
from tests.support.deploys import Deploys
from tests.support.faults import HoldBefore
from tests.support.promises import assert_imported
from tests.support.servers import tool


def test_a_dump_taken_in_mid_import_resumes_elsewhere(
    crm_with_leads: URL, new_database: NewDatabase, deploys: Deploys
) -> None:
    """It holds committed batches, their ledger and no lock, so an upgrade there resumes."""
    dump, psql = tool("pg_dump", crm_with_leads), tool("psql", crm_with_leads)
    before = picture(crm_with_leads)
    held = HoldBefore("INSERT INTO lead_import_batches", nth=3)
    deploy = deploys.start(crm_with_leads, "-x", "batch-size=20", "upgrade", "head", faults=[held])
    held.wait()
    dumped = subprocess.run([dump, shown(crm_with_leads)], check=True, capture_output=True)
    elsewhere = new_database()
    restore = [psql, "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", shown(elsewhere)]
    subprocess.run(restore, check=True, input=dumped.stdout, stdout=subprocess.DEVNULL)
    resumed = deploys.succeed(elsewhere, "upgrade", "head")
    assert f"resumed at record 41 of {len(records())}" in resumed.output
    assert_imported(elsewhere, before)
    held.let_go()
    assert deploy.status == 0, deploy.output
    assert_imported(crm_with_leads, before)
