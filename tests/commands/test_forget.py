"""``python -m migrations forget``: old values leave the ledger, and erased people stay away."""

import json
import shutil
from argparse import Namespace
from io import StringIO
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import URL

from migrations.__main__ import main
from migrations.commands import forget
from migrations.deploy.connection import connect
from migrations.deploy.lock import take_deploy_lock
from migrations.importer import forgetting, pinned
from migrations.importer.age_key import KEY, KEY_FILE
from migrations.importer.erased import ERASED
from migrations.importer.errors import Problem
from migrations.importer.session import Server
from migrations.recipients import RECIPIENTS
from tests.support.bundled import BEFORE_IMPORT, EXPORT, IMPORT, ROOT, records
from tests.support.crm import picture
from tests.support.database import run, shown, value
from tests.support.exports import bundle
from tests.support.previews import preview_of
from tests.support.reverts import counts, leads
from tests.support.sealed import new_key, public
from tests.support.upgrades import alembic, downgrade, upgrade

KNOWN = "SELECT id FROM leads WHERE full_name LIKE 'Known %' ORDER BY id"
IMAGES = "SELECT count(*) FROM lead_before_images"
ERASED_REASONS = "SELECT record, field, reason FROM lead_import_rejects ORDER BY record"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy the bundled export into its own folder, with a recipient's key at hand."""
    folder, key = tmp_path / "data", new_key()
    folder.mkdir()
    shutil.copy(EXPORT, folder)
    (folder / RECIPIENTS).write_text(f"{public(key)}  # tests\n")
    for module in (pinned, forget):
        monkeypatch.setattr(module, "DATA", folder)
    monkeypatch.setenv(KEY, key)
    monkeypatch.delenv(KEY_FILE, raising=False)
    return folder


@pytest.fixture
def imported(crm_with_leads: URL, monkeypatch: pytest.MonkeyPatch) -> URL:
    """Import into the mission's CRM, 90 days and an hour ago, and point the commands at it."""
    monkeypatch.setenv("DATABASE_URL", shown(crm_with_leads))
    upgrade(crm_with_leads)
    ended(crm_with_leads, "90 days 1 hour")
    return crm_with_leads


def ended(url: URL, ago: str) -> None:
    """Pretend the imports ended this long ago."""
    run(url, f"UPDATE lead_imports SET finished_at = now() - interval '{ago}'")


