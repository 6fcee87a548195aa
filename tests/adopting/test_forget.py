"""``forget`` in other CRMs' tables: what was NULL is forgotten, not restored."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import URL

from migrations import crm as declared
from migrations.__main__ import main
from migrations.commands import forget
from migrations.importer import pinned
from migrations.importer.age_key import KEY
from migrations.recipients import RECIPIENTS
from tests.adopting.crms import CRMS, Crm, build
from tests.support.bundled import EXPORT
from tests.support.database import run, shown, value
from tests.support.sealed import new_key, public
from tests.support.upgrades import downgrade, upgrade


@pytest.mark.parametrize("by", ["age", "lead"])
@pytest.mark.parametrize(
    "crm", [crm for crm in CRMS if crm.name in ("owner", "camel_case")], ids=lambda crm: crm.name
)
def test_nulls_of_a_declared_table_are_forgotten_and_stay_as_imported(
    crm: Crm, by: str, database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The updated lead held NULLs; a downgrade leaves it as the import left it."""
    monkeypatch.setattr(declared, "LEADS", crm.leads)
    monkeypatch.setenv("DATABASE_URL", shown(database))
    key = new_key()
    monkeypatch.setenv(KEY, key)
    shutil.copy(EXPORT, tmp_path)
    (tmp_path / RECIPIENTS).write_text(public(key))
    for module in (pinned, forget):
        monkeypatch.setattr(module, "DATA", tmp_path)
    build(database, crm.name)
    upgrade(database)
    [image] = run(database, "SELECT lead_id, old_values FROM lead_before_images")
    assert None in image.old_values
    lead = f"SELECT t::text FROM {crm.leads.table} AS t WHERE id::text = '{image.lead_id}'"
    as_imported = value(database, lead)
    if by == "age":
        assert main(["forget", "--older-than", "0d"]) == 0
    else:
        assert main(["forget", "--lead", image.lead_id]) == 0
    assert main(["verify", "--strict"]) == 0
    downgrade(database)
    assert value(database, lead) == as_imported
    receipt = run(database, "SELECT restored, kept, unrestored FROM lead_imports")
    assert receipt == [(0, 0, 1)]
