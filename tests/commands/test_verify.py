"""``python -m migrations verify``: check that everything is there, as the ledger says."""

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from sqlalchemy import URL, create_engine

from migrations.__main__ import main
from migrations.commands.verify import Checked, Verdict, verify
from migrations.deploy.connection import connect
from migrations.importer import comparing, pinned, staging
from migrations.importer.declaration import Leads
from models import Base
from tests.support.bundled import BEFORE_IMPORT, EXPORT, IMPORT, ROOT, records
from tests.support.crm import add_lead, picture
from tests.support.database import run, shown, value, wait_until_alone
from tests.support.exports import bundle, written
from tests.support.projects import copy_project, migrations
from tests.support.roles import MAY_LOOK, another_role
from tests.support.upgrades import alembic, downgrade, upgrade

EVERYTHING = """
    SELECT relname, pg_relation_size(oid) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace ORDER BY 1
"""


def verdict_of(url: URL) -> Verdict:
    """Run ``verify`` in this process."""
    config = Config(ROOT / "alembic.ini")
    with connect(url) as connection:
        return verify(connection.execution_options(isolation_level="AUTOCOMMIT"), config)


def checked_of(url: URL) -> Checked:
    """Run the same for the bundled import and expect no problem."""
    verdict = verdict_of(url)
    assert verdict.all_problems == []
    return next(checked for checked in verdict.imports if checked.revision == IMPORT)


@pytest.fixture
def imported(crm_with_leads: URL) -> URL:
    """Import into the mission's CRM."""
    upgrade(crm_with_leads)
    return crm_with_leads


def created(url: URL, n: int = 0) -> int:
    """Return the id of the n-th created lead."""
    lead_id: int = value(
        url, "SELECT created_ids[CAST(:n AS integer) + 1] FROM lead_import_batches", n=n
    )
    return lead_id


def updated(url: URL, n: int = 0) -> int:
    """Return the id of the n-th updated lead."""
    lead_id: int = value(
        url, "SELECT lead_id FROM lead_before_images ORDER BY record LIMIT 1 OFFSET :n", n=n
    )
    return lead_id


