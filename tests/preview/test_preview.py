"""A preview and a dry run show what the import then does, and leave nothing behind."""

import signal
import subprocess
import time
from pathlib import Path

import pytest
from alembic.util import CommandError
from sqlalchemy import URL

from migrations.deploy import local_postgres
from migrations.importer import staged
from migrations.preview.figures import TableRows
from migrations.preview.page import render
from tests.conftest import NewDatabase
from tests.support.bundled import FIELDS, IMPORT, records
from tests.support.crm import add_lead, picture, slow_down
from tests.support.database import run, shown, value, wait_until
from tests.support.exports import bundle
from tests.support.previews import dry_run_of, preview_of, stop_after
from tests.support.promises import assert_imported
from tests.support.upgrades import alembic, start_alembic, upgrade

UNTOUCHED = {"users", "settings", "lead_audit", "lead_import_rejects"}


def test_a_preview_says_what_the_import_then_does(crm_with_leads: URL) -> None:
    """The counts are the same, and each lead has the same verdict with the same values."""
    before = picture(crm_with_leads)
    preview = preview_of(crm_with_leads)
    assert (preview.leads_before, preview.leads_after, preview.deleted) == (50, 257, 0)
    assert picture(crm_with_leads) == before
    upgrade(crm_with_leads)
    assert_imported(crm_with_leads, before)
    after = picture(crm_with_leads)
    ledger = dict(
        run(
            crm_with_leads, "SELECT created, updated, unchanged, rejected, folded FROM lead_imports"
        )[0]._mapping
    )
    assert [figures.counts for figures in preview.imports] == [ledger]
    changed = {
        lead_id: {field: (lead[field], after.leads[lead_id][field]) for field in FIELDS}
        for lead_id, lead in before.leads.items()
        if any(lead[field] != after.leads[lead_id][field] for field in FIELDS)
    }
    assert {
        lead.id: {field: (lead.old[field], lead.new[field]) for field in FIELDS}
        for lead in preview.changed
    } == changed
    assert all(
        lead.fields == [field for field in FIELDS if lead.old[field] != lead.new[field]]
        for lead in preview.changed
    )
    created = [lead for lead_id, lead in after.leads.items() if lead_id not in before.leads]
    assert [lead.values for lead in preview.created] == [
        {field: lead[field] for field in FIELDS} for lead in created
    ]
    assert (preview.total_changed, preview.total_created) == (10, 207)


