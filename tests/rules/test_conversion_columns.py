"""Which column becomes which field, with the headers of tools people export from."""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from migrations.conversion.choice import BadChoice, keep, kept_beside
from migrations.conversion.errors import Undecided
from migrations.importer.declaration import (
    STANDARD_FIELDS,
    Boolean,
    Date,
    Field,
    Integer,
    Leads,
    Numeric,
    Timestamp,
)
from migrations.importer.export.reading import open_export
from tests.support.files import LEADS, as_csv, as_json, converted, write

PHONE, TIME = "07700 900201", "2025-09-16 14:15"

FILES: dict[str, tuple[Sequence[tuple[str, str]], Sequence[str], dict[str, str]]] = {
    "HubSpot": (
        [
            ("Record ID", "901"),
            ("First Name", "Dot"),
            ("Last Name", "Invented"),
            ("Phone Number", ""),
            ("Mobile Phone Number", PHONE),
            ("Contact owner", "Tom Q"),
            ("Lead Status", "Open"),
            ("Create Date", TIME),
            ("Associated Company", "Invented Ltd"),
        ],
        ["--timezone", "Europe/London"],
        {
            "id": "901",
            "full_name": "Dot Invented",
            "phone": PHONE,
            "assigned_agent": "Tom Q",
            "status": "Open",
            "created_at": "2025-09-16T14:15:00+01:00",
        },
    ),
    "Salesforce": (
        [
            ("Id", "00Q000000000001"),
            ("FirstName", "Dot"),
            ("LastName", "Invented"),
            ("MobilePhone", PHONE),
            ("PostalCode", "ZZ99 2AA"),
            ("Owner.Name", "Tom Q"),
            ("Description", "Rings back"),
            ("CreatedDate", "2025-09-16T14:15:00.000+0000"),
        ],
        [],
        {
            "id": "2",
            "full_name": "Dot Invented",
            "phone": PHONE,
            "postal_code": "ZZ99 2AA",
            "assigned_agent": "Tom Q",
            "notes": "Rings back",
            "created_at": "2025-09-16T14:15:00+00:00",
        },
    ),
    "Zoho": (
        [
            ("Record Id", "zcrm_1"),
            ("Lead Owner", "Tom Q"),
            ("First Name", ""),
            ("Last Name", "Invented"),
            ("Phone", ""),
            ("Mobile", PHONE),
            ("Zip Code", "ZZ99 2AA"),
            ("Created Time", f"{TIME}:00"),
        ],
        ["--timezone", "UTC"],
        {"full_name": "Invented", "phone": PHONE, "created_at": "2025-09-16T14:15:00+00:00"},
    ),
    "Pipedrive": (
        [
            ("Lead - Title", "Invented lead"),
            ("Lead - Owner", "Tom Q"),
            ("Lead - Lead created", f"{TIME}:00"),
            ("Person - Name", "Dot Invented"),
            ("Person - Phone - Work", PHONE),
            ("Person - Email - Work", "dot@example.com"),
            ("Organization - Name", "Invented Ltd"),
        ],
        ["--timezone", "UTC"],
        {"full_name": "Dot Invented", "phone": PHONE, "email": "dot@example.com"},
    ),
    "Facebook": (
        [
            ("id", "l:9000000001"),
            ("created_time", "2025-09-16T09:15:00-05:00"),
            ("campaign_name", "Autumn"),
            ("full_name", "Dot Invented"),
            ("phone_number", "p:+447700900201"),
            ("post_code", "z:ZZ99 2AA"),
        ],
        [],
        {"id": "2", "phone": "+447700900201", "postal_code": "ZZ99 2AA"},
    ),
    "Google's lead form": (
        [
            ("Lead ID", "Cj0K"),
            ("Lead Submit Time", "2025-09-16T14:15:00Z"),
            ("Full Name", "Dot Invented"),
            ("User Phone", "+447700900201"),
            ("User Email", "dot@example.com"),
        ],
        [],
        {"full_name": "Dot Invented", "email": "dot@example.com"},
    ),
    "Typeform": (
        [
            ("#", "a1b2"),
            ("What's your full name?", "Dot Invented"),
            ("And what is your phone number?", "'+44 7700 900201"),
            ("Submit Date (UTC)", f"{TIME}:00"),
        ],
        [],
        {
            "full_name": "Dot Invented",
            "phone": "+44 7700 900201",
            "created_at": "2025-09-16T14:15:00+00:00",
        },
    ),
    "Mailchimp": (
        [
            ("Email Address", "dot@example.com"),
            ("First Name", "Dot"),
            ("Last Name", "Invented"),
            ("Phone Number", PHONE),
            ("OPTIN_TIME", ""),
            ("CONFIRM_TIME", f"{TIME}:00"),
            ("LEID", "77"),
        ],
        ["--timezone", "UTC"],
        {"id": "77", "created_at": "2025-09-16T14:15:00+00:00"},
    ),
    "Outlook": (
        [
            ("First Name", "Dot"),
            ("Middle Name", "I."),
            ("Last Name", "Invented"),
            ("E-mail Address", "dot@example.com"),
            ("Mobile Phone", ""),
            ("Business Phone", PHONE),
            ("Home Postal Code", "ZZ99 2AA"),
            ("Notes", "Rings back"),
        ],
        ["--created-at", "2026-11-26"],
        {
            "full_name": "Dot I. Invented",
            "phone": PHONE,
            "postal_code": "ZZ99 2AA",
            "created_at": "2026-11-26T00:00:00+00:00",
        },
    ),
    "Google Contacts": (
        [
            ("First Name", "Dot"),
            ("Last Name", "Invented"),
            ("E-mail 1 - Value", "dot@example.com"),
            ("Phone 1 - Value", f"{PHONE} ::: 07700 900202"),
            ("Address 1 - Postal Code", "ZZ99 2AA"),
        ],
        ["--created-at", "2026-11-26"],
        {"phone": PHONE, "email": "dot@example.com", "postal_code": "ZZ99 2AA"},
    ),
    "pandas": (
        [
            ("", "0"),
            ("name", "Dot Invented"),
            ("phone", "07700900201.0"),
            ("created_at", "2025-09-16 14:15:00+00:00"),
        ],
        [],
        {"full_name": "Dot Invented", "phone": "07700900201"},
    ),
    "a spreadsheet": (
        [
            ("Full Name", "Dot Invented"),
            ("Tel. No.", ""),
            ("Telephone Number", '="07700900201"'),
            ("Address Line 1", "2 Invented Way"),
            ("Zip/Postal Code", "ZZ99 2AA"),
            ("Date Added", "16/09/2025 14:15"),
        ],
        ["--timezone", "UTC"],
        {
            "phone": "07700900201",
            "address1": "2 Invented Way",
            "created_at": "2025-09-16T14:15:00+00:00",
        },
    ),
}


