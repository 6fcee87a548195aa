"""The secret behind all twins, and what it makes of a value.

It lies in ``data/mask.key.age``, sealed for those who can open the exports, and is made with the
first twin.
"""

import io
import os
import secrets
from math import isqrt
from pathlib import Path

from migrations.importer.mask_key import LENGTH, MASK_KEY, keyed_digest, read_mask_key
from migrations.recipients import partial, read_recipients, seal, written_beside

__all__ = ["Mask", "read_mask", "read_or_make_mask_key"]

ROUNDS = 8
"""Four would do by Luby and Rackoff (1988) against somebody who may choose every value."""


class Mask:
    """What a secret makes of the values of a field."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def digest(self, field: str, value: str) -> bytes:
        """32 bytes that nobody can tell from chance without the secret."""
        return keyed_digest(self._secret, field, value)

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


def read_mask(folder: Path) -> Mask:
    """Open the secret of a folder, or make it. Raises ``CannotUnseal`` and ``CannotSeal``."""
    return Mask(read_or_make_mask_key(folder))


def read_or_make_mask_key(folder: Path) -> bytes:
    """The secret alone. Raises ``CannotUnseal`` and ``CannotSeal``."""
    path = folder / MASK_KEY
    if path.exists():
        return read_mask_key(folder)
    secret = secrets.token_bytes(LENGTH)
    recipients = read_recipients(folder)
    with written_beside(path) as sealed:
        seal(io.BytesIO(f"{secret.hex()}\n".encode()), sealed, recipients)
    os.replace(partial(path), path)
    return secret
