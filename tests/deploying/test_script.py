"""``alembic upgrade head --sql``: the same statements as a script for psql."""

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine
from sqlalchemy.exc import ProgrammingError

from models import Base
from tests.conftest import NewDatabase, Template
from tests.support.bundled import BEFORE_IMPORT, EXPORT, ROOT, records
from tests.support.crm import add_lead, picture
from tests.support.database import run, shown, value
from tests.support.exports import written
from tests.support.projects import copy_project, migrations
from tests.support.promises import assert_imported
from tests.support.roles import GIVEN_EVERYTHING, another_role
from tests.support.servers import tool
from tests.support.upgrades import alembic, alembic_command


def psql(url: URL, script: str) -> None:
    """Let psql run a script."""
    command = [
        tool("psql", url),
        "--quiet",
        "--no-psqlrc",
        "--set=ON_ERROR_STOP=1",
        "--output=/dev/null",
        shown(url),
    ]
    done = subprocess.run(
        command, input=script.encode(), check=False, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()


def script_of(*arguments: str, root: Path = ROOT, url: URL | None = None) -> str:
    """What ``alembic … --sql`` writes, its log goes elsewhere. url: None if no database answers."""
    environ = {**os.environ, "DATABASE_URL": shown(url) if url else "postgresql://nowhere/none"}
    command = [*alembic_command(*arguments, root=root), "--sql"]
    written = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=root, env=environ, timeout=60
    )
    return written.stdout


def test_a_script_keeps_the_ledger_from_others(database: URL) -> None:
    """Whatever default privileges give them, as an upgrade does."""
    with another_role(database, *GIVEN_EVERYTHING) as role:
        psql(database, script_of("upgrade", "head"))
        with pytest.raises(ProgrammingError, match="permission denied"):
            run(role, "SELECT * FROM lead_before_images")
        assert run(role, "SELECT count(*) > 0 FROM leads") == [(True,)]


@pytest.mark.parametrize("size", ["50", "1000"])
def test_a_script_imports_as_an_upgrade_does(size: str, crm_with_leads: URL) -> None:
    """In batches of that size too; its head says what it holds."""
    before = picture(crm_with_leads)
    script = script_of("-x", f"batch-size={size}", "upgrade", f"{BEFORE_IMPORT}:head")
    assert "-- This script holds personal data" in script
    psql(crm_with_leads, script)
    assert_imported(crm_with_leads, before)
    assert run(crm_with_leads, "SELECT count(*) > 1 FROM lead_import_batches") == [(size == "50",)]


def test_a_script_brings_two_imports_into_an_empty_database(
    new_database: NewDatabase, tmp_path: Path
) -> None:
    """The whole chain, with the same leads at the end as an upgrade leaves."""
    project = copy_project(tmp_path)
    known, new = records()[:2]
    october = [
        known | {"full_name": "Later", "notes": "\\.\n\\N \t; --"},
        new | {"phone": "07700 900999 ext. 77"},
    ]
    assert (
        migrations(
            project, "add", str(written(october, tmp_path)), "-m", "import october leads"
        ).returncode
        == 0
    )
    by_script, by_upgrade = new_database(), new_database()
    psql(by_script, script_of("upgrade", "head", root=project))
    assert alembic(by_upgrade, "upgrade", "head", root=project).returncode == 0
    leads = "SELECT full_name, phone, notes, email, created_at FROM leads ORDER BY id"
    assert run(by_script, leads) == run(by_upgrade, leads)
    assert len(run(by_script, leads)) == len(records()) + 1
    counts = """
        SELECT export, created, updated, unchanged, finished_at IS NOT NULL
        FROM lead_imports ORDER BY id
    """
    assert run(by_script, counts) == run(by_upgrade, counts)


