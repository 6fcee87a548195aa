"""Same export and same leads before, same leads after, for ever: the door ``v1`` is frozen.

Import ``export.json`` over the leads of ``before.json``, and ``after_v1.json`` must come out. The
same for a table declared otherwise in everything: ``declared.sql``, ``declared_after_v1.json``. If
this fails, a released import would leave different leads. Put the change behind a new door.
"""

import json
from pathlib import Path

import pytest
from sqlalchemy import URL

from migrations import crm
from migrations.importer.v1 import (
    E164,
    Boolean,
    Date,
    Integer,
    Leads,
    Lookup,
    New,
    Numeric,
    Timestamp,
    Values,
)
from tests.support.bundled import FIELDS, IMPORT, Record
from tests.support.crm import add_lead
from tests.support.database import run, value
from tests.support.exports import bundle
from tests.support.upgrades import upgrade

HERE = Path(__file__).parent / "frozen"

CUSTOMERS = Leads(
    "customers",
    id="code",
    lead_number=New("reference"),
    full_name=("first_name", "last_name"),
    phone=E164("phone_number"),
    email="email",
    status=Values("stage", {"booked": "WON", "gone": "LOST"}, otherwise="NEW"),
    notes="notes",
    assigned_agent=Lookup(
        "owner", "people", by=("login", "mail"), names={"reception": "desk"}, otherwise="desk"
    ),
    bill=Numeric("bill"),
    panels=Integer("panels"),
    has_battery=Boolean("has_battery"),
    visit=Date("visit"),
    called=Timestamp("called"),
    created_at="created_on",
    touch="changed_on",
    new={"source": "'import'"},
    only="NOT is_deleted",
)


def read(name: str) -> list[Record]:
    loaded: list[Record] = json.loads((HERE / name).read_text(encoding="utf-8"))
    return loaded


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_v1_leaves_the_leads_that_it_left_when_it_was_released(
    size: int, crm: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every rule has a record here: spellings, blanks, repeats, extensions, odd texts and odd
    times."""
    for lead in read("before.json"):
        add_lead(crm, **lead)
    bundle(read("export.json"), monkeypatch, tmp_path)
    upgrade(crm, IMPORT, f"batch-size={size}")
    found = [
        {field: getattr(row, field) for field in FIELDS}
        | {"created_at": row.created_at.isoformat()}
        for row in run(crm, 'SELECT * FROM leads ORDER BY phone COLLATE "C", full_name COLLATE "C"')
    ]
    assert found == read("after_v1.json")


@pytest.mark.parametrize("size", [1, 1000])
def test_v1_leaves_the_rows_of_a_declared_table_that_it_left(
    size: int, database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Declarations are frozen too: each form of target, and the words the ledger keeps of them."""
    run(database, (HERE / "declared.sql").read_text(encoding="utf-8").replace(":", "\\:"))
    monkeypatch.setattr(crm, "LEADS", CUSTOMERS)
    bundle(read("declared_export.json"), monkeypatch, tmp_path, leads=CUSTOMERS)
    upgrade(database, IMPORT, f"batch-size={size}")
    rows = run(
        database, "SELECT to_jsonb(c) - 'changed_on' AS row FROM customers AS c ORDER BY code"
    )
    found = [
        row.row | {"code": row.row["code"] if row.row["source"] == "web" else "new"} for row in rows
    ]
    found.append(
        {"declaration": json.loads(value(database, "SELECT declaration FROM lead_imports"))}
    )
    assert found == read("declared_after_v1.json")
