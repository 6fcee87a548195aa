"""End a process that cannot go on: explain why, and give up output nobody reads."""

import sys
import traceback
from contextlib import suppress

from alembic.util import CommandError

from migrations.declared import DECLARED
from migrations.importer.errors import ImportStopped
from migrations.starting import discard

__all__ = ["fault_in_words", "give_up_output", "tell"]


def give_up_output(error: BaseException) -> None:
    """Discard further output if an error says it cannot be written.

    Python would offer the rest again at exit, and fail once more.
    """
    if isinstance(error, OSError) and error.filename is None:
        discard(sys.stdout)


def tell(message: object) -> None:
    """Say on standard error why a process ends, if that can be written."""
    with suppress(OSError):
        print(message, file=sys.stderr)


def fault_in_words(error: BaseException) -> str | None:
    """Explain an error the user can fix, such as unwritable output or one in the declaration.

    Returns "" if the output's reader has seen enough (``status | head -1``), None for our own bug.
    """
    if isinstance(error, ImportStopped | CommandError):
        return str(error)
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
