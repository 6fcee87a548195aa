"""What becomes of phones, times, numbers and blanks, and what is said of values that fail."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from migrations.conversion.convert import ConversionRefused
from migrations.conversion.errors import Undecided, Unreadable
from migrations.conversion.words import left_out_in_words, summary_in_words
from migrations.importer.declaration import STANDARD_FIELDS, Field
from migrations.importer.phone import key_of
from tests.support.files import LEADS, as_csv, as_json, as_workbook, converted, write

LEAD = LEADS[0]


def one(folder: Path, field: str, value: object, *given: str, **more: Any) -> Any:
    """Convert one value from a JSON record."""
    (record,), _, result = converted(
        write(folder, json.dumps([{**LEAD, field: value}])), *given, **more
    )
    assert not result.problems.total
    return record[field]


def why_not(folder: Path, field: str, value: object, *given: str, **more: Any) -> str:
    """Return why one value from a JSON record is refused."""
    _, _, result = converted(write(folder, json.dumps([{**LEAD, field: value}])), *given, **more)
    ((name, reason),) = {(problem.field, problem.reason) for problem in result.problems.first}
    assert name == field
    return reason


@pytest.mark.parametrize(
    ("spelled", "phone"),
    [
        ("p:+447700900201", "+447700900201"),
        ("tel:+447700900201", "+447700900201"),
        ("'+44 7700 900201", "+44 7700 900201"),
        ("07700900201.0", "07700900201"),
        ("7700900201.0", "7700900201"),
        (7700900201, "7700900201"),
        (7700900201.0, "7700900201"),
        ("7.700900201E+09", "7700900201"),
        ("4,47700900201E+11", "447700900201"),
        ("07700 900201 ::: 07700 900202", "07700 900201"),
        ("(07700) 900-201", "(07700) 900-201"),
        ("07700.900201", "07700.900201"),
        ("07700 900201 ext. 5", "07700 900201 ext. 5"),
    ],
)
def test_a_phone_loses_what_tools_put_around_it(
    spelled: object, phone: str, tmp_path: Path
) -> None:
    """The number itself stays as it is."""
    assert one(tmp_path, "phone", spelled) == phone


@pytest.mark.parametrize("lost", ["7.7009E+09", "4.4770090021E+11", 7.7009e30, "7,7E+09"])
def test_a_phone_that_a_spreadsheet_has_rounded_is_lost(lost: object, tmp_path: Path) -> None:
    """The message says to export the file again."""
    assert "export it again" in why_not(tmp_path, "phone", lost)


@pytest.mark.parametrize("junk", ["none", "12", "07700 900201 or 07700 900202", 1.5, "p:"])
def test_what_is_no_phone_is_refused(junk: object, tmp_path: Path) -> None:
    """Blanks are another matter, tested below."""
    assert why_not(tmp_path, "phone", junk)


def test_records_without_a_phone_are_left_out_and_named(tmp_path: Path) -> None:
    """The phone says whose record it is, and the other records keep their positions."""
    leads = [{**LEAD, "phone": phone} for phone in (None, "07700 900201", "", "07700 900202")]
    records, _, result = converted(write(tmp_path, as_json(leads)))
    assert [record["phone"] for record in records] == ["07700 900201", "07700 900202"]
    assert result.without_phone == [1, 3]
    assert left_out_in_words([1, 3], "row").endswith("lack of a phone: rows 1 and 3.")


def test_a_file_without_any_phone_names_the_column(tmp_path: Path) -> None:
    """Another column may hold the phones."""
    leads = [{**LEAD, "phone": None}] * 1500
    with pytest.raises(Unreadable, match=r"no record has a phone[^\0]*--field phone=COLUMN"):
        converted(write(tmp_path, as_json(leads)))


def test_a_long_run_without_phones_is_left_out(tmp_path: Path) -> None:
    """The run is longer than one piece in memory."""
    leads = [*[{**LEAD, "phone": ""}] * 2500, LEAD]
    records, _, result = converted(write(tmp_path, as_csv(leads)))
    assert len(records) == 1
    assert len(result.without_phone) == 2500


def test_blanks_are_blank_however_they_are_written(tmp_path: Path) -> None:
    """Null, a missing key, and what databases and spreadsheets write into tables all count."""
    sparse = {key: LEAD[key] for key in ("phone", "created_at")}
    (record,), _, _ = converted(write(tmp_path, as_json([{**sparse, "email": None}])))
    assert record == {"id": 1, **dict.fromkeys(LEAD, ""), **sparse} | {"id": 1}
    nulls = {**LEAD, "email": r"\N", "status": "NULL", "address1": "#N/A", "notes": "NULL and void"}
    (record,), _, _ = converted(write(tmp_path, as_csv([nulls])))
    assert (record["email"], record["status"], record["address1"]) == ("", "", "")
    assert record["notes"] == "NULL and void"


@pytest.mark.parametrize("ids", [["a1", "a2"], [7, None], ["0", "7"], ["9" * 30, "1"]])
def test_ids_that_are_no_whole_numbers_become_positions(ids: list[Any], tmp_path: Path) -> None:
    """All ids change, so that the two kinds do not mix."""
    leads = [{**lead, "id": id_} for lead, id_ in zip(LEADS, ids, strict=True)]
    records, conversion, _ = converted(write(tmp_path, as_json(leads)))
    assert [record["id"] for record in records] == [1, 2]
    assert "id" in conversion.choice.left_out


def test_a_text_may_come_as_something_else(tmp_path: Path) -> None:
    """Numbers lose a needless fraction, booleans become words, and date cells become text."""
    assert one(tmp_path, "lead_number", 101) == "101"
    assert one(tmp_path, "notes", 4.50) == "4.5"
    assert one(tmp_path, "notes", False) == "false"
    lead = {**LEAD, "postal_code": 99.0, "notes": datetime(2025, 9, 16, 14, 15)}
    (record,), _, _ = converted(write(tmp_path, as_workbook([lead])))
    assert (record["postal_code"], record["notes"]) == ("99", "2025-09-16T14:15:00")


def test_text_in_json_stays_as_it_is_and_cells_are_trimmed(tmp_path: Path) -> None:
    """Cells lose outer spaces, line ends and guards against formulas, which tables add."""
    text = " a\r\nb "
    assert one(tmp_path, "notes", text) == text
    for cell, value in ((text, "a\nb"), ("'=1+1", "=1+1"), ("'tis", "'tis"), ('="007"', "007")):
        (record,), _, _ = converted(write(tmp_path, as_csv([{**LEAD, "notes": cell}])))
        assert record["notes"] == value


UTC_TIMES = [
    "2025-09-16T14:15:00Z",
    "2025-09-16 14:15:00+00",
    "2025-09-16 15:15:00 +0100",
    "2025-09-16 14:15:00 UTC",
    "Tue, 16 Sep 2025 14:15:00 GMT",
    "Tue Sep 16 2025 14:15:00 GMT+0000 (Coordinated Universal Time)",
    1758032100,
    "1758032100",
    1758032100000,
    "1758032100000",
    "1758032100000000",
    "1.7580321E+12",
]
LOCAL_TIMES = [
    "2025-09-16 14:15",
    "2025-09-16T14:15:00",
    "2025/09/16 14:15:00",
    "16/09/2025 14:15",
    "16.09.25, 14:15",
    "9/16/2025 2:15 PM",
    "09-16-2025 02:15:00 p.m.",
    "Sep 16, 2025, 2:15 PM",
    "September 16th, 2025 at 14:15",
    "16 Sep 2025 14:15",
    "16-Sep-2025 14:15:00",
    "Tuesday, 16 September 2025 14:15",
    45916.59375,
]


@pytest.mark.parametrize("spelled", UTC_TIMES)
def test_a_time_that_says_its_offset_needs_no_option(spelled: object, tmp_path: Path) -> None:
    """Seconds since 1970 need none either."""
    moment = datetime.fromisoformat(one(tmp_path, "created_at", spelled))
    assert moment == datetime.fromisoformat("2025-09-16T14:15:00+00:00")


@pytest.mark.parametrize("spelled", LOCAL_TIMES)
def test_a_time_without_an_offset_wants_a_time_zone(spelled: object, tmp_path: Path) -> None:
    """It is asked for, never guessed."""
    given = "--timezone", "Europe/London"
    assert one(tmp_path, "created_at", spelled, *given) == "2025-09-16T14:15:00+01:00"
    with pytest.raises(Undecided, match="In which time zone") as undecided:
        one(tmp_path, "created_at", spelled)
    assert undecided.value.option == "timezone"


def test_twelve_is_noon_or_midnight(tmp_path: Path) -> None:
    """A 12-hour clock has both."""
    for spelled, hour in (("9/16/2025 12:15 AM", "00"), ("9/16/2025 12:15 PM", "12")):
        assert one(tmp_path, "created_at", spelled, "--timezone=UTC")[11:13] == hour


def test_a_workbooks_own_dates_want_a_time_zone_too(tmp_path: Path) -> None:
    """A cell has no offset."""
    path = write(tmp_path, as_workbook([{**LEAD, "created_at": datetime(2025, 12, 16, 14, 15)}]))
    assert converted(path, "--timezone=UTC")[0][0]["created_at"] == "2025-12-16T14:15:00+00:00"


def test_one_date_that_can_be_told_tells_all_of_its_column(tmp_path: Path) -> None:
    """13/02 proves that the day comes first, wherever in the file it is."""
    leads = [{**LEAD, "created_at": f"{day}/02/2026"} for day in ["01"] * 1500 + ["13"]]
    records, _, _ = converted(write(tmp_path, as_json(leads)), "--timezone=UTC")
    assert records[0]["created_at"] == "2026-02-01T00:00:00+00:00"


def test_dates_that_can_be_read_in_two_ways_are_asked(tmp_path: Path) -> None:
    """Dates proving both orders are asked too, and those against the answer are refused."""
    given = "--timezone=UTC"
    with pytest.raises(Undecided, match="day-first or month-first"):
        one(tmp_path, "created_at", "01/02/2026", given)
    read = one(tmp_path, "created_at", "01/02/2026", given, "--dates=month-first")
    assert read == "2026-01-02T00:00:00+00:00"
    both = [{**LEAD, "created_at": text} for text in ("13/02/2026", "02/13/2026")]
    path = write(tmp_path, as_json(both))
    with pytest.raises(Undecided):
        converted(path, given)
    _, _, result = converted(path, given, "--dates=day-first")
    assert [problem.record for problem in result.problems.first] == [2]


@pytest.mark.parametrize("junk", ["soon", "2025-02-30", "16/09/2025 25:00", "2025-09-16 14:15 EST"])
def test_what_is_no_time_is_refused(junk: str, tmp_path: Path) -> None:
    """Letters for a zone are refused too, because several places use them."""
    given = "--timezone=UTC", "--dates=day-first"
    assert why_not(tmp_path, "created_at", junk, *given).startswith("cannot be read as a date")


def test_a_time_from_another_century_is_refused(tmp_path: Path) -> None:
    """The importer's own rule refuses it."""
    assert "1990 to 2100" in why_not(tmp_path, "created_at", "1900-01-01T00:00:00Z")


