"""A twin has the same records with invented people: rules for each field."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrations.crm import LEADS
from migrations.importer.declaration import Field, Kind, Leads, Lookup, New, Text, Values
from migrations.importer.errors import ExportRefused
from migrations.importer.export.reading import open_export
from migrations.importer.phone import key_of
from migrations.twin.mask import Mask
from migrations.twin.phones import is_invented, masked_phone
from migrations.twin.values import kept_fields, masked_record
from migrations.twin.words import BIRDS, COLOURS, FILLERS
from migrations.twin.writing import CannotMask, write_twin
from tests.support.bundled import EXPORT, ROOT, Record, records
from tests.support.exports import written
from tests.support.phones import can_be_called
from tests.support.released import REPOSITORY

KEPT = kept_fields(LEADS)
MASK, ANOTHER = Mask(bytes(range(32))), Mask(bytes(32))
GOLDEN = REPOSITORY / "tests" / "rules" / "twin"


def masked(
    name: str, value: Any, kind: Kind = "text", longest: int = 500, mask: Mask = MASK
) -> Any:
    """Return what one field's value becomes."""
    field = next(
        (field for field in LEADS.fields if field.name == name), Field(name, kind, longest)
    )
    found = masked_record(mask, 1, {name: value}, [field], KEPT)[name]
    return json.loads(bytes(found)) if isinstance(found, msgspec.Raw) else found


def test_the_rules_of_version_1_stay_as_they_are(tmp_path: Path) -> None:
    """The same key gives the same twin, because future exports must match what is in staging.

    Only ever add to the golden file.
    """
    twin = write_twin(GOLDEN / "export.json", tmp_path / "twin.json", MASK, LEADS)
    assert (tmp_path / "twin.json").read_text() == (GOLDEN / "twin.json").read_text()
    assert twin.records == 12


def test_another_process_makes_the_same_twin(tmp_path: Path) -> None:
    """Nothing depends on the process, such as the order of a set."""
    write_twin(EXPORT, tmp_path / "here.json", MASK, LEADS)
    there = """
import sys
from pathlib import Path
from migrations.crm import LEADS
from migrations.twin.mask import Mask
from migrations.twin.writing import write_twin
write_twin(Path(sys.argv[1]), Path(sys.argv[2]), Mask(bytes(range(32))), LEADS)
"""
    paths = [str(EXPORT), str(tmp_path / "there.json")]
    subprocess.run([sys.executable, "-c", there, *paths], check=True, cwd=ROOT)
    assert (tmp_path / "there.json").read_bytes() == (tmp_path / "here.json").read_bytes()


def test_another_secret_makes_other_people(tmp_path: Path) -> None:
    """Every field of every record changes, except the words of status."""
    write_twin(EXPORT, tmp_path / "one.json", MASK, LEADS)
    write_twin(EXPORT, tmp_path / "other.json", ANOTHER, LEADS)
    one, other = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "other"))
    same = {
        field
        for mine, theirs in zip(one, other, strict=True)
        for field in ("full_name", "phone", "email", "address1", "notes", "created_at")
        if mine[field] and mine[field] == theirs[field]
    }
    assert same == set()


def test_a_twin_is_an_export_like_the_other(tmp_path: Path) -> None:
    """It passes the same checks, and each record keeps its place, its blanks and its status."""
    twin = write_twin(EXPORT, tmp_path / "twin.json", MASK, LEADS)
    assert twin.sha256 == hashlib.sha256((tmp_path / "twin.json").read_bytes()).hexdigest()
    with open_export(tmp_path / "twin.json", twin.sha256, len(records())) as export:
        export.check()
    invented = json.loads((tmp_path / "twin.json").read_text())
    for position, (real, other) in enumerate(zip(records(), invented, strict=True), start=1):
        assert other["id"] == position
        assert other["status"] == real["status"]
        assert [field for field in real if not real[field]] == [
            field for field in other if not other[field]
        ]
        assert len(other["notes"]) >= len(real["notes"])
        assert other["notes"].count("\n") == real["notes"].count("\n")


def test_nobody_in_a_twin_can_be_called(tmp_path: Path) -> None:
    """libphonenumber finds none of its numbers valid."""
    write_twin(EXPORT, tmp_path / "twin.json", MASK, LEADS)
    phones = [record["phone"] for record in json.loads((tmp_path / "twin.json").read_text())]
    assert [phone for phone in phones if can_be_called(phone)] == []
    assert all(map(is_invented, phones))


