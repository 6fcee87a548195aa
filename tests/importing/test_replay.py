"""Same export and same leads before, same leads after, for ever: the door ``v1`` is frozen.

Import ``export.json`` over the leads of ``before.json``, and ``after_v1.json`` must come out. If
this fails, a released import would leave different leads. Put the change behind a new door.
"""

import json
from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.support.bundled import FIELDS, IMPORT, Record
from tests.support.crm import add_lead
from tests.support.database import run
from tests.support.exports import bundle
from tests.support.upgrades import upgrade

HERE = Path(__file__).parent / "frozen"


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
