"""Real people only where they belong: a sealed export and its twin, in a copy of the project."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import URL

from migrations.importer.age_key import KEY, KEY_FILE
from tests.conftest import NewDatabase
from tests.support.bundled import BEFORE_IMPORT, IMPORT, records
from tests.support.database import run, shown, value
from tests.support.exports import written
from tests.support.projects import copy_project, migrations
from tests.support.sealed import new_key, public
from tests.support.upgrades import alembic

OCTOBER = "0005_import_october_leads"
REAL = {"full_name": "Ada Moorhatch", "notes": "Said to call back in October.", "email": ""}

SECRET = new_key()


@pytest.fixture(autouse=True)
def nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (KEY, KEY_FILE, "LEADS_PEOPLE", "IS_PULL_REQUEST"):
        monkeypatch.delenv(name, raising=False)


def real_export(folder: Path) -> Path:
    """Write a real export, with a person of the bundled export and a new one."""
    known, new = records()[:2]
    export = [known | REAL, new | REAL | {"phone": "07700 900999 ext. 77"}]
    return written(export, folder, "october.json")


def sealing_project(folder: Path) -> Path:
    """Make a copy of the project with recipients, so that it seals added exports."""
    copy = copy_project(folder)
    lines = [f"{public(SECRET)}  # production", f"{public(new_key())}  # kept offline"]
    (copy / "data" / "recipients.txt").write_text("\n".join(lines))
    return copy


@pytest.fixture
def october(tmp_path: Path) -> Path:
    return real_export(tmp_path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return sealing_project(tmp_path)


@pytest.fixture(scope="module")
def template_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a project with the October export alone, sealed, and its twin."""
    folder = tmp_path_factory.mktemp("twinned")
    project = sealing_project(folder)
    added = migrations(project, "add", str(real_export(folder)), "-m", "import october leads")
    assert added.returncode == 0, added.stderr
    without_bundled(project)
    return project


@pytest.fixture
def twinned(template_project: Path, tmp_path: Path) -> Path:
    return shutil.copytree(template_project, tmp_path / "twinned")


def without_bundled(project: Path) -> None:
    """Remove the bundled import, as an owner does to import a real export instead."""
    versions = project / "migrations" / "versions"
    (versions / f"{IMPORT}.py").unlink()
    october = versions / f"{OCTOBER}.py"
    october.write_text(october.read_text().replace(f'"{IMPORT}"', f'"{BEFORE_IMPORT}"'))


def ledger(url: URL) -> list[tuple[str, int]]:
    return [tuple(row) for row in run(url, "SELECT export, created FROM lead_imports ORDER BY id")]


def test_add_seals_and_writes_the_twin(project: Path, october: Path) -> None:
    """Only the twin is in clear, the revision has its digest, and the next steps are printed."""
    added = migrations(project, "add", str(october), "-m", "import october leads")
    assert added.returncode == 0, added.stderr
    data = sorted(path.name for path in (project / "data").iterdir())
    assert [name for name in data if name.startswith(("october", "mask", "."))] == [
        "mask.key.age",
        "october.json.age",
        "october.masked.json",
    ]
    twin = (project / "data" / "october.masked.json").read_text()
    assert all(value not in twin for value in REAL.values() if value)
    assert len(json.loads(twin)) == 2
    revision = (project / "migrations" / "versions" / f"{OCTOBER}.py").read_text()
    assert '    masked="' in revision
    assert "data/october.masked.json: look at it before you commit." in added.stdout
    assert "The words of status are the same in both: " in added.stdout
    assert "git add data migrations" in added.stdout
    assert migrations(project, "add", str(october), "-m", "again").returncode == 1


