"""A server's disk fills up in the middle of an import."""

from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import build_crm_with_leads
from tests.support.bundled import records
from tests.support.crm import picture
from tests.support.database import run, value
from tests.support.deploys import Deploys
from tests.support.faults import HoldBefore
from tests.support.promises import assert_imported
from tests.support.servers import own_server, small_disk, why_no_small_disk


@pytest.mark.server
def test_an_import_goes_on_once_there_is_room(deploys: Deploys) -> None:
    """The import stops with a clear message, keeps its committed batches, and goes on with the next
    deploy."""
    if why := why_no_small_disk():
        pytest.skip(why)
    with small_disk(32 * 2**20) as disk, own_server() as (_, server):
        run(server, f"CREATE TABLESPACE small LOCATION '{disk}'")
        run(server, "CREATE DATABASE small TABLESPACE small")
        url = server.set(database="small")
        build_crm_with_leads(url)
        before = picture(url)
        held = HoldBefore("BEGIN ISOLATION", nth=2, after="INSERT INTO lead_import_batches")
        deploy = deploys.start(url, "-x", "batch-size=20", "upgrade", "head", faults=[held])
        held.wait()
        ballast = fill(disk)
        held.let_go()
        assert deploy.status != 0
        assert "53100 disk full" in deploy.output
        assert (
            "What was committed stays. Make room on the server's disk, then run again."
            in deploy.output
        )
        assert "trying again" not in deploy.output
        assert 40 <= value(url, "SELECT next_record FROM lead_imports") < len(records())
        ballast.unlink()
        deploys.succeed(url, "upgrade", "head")
        assert_imported(url, before)
        run(server, "DROP DATABASE small WITH (FORCE)")
        run(server, "DROP TABLESPACE small")


def fill(disk: Path) -> Path:
    """Fill a disk to its last page with a removable file."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return ballast
