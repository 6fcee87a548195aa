"""The secret behind everything made from people: ``data/mask.key.age``.

``migrations/twin`` makes twins with it, ``erased.py`` recognises erased people by it. It is sealed
for those who can open the exports.
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
    """Open the secret of a folder. Raises ``ExportRefused`` if it is missing or does not open."""
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
    """Return 32 bytes nobody can tell from chance without the secret.

    use: keeps one use of the secret apart from another.
    """
    told = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(told, key=secret, person=_person(use), digest_size=32).digest()


@lru_cache
def _person(use: str) -> bytes:
    """Return 16 bytes for BLAKE2, to keep one use of a key apart from another."""
    return hashlib.blake2b(use.encode(), digest_size=16).digest()