@pytest.mark.parametrize(
    ("phone", "like"),
    [
        ("07700 900548", "0XXXX XXXXXXX"),
        ("+44 (0)29 2018 0012", "+44 (0)XX XXXX XXXXX"),
        ("(0113) 496 0123", "(0XXX) XXX XXXXX"),
        ("tel:+44-7700-900548;ext=12", "tel:+44-XXXX-XXXXXXX;ext=12"),
        ("7700900548", "[0]XXXXXXXXXXX"),
        ("7700 900548 x12", "[0]XXXX XXXXXXX x12"),
        ("7700900548.0", "[0]XXXXXXXXXXX"),
        ("447700900548", "44XXXXXXXXXXX"),
        ("0169 772345", "0XXX XXXXXXXX"),
        ("+1 212 555 0123 x12", "+X XXX XXX XXXXXXXX x12"),
        ("0049 (0)30 123456", "00XX ()XX XXXXXXXXXXX"),
        ("+39 (0)6 1234 5678", "+XX (X)X XXXX XXXXXXX"),
        ("12125550123", "XXXXXXXXXXXXXXX"),
        ("0044" + " " * 20 + "7700900548 ext. 1234567", "+44XXXXXXXXXXX x1234567"),
        ("+49 30 12345678901", "+XX XX XXXXXXXXXXX"),
        ("07700 900548 900", "+XXXXXXXXXXXXXXX"),
    ],
)
def test_a_phone_keeps_its_spelling(phone: str, like: str) -> None:
    """Prefix, separators and extension stay, and ten bare digits get their national 0.

    If this does not fit or changes the meaning, the number becomes an international one.
    """
    found = masked_phone(MASK, phone)
    assert len(found) == len(like), found
    marks = zip(found, like, strict=True)
    assert all(mark.isdigit() if wanted == "X" else mark == wanted for mark, wanted in marks), found
    assert is_invented(found)
    assert len(found) <= 40


@pytest.mark.parametrize(
    "spellings",
    [
        ["07700 900548", "+44 (0)7700-900548", "7700900548", "0044 7700 900548", "447700900548"],
        ["7700 900548 x12", "07700 900548 ext. 12", "+44 7700 900548;ext=12"],
        ["+39 (0)6 1234 5678", "00390612345678"],
        ["+49 (0)30 123456", "+4930123456"],
    ],
)
def test_spellings_of_one_phone_stay_spellings_of_one_phone(spellings: list[str]) -> None:
    """Even ten bare digits, and numbers whose 0 a spreadsheet ate."""
    found = [masked_phone(MASK, spelling) for spelling in spellings]
    assert len(set(found)) == len(set(spellings))
    assert len(set(map(key_of, found))) == 1


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("MS013", "MS000"),
        ("2026/0001-7", "0000/0000-0"),
        ("1", "0"),
    ],
)
def test_a_lead_number_keeps_its_letters_and_its_width(value: str, found: str) -> None:
    """Only digits change, one to one."""
    other = masked("lead_number", value)
    assert "".join("0" if mark.isdigit() else mark for mark in other) == found
    every = {masked("lead_number", f"X{n:03d}") for n in range(1000)}
    assert every == {f"X{n:03d}" for n in range(1000)}


def test_a_name_in_the_column_of_lead_numbers_does_not_stay() -> None:
    """A person maps the columns and may be wrong."""
    for value in ("Ada Moorhatch 2", "Ada"):
        assert "Ada" not in masked("lead_number", value)


@given(
    value=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
    longest=st.integers(1, 60),
)
def test_words_fit_where_the_text_was(value: str, longest: int) -> None:
    """Characters and line breaks stay as many, and a short text grows until it is unique."""
    value = value[:longest]
    found = masked("remark", value, longest=longest)
    if not value.strip():
        assert found == value
        return
    assert 0 < len(found) <= longest
    assert len(found) >= len(value)
    if longest == 60:
        assert len(found.splitlines()) == len(value.splitlines())
    told = {word for word in value.split() if len(word) > 3}
    assert set(found.split()) & told <= set(FILLERS)


