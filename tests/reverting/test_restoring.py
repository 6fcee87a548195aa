"""Updated leads get their old values back, unless people have edited them since."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, text

from migrations.importer.batches import Batch, apply_batch
from migrations.importer.session import Session
from tests.conftest import NewDatabase, Template, build_crm_with_leads
from tests.support.bundled import BEFORE_IMPORT, FIELDS, IMPORT, Record, records
from tests.support.crm import add_lead, picture
from tests.support.database import connected, run, value, wait_until
from tests.support.exports import bundle
from tests.support.promises import assert_imported
from tests.support.reverts import Counts, counts, edit, found_by_phone, leads
from tests.support.upgrades import downgrade, start_alembic, upgrade

KNOWN = "SELECT id FROM leads WHERE full_name LIKE 'Known %' ORDER BY id"


@pytest.fixture
def known(crm_with_leads: URL) -> list[int]:
    """Return the ids of the ten leads the import updates."""
    return [row.id for row in run(crm_with_leads, KNOWN)]


@pytest.fixture
def two_leads(crm: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[int, int]:
    """Add two leads, then import an export of two records that updates all their fields."""
    export = [
        record | dict.fromkeys(FIELDS[1:2], f"Imported {n}")
        for n, record in enumerate(records()[:2])
    ]
    export = [
        record | {"lead_number": f"NEW{n}", "email": f"new{n}@example.org"}
        for n, record in enumerate(export)
    ]
    bundle(export, monkeypatch, tmp_path)
    old = {"status": "old", "notes": "Old."}
    one, other = (
        add_lead(
            crm, **old, phone=record["phone"], lead_number=f"OLD{n}", email=f"old{n}@example.org"
        )
        for n, record in enumerate(export)
    )
    return one, other


def test_of_ten_updated_leads_three_edits_are_kept(crm_with_leads: URL, known: list[int]) -> None:
    """Three leads were edited in one field each: those edits stay, all else is restored, and the
    import can come again."""
    before = leads(crm_with_leads)
    upgrade(crm_with_leads)
    imported = leads(crm_with_leads)
    edits = {
        known[0]: {"status": "booked"},
        known[4]: {"notes": "Call on Monday."},
        known[9]: {"full_name": "Mr X"},
    }
    for lead_id, fields in edits.items():
        edit(crm_with_leads, lead_id, **fields)
    downgrade(crm_with_leads)
    after = leads(crm_with_leads)
    for lead_id, lead in before.items():
        stays = (
            {**edits[lead_id], "updated_at": "2031-01-01T00:00:00+00:00"}
            if lead_id in edits
            else {}
        )
        assert after[lead_id] == lead | stays
    assert {i: lead for i, lead in after.items() if i not in before} == {
        i: lead for i, lead in imported.items() if i not in before
    }
    assert counts(crm_with_leads) == Counts(restored=7, kept=3)
    then = picture(crm_with_leads)
    upgrade(crm_with_leads)
    assert_imported(crm_with_leads, then)


def test_a_lead_edited_in_every_field_stays_as_it_is(crm_with_leads: URL, known: list[int]) -> None:
    """Nothing of the import is left in it, so nothing is written, not even an identical row
    version."""
    upgrade(crm_with_leads)
    edit(crm_with_leads, known[2], **{field: f"by hand {field}" for field in FIELDS})
    written = f"SELECT xmin::text, leads::text FROM leads WHERE id = {known[2]}"
    edited = run(crm_with_leads, written)
    downgrade(crm_with_leads)
    assert run(crm_with_leads, written) == edited
    assert counts(crm_with_leads) == Counts(restored=9, kept=1)


def test_a_lead_that_people_have_deleted_stays_deleted(
    crm_with_leads: URL, known: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    """It is neither restored nor kept, and the receipt's line says so."""
    upgrade(crm_with_leads)
    run(crm_with_leads, "DELETE FROM leads WHERE id = :id", id=known[5])
    caplog.set_level("INFO", "importer")
    downgrade(crm_with_leads)
    assert known[5] not in leads(crm_with_leads)
    assert counts(crm_with_leads) == Counts(restored=9)
    line = (
        "reverted: 9 leads restored, 0 kept because edited since or held by a rule, "
        "1 deleted by people before."
    )
    assert line in caplog.text


