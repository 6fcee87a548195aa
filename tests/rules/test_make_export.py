"""The invented export can be made again byte for byte, and nobody in it can be reached."""

import hashlib
import io
import json
import os
import re
import runpy
import subprocess
import sys
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "data" / "make_export.py"
COMMITTED = ROOT / "data" / "production_leads_export.json"
REVISION = ROOT / "migrations" / "versions" / "0004_import_production_leads.py"
SHA256_OF_217_LEADS = "8f8e3dd8fe99fcfdeec429c2231b9afb22d31d10f1d7e100e805cd320b269778"

KEYS = [
    *("id", "lead_number", "full_name", "phone", "email", "status"),
    *("address1", "postal_code", "notes", "assigned_agent", "created_at"),
]
LIMITS = {
    **{"lead_number": 50, "full_name": 200, "phone": 40, "email": 254, "status": 50},
    **{"address1": 500, "postal_code": 20, "notes": 100_000, "assigned_agent": 150},
}
NEVER_EMPTY = ("lead_number", "full_name", "phone", "status")

# Ofcom, "Telephone numbers for use in TV and radio drama programmes": national numbers, no 0.
DRAMA = re.compile(
    r"""(?: 11[3-8]496 0 | 1[2-6]1496 0 | 191498 0 | 207946 0 | 289649 6 | 292018 0
          | 1632960 | 7700900 | 808157 0 | 909879 0 | 3069990 ) \d{3}""",
    re.VERBOSE,
)
UNASSIGNED = re.compile(r"6\d{9}")
DRAMA_NUMBERS = 20_000

make_export = runpy.run_path(str(SCRIPT))


def export(leads: int, seed: int = 1) -> bytes:
    """Return the export as the script writes it."""
    out = io.BytesIO()
    make_export["write_export"](out, leads, seed)
    return out.getvalue()


def records(leads: int, seed: int = 1) -> list[dict[str, Any]]:
    """Return the export as a reader sees it."""
    parsed: list[dict[str, Any]] = json.loads(export(leads, seed))
    return parsed


def national(phone: str) -> str:
    """Return the ten digits after the 0 or +44, by this test's own rules."""
    digits = re.sub(r"\D", "", phone.replace("(0)", ""))
    return digits.removeprefix("00").removeprefix("44").removeprefix("0")


@pytest.fixture(scope="module")
def leads_217() -> list[dict[str, Any]]:
    """Return the records of the committed export."""
    return records(217)


@pytest.fixture(scope="module")
def nationals_25000() -> list[str]:
    """Return the national numbers of an export too large for the drama numbers."""
    return [national(record["phone"]) for record in records(25_000)]


def test_same_seed_gives_the_same_bytes() -> None:
    """The digest was the same on Python 3.11, 3.12 and 3.13."""
    assert hashlib.sha256(export(217)).hexdigest() == SHA256_OF_217_LEADS


def test_other_seed_gives_other_bytes() -> None:
    """A benchmark can have as many different exports as it wants."""
    assert export(217, seed=1) != export(217, seed=2)


def test_committed_export_is_what_the_documented_command_writes() -> None:
    """Anybody can make the file again, unless the owner has pinned a real one instead."""
    if REVISION.exists() and SHA256_OF_217_LEADS not in REVISION.read_text(encoding="utf-8"):
        pytest.skip("the import revision pins another export than the invented one")
    assert export(217) == COMMITTED.read_bytes()


@pytest.mark.parametrize("to", ["stdout", "file"])
def test_command_writes_the_same_bytes_whatever_the_locale(to: str, tmp_path: Path) -> None:
    """Neither the locale's encoding nor the kind of output changes a byte."""
    path = tmp_path / "export.json"
    out = ["--out", str(path)] if to == "file" else []
    command = [sys.executable, str(SCRIPT), "--leads", "217", "--seed", "1", *out]
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "PYTHONHASHSEED": "7"}
    written = subprocess.run(
        command, env={**os.environ, **locale}, check=True, capture_output=True
    ).stdout
    assert (path.read_bytes() if to == "file" else written) == export(217)