def said(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    """Run a command and return what it prints on either output."""
    capsys.readouterr()
    assert main([*arguments]) == status
    told = capsys.readouterr()
    return told.out + told.err


def problems(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the problems ``verify`` finds in the only import."""
    capsys.readouterr()
    main(["verify", "--json"])
    found: list[str] = json.loads(capsys.readouterr().out)["imports"][0]["problems"]
    return found


# By age.


def test_old_values_go_and_the_receipt_stays(
    imported: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """No lead changes, and status, verify and lead report what is forgotten."""
    before, updated = picture(imported), run(imported, KNOWN)
    told = said(capsys, "forget", "--older-than", "90d")
    assert f"{EXPORT.name}: forgot the old values of 10 leads." in told
    assert "until VACUUM" in told
    assert value(imported, IMAGES) == 0
    receipt = run(imported, "SELECT * FROM lead_imports")[0]
    assert (receipt.updated, receipt.forgotten, receipt.created) == (10, 10, 207)
    assert picture(imported) == before
    assert problems(capsys) == []
    assert "The old values of 10 leads are forgotten" in said(capsys, "verify")
    assert "forgot the old values of 10 leads" in " ".join(said(capsys, "status").split())
    known = said(capsys, "lead", str(value(imported, "SELECT min(id) FROM leads")))
    assert "old values are forgotten (10)" in known
    assert updated == run(imported, KNOWN)


def test_the_ledger_still_shows_if_somebody_else_has_written_to_it(
    imported: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three before-images are forgotten, and any others missing are wrong."""
    run(imported, "UPDATE lead_imports SET forgotten = 3")
    [problem] = problems(capsys)
    assert "before images found 10, expected 7" in problem


def test_one_forgotten_lead_is_told_in_the_singular(
    imported: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """By status, as by every other command."""
    run(imported, "UPDATE lead_imports SET forgotten = 1")
    assert "1 leads" not in said(capsys, "status")


def test_verify_says_that_a_later_import_cannot_be_told_from_edits(
    imported: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only its before-images would say what it found."""
    columns = "sha256, records, declaration, policies, ran_by, release"
    run(
        imported,
        f"INSERT INTO lead_imports (revision, export, {columns}, forgotten) "
        f"SELECT '0005_october', 'october.json', {columns}, 1 FROM lead_imports",
    )
    told = said(capsys, "verify", status=1)
    assert "What october.json changed counts as edited" in told


@pytest.mark.parametrize(("ago", "goes"), [("90 days", True), ("89 days 23:59:55", False)])
def test_ages_are_to_the_second(
    imported: URL, ago: str, goes: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """An age runs from the end of the import, by the server's clock."""
    ended(imported, ago)
    told = said(capsys, "forget", "--older-than", "90d")
    assert value(imported, IMAGES) == (0 if goes else 10)
    assert ("Nothing to forget" in told) is not goes


@pytest.mark.parametrize(
    "halfway",
    ["next_record = 100, finished_at = NULL", "revert_next_record = 100"],
)
def test_what_is_halfway_needs_its_old_values(
    imported: URL, data: Path, halfway: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stopped import or downgrade is forgotten neither by age nor by lead."""
    lead_id = value(imported, "SELECT min(lead_id) FROM lead_before_images")
    run(imported, f"UPDATE lead_imports SET {halfway}")
    assert "Nothing to forget" in said(capsys, "forget", "--older-than", "0d")
    told = said(capsys, "forget", "--lead", lead_id, status=1)
    assert "Nothing was forgotten. Finish it first: 'python -m migrations status'" in told
    assert value(imported, IMAGES) == 10
    assert not (data / ERASED).exists()


def test_a_reverted_import_is_as_old_as_its_revert(
    imported: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its age runs from the revert, and its receipt still says what the revert did."""
    downgrade(imported)
    ended(imported, "200 days")
    assert "Nothing to forget" in said(capsys, "forget", "--older-than", "90d")
    run(imported, "UPDATE lead_imports SET reverted_at = now() - interval '90 days'")
    assert "forgot the old values of 10 leads" in said(capsys, "forget", "--older-than", "90d")
    assert "10 leads restored, 0 kept because edited since or held by a rule. Created" in said(
        capsys, "status"
    )


def test_what_two_runs_of_an_import_forgot_is_told_once(
    imported: URL, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One was reverted, and both had old values of the lead."""
    downgrade(imported)
    upgrade(imported)
    lead = str(value(imported, "SELECT min(lead_id::bigint) FROM lead_before_images"))
    said(capsys, "forget", "--lead", lead)
    assert said(capsys, "lead", lead).count("old values are forgotten (1)") == 1


def test_a_dry_run_counts(imported: URL, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It changes nothing, by age or by lead."""
    told = said(capsys, "forget", "--older-than", "90d", "--dry-run")
    assert "would forget the old values of 10 leads" in told
    lead_id = value(imported, "SELECT min(lead_id) FROM lead_before_images")
    told = said(capsys, "forget", "--lead", lead_id, "--dry-run")
    assert "would forget 1 old value of this lead" in told
    assert value(imported, IMAGES) == 10
    assert not (data / ERASED).exists()


def test_whoever_is_cut_off_between_batches_goes_on(
    imported: URL, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each batch commits its rows and its count together."""
    monkeypatch.setattr(forgetting, "AT_A_TIME", 3)
    whole, left = forgetting._forget_batch, iter([1, 1])

    def cut_off(server: Server, import_id: int) -> int:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return whole(server, import_id)

    monkeypatch.setattr(forgetting, "_forget_batch", cut_off)
    assert main(["forget", "--older-than", "90d"]) == 130
    assert (value(imported, IMAGES), value(imported, "SELECT forgotten FROM lead_imports")) == (
        4,
        6,
    )
    assert problems(capsys) == []
    monkeypatch.setattr(forgetting, "_forget_batch", whole)
    assert "forgot the old values of 4 leads" in said(capsys, "forget", "--older-than", "90d")
    assert value(imported, "SELECT forgotten FROM lead_imports") == 10


def test_a_downgrade_keeps_what_is_forgotten_and_says_so(
    imported: URL, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two of ten leads keep the imported values, the others are restored, and created ones go."""
    gone = [row.lead_id for row in run(imported, "SELECT lead_id FROM lead_before_images LIMIT 2")]
    for lead_id in gone:
        said(capsys, "forget", "--lead", lead_id)
    as_imported = leads(imported)
    done = alembic(imported, "-x", "remove-created", "downgrade", BEFORE_IMPORT)
    assert done.returncode == 0, done.stdout
    expected = (
        "8 leads restored, 0 kept because edited since or held by a rule, 207 removed, 0 kept "
        "because referenced, 2 kept because their old values are forgotten or lost."
    )
    assert expected in done.stdout
    assert len(leads(imported)) == 50
    for lead_id in map(int, gone):
        assert leads(imported)[lead_id] == as_imported[lead_id]
    assert counts(imported).restored == 8


def test_whoever_has_the_deploy_lock_comes_first(
    imported: URL, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is forgotten during an import or a downgrade."""
    monkeypatch.setattr(forget, "LOCK_WAIT", 0)
    with connect(imported) as connection:
        take_deploy_lock(connection, 0, lambda: None)
        told = said(capsys, "forget", "--older-than", "90d", status=1)
    assert "Another deploy holds the deploy lock: lead-import (server process" in told
    assert "Gave up after 0 s. Nothing was written. Try again when it has ended." in told
    assert value(imported, IMAGES) == 10


@pytest.mark.parametrize(
    "arguments",
    [[], ["--older-than", "90"], ["--older-than", "soon"], ["--lead", "1", "--older-than", "9d"]],
)
def test_neither_or_both_or_no_days_is_exit_status_2(arguments: list[str]) -> None:
    """The command must know what to forget."""
    with pytest.raises(SystemExit) as left:
        main(["forget", *arguments])
    assert left.value.code == 2


def test_a_database_without_a_ledger_has_nothing_to_forget(
    database: URL, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 1 with one sentence."""
    monkeypatch.setenv("DATABASE_URL", shown(database))
    assert "has no ledger" in said(capsys, "forget", "--older-than", "90d", status=1)


# One lead.


def test_a_person_is_forgotten_in_all_imports_and_does_not_come_back(
    crm: URL,
    database: URL,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One lead in three imports is created, changed twice, and edited to another phone.

    Neither a fresh database nor the same import again brings it back.
    """
    first, second = records()[:2]
    monkeypatch.setenv("DATABASE_URL", shown(crm))
    for status in ("one", "two"):
        with monkeypatch.context() as patched:
            bundle([first | {"status": status}, second], patched, data)
            upgrade(crm)
            downgrade(crm)
    bundle([first | {"status": "three"}, second], monkeypatch, data)
    upgrade(crm)
    lead_id = value(crm, "SELECT id FROM leads WHERE phone = :phone", phone=first["phone"])
    run(crm, "UPDATE leads SET phone = '07700 900998' WHERE id = :id", id=lead_id)
    assert value(crm, IMAGES) == 2
    told = said(capsys, "forget", "--lead", str(lead_id))
    assert "The ledger forgot 2 old values of this lead." in told
    assert "lists 2 more phones of this lead: no import brings them in again" in told
    assert "the lead itself and lead_audit (1 row): for the application to remove" in told
    assert value(crm, IMAGES) == 0
    assert problems(capsys) == []
    run(crm, "DELETE FROM leads WHERE id = :id", id=lead_id)
    downgrade(crm)
    upgrade(crm)
    upgrade(database)
    for url in (crm, database):
        assert run(url, ERASED_REASONS) == [(0, "phone", "erased on request")]
        assert run(url, "SELECT phone FROM leads") == [(second["phone"],)]
        monkeypatch.setenv("DATABASE_URL", shown(url))
        assert problems(capsys) == []
    assert "No lead was edited or removed since." in said(capsys, "verify")


@pytest.mark.parametrize("policy", ["stop", "set aside"])
def test_whoever_is_listed_stops_no_deploy(
    policy: str,
    imported: URL,
    database: URL,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The policy is for records nobody has decided about."""
    lead_id = value(imported, "SELECT created_ids[1] FROM lead_import_batches")
    said(capsys, "forget", "--lead", lead_id)
    bundle(records(), monkeypatch, data, rejected=policy)
    upgrade(database)
    counted = run(database, "SELECT created, rejected, folded, records FROM lead_imports")
    assert counted == [(216, 1, 0, 217)]


def test_without_the_key_no_import_runs_and_nothing_is_written(
    imported: URL,
    database: URL,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A deploy must not bring back erased people it cannot recognise."""
    lead_id = value(imported, "SELECT created_ids[1] FROM lead_import_batches")
    said(capsys, "forget", "--lead", lead_id)
    monkeypatch.delenv(KEY)
    with pytest.raises(Exception, match=r"erased\.txt lists people who must not come back"):
        upgrade(database)
    assert value(database, "SELECT count(*) FROM leads") == 0
    upgrade(imported)  # Nothing is pending, so it needs no key.


def test_where_people_are_invented_nobody_is_looked_for(
    imported: URL,
    database: URL,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Staging and previews have no key, and nobody in a twin is real."""
    lead_id = value(imported, "SELECT created_ids[1] FROM lead_import_batches")
    said(capsys, "forget", "--lead", lead_id)
    monkeypatch.delenv(KEY)
    monkeypatch.setenv("LEADS_PEOPLE", "invented")
    upgrade(database)
    assert value(database, "SELECT rejected FROM lead_imports") == 0


def test_a_preview_names_who_would_be_left_out_by_position(
    imported: URL, database: URL, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It runs the very same statements."""
    lead_id = value(imported, "SELECT created_ids[1] FROM lead_import_batches")
    record = value(imported, "SELECT created_records[1] + 1 FROM lead_import_batches")
    said(capsys, "forget", "--lead", lead_id)
    seen = preview_of(database)
    assert seen.count("rejected") == 1
    assert seen.problems == [Problem(record, "phone", "erased on request")]


def test_a_lead_that_nobody_knows_is_exit_status_1(
    imported: URL, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody is added to the list."""
    assert "No lead of leads has this id" in said(capsys, "forget", "--lead", "999999", status=1)
    assert not (data / ERASED).exists()


def test_a_lead_whose_export_cannot_be_read_is_not_forgotten(
    imported: URL, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may have come with another phone, and the export would bring it back."""
    lead_id = value(imported, "SELECT created_ids[1] FROM lead_import_batches")
    (data / EXPORT.name).unlink()
    told = said(capsys, "forget", "--lead", lead_id, status=1)
    assert "came from it with an unknown phone. Nothing was forgotten." in told
    assert not (data / ERASED).exists()


def test_what_was_forgotten_of_a_lead_that_is_gone_is_forgotten_all_the_same(
    imported: URL, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ledger still knows the phone of a lead the application deleted first."""
    lead_id = value(imported, "SELECT min(lead_id) FROM lead_before_images")
    run(imported, f"DELETE FROM leads WHERE id = {lead_id}")
    told = said(capsys, "forget", "--lead", lead_id)
    assert "The ledger forgot 1 old value" in told
    assert "lists 1 more phone" in told
    assert "the lead itself" not in told


def test_the_list_is_on_the_disk_before_anything_goes(
    imported: URL,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A command cut off in between has listed the person already, and running it again finishes."""
    lead_id = value(imported, "SELECT min(lead_id) FROM lead_before_images")

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(forget, "forget_lead", cut_off)
        assert main(["forget", "--lead", lead_id]) == 130
    assert (data / ERASED).exists()
    assert value(imported, IMAGES) == 10
    said(capsys, "forget", "--lead", lead_id)
    assert value(imported, IMAGES) == 9


def test_a_script_leaves_the_erased_out_too(
    imported: URL, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`alembic upgrade head --sql` writes none of their values and rejects their records."""
    first = records()[0]
    lead_id = value(imported, "SELECT id FROM leads WHERE phone = :phone", phone=first["phone"])
    said(capsys, "forget", "--lead", str(lead_id))
    config = Config(ROOT / "alembic.ini", cmd_opts=Namespace(x=[], quiet=True))
    config.output_buffer = StringIO()
    command.upgrade(config, f"{BEFORE_IMPORT}:{IMPORT}", sql=True)
    script = config.output_buffer.getvalue()
    assert records()[1]["full_name"] in script
    assert first["full_name"] not in script
    assert "0\tphone\terased on request" in script
