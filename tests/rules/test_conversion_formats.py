"""Which file formats are read, and whether each gives the same records."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from migrations.conversion.errors import Undecided, Unreadable
from migrations.conversion.formats import recognise
from migrations.conversion.json_lists import PIECE
from tests.support.files import LEADS, as_csv, as_json, as_workbook, converted, gzipped, write


def lines(leads: Any = LEADS) -> str:
    return "".join(f"{json.dumps(lead)}\n" for lead in leads)


def around(*keys: str) -> str:
    """Nest the leads below some keys, beside other values an API returns."""
    found: Any = list(LEADS)
    for key in reversed(keys):
        found = {"count": 2, "next": None, key: found}
    return json.dumps(found)


def dumpdata(leads: Any = LEADS) -> str:
    rows = [(lead["id"], {key: lead[key] for key in lead if key != "id"}) for lead in leads]
    return json.dumps([{"model": "leads.lead", "pk": pk, "fields": row} for pk, row in rows])


def workbook_with(old: bytes, new: bytes) -> bytes:
    """Replace something in each part of a workbook."""
    right, other = io.BytesIO(as_workbook()), io.BytesIO()
    with zipfile.ZipFile(right) as source, zipfile.ZipFile(other, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name).replace(old, new))
    return other.getvalue()


SAME: dict[str, tuple[bytes | str, str]] = {
    "an array": (as_json(), "JSON array, UTF-8"),
    "an array with a byte order mark": ("\ufeff" + as_json(), "JSON array, UTF-8"),
    "an array in UTF-16": (as_json().encode("utf-16"), "JSON array, UTF-16"),
    "lines": (lines(), "JSON lines, UTF-8"),
    "one object after the other": (
        "\n".join(json.dumps(lead, indent=1) for lead in LEADS),
        "JSON lines, UTF-8",
    ),
    "a list one level down": (around("results"), "JSON object with a list, UTF-8"),
    "a list further down": (
        around("data", "leads", "nodes"),
        "JSON object with a list, UTF-8",
    ),
    "Django's dumpdata": (dumpdata(), "Django dumpdata, UTF-8"),
    "HubSpot's interface": (
        json.dumps({"results": [{"properties": lead, "archived": False} for lead in LEADS]}),
        "JSON object with a list, UTF-8",
    ),
    "objects by their keys": (
        json.dumps({f"-N{lead['id']}": lead for lead in LEADS}),
        "JSON object with a list, UTF-8",
    ),
    "pandas, by column": (
        json.dumps(
            {key: {str(row): lead[key] for row, lead in enumerate(LEADS)} for key in LEADS[0]}
        ),
        "JSON object with a list, UTF-8",
    ),
    "pandas, split": (
        json.dumps(
            {
                "columns": list(LEADS[0]),
                "index": [0, 1],
                "data": [list(lead.values()) for lead in LEADS],
            }
        ),
        "JSON object with a list, UTF-8",
    ),
    "Excel's CSV": (as_csv(encoding="utf-8-sig"), "CSV with commas, UTF-8"),
    "Excel's CSV in Europe": (as_csv(separator=";"), "CSV with semicolons, UTF-8"),
    "Excel's Unicode text": (as_csv(separator="\t", encoding="utf-16"), "CSV with tabs, UTF-16"),
    "UTF-16 without a mark": (as_csv(encoding="utf-16-le"), "CSV with commas, UTF-16-LE"),
    "UTF-16 without a mark, the other way": (
        as_csv(encoding="utf-16-be"),
        "CSV with commas, UTF-16-BE",
    ),
    "TSV": (as_csv(separator="\t", end="\n"), "CSV with tabs, UTF-8"),
    "a table with bars": (as_csv(separator="|", end="\n"), "CSV with bars, UTF-8"),
    "a CSV that names its separator": (
        b"sep=;\r\n" + as_csv(separator=";"),
        "CSV with semicolons, UTF-8",
    ),
    "a CSV with a title and blank rows": (
        b"Leads of October,,\r\n\r\n" + as_csv() + b",,\r\n\r\n",
        "CSV with commas, UTF-8",
    ),
    "MySQL's CSV": (
        as_csv(end="\n").replace(b'""', b'\\"'),
        "CSV with commas, UTF-8",
    ),
    "a workbook": (as_workbook(), "Excel workbook, sheet Sheet"),
    "a workbook with a title": (as_workbook(title=["Leads"]), "Excel workbook, sheet Sheet"),
}


@pytest.mark.parametrize(("content", "format"), SAME.values(), ids=SAME)
@pytest.mark.parametrize("pack", [lambda content: content, gzipped], ids=["plain", "gzipped"])
def test_each_format_gives_the_same_records(
    content: bytes | str, format: str, pack: Callable[[Any], Any], tmp_path: Path
) -> None:
    """The format does not matter, nor whether the file is packed."""
    records, conversion, result = converted(write(tmp_path, pack(content)))
    assert not result.problems.total
    assert records == list(LEADS)
    packed = "gzipped " if pack is gzipped else ""
    assert conversion.source.format == packed + format


def test_a_workbook_and_a_table_give_the_same_bytes(tmp_path: Path) -> None:
    """Even line breaks come out the same."""
    contents = (as_workbook(), as_csv(separator=";", encoding="utf-8-sig"))
    both = [converted(write(tmp_path, content))[0] for content in contents]
    assert json.dumps(both[0]) == json.dumps(both[1])


def test_what_stands_inside_of_a_record_is_named_by_its_path(tmp_path: Path) -> None:
    """Dots join the path, MongoDB's type marks are dropped, and the primary phone is taken."""
    lead = {
        "_id": {"$oid": "65f0"},
        "name": "Dot Invented",
        "phone": [{"value": "07700 900209"}, {"value": "07700 900201", "primary": True}],
        "email": [{"value": "dot@example.com", "label": "work"}],
        "owner_id": {"id": 4, "name": "tomq"},
        "tags": ["a", "b"],
        "created": {"$date": "2025-09-16T14:15:00Z"},
    }
    (record,), conversion, _ = converted(write(tmp_path, json.dumps([lead])))
    assert record["phone"] == "07700 900201"
    assert record["email"] == "dot@example.com"
    assert record["assigned_agent"] == "tomq"
    assert record["created_at"] == "2025-09-16T14:15:00+00:00"
    assert conversion.choice.left_out == ["_id", "owner_id.id", "tags"]


