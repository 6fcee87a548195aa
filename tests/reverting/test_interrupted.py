"""A downgrade is cut off, only looks, or meets an incomplete import."""

import hashlib
import re
import shutil
import signal
from pathlib import Path

import pytest
from alembic.util import CommandError
from sqlalchemy import URL

from tests.conftest import NewDatabase, Template, build_crm_with_leads
from tests.support.bundled import BEFORE_IMPORT, IMPORT, ROOT, records
from tests.support.crm import picture, slow_down, speed_up
from tests.support.database import run, value, wait_until
from tests.support.exports import written
from tests.support.promises import assert_imported
from tests.support.reverts import Counts, Leads, counts, edit, leads
from tests.support.upgrades import alembic, downgrade, start_alembic, upgrade

ALL = len(records())
WAY_BACK = (
    "reverted: 10 leads restored, 1 kept because edited since or held by a rule, "
    f"{ALL - 11} removed, 0 kept because referenced."
)


def build_imported(url: URL) -> None:
    """Import into the mission's CRM, edit one new lead by hand, and keep the earlier leads in a
    copy."""
    build_crm_with_leads(url)
    run(url, "CREATE TABLE leads_before AS SELECT id, to_jsonb(leads) AS lead FROM leads")
    upgrade(url)
    edit(url, value(url, "SELECT max(id) FROM leads"), status="booked")
    run(url, "TRUNCATE lead_audit")


@pytest.fixture
def imported(new_database: NewDatabase, template: Template) -> URL:
    """Create an imported CRM to downgrade."""
    return new_database(template("imported", build_imported))


@pytest.fixture
def expected(imported: URL) -> Leads:
    """Compute the leads remove-created must leave."""
    edited = value(imported, "SELECT max(id) FROM leads")
    before = {row.id: row.lead for row in run(imported, "SELECT * FROM leads_before")}
    return before | {edited: leads(imported)[edited]}


