"""Deploys that are killed at random moments: ``make chaos RUNS=200``."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import URL

from migrations.crm import LEADS
from migrations.importer.declaration import Leads
from tests.adopting.crms import CRMS, build
from tests.conftest import NewDatabase, Template, build_crm
from tests.support.bundled import ROOT
from tests.support.database import connected, run, value
from tests.support.deploys import Deploys
from tests.support.ends import BUNDLED, left_by_the_import
from tests.support.faults import Pinned

RUNS = int(os.environ.get("CHAOS_RUNS", "20"))

OWNER = next(crm for crm in CRMS if crm.name == "owner")


@dataclass(frozen=True)
class Site:
    """A CRM to kill imports in.

    build: creates it. add_known: adds leads with the phones of ``known (n, phone)``. left: queries
    for what must be the same at the end.
    """

    name: str
    leads: Leads
    build: Callable[[URL], None]
    add_known: str
    left: tuple[str, ...]


def build_bundled(url: URL) -> None:
    build_crm(url)
    run(url, "TRUNCATE lead_audit")


def build_owner(url: URL) -> None:
    build(url, OWNER.name)


KNOWN = """
    WITH known AS (
        SELECT n, record ->> 'phone' AS phone
        FROM jsonb_array_elements(%s::jsonb) WITH ORDINALITY AS export (record, n)
        WHERE n %% 10 = 0
    )
"""
SITES = {
    "bundled": Site(
        "bundled",
        LEADS,
        build_bundled,
        """
        INSERT INTO leads (full_name, phone, notes, created_at, updated_at)
        SELECT 'Known ' || n, phone, 'Said to call back.', '2024-03-01Z', '2024-03-02Z' FROM known
        """,
        BUNDLED,
    ),
    # It looks the agents up, and its phones and lead numbers are unique.
    "owner": Site(
        "owner",
        OWNER.leads,
        build_owner,
        """
        INSERT INTO leads_lead (
            is_deleted, lead_number, full_name, phone, status, assigned_agent_id, notes,
            postal_code, created_at, updated_at
        )
        SELECT
            false, 'K' || n, 'Known ' || n, phone, 'cold_call', 2, 'Said to call back.',
            'ZZ99 1AA', '2024-03-01Z', '2024-03-02Z'
        FROM known
        """,
        (
            """
            SELECT
                lead_number, full_name, phone, email, status, address1, postal_code, notes,
                assigned_agent_id, is_deleted, disposition, created_at
            FROM leads_lead
            ORDER BY phone, id
            """,
            "SELECT * FROM accounts_user ORDER BY id",
            "SELECT count(*) FROM leads_auditlog",
        ),
    ),
}


class Bench:
    """An export of ``records`` leads in batches of ``size``, and copies of a CRM with a tenth of
    its phones."""

    def __init__(self, site: Site, records: int, size: int, deploys: Deploys, folder: Path) -> None:
        self.site = site
        self.records = records
        self.deploys = deploys
        self._export = folder / "export.json"
        self._pinned = Pinned(self._export, site.leads)
        self._arguments = ("-x", f"batch-size={size}", "upgrade", "head")
        script = str(ROOT / "data" / "make_export.py")
        subprocess.run(
            [sys.executable, script, f"--leads={records}", "--seed=3", f"--out={self._export}"],
            check=True,
        )
        deploys.exports.append(self._export)

    def build(self, url: URL) -> None:
        """Create a CRM with every tenth phone and other values."""
        self.site.build(url)
        with connected(url) as connection:
            export = self._export.read_text(encoding="utf-8")
            connection.exec_driver_sql(KNOWN + self.site.add_known, (export,))
        run(url, f"VACUUM ANALYZE {self.site.leads.table}")

    def upgrade(self, url: URL) -> None:
        """Upgrade to the end."""
        self.deploys.succeed(url, *self._arguments, faults=[self._pinned])

    def upgrade_killed_after(self, url: URL, seconds: float) -> bool:
        """Start an upgrade and kill it after some seconds. Return whether it was still running."""
        deploy = self.deploys.start(url, *self._arguments, faults=[self._pinned])
        time.sleep(seconds)
        deploy.send(signal.SIGKILL)
        return deploy.wait() == -signal.SIGKILL


def kill_at_random(runs: int, bench: Bench, start: Callable[[], URL]) -> list[int]:
    """Kill ``runs`` upgrades at random moments, upgrade again after each, and compare.

    Returns how many records each of them had saved.
    """
    undisturbed = start()
    begun = time.monotonic()
    bench.upgrade(undisturbed)
    duration = time.monotonic() - begun
    expected = left_by_the_import(undisturbed, bench.site.left)
    moments = random.Random(runs)
    died: list[int] = []
    while len(died) < runs:
        url = start()
        moment = moments.uniform(0, duration)
        if not bench.upgrade_killed_after(url, moment):
            duration = moment  # It had already ended.
            continue
        died.append(saved(url))
        bench.upgrade(url)
        assert left_by_the_import(url, bench.site.left) == expected, (
            f"killed after {moment:.3f} s, with {died[-1]} records saved"
        )
    print(
        f"{runs} killed, with {sorted(died)} of {bench.records} records saved, and always the "
        f"same end"
    )
    return died


def saved(url: URL) -> int:
    """Count the saved records, or 0 without a ledger."""
    if value(url, "SELECT to_regclass('lead_imports') IS NULL"):
        return 0
    records: int = value(url, "SELECT coalesce(max(next_record), 0) FROM lead_imports")
    return records


@pytest.mark.parametrize("site", SITES)
def test_a_few_runs_killed_at_random_moments(
    site: str, new_database: NewDatabase, template: Template, deploys: Deploys, tmp_path: Path
) -> None:
    """One upgrade after each reaches the end of an undisturbed run."""
    bench = Bench(SITES[site], 2_000, 20, deploys, tmp_path)
    name = f"{site}_that_knows_200"
    kill_at_random(3, bench, lambda: new_database(template(name, bench.build)))


@pytest.mark.chaos
@pytest.mark.parametrize("site", SITES)
def test_runs_killed_at_random_moments(
    site: str, new_database: NewDatabase, template: Template, deploys: Deploys, tmp_path: Path
) -> None:
    """Repeat this CHAOS_RUNS times, with 20,000 records in batches of 500."""
    bench = Bench(SITES[site], 20_000, 500, deploys, tmp_path)
    name = f"{site}_that_knows_2000"
    died = kill_at_random(RUNS, bench, lambda: new_database(template(name, bench.build)))
    assert RUNS < 20 or any(0 < saved < bench.records for saved in died), (
        "none of them died between two batches"
    )