@pytest.mark.parametrize(
    "answers",
    [
        {"field_data": [{"name": "phone_number", "values": ["+447700900201"]}]},
        {"user_column_data": [{"column_id": "PHONE_NUMBER", "string_value": "+447700900201"}]},
    ],
    ids=["Facebook's", "Google's"],
)
def test_answers_of_a_form_are_columns(answers: Any, tmp_path: Path) -> None:
    """Facebook and Google return form answers in these shapes."""
    lead = {"id": "7", "created_time": "2025-09-16T14:15:00+0000", **answers}
    (record,), _, _ = converted(write(tmp_path, json.dumps({"data": [lead]})))
    assert record["phone"] == "+447700900201"


def test_a_list_is_read_in_pieces(tmp_path: Path) -> None:
    """Records across the edge of a piece come out whole."""
    many = [{**LEADS[0], "id": number, "notes": "n" * number} for number in range(1, 700)]
    for content in (as_json(many), lines(many), json.dumps({"data": many})):
        assert converted(write(tmp_path, content))[0] == many


def test_a_number_across_the_edge_of_a_piece_is_read_whole(tmp_path: Path) -> None:
    """Its second half is not taken for a value."""
    before = '{"pad": "", "count": '
    padding = "p" * (PIECE - len(before) - 3)
    content = f'{{"pad": "{padding}", "count": 123456, "results": {as_json()}}}'
    assert content[:PIECE].endswith(" 123")
    assert converted(write(tmp_path, content))[0] == list(LEADS)


def test_a_workbook_that_is_wrong_about_its_size_is_read_whole(tmp_path: Path) -> None:
    """Some tools write that it has one cell only."""
    wrong = workbook_with(b'ref="A1:K3"', b'ref="A1:B2"')
    assert converted(write(tmp_path, wrong))[0] == list(LEADS)


