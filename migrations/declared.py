"""The file that declares where leads live: its last declaration, and questions left open in it."""

from collections.abc import Mapping
from pathlib import Path

from migrations.importer.declaration import BadDeclaration, Leads, check_declared
from migrations.importer.errors import DatabaseRefused
from migrations.importer.schema.suggesting import MARK

__all__ = ["DECLARED", "last_declaration", "open_questions", "refuse_open_questions"]

DECLARED = Path(__file__).parent / "crm.py"


def last_declaration(names: Mapping[str, object]) -> tuple[str, Leads]:
    """Return the last declaration of the file, with its name. The next export is imported by it.

    names: the file's own. Raises ``BadDeclaration`` if there is none, or no ``LEADS``.
    """
    if "LEADS" not in names:
        raise BadDeclaration(
            "migrations/crm.py has no LEADS, and the revisions name it. Nothing was written. "
            "Declare it there and try again."
        )
    declared = [
        (name, value)
        for name, value in names.items()
        if isinstance(value, Leads) or (isinstance(value, tuple) and Leads in map(type, value))
    ]
    name, last = declared[-1] if declared else ("LEADS", names["LEADS"])
    return name, check_declared(last)


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
