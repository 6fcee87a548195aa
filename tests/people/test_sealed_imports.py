"""An import from a sealed export equals the import from the same export in clear."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.util import CommandError
from sqlalchemy import URL

from migrations.importer import pinned
from migrations.importer.age_key import KEY, KEY_FILE
from tests.conftest import NewDatabase, Template, build_crm_with_leads
from tests.support.bundled import BEFORE_IMPORT, EXPORT, ROOT
from tests.support.crm import picture
from tests.support.database import run, shown, value
from tests.support.deploys import Deploys
from tests.support.faults import KillBefore
from tests.support.previews import preview_of
from tests.support.projects import copy_project, migrations
from tests.support.promises import assert_imported
from tests.support.sealed import Sealed, new_key, sealed_copy
from tests.support.upgrades import alembic_command, downgrade, upgrade

MOMENTS = {"started_at", "finished_at", "reverted_at"}


@pytest.fixture
def key() -> str:
    return new_key()


@pytest.fixture
def sealed(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Seal the bundled export into a folder, and import from there in this process."""
    folder = tmp_path / "sealed"
    folder.mkdir()
    sealed_copy(folder, key)
    monkeypatch.setattr(pinned, "DATA", folder)
    monkeypatch.setenv(KEY, key)
    monkeypatch.delenv(KEY_FILE, raising=False)
    return folder


@pytest.fixture
def deploys(tmp_path: Path) -> Iterator[Deploys]:
    with Deploys(tmp_path).watched() as deploys:
        yield deploys


@pytest.fixture
def project(key: str, tmp_path: Path) -> Path:
    """Make a copy of the project with a sealed export."""
    copy = copy_project(tmp_path)
    (copy / "data" / EXPORT.name).unlink()
    sealed_copy(copy / "data", key)
    return copy


def receipts(url: URL) -> list[dict[str, Any]]:
    """Return the ledger's imports without their times."""
    rows = run(url, "SELECT * FROM lead_imports ORDER BY id")
    return [{name: row._mapping[name] for name in row._mapping.keys() - MOMENTS} for row in rows]