@given(values=st.sets(st.sampled_from("ab \n") | st.text("ab", max_size=4), min_size=2))
def test_different_short_texts_stay_different(values: set[str]) -> None:
    """A note changed from ok to no still changes."""
    found = [masked("notes", value) for value in values]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("integer", 7),
        ("integer", -120),
        ("integer", 2_147_483_647),
        ("integer", 32_767),
        ("integer", 2**63 - 1),
        ("integer", 0),
        ("numeric", 120.5),
        ("numeric", Decimal("-0.07")),
        ("numeric", "99999999999999999999.99"),
        ("numeric", 1e20),
        ("numeric", 0),
    ],
)
def test_a_number_stays_as_large(kind: Kind, value: Any) -> None:
    """It keeps sign, digits and integer type, so it fits the same column."""
    found = masked_record(MASK, 1, {"bill": value}, [Field("bill", kind)], KEPT)["bill"]
    text = found if isinstance(found, int) else bytes(found).decode()
    real, other = Decimal(str(value)).normalize(), Decimal(text).normalize()
    assert (real < 0) == (other < 0)
    assert real.adjusted() == other.adjusted()
    assert real.as_tuple().exponent == other.as_tuple().exponent or kind == "integer"
    for limit in (2**15, 2**31, 2**63):
        assert kind != "integer" or (abs(other) < limit or abs(real) >= limit)


@pytest.mark.parametrize("limit", [2**15, 2**31, 2**63])
def test_a_whole_number_fits_the_column_of_the_other(limit: int) -> None:
    """A smallint stays a smallint, an integer an integer, and a bigint a bigint."""
    found = {
        masked("bill", sign * n, "integer") for n in range(limit - 60, limit) for sign in (1, -1)
    }
    assert len(found) == 120
    assert -limit < min(found) and max(found) < limit


def test_numbers_stay_apart() -> None:
    """Numbers with the same count of digits map one to one."""
    assert {masked("bill", n, "integer") for n in range(100, 1000)} == set(range(100, 1000))
    cents = {masked("bill", Decimal(n) / 100, "numeric") for n in range(101, 1000) if n % 10}
    assert len(cents) == 810


@pytest.mark.parametrize(
    "moment",
    [
        "2025-09-16T14:15:00+00:00",
        "2025-09-16T14:15:00.123456-09:30",
        "1990-01-01T14:00:00+14:00",
        "2100-01-01T00:00:00+00:00",
    ],
)
def test_a_time_becomes_another_one_of_the_same_day(moment: str) -> None:
    """It keeps the offset and stays within the first and last allowed time."""
    real = datetime.fromisoformat(moment)
    found = datetime.fromisoformat(masked("created_at", real))
    assert (found.date(), found.utcoffset()) == (real.date(), real.utcoffset())
    assert bool(found.microsecond) == bool(real.microsecond)
    assert datetime.fromisoformat("1990-01-01T00:00Z") <= found
    assert found <= datetime.fromisoformat("2100-01-01T00:00Z")
    assert masked("seen_at", moment, "timestamp")[:10] == moment[:10]


def test_a_day_becomes_another_one_of_that_year() -> None:
    """Days map one to one, in leap years too."""
    year = [date.fromordinal(date(2024, 1, 1).toordinal() + day) for day in range(366)]
    assert {masked("born", str(day), "date") for day in year} == set(map(str, year))


def test_what_is_no_date_stays_none() -> None:
    """The server refuses it in a twin as in the export, and nothing of it is left."""
    assert masked("born", "2024-02-30", "date") == "0000-00-00"
    assert masked("seen_at", "2024-02-30T12:00:00Z", "timestamp") == "0000-00-00T00:00:00Z"


@pytest.mark.parametrize(
    ("kind", "blank"),
    [
        ("text", ""),
        ("text", "  "),
        ("date", ""),
        ("timestamp", ""),
        ("integer", None),
        ("numeric", None),
        ("boolean", None),
        ("boolean", True),
        ("boolean", False),
    ],
)
def test_what_is_blank_stays_blank(kind: Kind, blank: Any) -> None:
    """True and false stay too, because nothing else is possible."""
    assert masked("further", blank, kind) == blank


