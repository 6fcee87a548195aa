"""The bundled export in other CRMs' tables writes each field where the declaration says, and
touches nothing else."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from alembic.util import CommandError
from sqlalchemy import URL

from migrations import crm as declared
from migrations.__main__ import main
from migrations.importer.declaration import Leads, columns_of
from migrations.importer.names import quoted
from tests.adopting.crms import CRMS, REFUSED, Crm, build
from tests.conftest import NewDatabase
from tests.support.bundled import BEFORE_IMPORT, records
from tests.support.database import run, shown, value
from tests.support.previews import assert_foretold, preview_of
from tests.support.projects import copy_project
from tests.support.roles import MAY_LOOK, another_role
from tests.support.servers import tool
from tests.support.upgrades import alembic_command, downgrade, upgrade

LEDGER = {"lead_imports", "lead_import_batches", "lead_import_rejects", "lead_before_images"}


@pytest.fixture(params=CRMS, ids=lambda crm: crm.name)
def crm(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Crm:
    """Choose each CRM in turn, and declare its table."""
    chosen: Crm = request.param
    monkeypatch.setattr(declared, "LEADS", chosen.leads)
    return chosen


@pytest.fixture
def url(crm: Crm, database: URL, monkeypatch: pytest.MonkeyPatch) -> URL:
    """Make the CRM's database and return its URL."""
    build(database, crm.name)
    monkeypatch.setenv("DATABASE_URL", shown(database))
    return database


def rows(url: URL) -> dict[str, list[Any]]:
    """Return every row of the owner's tables as stored, by table."""
    tables = run(
        url,
        "SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' "
        "AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema') "
        "AND relnamespace::regnamespace::text NOT LIKE 'pg_toast%'",
    )
    return {
        name: run(url, f"SELECT xmin::text, ctid::text, t::text FROM {name} AS t ORDER BY 3")
        for (name,) in tables
        if name not in LEDGER | {"alembic_version"}
    }


def texts(url: URL, table: str) -> list[Any]:
    """Return the rows of a table as texts."""
    return run(url, f"SELECT t::text FROM {table} AS t ORDER BY 1")


def edit(url: URL, leads: Leads) -> int:
    """Rename some leads of the export, and return how many."""
    (name, *_), (phone,) = (columns_of(leads.targets[field]) for field in ("full_name", "phone"))
    edited = run(
        url,
        f"UPDATE {leads.table} SET {quoted(name)} = 'Edited' "
        f"WHERE lead_phone_key_v1({quoted(phone)}) IN "
        "(SELECT lead_phone_key_v1(phone) FROM unnest(:phones) AS phone) "
        f"AND md5({quoted(phone)}) < '5' AND ({leads.only or 'true'}) RETURNING 1",
        phones=[record["phone"] for record in records()],
    )
    return len(edited)


def outcome(url: URL) -> tuple[int, int, int]:
    """Return the counts of the last import: created, updated, unchanged."""
    asked = "SELECT created, updated, unchanged FROM lead_imports ORDER BY id DESC LIMIT 1"
    counted = run(url, asked)[0]
    return counted.created, counted.updated, counted.unchanged


def test_leads_are_imported_into_the_table_that_is_there(crm: Crm, url: URL) -> None:
    """Preview by a role with SELECT alone, import twice, and import once more after edits."""
    before = rows(url)
    table = crm.leads.table
    with another_role(url, *MAY_LOOK, "ALTER ROLE {role} BYPASSRLS") as reader:
        preview = preview_of(reader)
    assert (preview.count("created"), preview.count("updated")) == (216, 1)
    assert rows(url) == before
    upgrade(url)
    assert outcome(url) == (216, 1, 0)
    assert_foretold(preview, url)
    after = rows(url)
    assert after.keys() == before.keys(), "a table was made"
    assert {name: after[name] for name in after if name != table} == {
        name: before[name] for name in before if name != table
    }
    run(url, f"TRUNCATE {', '.join(LEDGER)}")
    run(url, f"UPDATE alembic_version SET version_num = '{BEFORE_IMPORT}'")
    upgrade(url)
    assert outcome(url) == (0, 0, 217)
    assert rows(url) == after
    edited = edit(url, crm.leads)
    run(url, f"TRUNCATE {', '.join(LEDGER)}")
    run(url, f"UPDATE alembic_version SET version_num = '{BEFORE_IMPORT}'")
    preview = preview_of(url)
    upgrade(url)
    assert outcome(url) == (0, edited, 217 - edited)
    assert_foretold(preview, url)


def test_an_import_is_verified_and_reverted(crm: Crm, url: URL) -> None:
    """Every row gets its old values back, and the export can be imported again."""
    table = crm.leads.table
    before = texts(url, table)
    upgrade(url)
    assert main(["verify", "--strict"]) == 0
    downgrade(url, BEFORE_IMPORT, "remove-created")
    assert texts(url, table) == before
    upgrade(url)
    assert outcome(url) == (216, 1, 0)


@pytest.mark.parametrize("crm", REFUSED, ids=lambda crm: crm.name)
def test_what_cannot_be_imported_is_refused_by_name(
    crm: Crm, database: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused before anything is made."""
    monkeypatch.setattr(declared, "LEADS", crm.leads)
    build(database, crm.name)
    before = rows(database)
    expected = {
        "tenants": "lead: has row-level security",
        "composite": "the phone lies in several columns",
    }
    with pytest.raises(CommandError, match=expected[crm.name]):
        upgrade(database)
    assert rows(database) == before
    assert value(database, "SELECT to_regclass('lead_imports')") is None


@pytest.mark.parametrize("crm", CRMS, ids=lambda crm: crm.name)
def test_a_script_does_the_same(
    crm: Crm, url: URL, new_database: NewDatabase, tmp_path: Path
) -> None:
    """It is written for the declared table, and psql runs it on that database or a copy."""
    project = copy_project(tmp_path)
    (project / "migrations" / "crm.py").write_text(
        "from migrations.importer.v1 import Leads\n\n"
        f"LEADS = Leads.from_json({crm.leads.as_json()!r})\n",
        encoding="utf-8",
    )
    command = [*alembic_command("upgrade", "head", root=project), "--sql"]
    environ = {**os.environ, "DATABASE_URL": shown(url)}
    script = subprocess.check_output(command, cwd=project, env=environ, stderr=subprocess.DEVNULL)
    other = new_database()
    build(other, crm.name)
    psql = [tool("psql", url), "-qX", "-v", "ON_ERROR_STOP=1", "-o", os.devnull, shown(other)]
    ran = subprocess.run(psql, input=script, check=False, capture_output=True)
    assert ran.returncode == 0, ran.stderr
    assert outcome(other) == (216, 1, 0)
    assert "users" not in rows(other) or "users" in rows(url)