def table(columns: Sequence[tuple[str, str]]) -> str:
    file = io.StringIO()
    csv.writer(file).writerows(zip(*columns, strict=True))
    return file.getvalue()


def test_columns_of_one_name_stay_apart(tmp_path: Path) -> None:
    """Each of them can be chosen by its number, even if a name has a number already."""
    content = f"phone,created,note,note,note (2),note\n{PHONE},{TIME},a,b,c,d\n"
    chosen = ["--timezone", "UTC", "--field", "notes=note (3)", "--field", "full_name=note (2)"]
    (record,), conversion, _ = converted(write(tmp_path, content), *chosen)
    assert (record["full_name"], record["notes"]) == ("b", "d")
    assert conversion.choice.left_out == ["note", "note (2) (2)"]


@pytest.mark.parametrize(("columns", "given", "expected"), FILES.values(), ids=FILES)
def test_the_usual_headers_need_no_field_option(
    columns: Sequence[tuple[str, str]],
    given: Sequence[str],
    expected: dict[str, str],
    tmp_path: Path,
) -> None:
    """One option at most is needed, for what the file itself does not say."""
    (record,), conversion, _ = converted(write(tmp_path, table(columns)), *given)
    assert {name: str(record[name]) for name in expected} == expected
    assert not conversion.is_agreed


def test_what_is_not_imported_is_named(tmp_path: Path) -> None:
    """The summary names every column without a field, even one without a header."""
    columns = [("", "0"), ("phone", PHONE), ("created_at", f"{TIME}Z"), ("Shoe size", "9")]
    _, conversion, _ = converted(write(tmp_path, table(columns)))
    assert conversion.choice.left_out == ["unnamed column 1", "Shoe size"]


def test_a_column_that_is_filled_comes_before_one_that_is_not(tmp_path: Path) -> None:
    """Full Name is empty here, so the name comes from First Name and Last Name."""
    columns = [("Full Name", ""), ("First Name", "Dot"), ("Last Name", "Invented")]
    columns += [("phone", PHONE), ("created_at", f"{TIME}Z")]
    (record,), _, _ = converted(write(tmp_path, table(columns)))
    assert record["full_name"] == "Dot Invented"


