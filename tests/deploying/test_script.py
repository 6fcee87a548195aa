"""``alembic upgrade head --sql``: the same statements as a script for psql."""

import os
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.conftest import NewDatabase
from tests.support.bundled import BEFORE_IMPORT, EXPORT, ROOT, records
from tests.support.crm import picture
from tests.support.database import run, shown
from tests.support.exports import written
from tests.support.projects import copy_project, migrations
from tests.support.promises import assert_imported
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


def script_of(*arguments: str, root: Path = ROOT) -> str:
    """What ``alembic … --sql`` writes, its log goes elsewhere."""
    environ = {**os.environ, "DATABASE_URL": "postgresql://nowhere/none"}
    command = [*alembic_command(*arguments, root=root), "--sql"]
    written = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=root, env=environ, timeout=60
    )
    return written.stdout


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


def test_a_script_of_a_bad_export_is_not_written(tmp_path: Path) -> None:
    """The export is checked before the first line of its import."""
    project = copy_project(tmp_path)
    export = project / "data" / EXPORT.name
    export.write_bytes(export.read_bytes().replace(b'"phone"', b'"fone"', 1))
    script = alembic(
        None, "upgrade", "head", "--sql", root=project, DATABASE_URL="postgresql://nowhere/none"
    )
    assert script.returncode != 0
    assert "record 1, phone: is missing" in script.stdout
    assert "COPY" not in script.stdout