def test_postgres_counts_the_rows_of_each_table(
    crm_with_leads: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dry run adds and updates leads, writes the ledger and nothing else, and temporary tables do
    not count."""
    monkeypatch.setattr(staged, "drop_stage", lambda _: None)
    tables = {rows.table: rows for rows in dry_run_of(crm_with_leads).tables}
    assert (tables["leads"].inserted, tables["leads"].updated, tables["leads"].deleted) == (
        207,
        10,
        0,
    )
    assert tables["lead_before_images"].inserted == 10
    assert {name for name, rows in tables.items() if not rows.is_written} == UNTOUCHED
    assert all(rows.is_kept for rows in tables.values())
    assert not any("stage" in name for name in tables)


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        (TableRows("customers", 1, 1, 0, is_leads=True), True),
        (TableRows("customers", 0, 0, 1, is_leads=True), False),
        (TableRows("leads", 1, 0, 0), False),
        (TableRows("lead_imports", 1, 1, 0), True),
        (TableRows("lead_import_version", 1, 0, 0, is_stamp=True), True),
        (TableRows("alembic_version", 1, 0, 0), False),
        (TableRows("lead_audit", 1, 0, 0), False),
        (TableRows("users", 0, 1, 0), False),
        (TableRows("users", 0, 0, 0), True),
    ],
)
def test_a_broken_promise_shows(rows: TableRows, kept: bool) -> None:
    """A deleted lead, or a written row of another table."""
    assert rows.is_kept is kept


def test_an_empty_database_has_a_preview_with_the_schema_pending(database: URL) -> None:
    """List the pending tables, functions and indexes, and make none of them."""
    preview = preview_of(database)
    assert (preview.leads_before, preview.leads_after) == (0, len(records()))
    assert preview.imports[0].counts["created"] == len(records())
    assert preview.schema == [
        "table users",
        "table settings",
        "table leads",
        "table lead_audit",
        "index lead_audit_lead_id on lead_audit",
        "function audit_lead()",
        "function audit_only_imports_skip()",
        "trigger audit_lead on leads",
        "trigger audit_only_imports_skip on leads",
        "function lead_phone_key_v1(phone text)",
        "index leads_phone_key_v1 on leads",
        "table lead_imports",
        "table lead_import_batches",
        "table lead_import_rejects",
        "table lead_before_images",
        "index lead_imports_live on lead_imports",
    ]
    assert (
        value(database, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        == 0
    )


def test_nothing_pending_has_a_preview_too(crm_with_leads: URL) -> None:
    """It has no import and no schema, and as many leads as before."""
    upgrade(crm_with_leads)
    preview = preview_of(crm_with_leads)
    assert (preview.imports, preview.schema) == ([], [])
    assert (preview.leads_before, preview.leads_after) == (257, 257)


def test_a_stopped_import_has_a_preview_of_its_rest(
    crm_with_leads: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts only the records and leads still to come."""
    before = picture(crm_with_leads)
    with monkeypatch.context() as patch:
        stop_after(2, patch)
        with pytest.raises(Exception, match="stopped because the test"):
            upgrade(crm_with_leads, IMPORT, "batch-size=50")
    halfway = value(crm_with_leads, "SELECT count(*) FROM leads")
    preview = preview_of(crm_with_leads)
    assert preview.leads_before == halfway
    assert preview.imports[0].done == len(records()) - 100
    assert sum(preview.imports[0].counts.values()) == len(records()) - 100
    assert len(preview.created) == preview.count("created") == 257 - halfway
    assert len(preview.changed) == preview.count("updated") < 10
    upgrade(crm_with_leads)
    assert_imported(crm_with_leads, before)


def test_a_stopped_dry_run_does_not_claim_to_have_saved(
    crm_with_leads: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It rolls back the checked records and says so."""
    stop_after(2, monkeypatch)
    with pytest.raises(
        CommandError, match="100 of 217 records are checked; a dry run saves nothing"
    ):
        dry_run_of(crm_with_leads, "batch-size=50")
    assert value(crm_with_leads, "SELECT count(*) FROM lead_imports") == 0


def test_a_refused_export_has_a_preview_with_its_problems(
    crm_with_leads: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It names record and field without the value, and nothing would be written."""
    bundle([*records()[:3], records()[3] | {"phone": "nobody's"}], monkeypatch, tmp_path)
    preview = preview_of(crm_with_leads)
    assert preview.refused == "export.json"
    assert [(problem.record, problem.field) for problem in preview.problems] == [(4, "phone")]
    assert preview.is_file_wrong
    assert (preview.leads_before, preview.leads_after) == (50, 50)


def test_a_file_is_not_at_fault_if_the_table_has_no_room_for_it(crm_with_leads: URL) -> None:
    """Its fix sheet would be empty."""
    run(crm_with_leads, "ALTER TABLE leads ADD CHECK (notes = '') NOT VALID")
    preview = preview_of(crm_with_leads)
    assert preview.refused
    assert not preview.is_file_wrong


def test_records_that_are_set_aside_are_the_previews_problems(
    crm_with_leads: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The others would be imported, and each problem is listed by record and field."""
    export = records()
    export[3] |= {"phone": "nobody's", "email": None}
    export[9] |= {"notes": None}
    bundle(export, monkeypatch, tmp_path, rejected="set aside")
    preview = preview_of(crm_with_leads)
    assert preview.count("rejected") == 2
    assert [(problem.record, problem.field) for problem in preview.problems] == [
        (4, "email"),
        (4, "phone"),
        (10, "notes"),
    ]
    assert preview.total_problems == 3
    assert not preview.refused
    page = render(preview)
    assert "is not one phone number" in page
    assert "refused" not in page.partition("<body>")[2]


def test_a_long_list_is_cut_and_says_so(
    crm_with_leads: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read only so many leads, count all of them, and cut long values."""
    monkeypatch.setattr("migrations.preview.imported.MOST_LISTED", 4)
    run(
        crm_with_leads, "UPDATE leads SET notes = repeat('long ', 1000) WHERE full_name = 'Known 0'"
    )
    preview = preview_of(crm_with_leads)
    assert (len(preview.created), preview.total_created) == (4, 207)
    assert (len(preview.changed), preview.total_changed) == (4, 10)
    assert len(preview.changed[0].old["notes"] or "") == 401


def test_a_dry_run_of_a_downgrade_shows_its_figures(crm_with_leads: URL) -> None:
    """Show restored and kept leads before anything is reverted."""
    upgrade(crm_with_leads)
    run(
        crm_with_leads,
        "UPDATE leads SET status = 'edited' WHERE created_at = '2024-03-01T09:00:00+00:00'",
    )
    before = picture(crm_with_leads)
    shown_ = alembic(crm_with_leads, "-x", "dry-run", "downgrade", "-1")
    assert shown_.returncode == 0, shown_.stdout
    assert "217 records reverted: 0 restored, 10 kept." in shown_.stdout
    assert "Leads: 257 before, 257 after, 0 deleted." in shown_.stdout
    assert picture(crm_with_leads) == before


@pytest.mark.parametrize("updates", [True, False])
def test_a_dry_run_goes_back_to_the_base_too(updates: bool, crm: URL, crm_with_leads: URL) -> None:
    """It passes the ledger and drops its empty tables on the way."""
    url = crm_with_leads if updates else crm
    upgrade(url)
    before = dump(url)
    told = alembic(url, "-x", "dry-run", "downgrade", "base")
    assert told.returncode == 0, told.stdout
    assert f"217 records reverted: {10 if updates else 0} restored, 0 kept." in told.stdout
    assert dump(url) == before


def test_a_dry_run_without_an_import_says_so(crm: URL) -> None:
    """Say so in either direction, whatever the revision does."""
    told = alembic(crm, "-x", "dry-run", "downgrade", "-1")
    assert told.returncode == 0, told.stdout
    assert "No import to run or to revert." in told.stdout


def test_a_dry_run_prints_its_figures_and_no_lead(crm_with_leads: URL) -> None:
    """A deploy log may hold counts and tables, but nobody's name."""
    told = alembic(crm_with_leads, "-x", "dry-run", "upgrade", "head")
    assert told.returncode == 0, told.stdout
    assert "DRY RUN: this is what would be done." in told.stdout
    assert "Leads: 50 before, 257 after, 0 deleted." in told.stdout
    assert "\x1b" not in told.stdout
    assert not [record for record in records() if record["full_name"] in told.stdout]


def dump(url: URL) -> str:
    """Dump a database with pg_dump, without the positions of sequences."""
    command = [str(local_postgres.binaries() / "pg_dump"), "--dbname", shown(url)]
    dumped = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert dumped.returncode == 0, dumped.stderr
    skipped = ("SELECT pg_catalog.setval", "\\restrict", "\\unrestrict")
    return "\n".join(line for line in dumped.stdout.splitlines() if not line.startswith(skipped))


@pytest.mark.parametrize("is_empty", [True, False])
def test_a_dump_before_and_after_is_identical(
    is_empty: bool, crm_with_leads: URL, new_database: NewDatabase
) -> None:
    """Schema and rows are the same, with leads and on an empty database."""
    url = new_database() if is_empty else crm_with_leads
    before = dump(url)
    preview_of(url)
    assert dump(url) == before


def test_a_killed_dry_run_leaves_no_trace(crm_with_leads: URL) -> None:
    """SIGKILL in mid-import: the server rolls back and frees the lock, and the dump is the same."""
    slow_down(crm_with_leads, 0.02)
    before = dump(crm_with_leads)
    dry_run = start_alembic(
        crm_with_leads, "-x", "dry-run", "-x", "batch-size=20", "upgrade", "head"
    )
    importing = (
        "application_name = 'lead-import dry run' AND query LIKE '%lead_import_apply_batch%'"
    )
    wait_until(crm_with_leads, f"SELECT count(*) > 0 FROM pg_stat_activity WHERE {importing}")
    time.sleep(0.5)
    dry_run.send_signal(signal.SIGKILL)
    dry_run.communicate()
    wait_until(
        crm_with_leads,
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'lead-import dry run'",
    )
    assert dump(crm_with_leads) == before
    assert value(crm_with_leads, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


def test_of_leads_that_share_a_phone_the_oldest_is_the_one_that_changes(crm: URL) -> None:
    """The others are in no list, and Postgres counts one row in a dry run."""
    phone = records()[0]["phone"]
    times = ("2024-02-01", "2024-01-01", "2024-03-01")
    ids = [add_lead(crm, phone=phone, created_at=time) for time in times]
    for preview in (preview_of(crm), dry_run_of(crm)):
        assert [lead.id for lead in preview.changed] == [ids[1]]
    leads = next(rows for rows in preview.tables if rows.is_leads)
    assert (leads.inserted, leads.updated, leads.deleted) == (len(records()) - 1, 1, 0)