def test_add_in_clear_says_how_git_takes_it(project: Path, october: Path) -> None:
    """Git ignores such a file, so the message has `git add -f`."""
    more = ("--clear", "--no-twin")
    added = migrations(project, "add", str(october), "-m", "import october leads", *more)
    assert added.returncode == 0, added.stderr
    assert "git add -f data/october.json && git add data migrations" in added.stdout
    assert (project / "data" / "october.json").read_bytes() == october.read_bytes()
    assert not (project / "data" / "october.masked.json").exists()


def test_add_takes_an_export_that_is_sealed_already(
    project: Path, october: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the key it is checked and masked, and the file is copied unchanged."""
    assert migrations(project, "seal", str(october)).returncode == 0
    october.unlink()
    sealed = october.with_name("october.json.age")
    monkeypatch.setenv(KEY, SECRET)
    added = migrations(project, "add", str(sealed), "-m", "import october leads")
    assert added.returncode == 0, added.stderr
    assert (project / "data" / sealed.name).read_bytes() == sealed.read_bytes()
    assert (project / "data" / "october.masked.json").exists()


def test_a_second_twin_needs_the_key_of_the_first(
    twinned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal values become equal in all twins, and without their secret no twin is made."""
    november = written([records()[0] | REAL], tmp_path, "november.json")
    add = ("add", str(november), "-m", "import november leads")
    told = migrations(twinned, *add)
    assert told.returncode == 1
    assert "mask.key.age is sealed, and neither" in told.stderr
    assert not list((twinned / "data").glob("november*"))
    monkeypatch.setenv(KEY, SECRET)
    assert migrations(twinned, *add).returncode == 0
    twins = [json.loads(path.read_text()) for path in (twinned / "data").glob("*.masked.json")]
    assert twins[0][0]["full_name"] == twins[1][0]["full_name"]


def test_mask_gives_a_revision_its_twin(
    project: Path, october: Path, database: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It works once, after an add without a twin."""
    add = ("add", str(october), "-m", "import october leads", "--no-twin")
    assert migrations(project, *add).returncode == 0
    monkeypatch.setenv(KEY, SECRET)
    masked = migrations(project, "mask", OCTOBER)
    assert masked.returncode == 0, masked.stderr
    assert "2 records with invented people" in masked.stdout
    again = migrations(project, "mask", OCTOBER)
    assert (again.returncode, again.stderr) == (
        1,
        "october.json has a twin already. Nothing was written.\n",
    )
    assert "imports no export" in migrations(project, "mask", BEFORE_IMPORT).stderr
    monkeypatch.delenv(KEY)
    upgraded = alembic(database, "upgrade", "head", root=project, LEADS_PEOPLE="invented")
    assert upgraded.returncode == 0, upgraded.stdout
    assert ledger(database) == [("production_leads_export.json", 217), ("october.masked.json", 2)]


def test_staging_takes_the_twin_and_production_the_export(
    twinned: Path, new_database: NewDatabase
) -> None:
    """Staging needs no key, and later commands know its people whatever LEADS_PEOPLE says."""
    staging, production = new_database(), new_database()
    invented = alembic(staging, "upgrade", "head", root=twinned, LEADS_PEOPLE="invented")
    assert invented.returncode == 0, invented.stdout
    assert "Importing invented people: october.masked.json." in invented.stdout
    real = alembic(
        production, "upgrade", "head", root=twinned, LEADS_PEOPLE="real", LEADS_AGE_KEY=SECRET
    )
    assert real.returncode == 0, real.stdout
    assert ledger(staging) == [("october.masked.json", 2)]
    assert ledger(production) == [("october.json", 2)]
    names = "SELECT count(*) FROM leads WHERE full_name = 'Ada Moorhatch'"
    assert (value(staging, names), value(production, names)) == (0, 2)
    verified = migrations(twinned, "verify", url=staging)
    assert verified.returncode == 0, verified.stdout
    assert "october.masked.json" in migrations(twinned, "status", url=staging).stdout
    down = ("-x", "remove-created", "downgrade", "-1")
    reverted = alembic(staging, *down, root=twinned, LEADS_PEOPLE="real")
    assert reverted.returncode == 0, reverted.stdout
    assert value(staging, "SELECT count(*) FROM leads") == 0


def test_real_people_are_not_added_to_invented_ones_after_a_downgrade_either(
    twinned: Path, database: URL
) -> None:
    """A revert without remove-created leaves the invented leads. The refusal says how they go."""
    up, down = ("upgrade", "head"), ("downgrade", BEFORE_IMPORT)
    assert alembic(database, *up, root=twinned, LEADS_PEOPLE="invented").returncode == 0
    assert alembic(database, *down, root=twinned).returncode == 0
    real = alembic(database, *up, root=twinned, LEADS_PEOPLE="real", LEADS_AGE_KEY=SECRET)
    assert real.returncode != 0
    said = "This database holds invented people (october.masked.json, "
    assert said in real.stdout
    assert value(database, "SELECT count(*) FROM leads") == 2
    for remedy in re.findall(r"alembic ([^']*)'", real.stdout):
        done = alembic(database, *remedy.split(), root=twinned, LEADS_PEOPLE="invented")
        assert done.returncode == 0, done.stdout
    assert value(database, "SELECT count(*) FROM leads") == 0
    assert (
        alembic(database, *up, root=twinned, LEADS_PEOPLE="real", LEADS_AGE_KEY=SECRET).returncode
        == 0
    )


def test_a_database_of_invented_people_becomes_one_of_real_people_as_it_is_told(
    project: Path, october: Path, database: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Remove them, put the real export in their place, deploy: each refusal says the next step."""
    assert alembic(database, "upgrade", "head", root=project).returncode == 0
    replace = ("add", str(october), "--replace")
    refused = migrations(project, *replace, url=database)
    assert refused.returncode == 1
    (told,) = re.findall(r"'alembic ([^']*)'", refused.stderr)
    assert told == f"-x remove-created downgrade {IMPORT}-1"
    real = {"LEADS_PEOPLE": "real"}
    monkeypatch.setenv(KEY, SECRET)
    later = migrations(project, "add", str(october), "-m", "import october leads")
    assert later.returncode == 0, later.stderr
    mixed = alembic(database, "upgrade", "head", root=project, **real)
    assert f"'alembic {told}'" in mixed.stdout
    (project / "migrations" / "versions" / f"{OCTOBER}.py").unlink()
    assert alembic(database, *told.split(), root=project, **real).returncode == 0
    assert migrations(project, *replace, url=database).returncode == 0
    upgraded = alembic(database, "upgrade", "head", root=project, **real)
    assert upgraded.returncode == 0, upgraded.stdout
    names = run(database, "SELECT DISTINCT full_name FROM leads")
    assert names == [("Ada Moorhatch",)]


def test_nothing_is_imported_where_nobody_has_said_who(twinned: Path, database: URL) -> None:
    """An upgrade, a dry run and a script are all refused."""
    for command in (("upgrade", "head"), ("-x", "dry-run", "upgrade", "head")):
        told = alembic(database, *command, root=twinned, LEADS_AGE_KEY=SECRET)
        assert told.returncode != 0
        assert "Nobody has said which people belong in this database." in told.stdout
    script = alembic(database, "upgrade", "head", "--sql", root=twinned, LEADS_AGE_KEY=SECRET)
    assert script.returncode != 0
    assert "COPY" not in script.stdout
    assert value(database, "SELECT to_regclass('leads')") is None
    twin = alembic(database, "upgrade", "head", "--sql", root=twinned, LEADS_PEOPLE="invented")
    assert twin.returncode == 0, twin.stdout
    assert "october.masked.json" in twin.stdout
    assert "Ada Moorhatch" not in twin.stdout


def test_a_preview_of_a_pull_request_never_opens_a_real_export(
    project: Path, october: Path, database: URL
) -> None:
    """Without a twin it is refused before it connects or opens a file."""
    add = ("add", str(october), "-m", "import october leads", "--no-twin")
    assert migrations(project, *add).returncode == 0
    (project / "data" / "october.json.age").unlink()
    nowhere = URL.create("postgresql", host="127.0.0.1", port=1, database="crm")
    preview = {"IS_PULL_REQUEST": "true", "LEADS_PEOPLE": "real", "LEADS_AGE_KEY": SECRET}
    for url in (nowhere, database):
        told = alembic(url, "upgrade", "head", root=project, **preview)
        assert told.returncode != 0
        assert "This is a preview of a pull request, and october.json has no twin" in told.stdout
        assert f"python -m migrations mask {OCTOBER}" in told.stdout
        assert "Traceback" not in told.stdout
    assert value(database, "SELECT to_regclass('alembic_version')") is None


def test_a_preview_of_a_pull_request_takes_the_twin(twinned: Path, database: URL) -> None:
    """LEADS_PEOPLE makes no difference, and no key is needed."""
    (twinned / "data" / "october.json.age").unlink()
    told = alembic(
        database, "upgrade", "head", root=twinned, IS_PULL_REQUEST="true", LEADS_PEOPLE="real"
    )
    assert told.returncode == 0, told.stdout
    assert ledger(database) == [("october.masked.json", 2)]


def test_the_bundled_export_is_its_own_twin(project: Path, new_database: NewDatabase) -> None:
    """It is imported for invented people or if nothing is said, and refused for real people."""
    for said in ({}, {"LEADS_PEOPLE": "invented"}, {"IS_PULL_REQUEST": "true"}):
        database = new_database()
        told = alembic(database, "upgrade", "head", root=project, **said)
        assert told.returncode == 0, told.stdout
        assert "Its 217 leads are invented: where people must be real" in told.stdout
        assert ledger(database) == [("production_leads_export.json", 217)]
    again = alembic(database, "upgrade", "head", root=project)
    assert "217 after. Its 217 leads are invented: " in again.stdout
    refused = alembic(new_database(), "upgrade", "head", root=project, LEADS_PEOPLE="real")
    assert refused.returncode != 0
    assert "the people in production_leads_export.json are invented" in refused.stdout


def test_a_twin_that_was_edited_is_refused(twinned: Path, database: URL) -> None:
    """The revision pins the twin, as it pins the export."""
    twin = twinned / "data" / "october.masked.json"
    twin.write_text(twin.read_text().replace("ZZ99", "ZZ98"))
    told = alembic(database, "upgrade", "head", root=twinned, LEADS_PEOPLE="invented")
    assert told.returncode != 0
    assert "october.masked.json: 1 problem" in told.stdout
    assert value(database, "SELECT count(*) FROM leads") == 0


def test_no_command_shows_anybody_or_a_key(
    twinned: Path, october: Path, new_database: NewDatabase
) -> None:
    """No command's output has a value of the export or a part of the key, refused or not."""
    url = new_database()
    environ = {**os.environ, KEY: SECRET, "DATABASE_URL": shown(url)}
    commands = [
        ("seal", str(october)),
        ("seal", str(october)),
        ("check", str(october)),
        ("reseal",),
        ("mask", OCTOBER),
        ("verify", "--json"),
    ]
    said = [
        subprocess.run(
            [sys.executable, "-m", "migrations", *command],
            check=False, capture_output=True, text=True, cwd=twinned,
            env=environ,
        )
        for command in commands
    ]  # fmt: skip
    logs = [
        alembic(url, "upgrade", "head", root=twinned, LEADS_PEOPLE="real", LEADS_AGE_KEY=key)
        for key in (SECRET[:-4], SECRET, new_key())
    ]
    outputs = [done.stdout + (done.stderr or "") for done in (*said, *logs)]
    told = [
        secret
        for secret in (SECRET[17:37], SECRET[-20:], *filter(None, REAL.values()), "900999")
        if any(secret in output for output in outputs)
    ]
    assert told == []