def test_a_sealed_export_leaves_the_leads_and_the_ledger_of_a_clear_one(
    new_database: NewDatabase, template: Template, sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leads and receipt are the same, and a revert works too."""
    from_clear = new_database(template("crm_with_leads", build_crm_with_leads))
    from_sealed = new_database(template("crm_with_leads", build_crm_with_leads))
    before = picture(from_sealed)
    upgrade(from_sealed)
    monkeypatch.setattr(pinned, "DATA", EXPORT.parent)
    upgrade(from_clear)
    assert_imported(from_sealed, before)
    assert receipts(from_sealed) == receipts(from_clear)
    monkeypatch.setattr(pinned, "DATA", sealed)
    downgrade(from_sealed, BEFORE_IMPORT, "remove-created")
    assert picture(from_sealed) == before


def test_a_preview_of_a_sealed_export_is_that_of_a_clear_one(
    crm_with_leads: URL, sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The counts and the leads are the same."""
    from_sealed = preview_of(crm_with_leads)
    monkeypatch.setattr(pinned, "DATA", EXPORT.parent)
    from_clear = preview_of(crm_with_leads)
    assert [figures.counts for figures in from_sealed.imports] == [
        figures.counts for figures in from_clear.imports
    ]
    assert from_sealed.created == from_clear.created
    assert from_sealed.changed == from_clear.changed


@pytest.mark.parametrize("nth", range(1, 6))
def test_a_deploy_that_is_killed_in_a_batch_goes_on_from_the_sealed_export(
    nth: int, crm_with_leads: URL, sealed: Path, key: str, deploys: Deploys
) -> None:
    """It is killed in each of five batches."""
    before = picture(crm_with_leads)
    from_sealed = Sealed(sealed, key)
    kill = KillBefore("SELECT pg_temp.lead_import_apply_batch", nth)
    arguments = ("-x", "batch-size=50", "upgrade", "head")
    assert deploys.run(crm_with_leads, *arguments, faults=[from_sealed, kill]).status == (
        -signal.SIGKILL
    )
    assert value(crm_with_leads, "SELECT next_record FROM lead_imports") == (nth - 1) * 50
    again = deploys.succeed(crm_with_leads, *arguments, faults=[from_sealed])
    assert key[17:30] not in again.output
    assert_imported(crm_with_leads, before)


def test_without_the_key_nothing_is_written(
    crm_with_leads: URL, sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The upgrade is refused, later the downgrade too, and imported leads stay."""
    before = picture(crm_with_leads)
    key = os.environ[KEY]
    monkeypatch.delenv(KEY)
    said = f"{EXPORT.name}.age is sealed, and neither {KEY} nor {KEY_FILE} is set."
    with pytest.raises(CommandError, match=said):
        upgrade(crm_with_leads)
    assert picture(crm_with_leads) == before
    assert receipts(crm_with_leads) == []
    monkeypatch.setenv(KEY, key)
    upgrade(crm_with_leads)
    monkeypatch.delenv(KEY)
    with pytest.raises(CommandError, match=said):
        downgrade(crm_with_leads)
    assert_imported(crm_with_leads, before)


def test_damage_behind_the_first_records_leaves_nothing(crm_with_leads: URL, sealed: Path) -> None:
    """Records read before the damage are dropped."""
    before = picture(crm_with_leads)
    path = sealed / f"{EXPORT.name}.age"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CommandError, match=r"json\.age is damaged\. Nothing was written\."):
        upgrade(crm_with_leads)
    assert picture(crm_with_leads) == before
    assert receipts(crm_with_leads) == []


def test_verify_compares_without_the_key_what_it_can(
    database: URL, project: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the key everything is OK, and without it only the export is called wrong."""
    monkeypatch.delenv(KEY_FILE, raising=False)
    monkeypatch.setenv(KEY, key)
    environ = {**os.environ, "DATABASE_URL": shown(database)}
    up = alembic_command("upgrade", "head", root=project)
    subprocess.run(up, check=True, capture_output=True, cwd=project, env=environ)
    assert migrations(project, "verify", url=database).returncode == 0
    assert migrations(project, "status", url=database).returncode == 0
    monkeypatch.delenv(KEY)
    told = migrations(project, "verify", url=database)
    assert told.returncode == 1
    assert f"{EXPORT.name}.age is sealed, and neither" in told.stdout
    assert "the ledger" not in told.stdout.lower()
    assert migrations(project, "status", url=database).returncode == 0


def test_a_script_of_a_sealed_export_holds_what_it_holds_in_clear(project: Path, key: str) -> None:
    """The scripts are equal byte for byte, and the first line warns of personal data."""
    environ = {**os.environ, "DATABASE_URL": "postgresql://nowhere/none", KEY: key}
    scripts = [
        subprocess.run(
            [*alembic_command("upgrade", f"{BEFORE_IMPORT}:head", root=root), "--sql"],
            check=True, capture_output=True, cwd=root, env=environ,
        ).stdout
        for root in (project, ROOT)
    ]  # fmt: skip
    assert scripts[0] == scripts[1]


def test_nothing_is_decrypted_on_a_disk(project: Path, key: str) -> None:
    """A check opens no file for writing."""
    watched = """
import os, sys
opened = []
def hook(event, arguments):
    writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if writes and isinstance(arguments[0], str):
        opened.append(arguments[0])
sys.addaudithook(hook)
sys.dont_write_bytecode = True
from migrations.__main__ import main
status = main(["check", sys.argv[1]])
print(status, opened)
"""
    path = project / "data" / f"{EXPORT.name}.age"
    told = subprocess.run(
        [sys.executable, "-c", watched, str(path)],
        check=True, capture_output=True, text=True, cwd=project, env={**os.environ, KEY: key},
    )  # fmt: skip
    assert told.stdout.splitlines()[-1] == "0 []"
