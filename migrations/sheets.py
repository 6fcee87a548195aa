"""Write CSV for people with a spreadsheet.

A spreadsheet would run a value like ``=1+1``. An apostrophe before it keeps it text
(https://owasp.org/www-community/attacks/CSV_Injection).
"""

import csv
import io
from collections.abc import Iterable, Sequence

__all__ = ["as_csv"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001  # full-width


def as_csv(lines: Iterable[Sequence[object]]) -> str:
    """Return lines of cells as CSV. Numbers stay numbers, and None is blank."""
    sheet = io.StringIO(newline="")
    # Without this mark Excel takes UTF-8 for Windows-1252.
    sheet.write("\ufeff")
    csv.writer(sheet).writerows(map(_cell, line) for line in lines)
    return sheet.getvalue()


def _cell(value: object) -> object:
    if value is None or isinstance(value, int):
        return value
    text = str(value).encode("utf-8", "replace").decode()
    return f"'{text}" if text.startswith(_FORMULA) else text