def test_a_script_for_a_crm_with_tables_of_its_own_imports_as_an_upgrade_does(
    new_database: NewDatabase, template: Template
) -> None:
    """It is for the table that is there, and its head names that database."""
    theirs = template("crm without us", build_crm_without_us)
    by_script, by_upgrade = new_database(theirs), new_database(theirs)
    script = script_of("upgrade", "head", url=by_script)
    assert script.startswith("-- The lead import as a script for psql: from base to 0004_")
    assert f"\n-- Database: {by_script.database} on " in script
    psql(by_script, script)
    assert alembic(by_upgrade, "upgrade", "head").returncode == 0
    leads = "SELECT id, full_name, phone, notes, email, score, created_at FROM leads ORDER BY id"
    assert run(by_script, leads) == run(by_upgrade, leads)
    counts = "SELECT created, updated, unchanged, declaration FROM lead_imports"
    assert run(by_script, counts) == run(by_upgrade, counts)
    assert migrations(ROOT, "verify", url=by_script).returncode == 0


def build_crm_without_us(url: URL) -> None:
    """Tables as another tool made them, a column of its own, and two leads, one of them known."""
    engine = create_engine(url)
    Base.metadata.tables["leads"].create(engine)
    engine.dispose()
    run(url, "ALTER TABLE leads ADD COLUMN score integer DEFAULT 7")
    for phone in (records()[0]["phone"], "0600000001"):
        add_lead(url, phone=phone, full_name="Theirs", notes="Said to call back.")


def test_a_script_begins_where_its_database_is(crm: URL) -> None:
    """Alembic would begin at base; the refusal says what to write instead."""
    told = alembic(crm, "upgrade", "head", "--sql")
    assert told.returncode != 0
    assert "BEGIN" not in told.stdout
    (advice,) = re.findall(r"'alembic ([^']*)'", told.stdout)
    psql(crm, script_of(*advice.removesuffix(" --sql").split(), url=crm))
    assert run(crm, "SELECT created FROM lead_imports") == [(len(records()),)]


def test_a_script_makes_the_index_that_its_table_lacks(crm: URL) -> None:
    """A later declaration's table has none, and each batch would read all of it."""
    arguments = ("upgrade", f"{BEFORE_IMPORT}:head")
    assert "leads_phone_key_v1" not in script_of(*arguments, url=crm)
    run(crm, "DROP INDEX leads_phone_key_v1")
    psql(crm, script_of(*arguments, url=crm))
    assert value(crm, "SELECT to_regclass('leads_phone_key_v1') IS NOT NULL")


def test_a_script_that_goes_into_a_file_is_utf8_and_its_owners_alone(tmp_path: Path) -> None:
    """Whatever the terminal's encoding is, and whoever may read new files."""
    environ = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    path = tmp_path / "import.sql"
    command = [*alembic_command("upgrade", "head"), "--sql"]
    with open(path, "wb") as file:
        subprocess.run(
            command, check=True, stdout=file, cwd=ROOT, timeout=60,
            env=environ | {"PYTHONIOENCODING": "ascii"},
        )  # fmt: skip
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    script = path.read_text(encoding="utf-8")
    assert any(record["notes"] in script for record in records() if not record["notes"].isascii())
    assert "\n-- This script holds personal data: " in script[:400]


def test_a_script_that_imports_nobody_holds_no_personal_data() -> None:
    """Its head does not say so either."""
    script = script_of("upgrade", f"0001_baseline:{BEFORE_IMPORT}")
    assert "personal data" not in script


def test_a_script_of_a_bad_export_is_not_written(tmp_path: Path) -> None:
    """The export is checked before the first line of its import."""
    project = copy_project(tmp_path)
    export = project / "data" / EXPORT.name
    export.write_bytes(export.read_bytes().replace(b'"phone"', b'"fone"', 1))
    script = alembic(
        None, "upgrade", "head", "--sql", root=project, DATABASE_URL="postgresql://nowhere/none"
    )
    assert script.returncode != 0
    assert "The revision was made for another file. Put that one back" in script.stdout
    assert "COPY" not in script.stdout
