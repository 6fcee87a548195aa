"""The secret that stands between people and what is made of them: ``data/mask.key.age``.

Twins are made with it (``migrations/twin``), and people who were erased are known by it
(``erased.py``). It is sealed for those who can open the exports.
"""

import hashlib
from functools import lru_cache
from pathlib import Path

from migrations.importer.errors import CannotUnseal
from migrations.importer.export.reading import open_content

__all__ = ["LENGTH", "MASK_KEY", "keyed_digest", "read_mask_key"]

MASK_KEY = "mask.key.age"
LENGTH = 32
"""Bytes of the secret."""


def read_mask_key(folder: Path) -> bytes:
    """Open the secret of a folder. Raises ``ExportRefused`` if it is not there or does not open."""
    with open_content(folder / MASK_KEY) as content:
        text = content.read(4 * LENGTH)
    try:
        secret = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        secret = b""
    if len(secret) != LENGTH:
        raise CannotUnseal(MASK_KEY, f"{MASK_KEY} holds no mask key", "Take it from git again.")
    return secret


def keyed_digest(secret: bytes, use: str, text: str) -> bytes:
    """32 bytes that nobody can tell from chance without the secret.

    use: keeps one use of the secret apart from another.
    """
    told = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(told, key=secret, person=_person(use), digest_size=32).digest()


@lru_cache
def _person(use: str) -> bytes:
    """BLAKE2 takes 16 bytes that keep one use of a key apart from another."""
    return hashlib.blake2b(use.encode(), digest_size=16).digest()
