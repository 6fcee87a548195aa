"""Who must not come back: ``data/erased.txt``, one keyed hash of a phone's key a line.

    mask-key 0f1e2d3c4b5a69788796a5b4c3d2e1f0
    9b74c9897bac770ffc029102a200c5de  # since 2026-11-27

``python -m migrations forget --lead`` writes it. Commit it. No import brings in a record whose
phone is listed, whatever its policy for rejected records. Without the mask key nobody can tell
whose phone it is. The first line names the mask key by its hash.
"""

import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from migrations.importer.errors import CannotUnseal, ExportRefused, Problem
from migrations.importer.export.choosing import SomeRecords
from migrations.importer.export.reading import Export
from migrations.importer.mask_key import MASK_KEY, keyed_digest, read_mask_key
from migrations.importer.phone import key_of

__all__ = ["ERASED", "REASON", "Erased", "WithoutErased", "read_erased"]

ERASED = "erased.txt"
REASON = "erased on request"

_USE = "erased"
_DIGITS = 32
_DIGEST = re.compile(rf"[0-9a-f]{{{_DIGITS}}}")
_MASK_KEY = "mask-key "


class Erased:
    """The phones of erased people.

    secret: the mask key. lines: those of the file.
    """

    def __init__(self, secret: bytes, lines: Iterable[str] = ()) -> None:
        self._secret = secret
        self.lines = list(lines)
        self._digests = {told for line in self.lines if (told := _told(line))}

    def __contains__(self, phone: str) -> bool:
        """Whether a phone is one of them, in any spelling."""
        return self._digest(key_of(phone)) in self._digests

    def add(self, phone: str, today: date) -> bool:
        """List a phone. Returns false if it is listed already."""
        digest = self._digest(key_of(phone))
        if digest in self._digests:
            return False
        self._digests.add(digest)
        self.lines = self.lines or [f"{_MASK_KEY}{self._digest('')}"]
        self.lines.append(f"{digest}  # since {today}")
        return True

    def check(self) -> None:
        """Raise ``CannotUnseal`` if the file cannot be understood, or takes another mask key."""
        listed = [told for line in self.lines if (told := _told(line))]
        if listed and not listed[0].startswith(_MASK_KEY):
            fact = f"data/{ERASED} does not begin with the line of its mask key"
            raise CannotUnseal(ERASED, fact, "Take it from git again.")
        for number, line in enumerate(self.lines, start=1):
            told = _told(line)
            is_head = told.startswith(_MASK_KEY)
            if told and not _DIGEST.fullmatch(told.removeprefix(_MASK_KEY)):
                fact = f"data/{ERASED}, line {number}: expected {_DIGITS} hex digits"
                raise CannotUnseal(ERASED, fact, "Take it from git again.")
            if is_head and told != f"{_MASK_KEY}{self._digest('')}":
                fact = f"data/{ERASED} was written with another mask key than data/ has"
                raise CannotUnseal(ERASED, fact, "Take both from git again.")

    def _digest(self, key: str) -> str:
        return keyed_digest(self._secret, _USE, key).hex()[:_DIGITS]


def _told(line: str) -> str:
    return line.partition("#")[0].strip()


def read_erased(folder: Path) -> Erased | None:
    """Read the list of a folder. Returns None, without a key, if nobody is listed.

    Raises ``CannotUnseal``.
    """
    try:
        lines = (folder / ERASED).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return None
    except OSError as error:
        fact = f"data/{ERASED} cannot be read: {error.strerror}"
        raise CannotUnseal(ERASED, fact, "Take it from git again.") from None
    if not any(map(_told, lines)):
        return None
    try:
        erased = Erased(read_mask_key(folder), lines)
    except ExportRefused as error:
        raise CannotUnseal(
            ERASED,
            f"data/{ERASED} lists people who must not come back, and only the mask key "
            f"recognises them: {error.problems[0].reason}",
            f"Set LEADS_AGE_KEY to a key that opens data/{MASK_KEY}.",
        ) from None
    erased.check()
    return erased


class WithoutErased(SomeRecords):
    """An export without erased people: their records are rejected."""

    def __init__(self, export: Export, erased: Erased) -> None:
        super().__init__(export, self._is_another)
        self._erased = erased
        self._left_out: list[Problem] = []

    @property
    def rejected(self) -> list[Problem]:
        """What is wrong with rejected records, erased people's among them."""
        return [*super().rejected, *self._left_out]

    def _is_another(self, position: int, record: Any) -> bool:
        if record.phone not in self._erased:
            return True
        self._left_out.append(Problem(position + 1, "phone", REASON))
        return False