def test_when_a_lead_was_created_is_asked_if_the_file_does_not_say(tmp_path: Path) -> None:
    """Today is never assumed."""
    with pytest.raises(Undecided, match="when each lead was created") as undecided:
        one(tmp_path, "created_at", None)
    assert undecided.value.option == "created-at"
    day = one(tmp_path, "created_at", None, "--created-at=2026-11-26")
    assert day == "2026-11-26T00:00:00+00:00"


@pytest.mark.parametrize(
    "given",
    ["--timezone=Mars/North", "--created-at=yesterday", "--encoding=klingon", "--encoding=idna"],
)
def test_an_answer_that_means_nothing_is_asked_again(given: str, tmp_path: Path) -> None:
    """The file is not read before."""
    with pytest.raises(Undecided):
        one(tmp_path, "notes", "", given)


FIELDS = [
    *STANDARD_FIELDS,
    Field("rooms", "integer"),
    Field("bill", "numeric"),
    Field("is_ev", "boolean"),
    Field("meeting", "date"),
    Field("booked_at", "timestamp"),
    Field("city", longest=9),
]


@pytest.mark.parametrize(
    ("field", "spelled", "value"),
    [
        ("rooms", "4", 4),
        ("rooms", 4.0, 4),
        ("rooms", "", None),
        ("bill", "120.50", 120.5),
        ("bill", "£1,234.50", 1234.5),
        ("bill", "1.234,50 €", 1234.5),
        ("bill", "12,5", 12.5),
        ("bill", 99, 99),
        ("bill", None, None),
        ("is_ev", True, True),
        ("is_ev", "No", False),
        ("is_ev", 1, True),
        ("is_ev", "0", False),
        ("is_ev", "", None),
        ("meeting", "2025-09-16", "2025-09-16"),
        ("meeting", "16/09/2025", "2025-09-16"),
        ("meeting", "16/09/25", "2025-09-16"),
        ("meeting", "16/09/78", "1978-09-16"),
        ("meeting", None, ""),
        ("booked_at", "2025-09-16T14:15:00Z", "2025-09-16T14:15:00+00:00"),
        ("booked_at", None, ""),
        ("city", "Invented", "Invented"),
    ],
)
def test_declared_fields_get_values_of_their_kind(
    field: str, spelled: object, value: object, tmp_path: Path
) -> None:
    """A blank becomes null for numbers and booleans, and an empty text for other kinds."""
    assert one(tmp_path, field, spelled, fields=FIELDS) == value


