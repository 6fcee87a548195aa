"""Print words for people, or one JSON object for machines.

Words are in colour on a terminal, unless NO_COLOR is set, and plain text elsewhere.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "accept_any_text",
    "console",
    "counted",
    "did_you_mean",
    "print_json",
    "printable",
    "say_private",
]


def accept_any_text() -> None:
    """Let standard output write "?" for a character its encoding lacks, instead of failing."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def console() -> "Console":
    """Return a console to print text as it is, without breaking lines."""
    from rich.console import Console  # noqa: PLC0415  # a deploy does without

    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


def print_json(told: Mapping[str, Any]) -> None:
    """Print one object on one line."""
    print(json.dumps(told, default=str))


def say_private(path: Path) -> None:
    """Say on standard error that a ``private_file`` is written."""
    print(f"Wrote {path}. It holds personal data, and only you can read it.", file=sys.stderr)


def printable(text: str) -> str:
    """Replace characters a terminal would obey, such as an escape sequence from the database."""
    return "".join(character if character.isprintable() else "�" for character in text)


def counted(count: int, unit: str) -> str:
    """Say how many, as in "1 row" or "2 rows"."""
    return f"{count:,} {unit}" if count == 1 else f"{count:,} {unit}s"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a sentence with the known word most like this one, or "" if none is."""
    found = get_close_matches(word, known, n=1)
    return f" Did you mean {found[0]}?" if found else ""
