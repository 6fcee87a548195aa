"""Committed data is about nobody: phones, e-mails and the files under ``data/``.

Names cannot be told from words, but phones and e-mails give a real export away.
"""

import re
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache

import pytest

from data.make_export import DRAMA_RANGES
from tests.support.phones import can_be_called
from tests.support.released import REPOSITORY

if not (REPOSITORY / ".git").exists():
    pytest.skip("only git knows what is committed", allow_module_level=True)

EXPORTS = ("production_leads_export.json", "*.masked.json", "*.columns.json")
"""Files allowed in clear under ``data/``."""

EMAIL = re.compile(r"[\w.%+-]+@([\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,})")
RESERVED_DOMAINS = re.compile(r"(.*\.)?(example\.(com|net|org)|example|invalid|test|localhost)")
PATTERNS = {"x.co.uk"}
"""Used by a test of lengths."""

PHONE = re.compile(r"(?<![\w.+-])(?:\+|\(?0)[\d ()/.\-]{8,20}\d(?!\w)")
RESERVED_PHONES = (
    *(re.sub(r"^0", "44", drama.replace(" ", "")) for drama in DRAMA_RANGES),
    "1###55501##",  # The North American plan keeps it for fiction.
    "33#990012##",  # ARCEP keeps 01 99 00 and the like for fiction.
    # Digits in counting order, as in manuals, for countries without a reserved range.
    *("4930123456", "493012345678901", "390612345678", "39612345678", "44169772345"),
)
TRUNK_ZERO = re.compile(r"\(0\)")


@cache
def committed() -> tuple[str, ...]:
    """List the files in git."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], check=True, capture_output=True, text=True, cwd=REPOSITORY
    )
    return tuple(filter(None, listed.stdout.split("\0")))


def texts() -> Iterator[tuple[str, str]]:
    """Yield the committed text files and their content."""
    for name in committed():
        content = (REPOSITORY / name).read_bytes()
        if b"\0" not in content and not name.endswith(".age"):
            yield name, content.decode()


def is_reserved(phone: str) -> bool:
    """Say whether a country's plan keeps it for fiction."""
    digits = re.sub(r"\D", "", TRUNK_ZERO.sub("", phone)).removeprefix("00")
    digits = f"44{digits[1:]}" if digits.startswith("0") else digits
    wanted = (pattern.replace("#", "[0-9]") for pattern in RESERVED_PHONES)
    return any(fnmatch(digits, pattern) for pattern in wanted)


def test_every_phone_is_reserved_or_unassigned() -> None:
    """Nobody can be called by a committed number."""
    found = {(name, phone) for name, text in texts() for phone in PHONE.findall(text)}
    assert len(found) > 200  # Otherwise the pattern finds nothing.
    assert [
        each for each in sorted(found) if can_be_called(each[1]) and not is_reserved(each[1])
    ] == []


def test_every_email_is_at_a_reserved_domain() -> None:
    """RFC 2606 and RFC 6761 reserve them."""
    found = {(name, domain) for name, text in texts() for domain in EMAIL.findall(text)}
    assert len(found) > 5
    assert [
        each
        for each in sorted(found)
        if each[1] not in PATTERNS and not RESERVED_DOMAINS.fullmatch(each[1].lower())
    ] == []


def test_no_export_lies_in_clear_but_the_bundled_one_and_twins() -> None:
    """A real one is committed sealed."""
    names = [name.removeprefix("data/") for name in committed() if name.startswith("data/")]
    exports = [name for name in names if name.endswith(".json")]
    assert exports
    assert [
        name for name in exports if not any(fnmatch(name, pattern) for pattern in EXPORTS)
    ] == []


@pytest.mark.parametrize(
    ("path", "is_offered"),
    [
        ("data/production_leads_export.json", True),
        ("data/october.masked.json", True),
        ("data/october.columns.json", True),
        ("data/october.json.age", True),
        ("data/recipients.txt", True),
        ("data/october.json", False),
        ("data/.october.json.partial", False),
        ("leads.key", False),
        ("import.sql", False),
        ("preview.html", False),
        ("october.fix-sheet.csv", False),
    ],
)
def test_git_offers_no_clear_export_and_no_key(path: str, is_offered: bool) -> None:
    """To commit one, you have to name it."""
    ignored = subprocess.run(
        ["git", "check-ignore", "--quiet", "--no-index", path], check=False, cwd=REPOSITORY
    )
    assert ignored.returncode == int(is_offered)
