"""Print words for people, or one JSON object for machines.

Words are in colour on a terminal, unless NO_COLOR is set, and plain text elsewhere.
"""

import json
import os
import sys
import traceback
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from io import TextIOWrapper
from typing import Any

from rich.console import Console

from migrations.declared import DECLARED

__all__ = [
    "accept_any_text",
    "console",
    "did_you_mean",
    "fault_in_words",
    "give_up_output",
    "print_json",
    "printable",
]


def accept_any_text() -> None:
    """Let standard output write "?" for a character its encoding lacks, instead of failing."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def console() -> Console:
    """Return a console to print text as it is, without breaking lines."""
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


def print_json(told: Mapping[str, Any]) -> None:
    """Print one object on one line."""
    print(json.dumps(told, default=str))


def printable(text: str) -> str:
    """Replace characters a terminal would obey, such as an escape sequence from the database."""
    return "".join(character if character.isprintable() else "�" for character in text)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a sentence with the known word most like this one, or "" if none is."""
    found = get_close_matches(word, known, n=1)
    return f" Did you mean {found[0]}?" if found else ""


def give_up_output(error: BaseException) -> None:
    """Discard further output if an error says it cannot be written.

    Python would offer the rest again at exit, and fail once more.
    """
    if isinstance(error, OSError) and error.filename is None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def fault_in_words(error: BaseException) -> str | None:
    """Explain an error the user can fix: unwritable output, or an error in the declaration.

    Returns "" if the output's reader has seen enough (``status | head -1``), None for our own bug.
    """
    if isinstance(error, BrokenPipeError):
        return ""
    if isinstance(error, OSError):
        return f"{error.filename or 'Standard output'}: {error.strerror}. Fix this and try again."
    if isinstance(error, ImportError) and error.path == str(DECLARED):
        return f"{error}. Nothing was written. Declare it there and try again."
    if line := _line_of_the_declaration(error):
        return (
            f"migrations/crm.py, line {line}: {type(error).__name__}: {error}. Nothing was "
            "written. Fix this and try again."
        )
    return None


def _line_of_the_declaration(error: BaseException) -> int | None:
    """Find the line of ``crm.py`` behind an error. None if it is elsewhere."""
    if isinstance(error, SyntaxError):
        return error.lineno if error.filename == str(DECLARED) else None
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno for frame in frames if frame.filename == str(DECLARED)), None)