def test_of_two_columns_that_are_alike_the_first_one_wins(tmp_path: Path) -> None:
    """The other one is named as left out."""
    columns = [("Person - Notes", "first"), ("Deal - Notes", "second")]
    columns += [("phone", PHONE), ("created_at", f"{TIME}Z")]
    (record,), conversion, _ = converted(write(tmp_path, table(columns)))
    assert record["notes"] == "first"
    assert conversion.choice.left_out == ["Deal - Notes"]


def test_a_field_option_decides(tmp_path: Path) -> None:
    """Spaces join names, commas addresses, line breaks notes, and only one phone is taken."""
    columns = [("A", "Dot"), ("B", "Invented"), ("C, D", PHONE), ("E", f"{TIME}Z"), ("notes", "n")]
    path = write(tmp_path, table(columns))
    given = ["full_name=b,A", "address1=A,B", "notes=A,B", 'phone="C, D",A', "created_at=E"]
    (record,), _, _ = converted(path, *(f"--field={each}" for each in given))
    assert record["full_name"] == "Invented Dot"
    assert record["address1"] == "Dot, Invented"
    assert record["notes"] == "Dot\nInvented"
    assert record["phone"] == PHONE
    (record,), _, _ = converted(
        path, "--field=phone=C, D", "--field=created_at=E", "--field=notes="
    )
    assert record["notes"] == ""


def test_a_column_that_is_left_out_is_used_for_no_field(tmp_path: Path) -> None:
    """It is named as left out, too."""
    path = write(tmp_path, as_csv())
    records, conversion, _ = converted(path, "--leave-out", "notes", "--leave-out", "Status")
    assert {(record["notes"], record["status"]) for record in records} == {("", "")}
    assert conversion.choice.left_out == ["status", "notes"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("--field=phone=Fax", "no column 'Fax'. Its columns are: id, lead_number"),
        ("--field=fax=phone", "fax is not a field. The fields are: lead_number"),
        ("--leave-out=Fax", "no column 'Fax'"),
    ],
)
def test_an_option_that_names_nothing_lists_what_there_is(
    given: str, reason: str, tmp_path: Path
) -> None:
    """The message lists fields and columns by name, never values."""
    with pytest.raises(BadChoice, match=reason):
        converted(write(tmp_path, as_csv()), given)


def test_a_file_without_a_phone_asks_for_its_column(tmp_path: Path) -> None:
    """The question lists the columns of the file."""
    columns = [("Nombre", "Dot"), ("Numero", PHONE), ("created_at", f"{TIME}Z")]
    path = write(tmp_path, table(columns))
    with pytest.raises(Undecided, match="Nombre, Numero, created_at") as undecided:
        converted(path)
    assert "--field phone=COLUMN" in str(undecided.value)
    assert converted(path, "--field", "phone=Numero")[0][0]["phone"] == PHONE


OWNERS = Leads("leads", phone="phone", bill=Numeric("bill"), is_ev=Boolean("is_ev")).fields


def owners() -> list[dict[str, object]]:
    """Return rows of an owner's own exporter, with null for blank and a time of change."""
    first = {**LEADS[0], "bill": 120.5, "is_ev": True, "updated_at": "2025-09-16T14:15:00+00:00"}
    return [first, {**first, "lead_number": None, "bill": None, "is_ev": None}]


def test_an_export_by_the_declarations_own_names_is_agreed(tmp_path: Path) -> None:
    """No choice is left, so nobody is asked, and the time of change is ignored."""
    records, conversion, _ = converted(write(tmp_path, as_json(owners())), fields=OWNERS)
    assert conversion.is_agreed
    assert conversion.choice.left_out == ["updated_at"]
    assert list(records[0]) == ["id", *(field.name for field in OWNERS)]
    assert records[0]["bill"] == 120.5
    assert records[1] == {**records[0], "lead_number": "", "bill": None, "is_ev": None}


def test_a_column_that_a_lead_may_miss_is_not_dropped_unasked(tmp_path: Path) -> None:
    """A declaration without these fields drops none of their columns unasked."""
    _, conversion, _ = converted(write(tmp_path, as_json(owners())), fields=STANDARD_FIELDS)
    assert not conversion.is_agreed
    assert conversion.choice.left_out == ["bill", "is_ev", "updated_at"]


