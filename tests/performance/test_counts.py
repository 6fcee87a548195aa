"""What an import costs, counted, so noise does not matter: if a cost doubles, a test fails.

``make bench`` measures seconds. The limits here stand above the counts of the day they were
written, at 1.6 times for the write-ahead log, and the docstrings give those counts. If you make
the import cheaper, lower its limits.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Engine, event

from benchmarks.process import measured
from benchmarks.work import bring_to, prepared
from data.make_export import records
from migrations.importer import pace
from migrations.importer.session import Server
from tests.conftest import NewDatabase
from tests.support.batches import Ran
from tests.support.bundled import BEFORE_IMPORT, IMPORT, Record
from tests.support.database import run, shown, value, wait_until_alone
from tests.support.exports import bundle
from tests.support.upgrades import downgrade, upgrade

BATCH = 500
RECORDS = 6 * BATCH
KNOWN = RECORDS * 3 // 10

TWICE = range(2)
"""Count twice and take the smaller one, because the server sometimes writes log for itself."""

_WAL = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"
_WRITTEN = """
    SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables
    WHERE n_tup_ins + n_tup_upd + n_tup_del > 0
"""


@pytest.fixture
def export(crm: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Record]:
    """Bundle an export with three records in ten on leads of the CRM, with another status."""
    export: list[Record] = list(records(RECORDS, 7))
    known = [record["phone"] for record in export[::10] + export[3::10] + export[6::10]]
    run(crm, "INSERT INTO leads (phone, status) SELECT unnest(:phones), 'old'", phones=known)
    bundle(export, monkeypatch, tmp_path)
    monkeypatch.setattr(pace, "LONGEST_WORK", inf)  # a busy machine would make more batches
    return export


def import_all(url: URL) -> None:
    upgrade(url, IMPORT, f"batch-size={BATCH}")


def forget_the_import(url: URL) -> None:
    """Forget the import but keep the leads, so that the same export comes again."""
    run(url, "TRUNCATE lead_imports, lead_import_batches, lead_before_images, lead_import_rejects")
    run(url, "UPDATE alembic_version SET version_num = :revision", revision=BEFORE_IMPORT)


@contextmanager
def counted_statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """Count what this process sends to the server, COPY too."""
    count = 0

    def one_more(*_: Any) -> None:
        nonlocal count
        count += 1

    copy = Server.copy

    def counted_copy(self: Server, *arguments: Any, **more: Any) -> None:
        one_more()
        copy(self, *arguments, **more)

    event.listen(Engine, "before_cursor_execute", one_more)
    with monkeypatch.context() as patch:
        patch.setattr(Server, "copy", counted_copy)
        try:
            yield lambda: count
        finally:
            event.remove(Engine, "before_cursor_execute", one_more)


@contextmanager
def counted_rows(url: URL) -> Iterator[dict[str, tuple[int, int, int]]]:
    """Count the rows inserted, updated and deleted in each table, available after the block."""
    before = written_so_far(url)
    written: dict[str, tuple[int, int, int]] = {}
    yield written
    for name, counts in written_so_far(url).items():
        inserted, updated, deleted = (
            now - then for now, then in zip(counts, before.get(name, [0, 0, 0]), strict=True)
        )
        if inserted or updated or deleted:
            written[name] = inserted, updated, deleted


def written_so_far(url: URL) -> dict[str, list[int]]:
    wait_until_alone(url)
    return {name: counts for name, *counts in map(tuple, run(url, _WRITTEN))}


@contextmanager
def counted_log(url: URL) -> Iterator[Callable[[], int]]:
    """Count the bytes of write-ahead log since the block began."""
    before = log_so_far(url)
    yield lambda: log_so_far(url) - before


def log_so_far(url: URL) -> int:
    wait_until_alone(url)
    so_far: int = value(url, _WAL)
    return so_far


@pytest.mark.usefixtures("export")
def test_a_batch_takes_few_statements(crm: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted: 3, the same for a batch of 500 and of 1000."""
    counts = []
    for size in (BATCH, 2 * BATCH):
        with counted_statements(monkeypatch) as counted:
            upgrade(crm, IMPORT, f"batch-size={size}")
        counts.append(counted())
        forget_the_import(crm)
    more_batches = RECORDS // BATCH - RECORDS // (2 * BATCH)
    assert (counts[0] - counts[1]) / more_batches <= 5


