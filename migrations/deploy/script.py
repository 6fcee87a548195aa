"""Write a script for somebody else to run: ``alembic upgrade head --sql > import.sql``."""

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from io import TextIOWrapper
from typing import TextIO

__all__ = ["head", "prepare"]

MODE = 0o600
"""Of the script's file: for its owner alone."""

PERSONAL_DATA = (
    "This script holds personal data: keep it as carefully as the database, and delete it "
    "afterwards."
)


def prepare(output: TextIO) -> None:
    """Make a script UTF-8, whatever the terminal's encoding, and its file private.

    output: where the script goes, usually standard output.
    """
    if isinstance(output, TextIOWrapper):
        output.reconfigure(encoding="utf-8", newline="\n")
        _make_private(output.fileno())


def head(
    begins: Iterable[str], ends: Iterable[str], database: str, *, is_personal: bool = True
) -> str:
    """Return the first lines of a script: what it is, for which database, and how to run it.

    begins, ends: the revisions it leads from and to. database: its name, "" if none was asked.
    is_personal: whether it imports people.
    """
    lines = [
        f"The lead import as a script for psql: from {_names(begins)} to {_names(ends)}.",
        f"Database: {database or 'none was asked, so the tables are as the baseline makes them'}.",
        *([PERSONAL_DATA] if is_personal else []),
        "Run it with: psql -v ON_ERROR_STOP=1 -f FILE",
    ]
    return "".join(f"-- {line}\n" for line in lines) + "\n"


def _names(revisions: Iterable[str]) -> str:
    return " and ".join(sorted(revisions)) or "base"


def _make_private(descriptor: int) -> None:
    """Make our own file private. A pipe or a terminal has no mode."""
    with suppress(OSError, AttributeError):  # Windows has no fchmod
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.fchmod(descriptor, MODE)