@pytest.mark.parametrize("rule", ["CASCADE", "SET NULL", "RESTRICT"])
def test_a_value_that_another_table_refers_to_stays(
    crm: URL, two_leads: tuple[int, int], rule: str
) -> None:
    """Whatever its foreign key does on UPDATE, the other table stays as it is."""
    run(crm, "ALTER TABLE leads ADD UNIQUE (lead_number)")
    upgrade(crm)
    run(crm, f"CREATE TABLE bills (lead text REFERENCES leads (lead_number) ON UPDATE {rule})")
    run(crm, "INSERT INTO bills VALUES ('NEW0')")
    downgrade(crm)
    asked = "SELECT lead_number, email FROM leads ORDER BY id"
    assert [tuple(row) for row in run(crm, asked)] == [
        ("NEW0", "old0@example.org"),
        ("OLD1", "old1@example.org"),
    ]
    assert value(crm, "SELECT lead FROM bills") == "NEW0"
    assert counts(crm) == Counts(restored=1, kept=1)


def test_leads_whose_old_values_are_lost_are_not_called_deleted(crm_with_leads: URL) -> None:
    """They stay, and the receipt says how many they are."""
    upgrade(crm_with_leads)
    run(crm_with_leads, "DELETE FROM lead_before_images WHERE record % 2 = 0")
    left = value(crm_with_leads, "SELECT count(*) FROM lead_before_images")
    downgrade(crm_with_leads)
    asked = "SELECT restored, unrestored, updated FROM lead_imports"
    assert tuple(run(crm_with_leads, asked)[0]) == (left, 10 - left, 10)


def test_a_phone_that_people_have_changed_stays(crm_with_leads: URL, known: list[int]) -> None:
    """The lead is found by id, so its other fields are restored."""
    before = leads(crm_with_leads)[known[1]]
    upgrade(crm_with_leads)
    edit(crm_with_leads, known[1], phone="07700 900999", updated_at=before["updated_at"])
    downgrade(crm_with_leads)
    assert leads(crm_with_leads)[known[1]] == before | {"phone": "07700 900999"}
    assert counts(crm_with_leads) == Counts(restored=9, kept=1)


def test_an_old_value_that_people_have_put_back_is_no_edit(
    crm_with_leads: URL, known: list[int]
) -> None:
    """The lead is as it was before the import, so it counts as restored."""
    before = leads(crm_with_leads)
    upgrade(crm_with_leads)
    lead = before[known[3]]
    edit(
        crm_with_leads, known[3], **{name: lead[name] for name in ("notes", "email", "updated_at")}
    )
    downgrade(crm_with_leads)
    assert leads(crm_with_leads)[known[3]] == lead
    assert counts(crm_with_leads) == Counts(restored=10)


def test_leads_that_the_import_left_alone_get_no_new_row_version(crm_with_leads: URL) -> None:
    """The forty unmatched leads and the created ones are not written."""
    upgrade(crm_with_leads)
    written = """
        SELECT ctid::text, xmin::text, id FROM leads
        WHERE created_at <> '2024-03-01T09:00Z' ORDER BY id
    """
    before = run(crm_with_leads, written)
    assert len(before) == 40 + len(records()) - 10
    downgrade(crm_with_leads)
    assert run(crm_with_leads, written) == before