REFUSED: dict[str, tuple[bytes | str, str]] = {
    "nothing": (" \n", "is empty"),
    "vCard": ("BEGIN:VCARD\nVERSION:3.0\n", "looks like vCard"),
    "an old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "from before 2007"),
    "a web page": ("<html><table></table></html>", "looks like HTML"),
    "a dump": ("-- PostgreSQL database dump\n", "looks like an SQL dump"),
    "a database": (b"SQLite format 3\x00", "looks like an SQLite database"),
    "another archive": (b"PK\x03\x04" + b"\0" * 60, "looks like a ZIP archive"),
    "another document": (workbook_with(b"sheet.main", b"document.main"), "like an Excel workbook"),
    "a workbook openpyxl cannot read": (workbook_with(b"firstSheet", b"a"), "an Excel workbook"),
    "cut off": (as_json()[:-40], "what follows 1 records is cut off or malformed"),
    "cut off gzip": (gzipped(as_csv() * 100)[:-60], "a damaged gzip file or cut off"),
    "cut off lines": (lines()[:-40], "what follows 1 records is cut off or malformed"),
    "more than a list": (as_json() + "[]", "is not part of the list"),
    "JSON behind a guard": (")]}',\n" + as_json(), "has something before its JSON"),
    "JSON in a script": ("var leads = " + as_json(), "has something before its JSON"),
    "lists in lists": ("[" * 100_000, "what follows 0 records is nested too deeply"),
    "objects in objects": ('{"a":' * 100_000, "is nested too deeply"),
    "numbers": ("[1, 2]", "what follows 0 records is not an object"),
    "a long number": ('[{"a": ' + "9" * 5000 + "}]", "holds a number of too many digits"),
    "a line's long number": ('{"a": ' + "9" * 5000 + "}", "holds a number of too many digits"),
    "a large number": ('[{"a": 1e999999999}]', "holds a number of too many digits"),
    "a key twice": ('[{"phone": "1", "phone": "2"}]', "has the same key twice"),
    "an object without a list": ('{"data": {"leads": 3}, "a": [1]}', "has no list of objects"),
    "a row too short": ('{"columns": ["phone", "a"], "data": [["1"]]}', "do not match its columns"),
    "rows of no list": ('{"columns": ["phone", "a"], "data": [1]}', "do not match its columns"),
    "no records": ("[]", "holds no records"),
    "records of nothing": ("[{}, {}]", "holds no records"),
    "a header alone": ("phone,full_name\n", "holds no records"),
    "text": ("Dear all,\nplease find attached.\n", "has no header or is not a table"),
    "no header": (as_csv().split(b"\r\n", 1)[1], "has no header or is not a table"),
    "a lead in the header's place": (b"dot@example.com,Dot\r\n", "has no header"),
    "quotes that do not match": (b'phone,notes\r\n1,"never closed\r\n', "quotes that do not match"),
    "a cell too many": (b"phone,notes\r\n07700 900201,a,b\r\n", "row 2 has more cells"),
}


@pytest.mark.parametrize(("content", "reason"), REFUSED.values(), ids=REFUSED)
def test_other_files_are_named_for_what_they_are(
    content: bytes | str, reason: str, tmp_path: Path
) -> None:
    """The message says what to do, and shows none of the content."""
    with pytest.raises(Unreadable, match=reason) as refused:
        converted(write(tmp_path, content))
    assert "Nothing was written.\n" in str(refused.value)
    assert "900201" not in str(refused.value)


def test_an_encoding_that_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    """A wrong answer is asked again."""
    path = write(tmp_path, as_csv(separator=";", encoding="cp1252"))
    with pytest.raises(Undecided, match="is not UTF-8") as undecided:
        converted(path)
    assert undecided.value.option == "encoding"
    assert converted(path, "--encoding", "cp1252")[0] == list(LEADS)
    for unknown in ("klingon", "hex", "undefined"):
        with pytest.raises(Undecided, match=f"no encoding '{unknown}'"):
            converted(path, "--encoding", unknown)
    for wrong in ("ascii", "utf-16"):
        with pytest.raises(Undecided, match=f"is not {wrong.upper()}"):
            converted(path, "--encoding", wrong)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    """A folder is refused in the same way."""
    for path in (tmp_path, tmp_path / "gone.csv"):
        with pytest.raises(Unreadable, match="is not a file"):
            recognise(path)


def test_a_link_is_refused(tmp_path: Path) -> None:
    """A deploy would not follow it."""
    (tmp_path / "link.csv").symlink_to(write(tmp_path, as_csv()))
    with pytest.raises(Unreadable, match="is a symbolic link"):
        recognise(tmp_path / "link.csv")


def test_rows_are_counted_as_a_spreadsheet_does(tmp_path: Path) -> None:
    """Blank rows, titles and line breaks in cells do not shift the number."""
    wrong = {**LEADS[1], "phone": "none"}
    content = b"Title\r\n" + as_csv([LEADS[0], dict.fromkeys(wrong, ""), wrong])
    _, _, result = converted(write(tmp_path, content))
    assert [problem.record for problem in result.problems.first] == [5]
