"""Several imports write one lead and are reverted one after the other."""

from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.support.bundled import BEFORE_IMPORT, IMPORT, records
from tests.support.database import run, value
from tests.support.exports import written
from tests.support.projects import copy_project, migrations
from tests.support.reverts import Leads, found_by_phone, leads
from tests.support.upgrades import alembic, upgrade

OCTOBER, NOVEMBER = "0005_import_october", "0006_import_november"
NEVER, TWICE, BEFORE, THERE_AND_BACK, SINCE, AT_LAST, CALLED = range(7)
"""Records October writes again, by who else touches the lead and when."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the project and add two imports that update created leads of the first."""
    folder = tmp_path_factory.mktemp("several")
    project = copy_project(folder)
    exports = {
        "october": [record | {"notes": "October."} for record in records()[:7]],
        "november": [records()[TWICE] | {"notes": "November.", "status": "booked"}],
    }
    for name, export in exports.items():
        path = written(export, folder, f"{name}.json")
        added = migrations(project, "add", str(path), "-m", f"import {name}")
        assert added.returncode == 0, added.stderr
    return project


def go(project: Path, url: URL, *command: str) -> None:
    told = alembic(url, *command, root=project)
    assert told.returncode == 0, told.stdout


def touch(url: URL, lead_id: int) -> None:
    """Write a lead's row without changing it in the end."""
    run(url, "UPDATE leads SET status = status WHERE id = :id", id=lead_id)


def test_what_imports_have_written_and_reverted_is_no_edit(project: Path, crm: URL) -> None:
    """A lead the first one created goes with it, unless people wrote it before the second import,
    since, or after its revert."""
    run(crm, "CREATE TABLE calls (lead bigint REFERENCES leads)")
    upgrade(crm, IMPORT)
    created = [found_by_phone(crm, record["phone"]) for record in records()[:7]]
    first = leads(crm)
    touch(crm, created[BEFORE])
    for status in ("booked", first[created[THERE_AND_BACK]]["status"]):
        statement = "UPDATE leads SET status = :status WHERE id = :id"
        run(crm, statement, status=status, id=created[THERE_AND_BACK])
    go(project, crm, "upgrade", "head")
    assert value(crm, "SELECT count(*) FROM leads WHERE notes IN ('October.', 'November.')") == 7
    touch(crm, created[SINCE])
    go(project, crm, "downgrade", OCTOBER)
    go(project, crm, "-x", "remove-created", "downgrade", IMPORT)
    assert leads(crm) == first
    touch(crm, created[AT_LAST])
    run(crm, "INSERT INTO calls VALUES (:id)", id=created[CALLED])
    go(project, crm, "-x", "remove-created", "downgrade", BEFORE_IMPORT)
    stayed = [BEFORE, THERE_AND_BACK, SINCE, AT_LAST, CALLED]
    assert leads(crm) == only(first, {created[n] for n in stayed})
    counted = "SELECT kept, removed, referenced FROM lead_imports WHERE revision = :first"
    assert run(crm, counted, first=IMPORT) == [(4, len(records()) - 5, 1)]


def only(all_: Leads, ids: set[int]) -> Leads:
    return {lead_id: lead for lead_id, lead in all_.items() if lead_id in ids}