def go_slowly(url: URL, seconds: float) -> None:
    """Delay each lead a revert writes, in seconds."""
    body = f"BEGIN PERFORM pg_sleep({seconds}); RETURN coalesce(NEW, OLD); END"
    run(url, f"CREATE FUNCTION take_your_time() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
    run(
        url,
        "CREATE TRIGGER slow BEFORE UPDATE OR DELETE ON leads FOR EACH ROW EXECUTE FUNCTION "
        "take_your_time()",
    )


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_downgrade_that_is_cut_off_goes_on_where_it_was(
    end: signal.Signals, imported: URL, expected: Leads
) -> None:
    """Kill or stop it in the middle: upgrade says so, and repeating the downgrade finishes it."""
    go_slowly(imported, 0.005)
    first = start_alembic(
        imported, "-x", "remove-created", "-x", "batch-size=20", "downgrade", "-1"
    )
    wait_until(imported, "SELECT revert_next_record >= 60 FROM lead_imports")
    first.send_signal(end)
    output, _ = first.communicate(timeout=60)
    assert first.returncode != 0
    checkpoint = value(imported, "SELECT revert_next_record FROM lead_imports")
    assert 60 <= checkpoint < ALL
    if end == signal.SIGTERM:
        assert (
            f"{checkpoint} of {ALL} records are reverted; run the same command again to continue."
            in output
        )
    speed_up(imported)
    forward = alembic(imported, "upgrade", "head")
    assert forward.returncode != 0
    assert f"its downgrade has only reached record {checkpoint} of {ALL}" in forward.stdout
    again = alembic(imported, "-x", "remove-created", "downgrade", "-1")
    assert again.returncode == 0, again.stdout
    assert f"resumed at record {checkpoint + 1} of {ALL}" in again.stdout
    assert WAY_BACK in again.stdout
    assert leads(imported) == expected
    assert counts(imported) == Counts(restored=10, kept=1, removed=ALL - 11)


def half_way(url: URL) -> None:
    """Stop a downgrade at record 100."""
    refusal = (
        "IF NEW.revert_next_record > 100 THEN RAISE EXCEPTION 'no further'; END IF; RETURN NEW;"
    )
    run(
        url, f"CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {refusal} END $$"
    )
    run(
        url,
        "CREATE TRIGGER stop BEFORE UPDATE ON lead_imports FOR EACH ROW EXECUTE FUNCTION stop()",
    )
    with pytest.raises(CommandError):
        downgrade(url, "-1", "batch-size=20")
    run(url, "DROP TRIGGER stop ON lead_imports")


def test_a_downgrade_is_finished_as_it_began(imported: URL) -> None:
    """It reverts all leads with the option or all without it, so its counts are of one kind."""
    half_way(imported)
    with pytest.raises(
        CommandError,
        match=r"began without -x remove-created and has reached record 100 of .*downgrade",
    ):
        downgrade(imported, "-1", "remove-created")
    downgrade(imported)
    assert counts(imported) == Counts(restored=10)


def test_no_import_goes_over_a_downgrade_that_has_stopped(imported: URL) -> None:
    """Stamping the revision by hand does not hide reverted leads."""
    half_way(imported)
    run(imported, "UPDATE alembic_version SET version_num = :before", before=BEFORE_IMPORT)
    with pytest.raises(
        CommandError, match=f"its downgrade has only reached record 100 of {ALL}. Finish it"
    ):
        upgrade(imported)
    stamped = alembic(imported, "stamp", IMPORT)
    assert stamped.returncode == 0, stamped.stdout
    downgrade(imported, "-1")
    assert counts(imported) == Counts(restored=10)


def test_a_downgrade_killed_before_its_stamp_only_needs_the_stamp(
    imported: URL, expected: Leads, caplog: pytest.LogCaptureFixture
) -> None:
    """All batches are committed but not the stamp: the next downgrade finds nothing to do and says
    what was done."""
    downgrade(imported, BEFORE_IMPORT, "remove-created")
    run(imported, "UPDATE alembic_version SET version_num = :revision", revision=IMPORT)
    caplog.set_level("INFO", "importer")
    downgrade(imported, "-1", "remove-created")
    assert leads(imported) == expected
    assert WAY_BACK in caplog.text
    assert value(imported, "SELECT version_num FROM alembic_version") == BEFORE_IMPORT
    assert value(imported, "SELECT count(*) FROM lead_imports") == 1


def test_a_dry_run_says_what_a_downgrade_would_do(
    imported: URL, expected: Leads, caplog: pytest.LogCaptureFixture
) -> None:
    """It runs the same statements in several batches, prints the same line, and saves nothing."""
    everything = """
        SELECT leads::text FROM leads
        UNION ALL SELECT lead_imports::text FROM lead_imports
        ORDER BY 1
    """
    before = run(imported, everything)
    caplog.set_level("INFO", "importer")
    downgrade(imported, "-1", "dry-run", "remove-created", "batch-size=20")
    assert WAY_BACK in caplog.text
    assert run(imported, everything) == before
    caplog.clear()
    downgrade(imported, "-1", "remove-created", "batch-size=20")
    assert WAY_BACK in caplog.text
    assert leads(imported) == expected


def test_two_downgrades_at_once(imported: URL, expected: Leads) -> None:
    """One works, the other waits for it and finds nothing to do."""
    command = ("-x", "remove-created", "downgrade", BEFORE_IMPORT)
    both = [start_alembic(imported, *command) for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert leads(imported) == expected
    assert counts(imported) == Counts(restored=10, kept=1, removed=ALL - 11)


def test_a_batch_that_runs_out_of_time_is_halved(
    imported: URL, expected: Leads, caplog: pytest.LogCaptureFixture
) -> None:
    """A table that refers to leads without an index makes it slow, and smaller batches reach the
    same end."""
    go_slowly(imported, 0.006)
    caplog.set_level("INFO", "importer")
    downgrade(imported, BEFORE_IMPORT, "remove-created", "statement-timeout=1")
    assert "a statement ran out of time. Trying in two halves." in caplog.text
    assert leads(imported) == expected
    assert counts(imported) == Counts(restored=10, kept=1, removed=ALL - 11)


@pytest.fixture
def unfinished(crm_with_leads: URL) -> URL:
    """Kill an import in the middle, so its revision is not stamped."""
    slow_down(crm_with_leads, 0.01)
    importing = start_alembic(crm_with_leads, "-x", "batch-size=20", "upgrade", "head")
    wait_until(crm_with_leads, "SELECT max(next_record) >= 60 FROM lead_imports")
    importing.kill()
    importing.communicate()
    speed_up(crm_with_leads)
    assert 60 <= value(crm_with_leads, "SELECT next_record FROM lead_imports") < ALL
    return crm_with_leads


def test_the_ledger_of_an_unfinished_import_outlives_a_downgrade(
    unfinished: URL, new_database: NewDatabase, template: Template
) -> None:
    """A downgrade below it keeps the checkpoint, and the next upgrade finishes the import."""
    before = picture(new_database(template("crm_with_leads", build_crm_with_leads)))
    checkpoint = value(unfinished, "SELECT next_record FROM lead_imports")
    for revision in ("-1", "base"):
        downgrade(unfinished, revision)
        assert value(unfinished, "SELECT next_record FROM lead_imports") == checkpoint
    again = alembic(unfinished, "upgrade", "head")
    assert again.returncode == 0, again.stdout
    assert f"resumed at record {checkpoint + 1} of {ALL}" in again.stdout
    assert_imported(unfinished, before)


def test_an_unfinished_import_is_reverted_once_it_is_stamped(
    unfinished: URL, new_database: NewDatabase, template: Template
) -> None:
    """The downgrade reverts it as far as it came, and then it can start again."""
    before = leads(new_database(template("crm_with_leads", build_crm_with_leads)))
    ledger = run(unfinished, "SELECT created, updated FROM lead_imports")[0]
    assert alembic(unfinished, "stamp", IMPORT).returncode == 0
    downgrade(unfinished, "-1", "remove-created")
    assert leads(unfinished) == before
    assert counts(unfinished) == Counts(restored=ledger.updated, removed=ledger.created)
    then = picture(unfinished)
    upgrade(unfinished)
    assert_imported(unfinished, then)


@pytest.fixture
def with_a_second_import(tmp_path: Path) -> Path:
    """Copy the project and add a second export: some of the first one's leads again, and a new
    one."""
    copy = tmp_path / "project"
    for name in ("migrations", "data"):
        shutil.copytree(ROOT / name, copy / name)
    for name in ("alembic.ini", "models.py"):
        shutil.copy(ROOT / name, copy)
    export = [record | {"notes": "Second.", "status": ""} for record in records()[20:60]]
    export.append(records()[0] | {"phone": "07700 900999 x7"})
    release_second(copy, written(export, copy / "data", "second.json"))
    return copy


def release_second(project: Path, export: Path) -> None:
    first = (ROOT / "migrations" / "versions" / f"{IMPORT}.py").read_text()
    changes = {
        r'revision = "0004[^"]*"': 'revision = "0005_second"',
        r'down_revision = "[^"]*"': f'down_revision = "{IMPORT}"',
        r'export="[^"]*"': f'export="{export.name}"',
        r'sha256="[^"]*"': f'sha256="{hashlib.sha256(export.read_bytes()).hexdigest()}"',
        r"records=\d+": "records=41",
        r'masked="[^"]*"': "masked=None",
    }
    for pattern, replacement in changes.items():
        first = re.sub(rf"(?<!_){pattern}", replacement, first)
    (project / "migrations" / "versions" / "0005_second.py").write_text(first)


def test_two_imports_are_reverted_one_after_the_other(
    crm_with_leads: URL, with_a_second_import: Path
) -> None:
    """Each step leaves the leads from before it, and an edit in between survives both."""
    project = with_a_second_import
    start = leads(crm_with_leads)
    upgrade(crm_with_leads)
    first = leads(crm_with_leads)
    up = alembic(crm_with_leads, "upgrade", "head", root=project)
    assert "41 records: 1 created, 40 updated" in up.stdout
    second = leads(crm_with_leads)
    known = next(lead_id for lead_id in start if second[lead_id]["notes"] == "Second.")
    edit(crm_with_leads, known, address1="By hand", updated_at=second[known]["updated_at"])
    down = alembic(crm_with_leads, "-x", "remove-created", "downgrade", "-1", root=project)
    assert (
        "39 leads restored, 1 kept because edited since or held by a rule, 1 removed" in down.stdout
    )
    assert leads(crm_with_leads) == first | {known: first[known] | {"address1": "By hand"}}
    down = alembic(crm_with_leads, "-x", "remove-created", "downgrade", "-1", root=project)
    assert f"{ALL - 10} removed" in down.stdout
    assert leads(crm_with_leads) == start | {known: start[known] | {"address1": "By hand"}}