@pytest.mark.parametrize(
    ("field", "junk"),
    [
        ("rooms", "4.5"),
        ("rooms", 2**63),
        ("bill", "1,234"),
        ("bill", "about 100"),
        ("bill", "NaN"),
        ("is_ev", "maybe"),
        ("is_ev", 2),
        ("meeting", "soon"),
        ("city", "Inventedshire"),
        ("notes", "a\0b"),
        ("notes", "\ud800"),
    ],
)
def test_values_of_another_kind_are_refused(field: str, junk: object, tmp_path: Path) -> None:
    """A number with different meanings in different countries is refused too."""
    assert why_not(tmp_path, field, junk, fields=FIELDS)


def test_problems_of_one_kind_are_told_once(tmp_path: Path) -> None:
    """The message gives how many there are and the first ten positions, but no values."""
    leads = [{**LEAD, "phone": "secret" if number % 2 else "07700 900201"} for number in range(30)]
    leads = [{**lead, "notes": "n" * 100_001} for lead in leads]
    _, conversion, result = converted(write(tmp_path, as_csv(leads)))
    told = str(ConversionRefused(conversion, result))
    assert "leads.txt: 45 problems in 30 rows. Nothing was written." in told
    assert (
        "phone: is not one phone number, in 15 rows: 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, …" in told
    )
    assert "notes: is longer than 100000 characters, in all 30 rows" in told
    assert "secret" not in told


