"""The file that declares where leads live, and the questions ``adopt`` has left open in it."""

from pathlib import Path

from migrations.importer.errors import DatabaseRefused
from migrations.importer.schema.discovery import MARK

__all__ = ["DECLARED", "open_questions", "refuse_open_questions"]

DECLARED = Path(__file__).parent / "crm.py"


def open_questions() -> list[str]:
    """List the lines still marked."""
    lines = DECLARED.read_text(encoding="utf-8").splitlines()
    return [f"line {n}: {line.strip()}" for n, line in enumerate(lines, start=1) if MARK in line]


def refuse_open_questions() -> None:
    """Raise ``DatabaseRefused`` while a line is marked: a guess must not import anybody."""
    if marked := open_questions():
        raise DatabaseRefused(
            "\n".join(
                [
                    "migrations/crm.py is not complete. Nothing was written.",
                    *(f"  {line}" for line in marked),
                    "Complete these lines, take the marks away and check it with "
                    "'python -m migrations adopt'.",
                ]
            )
        )
