"""What the code and its exports add to a preview: invented people, and the leads behind
problems."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec import structs

from migrations.crm import LEADS
from migrations.importer.errors import Problem
from migrations.importer.pinned import Import
from migrations.preview.completing import completed
from migrations.preview.figures import Preview
from tests.support.bundled import records
from tests.support.previews import made_up

EMPTY = Preview("crm", datetime(2026, 1, 2, tzinfo=UTC), "leads", 7, 7)
REFUSED = replace(
    EMPTY,
    refused="october_leads.json",
    problems=[Problem(0, "", "holds 3 records, expected 4"), Problem(2, "phone", "is empty")],
    total_problems=2,
)
IMPORTS = [Import("0005_october", "october_leads.json", "8f" * 32, 4, LEADS)]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder for exports."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setattr("migrations.preview.completing.DATA", folder)
    return folder


def test_records_with_problems_have_their_lead_numbers(data: Path) -> None:
    """Other records have none, and a broken file is read as far as possible."""
    export = data / "october_leads.json"
    export.write_text(json.dumps(records()[:3]), encoding="utf-8")
    second = records()[1]["lead_number"]
    told = completed(REFUSED, IMPORTS)
    assert told.lead_numbers == {2: second}
    assert told.refused_file == "data/october_leads.json"
    assert completed(replace(REFUSED, is_file_wrong=False), IMPORTS).refused_file == ""
    export.write_text(json.dumps(records()[:2])[:-9], encoding="utf-8")
    assert completed(REFUSED, IMPORTS).lead_numbers == {}
    export.write_text(json.dumps([{}, {"lead_number": ["x"]}, 3]), encoding="utf-8")
    assert completed(REFUSED, IMPORTS).lead_numbers == {}


def test_what_cannot_be_read_has_no_lead_numbers(data: Path) -> None:
    """A missing export has none, nor a sealed export without a key."""
    assert completed(REFUSED, IMPORTS).lead_numbers == {}
    (data / "october_leads.json.age").write_bytes(b"age-encryption.org/v1\nnothing")
    told = completed(REFUSED, IMPORTS)
    assert told.lead_numbers == {}
    assert told.refused_file == "data/october_leads.json.age"
    assert completed(REFUSED, []).lead_numbers == {}


def test_people_are_invented_in_a_twin_and_where_the_revision_says_so() -> None:
    """The digest of the imported file decides."""
    preview = made_up(1, 0)
    [real] = IMPORTS
    assert not completed(preview, [real]).imports[0].is_invented
    assert not completed(preview, [structs.replace(real, masked="ab" * 32)]).imports[0].is_invented
    twin = structs.replace(real, sha256="ab" * 32, masked="8f" * 32)
    assert completed(preview, [twin]).imports[0].is_invented