def test_a_declared_field_meets_its_column_however_that_is_written(tmp_path: Path) -> None:
    """Case, spaces and punctuation do not count."""
    columns = [("Energy Bill-Amount", "120.50"), ("phone", PHONE), ("created_at", f"{TIME}Z")]
    fields = [*STANDARD_FIELDS, Field("energy_bill_amount", "numeric")]
    (record,), _, _ = converted(write(tmp_path, table(columns)), fields=fields)
    assert record["energy_bill_amount"] == 120.5


def test_the_next_file_of_a_kind_needs_no_option(tmp_path: Path) -> None:
    """Columns, encoding, time zone and date order are kept, but not the day of --created-at."""
    columns = [("Nämé", "Dot"), ("Numero", PHONE), ("Since", "01/02/2026 14:15")]
    path = write(tmp_path, table(columns).encode("cp1252"))
    given = ["--field=full_name=Nämé", "--field=phone=Numero", "--field=created_at=Since"]
    given += ["--encoding=cp1252", "--timezone=Europe/London", "--dates=day-first"]
    first, conversion, _ = converted(path, *given)
    assert not conversion.is_agreed
    keep(tmp_path / "first.json", conversion.kept)
    again, conversion, _ = converted(path, kept=kept_beside(tmp_path))
    assert conversion.is_agreed
    assert again == first
    assert again[0]["created_at"] == "2026-02-01T14:15:00+00:00"


def test_what_was_agreed_last_counts(tmp_path: Path) -> None:
    """Two files have the same columns, and the choice for the second one is kept."""
    path = write(tmp_path, as_csv())
    for number, column in enumerate(("notes", "status")):
        _, conversion, _ = converted(path, "--leave-out", column)
        kept = keep(tmp_path / f"{column}.json", conversion.kept)
        os.utime(kept, (number, number))
    (record, _), _, _ = converted(path, kept=kept_beside(tmp_path))
    assert (record["notes"], record["status"]) == ("first\nsecond", "")


def test_a_file_with_other_columns_is_another_kind(tmp_path: Path) -> None:
    """A choice for one kind says nothing about another."""
    _, conversion, _ = converted(write(tmp_path, as_csv()), "--leave-out", "notes")
    keep(tmp_path / "first.json", conversion.kept)
    other = [{**lead, "shoe_size": "9"} for lead in LEADS]
    records, conversion, _ = converted(write(tmp_path, as_csv(other)), kept=kept_beside(tmp_path))
    assert records[0]["notes"] == "first\nsecond"
    assert not conversion.is_agreed


def test_what_was_kept_holds_names_of_columns_and_no_values(tmp_path: Path) -> None:
    """It is committed beside the export, so it may hold no personal data."""
    _, conversion, _ = converted(write(tmp_path, as_csv()), "--leave-out", "notes")
    text = keep(tmp_path / "first.json", conversion.kept).read_text(encoding="utf-8")
    assert "assigned_agent" in text
    assert not [value for value in LEADS[0].values() if f'"{value}"' in text]


def test_a_damaged_kept_choice_is_one_sentence(tmp_path: Path) -> None:
    """If somebody has edited it, they can start again."""
    (tmp_path / "first.columns.json").write_text("{", encoding="utf-8")
    with pytest.raises(BadChoice, match=r"first\.columns\.json is not as 'add' wrote it"):
        kept_beside(tmp_path)


def test_what_is_written_is_an_export_of_the_declaration(tmp_path: Path) -> None:
    """The reader a deploy uses accepts every kind of value and every kind of blank."""
    fields = Leads(
        "leads",
        phone="phone",
        bill=Numeric("bill"),
        rooms=Integer("rooms"),
        is_ev=Boolean("is_ev"),
        meeting=Date("meeting"),
        booked_at=Timestamp("booked_at"),
    ).fields
    first = {**LEADS[0], "bill": "£1,234.50", "rooms": "4", "is_ev": "yes"}
    first |= {"meeting": "2025-09-16", "booked_at": "2025-09-16 14:15:00.123 UTC"}
    second = {**LEADS[1], **dict.fromkeys(("bill", "rooms", "is_ev", "meeting", "booked_at"), "")}
    written, _, result = converted(write(tmp_path, as_csv([first, second])), fields=fields)
    assert not result.problems.total
    path = write(tmp_path, as_json(written), "export.json")
    with open_export(path, fields=fields) as export:
        export.check()
        assert export.count == 2