def test_empty_and_infinite_values_go_back(crm: URL) -> None:
    """NULL comes back as NULL, and infinity as infinity."""
    for field in FIELDS:
        run(crm, f"ALTER TABLE leads ALTER {field} DROP NOT NULL")
    run(crm, "ALTER TABLE leads ALTER updated_at DROP NOT NULL")
    for record, moment in zip(records(), ("infinity", "-infinity", None), strict=False):
        add_lead(
            crm,
            **dict.fromkeys(FIELDS) | {"phone": record["phone"]},
            created_at=moment or "now",
            updated_at=moment,
        )
    before = leads(crm)
    upgrade(crm)
    assert leads(crm)[min(before)]["full_name"] == records()[0]["full_name"]
    downgrade(crm)
    assert {lead_id: lead for lead_id, lead in leads(crm).items() if lead_id in before} == before
    assert counts(crm) == Counts(restored=3)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_folded_records_are_reverted_in_batches_of(
    size: int,
    new_database: NewDatabase,
    template: Template,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """What the import wrote from records of one phone is known again, for any batch size."""
    url = new_database(template("crm_with_leads", build_crm_with_leads))
    export = records()[:60]
    again = [record | {"notes": "Again.", "full_name": ""} for record in export[::5]]
    bundle([*export[:30], *again, *export[30:]], monkeypatch, tmp_path)
    before = leads(url)
    upgrade(url, IMPORT, "batch-size=20")
    downgrade(url, BEFORE_IMPORT, f"batch-size={size}", "remove-created")
    assert leads(url) == before
    assert counts(url) == Counts(restored=3, removed=len(export) - 3)


def test_a_number_that_another_lead_has_now_stays_away(
    crm: URL, two_leads: tuple[int, int]
) -> None:
    """A unique old value is taken, so that column keeps the imported value and the others are
    restored."""
    one, other = two_leads
    run(crm, "CREATE UNIQUE INDEX ON leads (lead_number)")
    before = leads(crm)
    upgrade(crm)
    taker = add_lead(crm, lead_number="OLD0", phone="0600000001")
    downgrade(crm)
    after = leads(crm)
    assert after[one] == before[one] | {"lead_number": "NEW0"}
    assert after[other] == before[other]
    assert after[taker]["lead_number"] == "OLD0"
    assert counts(crm) == Counts(restored=1, kept=1)


@pytest.mark.parametrize(
    ("constraint", "field", "action"),
    [
        (
            "UNIQUE (email) DEFERRABLE INITIALLY DEFERRED",
            "email",
            "UPDATE leads SET email = 'old0@example.org' {third}",
        ),
        ("EXCLUDE (email WITH =)", "email", "UPDATE leads SET email = 'old0@example.org' {third}"),
        ("CHECK (status <> 'old') NOT VALID", "status", "UPDATE leads SET status = 'x' {third}"),
        (
            "FOREIGN KEY (status) REFERENCES statuses",
            "status",
            "DELETE FROM statuses WHERE status = 'old'",
        ),
    ],
)
def test_an_old_value_that_a_constraint_forbids_by_now_stays_away(
    crm: URL, two_leads: tuple[int, int], constraint: str, field: str, action: str
) -> None:
    """Any kind of constraint keeps that field as imported, and the others are restored."""
    one, other = two_leads
    third = add_lead(crm, phone="0600000001", status="new")
    before = leads(crm)
    run(crm, "CREATE TABLE statuses (status text PRIMARY KEY)")
    run(crm, "INSERT INTO statuses SELECT DISTINCT status FROM leads")
    run(
        crm,
        "INSERT INTO statuses SELECT unnest(:all) ON CONFLICT DO NOTHING",
        all=[r["status"] for r in records()],
    )
    upgrade(crm)
    imported = leads(crm)
    run(crm, f"ALTER TABLE leads ADD CONSTRAINT theirs {constraint}")
    run(crm, action.format(third=f"WHERE id = {third}"))
    downgrade(crm)
    after = leads(crm)
    assert after[one] == before[one] | {field: imported[one][field]}
    both = field == "status"
    assert after[other] == before[other] | ({field: imported[other][field]} if both else {})
    assert counts(crm) == (Counts(kept=2) if both else Counts(restored=1, kept=1))


def test_an_old_spelling_that_another_lead_has_now_stays_away(
    crm: URL, two_leads: tuple[int, int]
) -> None:
    """The table forbids equal texts, although both have the same key."""
    one, other = two_leads
    old = "00 44 " + records()[0]["phone"].removeprefix("+44").lstrip(" 0")
    run(crm, "UPDATE leads SET phone = :old WHERE id = :id", old=old, id=one)
    run(crm, "CREATE UNIQUE INDEX ON leads (phone)")
    before = leads(crm)
    upgrade(crm)
    add_lead(crm, phone=old)
    downgrade(crm)
    assert leads(crm)[one] == before[one] | {"phone": records()[0]["phone"]}
    assert leads(crm)[other] == before[other]
    assert counts(crm) == Counts(restored=1, kept=1)


def test_a_phone_that_goes_to_another_lead_is_found_there(
    crm_with_leads: URL, known: list[int]
) -> None:
    """Two leads swap phones: each phone stays with its new lead, and all else is restored."""
    before = leads(crm_with_leads)
    upgrade(crm_with_leads)
    imported = leads(crm_with_leads)
    one, other = known[:2]
    for lead_id, phone in (
        (one, "0600099999"),
        (other, imported[one]["phone"]),
        (one, imported[other]["phone"]),
    ):
        run(
            crm_with_leads,
            "UPDATE leads SET phone = :phone WHERE id = :id",
            phone=phone,
            id=lead_id,
        )
    downgrade(crm_with_leads)
    after = leads(crm_with_leads)
    assert after[one] == before[one] | {"phone": imported[other]["phone"]}
    assert after[other] == before[other] | {"phone": imported[one]["phone"]}
    assert counts(crm_with_leads) == Counts(restored=8, kept=2)


def test_going_up_and_down_ends_where_it_began(crm_with_leads: URL) -> None:
    """Each round leaves its own receipt, and with created leads removed the leads are the same as
    at first."""
    before = leads(crm_with_leads)
    new = len(records()) - 10
    for _ in range(3):
        upgrade(crm_with_leads)
        downgrade(crm_with_leads, BEFORE_IMPORT, "remove-created")
        assert leads(crm_with_leads) == before
        assert counts(crm_with_leads) == Counts(restored=10, removed=new)
    assert (
        value(crm_with_leads, "SELECT count(*) FROM lead_imports WHERE reverted_at IS NOT NULL")
        == 3
    )
    upgrade(crm_with_leads)
    downgrade(crm_with_leads)
    then = picture(crm_with_leads)
    upgrade(crm_with_leads)
    assert_imported(crm_with_leads, then)


def test_an_edit_that_is_committed_while_the_downgrade_waits_stays(
    crm_with_leads: URL, known: list[int]
) -> None:
    """Lock the lead before looking at it."""
    upgrade(crm_with_leads)
    with connected(crm_with_leads) as site:
        site.execute(text("BEGIN"))
        site.execute(text(f"UPDATE leads SET status = 'booked' WHERE id = {known[6]}"))
        downgrading = start_alembic(crm_with_leads, "downgrade", BEFORE_IMPORT)
        wait_until(
            crm_with_leads,
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
        )
        site.execute(text("COMMIT"))
    output, _ = downgrading.communicate(timeout=60)
    assert downgrading.returncode == 0, output
    assert leads(crm_with_leads)[known[6]]["status"] == "booked"
    assert counts(crm_with_leads) == Counts(restored=9, kept=1)


def test_the_audit_trail_knows_nothing_of_it(crm_with_leads: URL) -> None:
    """The receipt alone records a revert, like an import."""
    upgrade(crm_with_leads)
    downgrade(crm_with_leads, BEFORE_IMPORT, "remove-created")
    assert value(crm_with_leads, "SELECT count(*) FROM lead_audit") == 0
    run(crm_with_leads, "DELETE FROM leads WHERE full_name = 'Kept 1'")
    assert value(crm_with_leads, "SELECT action FROM lead_audit") == "delete"


def test_a_lead_of_two_records_is_left_to_people(
    crm: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A created lead that people gave another record's phone during the import is left as they made
    it."""
    export: list[Record] = records()[:2]
    bundle(export, monkeypatch, tmp_path)

    def then_edit(session: Session, batch: Batch, revision: str) -> None:
        apply_batch(session, batch, revision)
        if batch.first == 0:
            run(
                crm,
                "UPDATE leads SET phone = :phone, full_name = 'By hand'",
                phone=export[1]["phone"],
            )

    monkeypatch.setattr("migrations.importer.v1.apply_batch", then_edit)
    upgrade(crm, IMPORT, "batch-size=1")
    lead_id = found_by_phone(crm, export[1]["phone"])
    assert leads(crm)[lead_id]["full_name"] == export[1]["full_name"]
    downgrade(crm, BEFORE_IMPORT, "remove-created")
    assert leads(crm)[lead_id]["full_name"] == "By hand"
    assert counts(crm) == Counts(restored=1)


@pytest.mark.parametrize("policies", [{"rejected": "set aside"}, {"blanks": "clear"}])
@pytest.mark.parametrize("size", [7, 1000])
def test_an_import_with_other_policies_is_reverted(
    size: int,
    policies: dict[str, Any],
    crm_with_leads: URL,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A rejected record has nothing to revert, and a value cleared by a blank comes back."""
    export = [record | ({"notes": ""} if "blanks" in policies else {}) for record in records()]
    if "rejected" in policies:
        export[0] |= {"phone": "nobody's"}
        export[-1] |= {"email": None}
    bundle(export, monkeypatch, tmp_path, **policies)
    before = leads(crm_with_leads)
    upgrade(crm_with_leads, IMPORT, "batch-size=20")
    ledger = run(crm_with_leads, "SELECT created, updated, rejected FROM lead_imports")[0]
    assert ledger.rejected == (2 if "rejected" in policies else 0)
    downgrade(crm_with_leads, BEFORE_IMPORT, f"batch-size={size}", "remove-created")
    assert leads(crm_with_leads) == before
    assert counts(crm_with_leads) == Counts(restored=ledger.updated, removed=ledger.created)
