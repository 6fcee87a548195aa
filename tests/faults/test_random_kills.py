"""Deploys that are killed at random moments: ``make chaos RUNS=200``."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.conftest import NewDatabase, Template, build_crm
from tests.support.bundled import ROOT
from tests.support.database import connected, run, value
from tests.support.deploys import Deploys
from tests.support.ends import left_by_the_import
from tests.support.faults import Pinned

RUNS = int(os.environ.get("CHAOS_RUNS", "20"))

KNOWN = """
    INSERT INTO leads (full_name, phone, notes, created_at, updated_at)
    SELECT 'Known ' || n, record ->> 'phone', 'Said to call back.', '2024-03-01Z', '2024-03-02Z'
    FROM jsonb_array_elements(%s::jsonb) WITH ORDINALITY AS export (record, n)
    WHERE n %% 10 = 0
"""


class Bench:
    """An export of ``records`` leads in batches of ``size``, and CRMs that know a tenth of its
    phones."""

    def __init__(self, records: int, size: int, deploys: Deploys, folder: Path) -> None:
        self.records = records
        self.deploys = deploys
        self._export = folder / "export.json"
        self._arguments = ("-x", f"batch-size={size}", "upgrade", "head")
        script = str(ROOT / "data" / "make_export.py")
        subprocess.run(
            [sys.executable, script, f"--leads={records}", "--seed=3", f"--out={self._export}"],
            check=True,
        )
        deploys.exports.append(self._export)

    def build(self, url: URL) -> None:
        """Make a CRM that knows every tenth phone, with other values."""
        build_crm(url)
        with connected(url) as connection:
            connection.exec_driver_sql(KNOWN, (self._export.read_text(encoding="utf-8"),))
        run(url, "TRUNCATE lead_audit")
        run(url, "VACUUM ANALYZE leads")

    def upgrade(self, url: URL) -> None:
        """Upgrade to the end."""
        self.deploys.succeed(url, *self._arguments, faults=[Pinned(self._export)])

    def upgrade_killed_after(self, url: URL, seconds: float) -> bool:
        """Upgrade, and kill that; whether it was there still."""
        deploy = self.deploys.start(url, *self._arguments, faults=[Pinned(self._export)])
        time.sleep(seconds)
        deploy.send(signal.SIGKILL)
        return deploy.wait() == -signal.SIGKILL


def kill_at_random(runs: int, bench: Bench, start: Callable[[], URL]) -> list[int]:
    """Kill ``runs`` upgrades, each at some moment of its own; upgrade once more, and compare.

    Returns how many records each of them had saved.
    """
    undisturbed = start()
    begun = time.monotonic()
    bench.upgrade(undisturbed)
    duration = time.monotonic() - begun
    expected = left_by_the_import(undisturbed)
    moments = random.Random(runs)
    died: list[int] = []
    while len(died) < runs:
        url = start()
        moment = moments.uniform(0, duration)
        if not bench.upgrade_killed_after(url, moment):
            duration = moment  # it had ended by then
            continue
        died.append(value(url, "SELECT coalesce(max(next_record), 0) FROM lead_imports"))
        bench.upgrade(url)
        assert left_by_the_import(url) == expected, (
            f"killed after {moment:.3f} s, with {died[-1]} records saved"
        )
    print(
        f"{runs} killed, with {sorted(died)} of {bench.records} records saved, and always the "
        f"same end"
    )
    return died


def test_a_few_runs_killed_at_random_moments(
    new_database: NewDatabase, template: Template, deploys: Deploys, tmp_path: Path
) -> None:
    """Each is followed by one upgrade, which comes to the undisturbed run's end."""
    bench = Bench(2_000, 100, deploys, tmp_path)
    kill_at_random(3, bench, lambda: new_database(template("crm_that_knows_200", bench.build)))


@pytest.mark.chaos
def test_runs_killed_at_random_moments(
    new_database: NewDatabase, template: Template, deploys: Deploys, tmp_path: Path
) -> None:
    """The same, as often as CHAOS_RUNS says, with 20,000 records in batches of 500."""
    bench = Bench(20_000, 500, deploys, tmp_path)
    died = kill_at_random(
        RUNS, bench, lambda: new_database(template("crm_that_knows_2000", bench.build))
    )
    assert RUNS < 20 or any(0 < saved < bench.records for saved in died), (
        "none of them died between two batches"
    )