def test_who_shares_a_phone_is_told_before_it_is_folded(tmp_path: Path) -> None:
    """Positions and lead numbers are given, however the phone is spelled."""
    phones = ["07700 900201", "07700 900202", "+44 (0)7700 900201", "07700 900201 x5", "7700900201"]
    leads = [
        {**LEAD, "lead_number": f"IN{number}", "phone": phone}
        for number, phone in enumerate(phones, 1)
    ]
    _, _, result = converted(write(tmp_path, as_csv(leads)))
    told = "\n".join(summary_in_words(result.summary, "row"))
    assert "1 phone comes more than once. The last row of each wins:" in told
    assert "rows 2 (IN1), 4 (IN3), 6 (IN5)" in told


def test_the_summary_tells_statuses_agents_and_days(tmp_path: Path) -> None:
    """Many different values are only counted, because they may be personal."""
    _, _, result = converted(write(tmp_path, as_csv(LEADS[::-1])))
    assert list(summary_in_words(result.summary, "row")) == [
        "Created from 2025-09-16 to 2025-09-18.",
        "status: new (1), qualified (1).",
        "assigned_agent: blank (1), tomq (1).",
    ]
    many = [{**LEAD, "status": f"secret {number}"} for number in range(30)]
    _, _, result = converted(write(tmp_path, as_csv(many)))
    assert "status: more than 20 different values." in list(summary_in_words(result.summary, "row"))


@pytest.mark.parametrize(
    ("one_spelling", "other"),
    [
        ("07700 900201", "+44 7700 900201"),
        ("0044 7700 900201", "447700900201"),
        ("+44 (0) 7700 900201", "+4407700900201"),
        ("07700 900201 ext 5", "+447700900201x5"),
        ("+33 (0)1 99 00 12 34", "0033199001234"),
    ],
)
def test_spellings_of_one_phone_are_told_as_one(one_spelling: str, other: str) -> None:
    """The server would see one phone as well."""
    assert key_of(one_spelling) == key_of(other)
    assert key_of(one_spelling) != key_of("07700 900299")