@pytest.mark.parametrize("at_a_time", [7, 5000])
def test_leads_as_imported_are_right(
    imported: URL, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    """Nothing is wrong and nothing was edited, whatever the batch size."""
    monkeypatch.setattr(comparing, "RECORDS_AT_A_TIME", at_a_time)
    assert checked_of(imported) == Checked(IMPORT, EXPORT.name)
    assert verdict_of(imported).is_as_imported


@pytest.mark.parametrize("at_a_time", [7, 5000])
def test_edited_leads_are_counted_by_field(
    imported: URL, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    """Created leads, updated leads, filled blanks and a changed phone."""
    monkeypatch.setattr(comparing, "RECORDS_AT_A_TIME", at_a_time)
    edit = "UPDATE leads SET {} WHERE id = :id"
    run(imported, edit.format("status = 'edited'"), id=created(imported, 0))
    run(imported, edit.format("status = 'edited', notes = 'edited'"), id=updated(imported, 0))
    run(imported, edit.format("phone = '07700 900888', status = 'edited'"), id=created(imported, 1))
    blank = value(
        imported,
        "SELECT min(id) FROM leads WHERE email = '' "
        "AND CAST(id AS text) IN (SELECT unnest(created_ids[3:]) FROM lead_import_batches)",
    )
    run(imported, edit.format("email = 'filled@example.org'"), id=blank)
    run(imported, "UPDATE leads SET status = 'edited' WHERE full_name = 'Kept 0'")
    checked = checked_of(imported)
    assert checked.edited == 4
    assert checked.fields == {"status": 3, "email": 1, "notes": 1, "phone": 1}
    assert (checked.removed, checked.lost) == (0, 0)


def test_a_phone_in_another_spelling_is_an_edit_of_the_phone(imported: URL) -> None:
    """The lead is still found."""
    run(imported, "UPDATE leads SET phone = phone || ' ' WHERE id = :id", id=created(imported))
    assert checked_of(imported).fields == {"phone": 1}


def test_a_lead_that_has_come_since_is_nobodys_edit(imported: URL) -> None:
    """People give a lead another phone, and the site adds a new lead with the old one."""
    phone = value(imported, "SELECT phone FROM leads WHERE id = :id", id=created(imported))
    run(imported, "UPDATE leads SET phone = '07700 900888' WHERE id = :id", id=created(imported))
    add_lead(imported, phone=phone, full_name="New")
    checked = checked_of(imported)
    assert (checked.edited, checked.fields, checked.lost) == (1, {"phone": 1}, 0)


def test_removed_leads_are_counted(imported: URL) -> None:
    """Created and updated leads count, and somebody else's do not."""
    for lead_id in (created(imported, 0), created(imported, 1), updated(imported, 0)):
        run(imported, "DELETE FROM leads WHERE id = :id", id=lead_id)
    run(imported, "DELETE FROM leads WHERE full_name = 'Kept 0'")
    checked = checked_of(imported)
    assert (checked.removed, checked.edited, checked.lost) == (3, 0, 0)
    assert not verdict_of(imported).is_as_imported


def test_leads_that_the_import_left_as_they_were_are_compared_too(crm: URL) -> None:
    """Find unchanged leads by phone, and notice edited and deleted ones."""
    first, second = records()[:2]
    for record in (first, second):
        fields = {name: value for name, value in record.items() if name not in ("id", "created_at")}
        add_lead(crm, **fields | {"notes": record["notes"] or "ours"})
    upgrade(crm)
    assert checked_of(crm).is_as_imported
    run(crm, "UPDATE leads SET status = 'edited' WHERE phone = :phone", phone=first["phone"])
    run(crm, "DELETE FROM leads WHERE phone = :phone", phone=second["phone"])
    checked = checked_of(crm)
    assert (checked.edited, checked.fields, checked.removed, checked.lost) == (
        1,
        {"status": 1},
        0,
        1,
    )


def test_without_the_column_of_the_phone_leads_are_found_by_their_ids(imported: URL) -> None:
    """Nobody can tell which lead an unchanged record was, so none is called removed."""
    downgrade(imported)
    upgrade(imported)  # the created leads had stayed
    run(imported, "ALTER TABLE leads RENAME phone TO mobile")
    assert checked_of(imported) == Checked(IMPORT, EXPORT.name, missing=["phone"])


@pytest.mark.parametrize("policies", [{"rejected": "set aside"}, {"blanks": "clear"}])
def test_an_import_with_other_policies_is_right(
    policies: dict[str, Any], crm_with_leads: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Rejected records and values cleared by blanks are no difference, but an edit is."""
    export = records()
    if "rejected" in policies:
        export[3] |= {"phone": "nobody's", "email": None}
    bundle(export, monkeypatch, tmp_path, **policies)
    upgrade(crm_with_leads)
    assert checked_of(crm_with_leads).is_as_imported
    run(
        crm_with_leads,
        "UPDATE leads SET notes = 'edited' WHERE id = :id",
        id=updated(crm_with_leads),
    )
    assert checked_of(crm_with_leads).fields == {"notes": 1}


def test_create_all_and_stamp_head_are_noticed(database: URL) -> None:
    """Otherwise the data revision is skipped for ever, and the remedy brings the import in."""
    engine = create_engine(database)
    Base.metadata.create_all(engine)
    engine.dispose()
    assert alembic(database, "stamp", "head").returncode == 0
    problems = verdict_of(database).all_problems
    assert any(
        "its ledger has no import of production_leads_export.json" in problem
        for problem in problems
    )
    assert any("the function lead_phone_key_v1 is not there" in problem for problem in problems)
    assert any(
        "'alembic stamp base', then 'alembic upgrade head'" in problem for problem in problems
    )
    assert alembic(database, "stamp", "base").returncode == 0
    upgrade(database)
    assert checked_of(database).is_as_imported


def test_an_emptied_ledger_is_noticed(imported: URL) -> None:
    """The remedy restores the ledger without writing leads."""
    leads = picture(imported).leads
    run(imported, "TRUNCATE lead_imports CASCADE")
    [problem] = verdict_of(imported).all_problems
    assert "its ledger has no import of production_leads_export.json" in problem
    assert f"'alembic stamp {BEFORE_IMPORT}', then 'alembic upgrade head'" in problem
    run(imported, f"UPDATE alembic_version SET version_num = '{BEFORE_IMPORT}'")
    upgrade(imported)
    assert checked_of(imported).is_as_imported
    assert picture(imported).leads == leads


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("DELETE FROM lead_import_batches", "records found 0, expected 217"),
        ("DELETE FROM lead_before_images WHERE record < 30", "before images found 8, expected 10"),
        (
            "INSERT INTO lead_import_rejects SELECT id, 3, 'phone', '' FROM lead_imports",
            "rejects found 1, expected 0",
        ),
        ("UPDATE lead_imports SET created = 1", "created found 207, expected 1"),
        ("UPDATE lead_imports SET sha256 = 'other'", "sha256 found other"),
        ("UPDATE alembic_version SET version_num = '9999_future'", "does not know"),
    ],
)
def test_what_does_not_agree_is_wrong(imported: URL, damage: str, said: str) -> None:
    """Stamp, ledger, batches and before-images must agree, or verify names the odd one."""
    run(imported, damage)
    assert said in "\n".join(verdict_of(imported).all_problems)


def test_a_database_without_the_import_is_wrong(database: URL) -> None:
    """Nothing there at all, the schema alone, and after a downgrade."""
    not_imported = [f"{EXPORT.name} is not imported. Run 'alembic upgrade head'."]
    assert verdict_of(database).all_problems == not_imported
    upgrade(database, BEFORE_IMPORT)
    assert verdict_of(database).all_problems == not_imported
    upgrade(database)
    assert verdict_of(database).all_problems == []
    downgrade(database)
    assert verdict_of(database).all_problems == not_imported


def test_a_file_that_is_not_the_file_is_wrong(
    imported: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One character is different, or the file is missing."""
    monkeypatch.setattr(pinned, "DATA", tmp_path)
    assert "cannot be opened" in verdict_of(imported).all_problems[0]
    (tmp_path / EXPORT.name).write_bytes(EXPORT.read_bytes().replace(b"MS001", b"MS999", 1))
    assert "sha256 is" in verdict_of(imported).all_problems[0]


def test_verify_writes_nothing(imported: URL) -> None:
    """It writes no row and no byte, and a role with SELECT alone can run it."""
    run(imported, "UPDATE leads SET status = 'edited' WHERE id = :id", id=created(imported))
    before, sizes = picture(imported), run(imported, EVERYTHING)
    counted = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables"
    wait_until_alone(imported)
    written_before = value(imported, counted)
    reader = f"reader_of_{imported.database}"
    run(imported, f"CREATE ROLE {reader} LOGIN PASSWORD 'p'")
    try:
        run(imported, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader}")
        assert checked_of(imported.set(username=reader, password="p")).edited == 1
    finally:
        run(imported, f"DROP OWNED BY {reader}")
        run(imported, f"DROP ROLE {reader}")
    assert (picture(imported), run(imported, EVERYTHING)) == (before, sizes)
    wait_until_alone(imported)
    assert value(imported, counted) == written_before


@pytest.mark.parametrize(
    "command",
    [["verify"], ["status"], ["lead", "1"], ["forget", "--lead", "1"]],
    ids=" ".join,
)
def test_what_a_role_may_not_read_is_named(
    command: list[str],
    imported: URL,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All of it at once, and nothing is read."""
    revoked = ("REVOKE SELECT ON leads, lead_imports FROM {role}",)
    with another_role(imported, *MAY_LOOK, *revoked) as url:
        monkeypatch.setenv("DATABASE_URL", shown(url))
        assert main(command) == 1
    said = capsys.readouterr()
    assert "may not SELECT lead_imports\n" in said.err
    assert ("may not SELECT leads\n" in said.err) == (command != ["status"])
    assert said.out == ""


def test_a_later_import_is_no_edit(database: URL, tmp_path: Path) -> None:
    """Compare an updated lead with what the next import found, so only an edit in between
    counts."""
    project = copy_project(tmp_path)
    known, other, new = records()[:3]
    october = [known | {"full_name": "Renamed In October"}, new | {"phone": "07700 900999 ext. 77"}]
    assert alembic(database, "upgrade", "head", root=project).returncode == 0
    run(
        database,
        "UPDATE leads SET notes = 'edited between' WHERE phone = :phone",
        phone=known["phone"],
    )
    run(database, "UPDATE leads SET status = 'edited' WHERE phone = :phone", phone=other["phone"])
    path = written(october, tmp_path, "october_leads.json")
    assert migrations(project, "add", str(path), "-m", "import october leads").returncode == 0
    assert alembic(database, "upgrade", "head", root=project).returncode == 0
    told = migrations(project, "verify", "--json", url=database)
    assert told.returncode == 0, told.stderr
    first, second = json.loads(told.stdout)["imports"]
    assert (first["edited"], first["fields"]) == (2, {"notes": 1, "status": 1})
    assert (second["edited"], second["removed"], second["lost"]) == (0, 0, 0)


def test_a_later_import_into_another_table_has_edited_nobody(
    imported: URL, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Verify does not name it as a reason for edits."""
    monkeypatch.setenv("DATABASE_URL", shown(imported))
    run(imported, "UPDATE leads SET status = 'edited' WHERE id = :id", id=created(imported))
    run(
        imported,
        "INSERT INTO lead_imports (revision, export, sha256, records, declaration, policies, "
        "ran_by, release) SELECT 'later', 'people.json', sha256, records, :declaration, policies, "
        "ran_by, release FROM lead_imports",
        declaration=Leads("users", phone="username").as_json(),
    )
    main(["verify"])
    told = capsys.readouterr().out
    assert "1 lead edited since (status 1)." in told
    assert "What people.json changed" not in told


# The command.


def test_edits_are_fine_unless_it_is_strict(
    imported: URL, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 0 with a count, or 1 if leads must be as imported."""
    monkeypatch.setenv("DATABASE_URL", shown(imported))
    assert main(["verify", "--strict"]) == 0
    assert "OK. No lead was edited or removed since." in capsys.readouterr().out
    run(imported, "UPDATE leads SET status = 'edited' WHERE id = :id", id=created(imported))
    run(imported, "DELETE FROM leads WHERE id = :id", id=created(imported, 1))
    assert main(["verify"]) == 0
    assert "1 lead edited since (status 1). 1 lead removed since." in capsys.readouterr().out
    assert main(["verify", "--strict"]) == 1


def test_ctrl_c_is_exit_status_130(imported: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    """Print nothing, even in the middle of a statement."""
    # A shell starts its background jobs deaf to Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setenv("DATABASE_URL", shown(imported))
    interrupt = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    monkeypatch.setattr(
        comparing, "_compare", lambda server, *_: server.execute("SELECT pg_sleep(3)")
    )
    monkeypatch.setattr(staging, "fold_repeats", lambda *_: interrupt.start())
    try:
        assert main(["verify"]) == 130
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_lost_connection_is_one_sentence(
    imported: URL, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 1."""
    monkeypatch.setenv("DATABASE_URL", shown(imported))
    ended = "SELECT pg_terminate_backend(pg_backend_pid())"
    monkeypatch.setattr(comparing, "_compare", lambda server, *_: server.execute(ended))
    assert main(["verify"]) == 1
    assert capsys.readouterr().err.endswith(
        "the connection to the server was lost. Run the same command again.\n"
    )


def test_verify_tells_machines_what_is_wrong(
    imported: URL, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Print one JSON object on standard output and exit with status 1."""
    monkeypatch.setenv("DATABASE_URL", shown(imported))
    assert main(["verify", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    run(imported, "TRUNCATE lead_imports CASCADE")
    assert main(["verify", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert "its ledger has no import" in told["imports"][0]["problems"][0]
