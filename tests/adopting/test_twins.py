"""Twins fit other CRMs' tables, with people who do not exist."""

from pathlib import Path

import pytest
from sqlalchemy import URL

from migrations import crm as declared
from migrations.twin.mask import Mask
from migrations.twin.writing import write_twin
from tests.adopting.crms import CRMS, Crm, build
from tests.support.bundled import BEFORE_IMPORT, EXPORT, records
from tests.support.database import run
from tests.support.exports import pin
from tests.support.upgrades import upgrade


@pytest.mark.parametrize("crm", CRMS, ids=lambda crm: crm.name)
def test_a_twin_is_imported_into_the_table_that_is_there(
    crm: Crm, database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every record finds its place and its agent, or the agent declared for all others."""
    monkeypatch.setattr(declared, "LEADS", crm.leads)
    build(database, crm.name)
    upgrade(database, BEFORE_IMPORT)
    before = {
        row.row for row in run(database, f"SELECT t::text AS row FROM {crm.leads.table} AS t")
    }
    twin = tmp_path / "october.masked.json"
    write_twin(EXPORT, twin, Mask(bytes(range(32))), crm.leads)
    pin(twin, monkeypatch, leads=crm.leads)
    upgrade(database)
    counted = run(database, "SELECT export, records, created, rejected FROM lead_imports")
    assert [tuple(row) for row in counted] == [("october.masked.json", 217, 217, 0)]
    after = {row.row for row in run(database, f"SELECT t::text AS row FROM {crm.leads.table} AS t")}
    made = "\n".join(after - before)
    assert len(after - before) == 217
    named = ("full_name", "email", "address1", "notes")
    real = {record[name] for record in records() for name in named if record[name]}
    assert [value for value in real if value in made] == []