def test_a_declaration_says_what_stays() -> None:
    """Words of a list stay, and so does a lookup if it must find its row."""
    leads = Leads(
        "customers",
        phone="phone",
        status=Values("stage", {"new": "NEW"}),
        assigned_agent=New(Lookup("owner", "users", by="username")),
        desk=Lookup("desk", "desks", by="name", otherwise="front"),
        source=Values("source", {"web": "W"}),
        remark=Text("remark", longest=30),
    )
    assert kept_fields(leads) == {"status", "assigned_agent", "source"}
    fields = [field for field in leads.fields if field.name in ("assigned_agent", "desk", "remark")]
    record = {"assigned_agent": "ada", "desk": "north", "remark": "Knows somebody in the north."}
    found = masked_record(MASK, 1, record, fields, kept_fields(leads))
    assert found["assigned_agent"] == "ada"
    assert "north" not in found["desk"] + found["remark"]


def test_words_are_nobodys() -> None:
    """Each word comes once, and there are many."""
    for words, least in ((COLOURS, 48), (BIRDS, 100), (FILLERS, 100)):
        assert len(set(words)) == len(words) >= least


# The search.


def refused(export: Sequence[Record], folder: Path) -> str:
    """Return why there is no twin, and expect no file."""
    source = written(list(export), folder)
    with pytest.raises(CannotMask) as refusal:
        write_twin(source, folder / "export.masked.json", MASK, LEADS)
    assert sorted(path.name for path in folder.iterdir()) == ["export.json"]
    return str(refusal.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("full_name", lambda twin: twin["full_name"]),
        ("email", lambda twin: twin["email"].upper()),
        ("address1", lambda twin: f" {twin['address1']} "),
        ("notes", lambda twin: twin["notes"]),
        ("assigned_agent", lambda twin: twin["assigned_agent"]),
    ],
)
def test_a_twin_that_has_a_value_of_the_export_is_not_kept(
    field: str, value: Any, tmp_path: Path
) -> None:
    """Somebody has the name invented for another record."""
    filled = {"notes": "Said to call back.", "assigned_agent": "Priya Moorhatch"}
    export = [
        record | filled | {"email": f"{n}@example.com"} for n, record in enumerate(records()[:3])
    ]
    folder = tmp_path / "first"
    folder.mkdir()
    write_twin(written(export, folder), folder / "twin.json", MASK, LEADS)
    twin = json.loads((folder / "twin.json").read_text())[0]
    other = tmp_path / "second"
    other.mkdir()
    said = refused([*export, export[2] | {field: value(twin)}], other)
    assert f"export.masked.json: record 1, {field}: is a value of the export." in said
    assert str(value(twin)) not in said


@pytest.mark.parametrize("field", ["phone", "email", "full_name"])
def test_a_twin_with_a_field_left_in_clear_is_not_kept(
    field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search notices a broken rule."""

    def broken(mask: Mask, position: int, record: Any, *more: Any) -> dict[str, Any]:
        return masked_record(mask, position, record, *more) | {field: record[field]}

    monkeypatch.setattr("migrations.twin.writing.masked_record", broken)
    export = [records()[1] | {"email": "ada@example.com"}]
    assert f"record 1, {field}: " in refused(export, tmp_path)


def test_a_record_with_problems_has_one_in_the_twin(tmp_path: Path) -> None:
    """The policy "set aside" rejects them in both, and otherwise no twin is written."""
    export = [records()[0], records()[1] | {"phone": "none"}, records()[2], {"id": 1}]
    source = written(export, tmp_path)
    with pytest.raises(ExportRefused):
        write_twin(source, tmp_path / "twin.json", MASK, LEADS)
    write_twin(source, tmp_path / "twin.json", MASK, LEADS, set_aside=True)
    twin = json.loads((tmp_path / "twin.json").read_text())
    assert [bool(record) for record in twin] == [True, False, True, False]
    with open_export(tmp_path / "twin.json", set_aside=True) as found:
        found.check()
    assert {problem.record for problem in found.rejected} == {2, 4}


def test_a_twin_is_not_replaced_by_another_one(tmp_path: Path) -> None:
    """The same people may be written again, but other people are refused."""
    target = tmp_path / "twin.json"
    first = write_twin(EXPORT, target, MASK, LEADS)
    assert write_twin(EXPORT, target, MASK, LEADS) == first
    before = target.read_bytes()
    with pytest.raises(CannotMask, match="is there already, with other people"):
        write_twin(EXPORT, target, ANOTHER, LEADS)
    assert target.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
