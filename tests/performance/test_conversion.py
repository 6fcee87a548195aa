"""Converting a file takes the same memory for any number of rows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.bundled import ROOT
from tests.support.files import LEADS, as_csv

ROWS = 5_000


def peak_memory(path: Path) -> float:
    """Return the peak memory of ``check``, in megabytes."""
    command = [sys.executable, "-m", "migrations", "check", str(path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss / 1024


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_rows_are_not_kept(encoding: str, tmp_path: Path) -> None:
    """Ten times the rows take only a few dozen bytes more each, to know who shares a phone."""
    few, many = tmp_path / "few.csv", tmp_path / "many.csv"
    notes = {**LEADS[0], "notes": "n" * 500}
    few.write_bytes(as_csv([notes] * ROWS, encoding=encoding))
    many.write_bytes(as_csv([notes] * ROWS * 10, encoding=encoding))
    assert peak_memory(many) - peak_memory(few) < 12
