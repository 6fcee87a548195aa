"""What a revision declares about its export: rejected records, and blanks."""

from pathlib import Path
from typing import Any

import pytest
from alembic.util import CommandError
from sqlalchemy import URL

from migrations.crm import LEADS
from migrations.importer.declaration import BadDeclaration
from migrations.importer.pinned import Import
from tests.support.bundled import FIELDS, IMPORT, Record, records
from tests.support.crm import add_lead, picture
from tests.support.database import run, value
from tests.support.exports import bundle
from tests.support.previews import stop_after
from tests.support.promises import assert_imported
from tests.support.upgrades import downgrade, upgrade


def with_bad_records() -> list[Record]:
    """The bundled export with five records that are wrong, each in its own way, the first and the
    last among them."""
    export = records()
    export[0] = export[0] | {"phone": "n/a"}
    export[50] = export[50] | {"notes": None}
    export[51] = {key: field for key, field in export[51].items() if key != "email"}
    export[120] = export[120] | {"created_at": "2025-02-30T00:00:00Z", "status": True}
    export[-1] = export[-1] | {"extra": "field"}
    return export


BAD = {0, 50, 51, 120, len(records()) - 1}


def test_rejected_records_stop_the_import_by_default(
    crm: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """All are listed, by position and field and without a value; nothing at all is written."""
    bundle(with_bad_records(), monkeypatch, tmp_path)
    before = picture(crm)
    with pytest.raises(CommandError) as refused:
        upgrade(crm)
    said = str(refused.value)
    assert "6 problems. This run has written nothing" in said
    for line in (
        "record 1, phone",
        "record 51, notes",
        "record 52, email",
        "record 121, created_at",
        "record 217, extra",
    ):
        assert line in said
    assert picture(crm) == before
    assert value(crm, "SELECT count(*) FROM lead_imports") == 0


@pytest.mark.parametrize("size", [1, 50, 1000])
def test_rejected_records_can_be_set_aside(
    size: int, crm_with_leads: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The others are imported; the ledger keeps position, field and reason of each problem, and
    counts the records."""
    bundle(with_bad_records(), monkeypatch, tmp_path, rejected="set aside")
    before = picture(crm_with_leads)
    upgrade(crm_with_leads, IMPORT, f"batch-size={size}")
    good = [record for position, record in enumerate(records()) if position not in BAD]
    assert_imported(crm_with_leads, before, good, rejected=len(BAD))
    kept = run(
        crm_with_leads, "SELECT record, field FROM lead_import_rejects ORDER BY record, field"
    )
    assert [tuple(row) for row in kept] == [
        (0, "phone"),
        (50, "notes"),
        (51, "email"),
        (120, "created_at"),
        (120, "status"),
        (len(records()) - 1, "extra"),
    ]


def test_an_export_of_which_nothing_goes_in_is_no_success(
    crm: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever finds something wrong with every record, the check or the table."""
    wrong = [record | {"phone": "n/a"} for record in records()[:100]]
    right = records()[100:]
    run(crm, "ALTER TABLE leads ADD CONSTRAINT late CHECK (created_at > now()) NOT VALID")
    for export in (wrong, [*wrong, *right]):
        bundle(export, monkeypatch, tmp_path, rejected="set aside")
        with pytest.raises(
            CommandError, match=f"{len(export)} problems. This run has written nothing"
        ):
            upgrade(crm)
    assert value(crm, "SELECT count(*) FROM lead_imports") == 0


def test_an_import_that_set_records_aside_can_be_taken_back(
    crm_with_leads: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The way back goes through the same good records."""
    bundle(with_bad_records(), monkeypatch, tmp_path, rejected="set aside")
    before = picture(crm_with_leads)
    upgrade(crm_with_leads, IMPORT, "batch-size=50")
    downgrade(crm_with_leads, "0003_ledger", "batch-size=30")
    after = picture(crm_with_leads)
    assert {lead_id: after.leads[lead_id] for lead_id in before.leads} == before.leads


def test_a_file_that_is_no_json_is_not_set_aside(
    crm: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Setting records aside is for records: a file that ends too early is refused as ever."""
    bundle(with_bad_records(), monkeypatch, tmp_path, rejected="set aside")
    export = tmp_path / "export.json"
    export.write_bytes(export.read_bytes()[:-2])
    with pytest.raises(CommandError, match="This run has written nothing"):
        upgrade(crm)
    assert value(crm, "SELECT count(*) FROM leads") == 0


@pytest.mark.parametrize(("blanks", "left"), [("keep", "kept"), ("clear", "")])
def test_a_blank_keeps_or_clears_as_the_revision_says(
    blanks: str, left: str, crm: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The one policy leaves what the lead has, the other one empties it; a downgrade brings it
    back."""
    export = [
        records()[0]
        | dict.fromkeys(FIELDS, "")
        | {"phone": records()[0]["phone"], "full_name": "New"}
    ]
    bundle(export, monkeypatch, tmp_path, blanks=blanks)
    lead_id = add_lead(crm, **dict.fromkeys(FIELDS, "kept") | {"phone": records()[0]["phone"]})
    before = picture(crm).leads[lead_id]
    upgrade(crm)
    lead = picture(crm).leads[lead_id]
    expected = dict.fromkeys(FIELDS, left) | {"phone": records()[0]["phone"], "full_name": "New"}
    assert {field: lead[field] for field in FIELDS} == expected
    downgrade(crm)
    assert picture(crm).leads[lead_id] == before


@pytest.mark.parametrize("policy", [{"blanks": "Keep"}, {"rejected": "set-aside"}])
def test_a_policy_of_another_word_is_refused(policy: dict[str, Any]) -> None:
    """Blanks that are not kept would be cleared."""
    ((name, given),) = policy.items()
    with pytest.raises(BadDeclaration, match=rf"0005_x has {name}='{given}', expected '"):
        Import("0005_x", "x.json", "", 1, LEADS, **policy)


def test_the_last_blank_of_a_phone_clears_too(
    crm: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where blanks clear, a later record's blank wins over an earlier one's value."""
    first = records()[0] | {"notes": "first", "email": "first@example.com"}
    bundle([first, first | {"notes": ""}], monkeypatch, tmp_path, blanks="clear")
    upgrade(crm)
    assert [tuple(row) for row in run(crm, "SELECT notes, email FROM leads")] == [
        ("", "first@example.com")
    ]


def test_a_record_with_two_problems_alike_can_be_set_aside(
    crm: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Names that may be somebody's data are not shown, so that two of them look the same."""
    bundle(
        [records()[0] | {"Full Name": "", "Phone Number": ""}, records()[1]],
        monkeypatch,
        tmp_path,
        rejected="set aside",
    )
    upgrade(crm)
    assert run(crm, "SELECT created, rejected FROM lead_imports") == [(1, 1)]


def test_whoever_has_a_unique_value_first_keeps_it(
    crm: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In a later record too, whoever else wanted it in between."""
    export = [record | {"email": "one@example.com"} for record in records()[:2]]
    bundle(
        [*export, export[0] | {"id": 3, "notes": "last"}],
        monkeypatch,
        tmp_path,
        rejected="set aside",
    )
    run(crm, "CREATE UNIQUE INDEX ON leads (email)")
    upgrade(crm)
    assert run(crm, "SELECT notes FROM leads") == [("last",)]
    assert run(crm, "SELECT created, rejected, folded FROM lead_imports") == [(1, 1, 1)]


REPEATED = [
    records()[0] | {"notes": "written"},
    records()[1],
    records()[0] | {"id": 3, "notes": "", "status": "insane"},
]
"""The third record has the phone of the first, and breaks a rule of the table."""


def test_a_rejected_record_is_not_folded_into_one_that_was_imported(
    crm: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The revert finds what the import wrote."""
    bundle(REPEATED, monkeypatch, tmp_path, rejected="set aside")
    add_lead(crm, phone=REPEATED[0]["phone"], notes="before")
    run(crm, "ALTER TABLE leads ADD CHECK (status <> 'insane')")
    upgrade(crm)
    assert run(crm, "SELECT notes FROM leads ORDER BY id LIMIT 1") == [("written",)]
    downgrade(crm)
    assert run(crm, "SELECT notes FROM leads ORDER BY id LIMIT 1") == [("before",)]
    assert run(crm, "SELECT restored, kept FROM lead_imports") == [(1, 0)]


def test_a_resumed_import_still_leaves_out_what_it_rejected(
    crm: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its values do not fill the blanks of a later record with its phone."""
    rejected, other, repeat = REPEATED[2], REPEATED[1], REPEATED[0] | {"status": ""}
    bundle(
        [rejected | {"id": 1, "notes": "unsound"}, other, repeat],
        monkeypatch,
        tmp_path,
        rejected="set aside",
    )
    run(crm, "ALTER TABLE leads ADD CHECK (status <> 'insane')")
    with pytest.MonkeyPatch.context() as stopping:
        stop_after(1, stopping)
        with pytest.raises(CommandError, match="the test"):
            upgrade(crm, IMPORT, "batch-size=1")
    assert value(crm, "SELECT next_record FROM lead_imports") == 1
    upgrade(crm, IMPORT, "batch-size=1")
    assert run(crm, "SELECT rejected, created, folded FROM lead_imports") == [(1, 2, 0)]
    assert value(crm, "SELECT status FROM leads WHERE notes = 'written'") == ""