@pytest.mark.parametrize("size", [BATCH, 2 * BATCH])
@pytest.mark.usefixtures("export")
def test_the_function_of_a_batch_runs_few_statements(
    size: int, crm: URL, batches: list[Ran]
) -> None:
    """The number of records makes no difference. Counted: 22, and 19 for a revert."""
    upgrade(crm, IMPORT, f"batch-size={size}")
    there = list(batches)
    downgrade(crm, BEFORE_IMPORT, f"batch-size={size}")
    back = batches[len(there) :]
    assert len(there) == len(back) == RECORDS // size
    assert 5 < max(len(batch.statements) for batch in there) <= 24
    assert 5 < max(len(batch.statements) for batch in back) <= 21


@pytest.mark.usefixtures("export")
def test_each_row_is_written_once(crm: URL) -> None:
    """Each created or updated lead, before-image and batch is one row, and the checkpoint moves."""
    with counted_rows(crm) as written:
        import_all(crm)
    batches = RECORDS // BATCH
    assert written["leads"] == (RECORDS - KNOWN, KNOWN, 0)
    assert written["lead_before_images"] == (KNOWN, 0, 0)
    assert written["lead_import_batches"] == (batches, 0, 0)
    inserted, updated, deleted = written["lead_imports"]
    assert (inserted, deleted) == (1, 0)
    assert updated <= 2 * batches
    assert written.keys() <= {"leads", *(f"lead_{name}" for name in _LEDGER), "alembic_version"}


_LEDGER = ("imports", "import_batches", "before_images")


@pytest.mark.usefixtures("export")
def test_a_record_costs_little_log(crm: URL) -> None:
    """Counted: 515 bytes of write-ahead log a record, with the start of the import."""
    with counted_log(crm) as log:
        import_all(crm)
    assert log() / RECORDS <= 824


@pytest.mark.usefixtures("export")
def test_the_identical_export_again_writes_next_to_nothing(crm: URL) -> None:
    """No lead and no before-image is written. Counted: 38 bytes of log a record."""
    import_all(crm)
    logs = []
    for _ in TWICE:
        forget_the_import(crm)
        with counted_log(crm) as log, counted_rows(crm) as written:
            import_all(crm)
        assert "leads" not in written
        assert "lead_before_images" not in written
        logs.append(log() / RECORDS)
    assert min(logs) <= 60


@pytest.mark.usefixtures("export")
def test_a_lead_is_taken_back_by_one_write(crm: URL) -> None:
    """Each lead takes one row version, besides checkpoints. Counted: 437 bytes of log a lead."""
    logs = []
    for _ in TWICE:
        import_all(crm)
        with counted_log(crm) as log, counted_rows(crm) as written:
            downgrade(crm, BEFORE_IMPORT, f"batch-size={BATCH}")
        assert written.pop("leads") == (0, KNOWN, 0)
        inserted, updated, deleted = written.pop("lead_imports")
        assert (inserted, deleted) == (0, 0)
        assert updated <= 2 * RECORDS // BATCH
        assert written == {"alembic_version": (0, 1, 0)}
        logs.append(log() / KNOWN)
    assert min(logs) <= 700


def test_memory_is_flat(new_database: NewDatabase, tmp_path: Path) -> None:
    """Five times the records take at most 5 MB more, and 130 MB in all. Counted: 67 MB."""
    if not Path("/proc/self/status").exists():
        pytest.skip("memory is read from Linux' /proc")
    peaks = []
    for size in (10_000, 50_000):
        work = prepared(size, tmp_path)
        command = bring_to(IMPORT, work)
        program = measured(
            command, env={"DATABASE_URL": shown(new_database()), "PATH": ""}, cwd=work.project
        )
        assert f"{size:,} created" in program.output
        peaks.append(program.peak)
    assert peaks[1] - peaks[0] <= 5
    assert peaks[1] <= 130
