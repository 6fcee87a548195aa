"""``python -m migrations check --fix-sheet``: problems beside their records, for the owner."""

import csv
import stat
import subprocess
import sys
from pathlib import Path

from tests.support.bundled import ROOT, Record, records
from tests.support.exports import written
from tests.support.files import write


def check(export: Path, sheet: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "migrations", "check", str(export), "--fix-sheet", str(sheet)]
    return subprocess.run(
        command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=60
    )


def bad() -> list[Record]:
    """Return three records of which only the first is good."""
    good, formula, long = records()[:3]
    return [
        good,
        formula | {"phone": "n/a", "notes": "=1+1", "status": "s" * 51},
        long | {"email": None, "postal_code": "ZZ99 " * 9},
    ]


def test_each_problem_stands_beside_its_records_values(tmp_path: Path) -> None:
    """A row has record, field, reason and the original values, with formulas made harmless."""
    checked = check(written(bad(), tmp_path), tmp_path / "sheet.csv")
    assert checked.returncode == 1
    with open(tmp_path / "sheet.csv", newline="", encoding="utf-8") as sheet:
        warning, header, *lines = csv.reader(sheet)
    assert "Personal data" in warning[0]
    rows = [dict(zip(header, line, strict=True)) for line in lines]
    assert [(row["record"], row["field"]) for row in rows] == [
        ("2", "phone"),
        ("2", "status"),
        ("3", "postal_code"),
    ]
    assert rows[0]["full_name"] == bad()[1]["full_name"]
    assert rows[0]["notes"] == "'=1+1"
    assert rows[2]["email"] == ""


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    """The sheet holds values no message ever shows."""
    checked = check(written(bad(), tmp_path), tmp_path / "sheet.csv")
    assert stat.S_IMODE((tmp_path / "sheet.csv").stat().st_mode) == 0o600
    assert bad()[1]["full_name"] not in checked.stdout + checked.stderr


def test_a_good_export_makes_no_sheet(tmp_path: Path) -> None:
    """Nothing needs a fix."""
    assert check(written(records()[:3], tmp_path), tmp_path / "sheet.csv").returncode == 0
    assert not (tmp_path / "sheet.csv").exists()


def test_a_tables_problems_stand_beside_their_own_columns(tmp_path: Path) -> None:
    """Rows have the spreadsheet's numbers, and columns have the file's names."""
    table = "Name,Mobile,created_at\nDot Invented,7.7009E+09,2025-09-16T14:15:00Z\n"
    assert check(write(tmp_path, table), tmp_path / "sheet.csv").returncode == 1
    with open(tmp_path / "sheet.csv", newline="", encoding="utf-8") as sheet:
        _, header, line = csv.reader(sheet)
    assert header == ["row", "field", "reason", "Name", "Mobile", "created_at"]
    assert line[:2] == ["2", "phone"]
    assert line[3:] == ["Dot Invented", "7.7009E+09", "2025-09-16T14:15:00Z"]


def test_a_file_that_is_cut_off_is_no_list_of_problems(tmp_path: Path) -> None:
    """Say how much of it can be read, and write no sheet."""
    export = written(bad(), tmp_path)
    export.write_bytes(export.read_bytes()[:-20])
    checked = check(export, tmp_path / "sheet.csv")
    assert checked.returncode == 1
    assert "what follows 2 records is cut off or malformed" in checked.stderr
    assert not (tmp_path / "sheet.csv").exists()