@pytest.mark.parametrize("option", ["-1", "many", "1.5"])
def test_number_of_leads_must_be_a_whole_number(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message says what to give instead."""
    with pytest.raises(SystemExit):
        make_export["main"](["--seed=1", f"--leads={option}"])
    assert "is not a whole number. Give digits only" in capsys.readouterr().err


def test_export_has_one_record_a_line() -> None:
    """A diff shows one line a lead, in text people can read."""
    first, *lines, last, end = export(217).decode("utf-8").split("\n")
    assert (first, len(lines), last, end) == ("[", 217, "]", "")
    assert any("é" in line for line in lines)


def test_export_of_no_leads_is_an_empty_array() -> None:
    """Zero is a valid number of leads."""
    assert export(0) == b"[]\n"


def test_records_have_exactly_the_keys_in_order(leads_217: list[dict[str, Any]]) -> None:
    """The keys are those of the old system's export."""
    assert {tuple(record) for record in leads_217} == {tuple(KEYS)}


def test_values_keep_the_documented_limits(leads_217: list[dict[str, Any]]) -> None:
    """data/README.md gives the longest length of each text, and every lead has these four."""
    for record in leads_217:
        assert all(len(record[field]) <= limit for field, limit in LIMITS.items())
        assert all(record[field] for field in NEVER_EMPTY)


def test_ids_ascend_with_gaps_from_3369(leads_217: list[dict[str, Any]]) -> None:
    """They look like the ids of a table after rows were deleted."""
    ids = [record["id"] for record in leads_217]
    assert ids[0] == 3369
    assert ids == sorted(set(ids))
    assert ids[-1] - ids[0] > len(ids)


@pytest.mark.parametrize(
    ("leads", "first", "last"),
    [(217, "MS001", "MS217"), (1000, "MS0001", "MS1000"), (9, "MS001", "MS009")],
)
def test_lead_numbers_count_at_one_width(leads: int, first: str, last: str) -> None:
    """A bigger export has wider numbers, so that they sort as text."""
    lead_numbers = [record["lead_number"] for record in records(leads)]
    assert (lead_numbers[0], lead_numbers[-1]) == (first, last)
    assert lead_numbers == sorted(set(lead_numbers))


def test_created_at_lies_in_2025_with_an_offset(leads_217: list[dict[str, Any]]) -> None:
    """Records come roughly in the order of their creation, as in a real export."""
    moments = [datetime.fromisoformat(record["created_at"]) for record in leads_217]
    assert all(
        datetime(2025, 1, 1, tzinfo=UTC) <= at < datetime(2026, 1, 1, tzinfo=UTC) for at in moments
    )
    assert moments != sorted(moments)
    assert all((later - earlier).days >= -5 for earlier, later in pairwise(moments))


def test_notes_hold_what_text_files_trip_over(leads_217: list[dict[str, Any]]) -> None:
    """Line breaks, tabs, quotes, backslashes, percent signs and letters beyond ASCII all occur."""
    text = "".join(record["notes"] for record in leads_217)
    marks = ("\n", "\r\n", "\t", '"', "'", "\\", "%", "é", "\N{EN DASH}", "£", "日本", "👍🏽")
    assert [mark for mark in marks if mark not in text] == []


@pytest.mark.parametrize("field", ["email", "notes", "assigned_agent"])
def test_optional_fields_are_often_empty(leads_217: list[dict[str, Any]], field: str) -> None:
    """Between a quarter and three quarters of the leads lack them."""
    empty = sum(record[field] == "" for record in leads_217)
    assert 217 / 4 < empty < 217 * 3 / 4


def test_phones_are_kept_for_drama(leads_217: list[dict[str, Any]]) -> None:
    """Ofcom never assigns these numbers to anybody."""
    assert [p for record in leads_217 if not DRAMA.fullmatch(national(p := record["phone"]))] == []


def test_phones_spread_over_the_ranges_with_mobiles_most_often(
    leads_217: list[dict[str, Any]],
) -> None:
    """Even a small export shows most areas and many spellings."""
    nationals = [national(record["phone"]) for record in leads_217]
    assert sum(number.startswith("7700900") for number in nationals) > 217 / 2
    assert len({number[:-3] for number in nationals}) > 15
    assert len({re.sub(r"\d", "9", record["phone"]) for record in leads_217}) > 15


def test_no_two_records_share_a_phone(leads_217: list[dict[str, Any]]) -> None:
    """They differ as numbers, not only as spellings."""
    assert len({national(record["phone"]) for record in leads_217}) == 217


def test_email_addresses_stand_at_example_domains(leads_217: list[dict[str, Any]]) -> None:
    """RFC 2606 keeps these domains for examples."""
    allowed = re.compile(r"|[a-z]+\.\d+@example\.(com|net|org)")
    assert [email for record in leads_217 if not allowed.fullmatch(email := record["email"])] == []


def test_postcodes_are_of_the_pseudo_area(leads_217: list[dict[str, Any]]) -> None:
    """No letter can be delivered to ZZ99."""
    allowed = re.compile(r"ZZ99 \d[A-Z]{2}")
    assert [
        code for record in leads_217 if not allowed.fullmatch(code := record["postal_code"])
    ] == []


def test_first_20000_phones_use_up_the_drama_ranges(nationals_25000: list[str]) -> None:
    """The 20 ranges have 1,000 numbers each, and every number comes once."""
    drama = nationals_25000[:DRAMA_NUMBERS]
    assert all(DRAMA.fullmatch(number) for number in drama)
    assert len(set(drama)) == DRAMA_NUMBERS


def test_phones_beyond_20000_use_the_unassigned_prefix(nationals_25000: list[str]) -> None:
    """The UK's numbering plan has nothing under 06."""
    beyond = nationals_25000[DRAMA_NUMBERS:]
    assert all(UNASSIGNED.fullmatch(number) for number in beyond)
    assert len(set(beyond)) == 5_000


def test_unassigned_numbers_never_repeat() -> None:
    """The step between them shares no factor with their count, so each comes once."""
    count, stride = make_export["UNASSIGNED_NUMBERS"], make_export["UNASSIGNED_STRIDE"]
    assert count >= 10_000_000
    assert pow(stride, -1, count) * stride % count == 1


def test_first_record_of_a_hundred_million_comes_at_once() -> None:
    """Records are made one by one, so memory does not grow with their number."""
    assert next(make_export["records"](100_000_000, 1))["lead_number"] == "MS000000001"
