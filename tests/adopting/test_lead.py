"""``lead`` in other CRMs' tables: ids of any type, names in two columns, rows of other tables."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from migrations import crm as declared
from migrations.__main__ import main
from migrations.importer.declaration import columns_of
from tests.adopting.crms import CRMS, Crm, build
from tests.support.bundled import records
from tests.support.database import run, shown, value
from tests.support.exports import bundle
from tests.support.upgrades import upgrade


@pytest.mark.parametrize("blanks", ["keep", "clear"])
@pytest.mark.parametrize("crm", CRMS, ids=lambda crm: crm.name)
def test_a_lead_of_a_declared_table_has_its_history(
    crm: Crm,
    blanks: str,
    database: URL,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The import updated one lead and added another; somebody edited both since, and nobody is said
    to have edited what the import wrote."""
    monkeypatch.setattr(declared, "LEADS", crm.leads)
    monkeypatch.setenv("DATABASE_URL", shown(database))
    build(database, crm.name)
    known, new = records()[:2]
    bundle([known, new], monkeypatch, tmp_path, leads=crm.leads, blanks=blanks)
    upgrade(database)
    other = "email" if "email" in crm.leads.targets else "notes"
    name, column, phone = (
        f'"{columns_of(crm.leads.targets[field])[-1]}"' for field in ("full_name", other, "phone")
    )
    for record, kind in ((known, "updated"), (new, "created")):
        lead_id = value(
            database,
            f"SELECT id::text FROM {crm.leads.table} "
            f"WHERE lead_phone_key_v1({phone}) = lead_phone_key_v1(:phone)",
            phone=record["phone"],
        )
        [imported] = told(capsys, record["phone"])
        assert imported["kind"] == kind
        before = "Ann Invented" if kind == "updated" else None
        assert imported["fields"]["full_name"] == [before, record["full_name"]]
        run(
            database,
            f"UPDATE {crm.leads.table} SET {name} = 'Edited', {column} = '{kind}@example.org' "
            f"WHERE id::text = '{lead_id}'",
        )
        _, edited = told(capsys, lead_id)
        assert (edited["kind"], edited["fields"].keys()) == ("edited", {"full_name", other})


def told(capsys: pytest.CaptureFixture[str], asked: str) -> list[dict[str, Any]]:
    """The events of a lead."""
    capsys.readouterr()
    assert main(["lead", asked, "--json", "--show-personal-data"]) == 0
    events: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["events"]
    return events
