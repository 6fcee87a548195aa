"""The secret behind all twins, and what it makes of a value.

It lies in ``data/mask.key.age``, sealed for those who can open the exports, and is made with the
first twin.
"""

import hashlib
import io
import os
import secrets
from functools import lru_cache
from math import isqrt
from pathlib import Path

from migrations.importer.errors import CannotUnseal
from migrations.importer.export.reading import open_content
from migrations.recipients import partial, read_recipients, seal, written_beside

__all__ = ["MASK_KEY", "Mask", "read_mask"]

MASK_KEY = "mask.key.age"
LENGTH = 32
"""Bytes of the secret."""

ROUNDS = 8
"""Four would do by Luby and Rackoff (1988) against somebody who may choose every value."""


class Mask:
    """What a secret makes of the values of a field."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def digest(self, field: str, value: str) -> bytes:
        """32 bytes that nobody can tell from chance without the secret."""
        named = _person(field)
        text = value.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, key=self._secret, person=named, digest_size=32).digest()

    def number(self, field: str, value: str, below: int) -> int:
        """A number from 0 to ``below``, excluded; two values may have the same."""
        return int.from_bytes(self.digest(field, value)) % below

    def permuted(self, field: str, number: int, below: int) -> int:
        """Another number from 0 to ``below``, excluded; two numbers never have the same.

        A Feistel network over a square that holds them all; what falls outside goes round again.
        """
        side = isqrt(below - 1) + 1
        while True:
            number = self._permuted_in_square(field, number, side, below)
            if number < below:
                return number

    def _permuted_in_square(self, field: str, number: int, side: int, below: int) -> int:
        left, right = divmod(number, side)
        for turn in range(ROUNDS):
            added = self.number(field, f"{turn} {below} {right}", side)
            left, right = right, (left + added) % side
        return left * side + right


@lru_cache
def _person(field: str) -> bytes:
    """BLAKE2 takes 16 bytes that keep one use of a key apart from another."""
    return hashlib.blake2b(field.encode(), digest_size=16).digest()


def read_mask(folder: Path) -> Mask:
    """Open the secret of a folder, or make it. Raises ``CannotUnseal`` and ``CannotSeal``."""
    path = folder / MASK_KEY
    if not path.exists():
        return _new_mask(path)
    with open_content(path) as content:
        text = content.read(4 * LENGTH)
    try:
        return Mask(_secret(text))
    except ValueError:
        raise CannotUnseal(
            path.name, f"{path.name} holds no mask key", "Take it from git again."
        ) from None


def _secret(text: bytes) -> bytes:
    secret = bytes.fromhex(text.decode("ascii"))
    if len(secret) != LENGTH:
        raise ValueError("of another length")
    return secret


def _new_mask(path: Path) -> Mask:
    secret = secrets.token_bytes(LENGTH)
    recipients = read_recipients(path.parent)
    with written_beside(path) as sealed:
        seal(io.BytesIO(f"{secret.hex()}\n".encode()), sealed, recipients)
    os.replace(partial(path), path)
    return Mask(secret)
